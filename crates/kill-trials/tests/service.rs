//! A short trial of the service in every run of the tests: the long one is `kill-service`.
#![allow(clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

use std::{path::PathBuf, process::Command};

use kill_trials::service::{self, Trial};

/// The binary of this build; built now if only this crate is being tested.
fn webpush() -> PathBuf {
    let beside = service::sibling(env!("CARGO_BIN_EXE_kill-service").as_ref());
    if !beside.exists() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let target = beside.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--package", "push-cli", "--manifest-path", manifest]);
        if target.join("release") == beside.parent().unwrap() {
            cargo.arg("--release");
        }
        assert!(cargo.arg("--target-dir").arg(target).status().unwrap().success());
    }
    beside
}

/// G1, G2, G3, G4: killed three times under load, the service keeps every promise.
#[test]
fn three_kills_under_load_break_no_promise() {
    let folder = tempfile::tempdir().unwrap();
    let seed = kill_trials::wall_secs();
    let trial =
        Trial { webpush: webpush(), folder: folder.path().to_owned(), messages: 1500, kills: 3, seed };
    let figures =
        service::run(&trial, &mut |_, _| {}).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    assert_eq!(figures.kills, 3);
    assert!(figures.accepted >= 1500, "{figures}");
    assert_eq!(figures.accepted, figures.transient + figures.fates.all(), "each ends once\n{figures}");
}
