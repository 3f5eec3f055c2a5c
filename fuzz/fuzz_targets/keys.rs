//! `push_fuzz::keys`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::keys(octets));
