//! libFuzzer drives `fuzz::rtcp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rtcp(data));
