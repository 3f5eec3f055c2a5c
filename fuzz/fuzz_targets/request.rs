//! `push_fuzz::request`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::request(octets));
