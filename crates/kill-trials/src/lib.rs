//! Kills the push service, and its store, for real and at random, and checks that every promise was kept (G1 to G4 of
//! `docs/design.md`). The README says how to run it and what it found.
//!
//! | module | what it kills |
//! |---|---|
//! | [`service`] | `webpush serve`, under load, seen only through HTTP/2 |
//! | [`store`] | the embedded store, under random operations, and the power with it: [`power`] |
#![forbid(unsafe_code)]

pub mod power;
pub mod random;
pub mod service;
pub mod store;

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// What ends a trial early: a promise that was broken, or a trial that could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// In one sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Result of what a trial does.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Seconds since 1970 by the clock of this machine, which is that of the process under trial too.
#[must_use]
pub fn wall_secs() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing is replayed here: the process under trial has real time"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
