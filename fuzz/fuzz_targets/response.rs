//! `push_fuzz::response`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::response(octets));
