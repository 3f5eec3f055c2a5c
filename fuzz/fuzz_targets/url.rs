//! `push_fuzz::url`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::url(octets));
