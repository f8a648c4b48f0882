//! How each protocol is put on stage: its settings, questions and answers as transcripts write them.

pub mod logins;
pub mod managesieve;
pub mod pop3;
pub mod smtp;
pub mod smtp_client;
mod words;
