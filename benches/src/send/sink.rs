//! The push service: this program once more, as a child process.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use webpush::testing::Sink;

/// The word that makes this program the push service.
const WORD: &str = "--be-the-push-service";

/// To be called first by every `main`: does not come back if this process is to be the push service.
pub fn serve_if_asked() {
    if env::args().nth(1).as_deref() != Some(WORD) {
        return;
    }
    let sink = Sink::start().expect("a port");
    let subscription = sink.subscription("localhost", 1).expect("a name of its own");
    let mut stdout = io::stdout().lock();
    let certificate = sink.certificate().replace('\n', "|");
    writeln!(stdout, "{}\n{}\n{certificate}", sink.address(), subscription.to_json()).expect("a reader");
    stdout.flush().expect("a reader");
    io::stdin().lock().read_to_end(&mut Vec::new()).expect("a parent");
    let count = sink.count();
    assert_eq!(count.bad, 0, "of {} messages, {} looked at", count.messages, count.checked);
    std::process::exit(0);
}

/// A running one.
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) address: SocketAddr,
    /// JSON.
    pub(super) subscription: String,
    /// PEM.
    pub(super) certificate: String,
}

impl Process {
    pub(super) fn start() -> Self {
        let mut command = Command::new(env::current_exe().expect("a program"));
        command.arg(WORD).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its words")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let (address, subscription, certificate) = (line(), line(), line().replace('|', "\n"));
        let address = address.parse().expect("an address");
        Self { stdin: child.stdin.take(), child, address, subscription, certificate }
    }
}

impl Drop for Process {
    /// What came to it was good, or the run says so.
    fn drop(&mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("a child");
        if !status.success() {
            eprintln!("bad messages came to the push service");
            std::process::exit(1);
        }
    }
}
