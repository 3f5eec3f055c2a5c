//! The real binary, as a child process.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses a part of it, to fail loudly"
)]

pub(crate) mod browser;
pub(crate) mod http2;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio},
};

/// `webpush` with these words, in an environment without `WEBPUSH_*`.
pub(crate) fn webpush<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEBPUSH_") {
            command.env_remove(name);
        }
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run<'a>(words: impl IntoIterator<Item = &'a str>) -> Output {
    webpush(words).output().unwrap()
}

/// As [`run`], with something on standard input.
pub(crate) fn run_with_input<'a>(words: impl IntoIterator<Item = &'a str>, input: &[u8]) -> Output {
    let mut command = webpush(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// It ended with this exit code, and said all of this on standard error.
#[track_caller]
pub(crate) fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for words in says {
        assert!(stderr.contains(words), "{words:?} is not in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// A child process of which standard output is read line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; empty at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Standard error, if the command had it piped; once.
    pub(crate) fn stderr(&mut self) -> BufReader<ChildStderr> {
        BufReader::new(self.child.stderr.take().unwrap())
    }

    /// SIGKILL. Comes back when the process is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A push service in a process of its own.
pub(crate) struct Service {
    pub(crate) process: Running,
    pub(crate) address: SocketAddr,
    pub(crate) public_url: String,
}

impl Service {
    /// Starts `webpush serve` on a free port, and waits until it is ready.
    pub(crate) fn start(data: &Path, flags: &str) -> Self {
        Self::start_at(data, "127.0.0.1:0", flags)
    }

    /// As [`Service::start`], at this address.
    pub(crate) fn start_at(data: &Path, listen: &str, flags: &str) -> Self {
        let words = ["serve", "--data", data.to_str().unwrap(), "--listen", listen];
        Self::ready(webpush(words.into_iter().chain(flags.split_whitespace())))
    }

    /// One that speaks cleartext, and writes everything that it has to log to this file.
    pub(crate) fn start_logged(data: &Path, log: &Path) -> Self {
        let words = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--log", "trace"];
        let words = words.into_iter().chain(["--behind-proxy", "--public-url", "https://push.test"]);
        let mut command = webpush(words);
        command.stderr(fs::File::create(log).unwrap());
        Self::ready(command)
    }

    /// Waits until a service started by this command is ready.
    pub(crate) fn ready(command: Command) -> Self {
        let mut process = Running::start(command);
        let line = process.line();
        let ready = line.strip_prefix("listening on ").and_then(|rest| rest.split_once(", public URL "));
        let (address, public_url) = ready.unwrap_or_else(|| panic!("not ready: {line:?}"));
        Self { process, address: address.parse().unwrap(), public_url: public_url.to_owned() }
    }

    /// One that speaks cleartext HTTP/2 and calls itself `https://push.test`.
    pub(crate) fn start_cleartext(data: &Path, flags: &str) -> Self {
        Self::start(data, &format!("--behind-proxy --public-url https://push.test {flags}"))
    }
}

/// A temporary folder, and paths in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in it as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A pipe in it.
    #[cfg(unix)]
    pub(crate) fn pipe(&self, name: &str) -> String {
        assert!(Command::new("mkfifo").arg(self.path(name)).status().unwrap().success());
        self.text(name)
    }

    /// A file in it, with this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.text(name)
    }
}
