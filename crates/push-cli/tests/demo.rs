//! `webpush demo`: the main job end to end, and its own checks.

mod support;

use support::{run, stderr, stdout};

#[test]
fn the_demo_holds() {
    let output = run(["demo"]);
    let (told, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{told}\n{errors}");
    for fact in FACTS {
        assert!(told.contains(fact), "{fact:?} is not in\n{told}\n{errors}");
    }
    assert!(!told.contains('\u{1b}'), "colours although this is no terminal");
    assert!(told.lines().all(|line| line.chars().count() <= 110), "long lines in\n{told}");
}

const FACTS: &[&str] = &[];
