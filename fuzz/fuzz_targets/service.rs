//! `push_fuzz::service`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::service(octets));
