//! `webpush serve`, as a process of its own.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{Failure, Result};

/// Where a service keeps its data and its log, across all its processes.
pub(super) struct Home {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    /// How far the log was read.
    read: u64,
}

/// One that listens. Killed when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Home {
    pub(super) fn new(binary: &Path, folder: &Path) -> Self {
        let (data, log) = (folder.join("data"), folder.join("service.log"));
        Self { binary: binary.to_owned(), data, log, read: 0 }
    }

    /// Starts a process, and waits until it is ready.
    pub(super) fn start(&self) -> Result<Running> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(format!("cannot start {}: {what}: {error}", self.binary.display()))
        };
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| failed("its log", &error))?;
        let mut command = Command::new(&self.binary);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEBPUSH_"))
        {
            command.env_remove(name);
        }
        command.arg("serve").arg("--data").arg(&self.data).args(FLAGS);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| failed("spawn", &error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| failed("its first line", &error))?;
        }
        let ready = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        match ready.and_then(|address| address.parse().ok()) {
            Some(address) => Ok(Running { child, address }),
            None => {
                let said = self.said(0);
                drop((child.kill(), child.wait()));
                Err(failed("it is not ready", &format!("{line}{said}")))
            }
        }
    }

    /// Checks what it has logged since the last time: no error, no panic.
    pub(super) fn check_log(&mut self) -> Result<()> {
        let said = self.said(self.read);
        self.read += u64::try_from(said.len()).unwrap_or(0);
        match said.lines().find(|line| line.contains("ERROR") || line.contains("panicked")) {
            Some(line) => Err(Failure::new(format!("the service logged: {line}"))),
            None => Ok(()),
        }
    }

    fn said(&self, from: u64) -> String {
        let mut said = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(from))?;
            log.read_to_end(&mut said)
        });
        // Without a log nothing was said.
        drop(read);
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Running {
    /// SIGKILL. Comes back when the process is gone.
    pub(super) fn kill(mut self) -> Result<()> {
        let gone = self.child.kill().and_then(|()| self.child.wait());
        gone.map(drop).map_err(|error| Failure::new(format!("cannot kill the service: {error}")))
    }

    /// SIGTERM. It must end in good order.
    pub(super) fn finish(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        let ended = sent.and_then(|_| self.child.wait());
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("asked to end, the service ended with {status}"))),
            Err(error) => Err(Failure::new(format!("cannot end the service: {error}"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Rates off: this is about promises, not about politeness. Receipts are monitored to the end, so a drain takes all its
/// time.
const FLAGS: [&str; 13] = [
    "--listen",
    "127.0.0.1:0",
    "--behind-proxy",
    "--public-url",
    super::ORIGIN,
    "--message-rate",
    "0",
    "--agent-rate",
    "0",
    "--shards",
    "2",
    "--drain",
    "2s",
];
