//! `push_fuzz::subscription`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::subscription(octets));
