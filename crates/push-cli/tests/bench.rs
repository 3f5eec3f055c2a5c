//! `webpush bench`.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod support;

use std::process::Output;

use support::{run, webpush};

fn text(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Each message of many to many push services has its verdict and arrives, on either runtime.
#[test]
fn what_is_sent_arrives_and_is_told_once() {
    for runtime in ["tokio", "smol"] {
        let words = ["bench", "send", "--messages", "3000", "--origins", "300", "--runtime", runtime];
        let output = run(words);
        let (said, wrong) = text(&output);
        assert!(output.status.success(), "{said}{wrong}");
        for line in ["verdicts  3000 accepted of 3000", "arrived   3000; 3 of them decrypted", " 0 bad"] {
            assert!(said.contains(line), "{line}: {said}");
        }
        assert!(said.contains(" messages a second and core"), "{said}");
    }
}

#[test]
fn what_cannot_be_sent_is_told_as_a_failure() {
    let output = run(["bench", "send", "--messages", "10", "--origins", "2", "--payload", "3994"]);
    assert_eq!(output.status.code(), Some(1));
    let (_, wrong) = text(&output);
    assert!(wrong.contains("10 messages were not accepted"), "{wrong}");
    assert!(wrong.contains("3993"), "{wrong}");
    for words in [["--messages", "0"], ["--origins", "10001"], ["--payload", "x"]] {
        let output = run(["bench", "send"].into_iter().chain(words));
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}

/// What user agents that wait cost is told for both carriers, on either runtime.
#[test]
fn user_agents_wait_and_their_cost_is_told() {
    for runtime in ["tokio", "smol"] {
        let output = run(["bench", "agents", "--agents", "40", "--runtime", runtime]);
        let (said, wrong) = text(&output);
        assert!(output.status.success(), "{said}{wrong}");
        for carrier in ["cleartext", "TLS"] {
            let line = said.lines().find(|line| line.starts_with(carrier)).unwrap();
            assert!(line.contains(" KiB each: ") && line.contains(" KiB with one of them, "), "{line}");
        }
    }
}

/// Any sender can be measured by it: it says what one needs to know, and in the end what came.
#[test]
fn the_sink_says_where_it_is_and_what_came() {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
    };
    let mut command = webpush(["bench", "sink"]);
    let mut sink = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(sink.stdout.take().unwrap()).lines();
    let place: serde_json::Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", place["certificate"].as_str().unwrap());
    let to = file("to.json", &place["subscription"].to_string());
    let key = file("key.pem", &text(&run(["keygen"])).0);
    let subject = "mailto:ops@example.org";
    let words = ["send", "--to", &to, "--ca", &ca, "--key", &key, "--subject", subject, "hello"];
    let output = run(words);
    assert!(output.status.success(), "{}", text(&output).1);
    drop(sink.stdin.take());
    let came: serde_json::Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert_eq!((&came["messages"], &came["checked"], &came["bad"]), (&1.into(), &1.into(), &0.into()));
    assert!(sink.wait().unwrap().success());
}
