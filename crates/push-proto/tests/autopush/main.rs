//! Mozilla's push protocol through its public surface: frames, and sessions of a real service over the memory store, in
//! simulated time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong fails"
)]

mod agent;
mod alone;
mod broadcasts;
mod delivering;
mod frames;
mod properties;
mod secrets;
mod subscribing;
mod table;
mod takeover;
mod time;
mod world;
