//! libFuzzer drives `fuzz::sip_uri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sip_uri(data));
