//! web-push for Node, in a process of its own that says what it spent.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use webpush::SigningKey;

use super::{MESSAGES, PAYLOAD, SUBJECT, UNDER_WAY, sink};
use crate::{Kind, Party, Spent};

pub(super) fn web_push(sink: &Rc<sink::Process>, key: &SigningKey) -> Party {
    let sink = Rc::clone(sink);
    let mut node = Node::start(&sink, key);
    // What comes first is compiled while it runs.
    node.send(4 * MESSAGES);
    Party::new(Kind::Peer, "web-push 3.6 for Node", move |steps, meter| {
        let _outlives_it = &sink;
        meter.add(node.send(steps * MESSAGES));
    })
}

struct Node {
    child: Child,
    stdin: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Node {
    fn start(sink: &sink::Process, key: &SigningKey) -> Self {
        let script = here().join("node/send.mjs");
        install();
        let mut child = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node: install Node.js 20 or later");
        let mut stdin = child.stdin.take().expect("a pipe");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let setup = serde_json::json!({
            "subscription": sink.subscription,
            "certificate": sink.certificate,
            "vapid": {
                "subject": SUBJECT,
                "publicKey": key.public_key().to_string(),
                "privateKey": key.to_base64url().expose(),
            },
            "octets": PAYLOAD.len(),
            "underWay": UNDER_WAY,
        });
        writeln!(stdin, "{setup}").expect("a reader");
        Self { child, stdin, said }
    }

    fn send(&mut self, messages: u64) -> Spent {
        writeln!(self.stdin, "{messages}").expect("a reader");
        let mut line = String::new();
        self.said.read_line(&mut line).expect("an answer");
        let spent: serde_json::Value = serde_json::from_str(&line).expect("what was spent");
        let micros = |name: &str| Duration::from_micros(spent[name].as_u64().expect("a number"));
        Spent { wall: micros("wall"), cpu: micros("cpu"), others: Duration::ZERO }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The packages that interop has as well, in the versions that are locked there.
fn install() {
    let folder = here().join("../interop/node");
    if !folder.join("node_modules/web-push").exists() {
        let npm =
            Command::new("npm").args(["ci", "--silent", "--ignore-scripts"]).current_dir(folder).status();
        assert!(npm.expect("npm: install it").success(), "npm ci");
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
