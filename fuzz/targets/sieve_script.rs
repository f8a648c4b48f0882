//! See `sim::fuzz::sieve_script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::fuzz::sieve_script(data));
