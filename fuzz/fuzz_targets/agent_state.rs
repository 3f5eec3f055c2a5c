//! `push_fuzz::agent_state`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::agent_state(octets));
