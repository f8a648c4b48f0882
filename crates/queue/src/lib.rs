//! The outgoing queue: a durable spool and the retry schedule. Blocking; knows no network.
