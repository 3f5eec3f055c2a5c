//! The user agent against a scripted push service, in simulated time. Each test names the requirements it shows.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at one kind of output at a time"
)]

mod connecting;
mod keepalive;
mod moving;
mod power;
mod properties;
mod receiving;
mod services;
mod streaming;
mod subscribing;
mod world;
