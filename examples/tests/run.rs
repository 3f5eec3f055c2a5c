//! The examples, run as a newcomer runs them: as programs, to the end, each on tokio and on smol.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// An example that runs until its standard input ends.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        assert!(self.lines.next().is_none(), "it says nothing more");
    }
}

fn send(program: &str, ca: &str, subscription: &str, text: &str) -> String {
    let output = Command::new(program).args([ca, subscription, text]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The service is stopped and started again under a user agent that is, too; a message was sent in between.
fn exchange(service: &str, agent: &str, sender: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let state = folder.path().join("agent.state");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, data, state) = (text(&data.join("ca.pem")), text(&data), text(&state));

    let mut serving = Running::start(service, &[&data, "127.0.0.1:0"]);
    let url = serving.line();
    let address = url.replace("https://localhost", "127.0.0.1").replace("/subscribe", "");
    let mut receiving = Running::start(agent, &[&ca, &url, &state]);
    let subscription = receiving.line();
    assert!(send(sender, &ca, &subscription, "first").starts_with("201 Created: Accepted("));
    assert_eq!(receiving.line(), "first");
    receiving.stop();

    assert!(send(sender, &ca, &subscription, "while you were away").starts_with("201 Created: Accepted("));
    serving.stop();
    let mut serving = Running::start(service, &[&data, &address]);
    assert_eq!(serving.line(), url);
    let mut receiving = Running::start(agent, &[&ca, &url, &state]);
    assert_eq!(receiving.line(), subscription, "the same as before");
    assert_eq!(receiving.line(), "while you were away");
    receiving.stop();
    serving.stop();
}

#[test]
fn on_tokio() {
    exchange(
        env!("CARGO_BIN_EXE_tokio-service"),
        env!("CARGO_BIN_EXE_tokio-user-agent"),
        env!("CARGO_BIN_EXE_tokio-sender"),
    );
}

#[test]
fn on_smol() {
    exchange(
        env!("CARGO_BIN_EXE_smol-service"),
        env!("CARGO_BIN_EXE_smol-user-agent"),
        env!("CARGO_BIN_EXE_smol-sender"),
    );
}

#[test]
fn wrong_use_is_told() {
    for program in [
        env!("CARGO_BIN_EXE_tokio-service"),
        env!("CARGO_BIN_EXE_smol-sender"),
        env!("CARGO_BIN_EXE_tokio-user-agent"),
    ] {
        let output = Command::new(program).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8(output.stderr).unwrap().contains("arguments: "), "{program}");
    }
}
