//! The fuzz target `pattern`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine_fuzz::pattern(data));
