//! Whole exchanges: user agents, application servers and the push service, all real machines, joined by `wire` over a
//! network that delays, cuts and resets, and over stores that answer late, fail and restart. Simulated time.
//!
//! | file | what it is |
//! |---|---|
//! | `schedule` | what can happen, as a generated list of steps |
//! | `world` | carries a step out, and heals |
//! | `host` | the service, its door, and the connections to it |
//! | `store` | what the service stores in: memory, or the embedded store on a simulated disk |
//! | `agent`, `sender` | the other two machines with their applications |
//! | `truth` | what is durable, and so what may be pushed and told: the oracle of G1 to G5 |
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and looks at one kind of output at a time"
)]

mod agent;
mod host;
mod properties;
mod schedule;
mod sender;
mod store;
mod truth;
mod world;
