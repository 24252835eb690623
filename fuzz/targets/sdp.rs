//! libFuzzer drives `fuzz::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sdp(data));
