//! `push_fuzz::link_fields`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::link_fields(octets));
