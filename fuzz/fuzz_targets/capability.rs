//! `push_fuzz::capability`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::capability(octets));
