//! libFuzzer drives `fuzz::sip_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sip_framing(data));
