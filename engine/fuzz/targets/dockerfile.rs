//! The fuzz target `dockerfile`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine_fuzz::dockerfile(data));
