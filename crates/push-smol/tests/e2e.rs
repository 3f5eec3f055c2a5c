//! The end-to-end tests of `push-driver`, on smol.

/// What the tests need of the runtime they run on.
mod adapter {
    pub(crate) use push_smol::{Smol as Native, block_on, sender, serve, user_agent};

    pub(crate) const NATIVE: Native = Native;
}

#[path = "../../push-driver/tests/e2e/mod.rs"]
mod e2e;
