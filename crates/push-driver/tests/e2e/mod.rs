//! The push service, the sender and the user agent over real sockets: one source for all runtimes.
//!
//! Each adapter's `tests/e2e.rs` names its runtime in a module `adapter` and includes this one. Nothing in here is of
//! any runtime: sockets, tasks and clocks come by [`push_driver::Runtime`], as they do to the driver itself.
#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod abuse;
mod addresses;
mod clients;
mod crowd;
mod delivery;
mod drain;
mod error_bodies;
mod event_stream;
mod health;
mod http1_sender;
mod idle_connections;
mod limits;
mod memory;
mod operator;
mod proxies;
mod pushing;
mod reaching;
mod support;
mod user_agent;
mod websocket;
mod websocket_over_http2;
