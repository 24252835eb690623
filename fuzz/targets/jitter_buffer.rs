//! libFuzzer drives `fuzz::jitter_buffer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::jitter_buffer(data));
