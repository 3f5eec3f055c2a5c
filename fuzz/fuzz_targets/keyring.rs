//! `push_fuzz::keyring`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::keyring(octets));
