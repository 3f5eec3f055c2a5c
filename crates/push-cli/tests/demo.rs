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

const FACTS: &[&str] = &[
    "for one sender only, the holder of VAPID key",
    "subscribed, and is switched off",
    "to laptop  \"Lunch at noon\": 202, TTL 3600 granted",
    "to tablet  \"The score is 2:0\": 202",
    "refused with 401",
    "none of the 5 texts is in any of its",
    "laptop        \"Lunch at noon\", acknowledged",
    "phone         \"Your code is 314159\", acknowledged",
    "receipt from laptop: 204",
    "receipt from phone: 204",
    "is gone, without a chance to save anything",
    "switched on: \"The score is 2:0\", acknowledged",
    "receipt from tablet: 204",
    "got nothing twice",
    "no receipt for \"The score is 1:0\"",
    "Every step held",
];
