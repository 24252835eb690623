//! libFuzzer drives `fuzz::sip_endpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sip_endpoint(data));
