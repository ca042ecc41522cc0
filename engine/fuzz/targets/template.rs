//! The fuzz target `template`: the producer's, which `engine` does not know.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| producer::testing::read_template(data));
