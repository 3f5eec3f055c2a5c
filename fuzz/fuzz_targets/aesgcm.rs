//! `push_fuzz::aesgcm`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::aesgcm(octets));
