//! libFuzzer drives `fuzz::engine_input`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::engine_input(data));
