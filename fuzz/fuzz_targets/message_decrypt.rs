//! `push_fuzz::message_decrypt`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::message_decrypt(octets));
