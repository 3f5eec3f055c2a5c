//! The test of `push-driver` for secrets in logs, on tokio.

mod adapter;
#[path = "../../push-driver/tests/secrets/mod.rs"]
mod secrets;
