//! A short trial of the store in every run of the tests: the long one is `kill-store`.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use kill_trials::store::{self, Trial};

/// G1, G2: killed twenty times, the embedded store has what it acknowledged, and nothing else.
#[test]
fn twenty_kills_lose_nothing_and_leave_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (program, seed) = (env!("CARGO_BIN_EXE_kill-store").into(), kill_trials::wall_secs());
    let trial = Trial { program, folder: folder.path().to_owned(), kills: 20, seed, power_loss: false };
    let figures = store::run(&trial, &mut |_| {}).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    assert_eq!(figures.kills, 20);
    assert!(figures.answered > 200, "{figures}");
    assert!(figures.entries > 0, "{figures}");
}
