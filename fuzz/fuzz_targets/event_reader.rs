//! `push_fuzz::event_reader`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::event_reader(octets));
