//! `push_fuzz::vapid`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::vapid(octets));
