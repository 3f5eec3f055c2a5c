//! `push_fuzz::user_agent`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::user_agent(octets));
