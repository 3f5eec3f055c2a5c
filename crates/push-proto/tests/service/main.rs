//! The push service through its public surface, over the memory store, in simulated time.
#![allow(missing_docs)]

mod delivery;
mod failure;
mod interleavings;
mod limits;
mod receipts;
mod replacement;
mod subscriptions;
mod time;
mod world;
