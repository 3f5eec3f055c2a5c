//! `push_fuzz::event_writer`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::event_writer(octets));
