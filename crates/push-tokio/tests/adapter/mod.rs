//! What the tests need of the runtime they run on.
#![allow(unused_imports, reason = "each binary uses its part")]

pub(crate) use push_tokio::{Tokio as Native, sender, serve, user_agent};

pub(crate) const NATIVE: Native = Native;

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime.expect("a runtime can be had"), test);
}
