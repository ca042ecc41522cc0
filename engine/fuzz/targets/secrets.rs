//! The fuzz target `secrets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine_fuzz::secrets(data));
