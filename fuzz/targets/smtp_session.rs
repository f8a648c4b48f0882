//! See `sim::fuzz::smtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::fuzz::smtp(data));
