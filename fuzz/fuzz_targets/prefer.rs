//! `push_fuzz::prefer`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::prefer(octets));
