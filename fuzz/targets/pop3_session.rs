//! See `sim::fuzz::pop3`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::fuzz::pop3(data));
