//! `push_fuzz::record_decode`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::record_decode(octets));
