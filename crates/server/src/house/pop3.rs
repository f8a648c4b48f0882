//! Answers a POP3 session out of the directory and the store.
