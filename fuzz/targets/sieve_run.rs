//! See `sim::fuzz::sieve_run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::fuzz::sieve_run(data));
