//! Answers a ManageSieve session.
