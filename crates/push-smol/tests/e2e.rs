//! The end-to-end tests of `push-driver`, on smol.

mod adapter;
#[path = "../../push-driver/tests/e2e/mod.rs"]
mod e2e;
