//! What the tests need of the runtime they run on.
#![allow(unused_imports, reason = "each binary uses its part")]

pub(crate) use push_smol::{Smol as Native, block_on, sender, serve, user_agent};

pub(crate) const NATIVE: Native = Native;
