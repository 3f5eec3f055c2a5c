//! The push service through its public surface, over the memory store, in simulated time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is wrong fails"
)]

mod delivery;
mod expiry;
mod failure;
mod interleavings;
mod limits;
mod rates;
mod receipts;
mod replacement;
mod subscriptions;
mod time;
mod urgency;
mod world;
