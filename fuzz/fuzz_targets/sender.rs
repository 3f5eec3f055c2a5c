//! `push_fuzz::sender`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::sender(octets));
