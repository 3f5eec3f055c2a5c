//! The sender against scripted push services, in simulated time. Each test names the requirements it shows.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at one kind of output at a time"
)]

mod pacing;
mod patience;
mod properties;
mod receipts;
mod resources;
mod signing;
mod verdicts;
mod world;
