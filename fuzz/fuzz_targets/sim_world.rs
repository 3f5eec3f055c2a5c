//! `push_fuzz::sim_world`
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| push_fuzz::sim_world(octets));
