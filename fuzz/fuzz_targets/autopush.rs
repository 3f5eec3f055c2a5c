//! `push_fuzz::autopush`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::autopush(octets));
