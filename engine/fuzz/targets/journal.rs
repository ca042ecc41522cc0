//! The fuzz target `journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine_fuzz::journal(data));
