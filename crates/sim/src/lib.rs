//! The workshop: transcripts and fuzz bodies for the tests of the other rooms. Never part of the program.
//!
//! `transcript` reads and replays golden conversations; `stage` says how each protocol's questions and answers are written in
//! them; `fuzz` turns any bytes into a conversation and checks the promises of `proto::Session`.

pub mod fuzz;
pub mod stage;
pub mod transcript;
