//! `push_fuzz::records`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::records(octets));
