//! `push_fuzz::declarative`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::declarative(octets));
