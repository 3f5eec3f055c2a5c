//! What `webpush serve` does when its store fails for real: red within seconds although nobody asks for anything, 503
//! meanwhile, green again without a restart, and every message that had its 201 is delivered (G1, G7).
//!
//! `docs/operations.md` is the table that these tests prove.
#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails loudly, its helpers too"
)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use support::{
    Folder, Service, assert_fails,
    http2::{Agent, Peer},
    run, webpush,
};
use tokio::sync::oneshot;

/// The disk is full: a file system of its own, where one can be mounted; else the largest file that the process may
/// write, which needs no privilege.
#[tokio::test]
async fn a_full_disk() {
    let folder = Folder::new();
    let mountable = ["-m", "-Urm"].into_iter().find(|unshare| {
        let mut trial = Command::new("unshare");
        trial.args([unshare, "mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path(""));
        trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    let Some(unshare) = mountable else { return file_size_limit(folder).await };
    let mount = "mount -t tmpfs -o size=96m tmpfs \"$0\" && exec \"$@\"";
    let inside = folder.text("");
    let service = serve(&folder, &["unshare", unshare, "sh", "-c", mount, &inside]);
    // What its process sees there.
    let root = format!("/proc/{}/root", service.process.id());
    let filler = Path::new(&root).join(inside.trim_start_matches('/')).join("filler");
    let fault = Fault {
        reason: "store-full",
        break_it: Box::new({
            let filler = filler.clone();
            move || fill(&filler)
        }),
        mend_it: Box::new(move || fs::remove_file(&filler).unwrap()),
    };
    survive(&service, fault).await;
}

/// The same by `RLIMIT_FSIZE`.
#[tokio::test]
async fn a_limit_on_the_size_of_files() {
    file_size_limit(Folder::new()).await;
}

async fn file_size_limit(folder: Folder) {
    let service = serve(&folder, &["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    let pid = service.process.id().to_string();
    let limit = move |limit: &str| {
        assert!(Command::new("prlimit").args(["--pid", &pid, limit]).status().unwrap().success());
    };
    let fault = Fault {
        reason: "store-full",
        break_it: Box::new({
            let limit = limit.clone();
            move || limit("--fsize=0:")
        }),
        mend_it: Box::new(move || limit("--fsize=unlimited:")),
    };
    survive(&service, fault).await;
}

/// A disk that takes no writes any more, as one that the operating system has made read-only after an error.
#[tokio::test]
async fn a_read_only_disk() {
    let folder = Folder::new();
    let service = serve(&folder, &[]);
    let data = folder.path("data/store/data");
    let immutable = Arc::new(Immutable(data));
    let fault = Fault {
        reason: "store-read-only",
        break_it: Box::new({
            let immutable = Arc::clone(&immutable);
            move || assert!(immutable.set("+i"), "chattr +i needs CAP_LINUX_IMMUTABLE, on ext4, xfs or btrfs")
        }),
        mend_it: Box::new(move || assert!(immutable.set("-i"))),
    };
    survive(&service, fault).await;
}

/// The data folder is moved away, and back.
#[tokio::test]
async fn a_folder_that_disappears() {
    let folder = Folder::new();
    let service = serve(&folder, &[]);
    let [here, there] = ["data", "elsewhere"].map(|name| folder.path(name));
    let fault = Fault {
        reason: "store-gone",
        break_it: Box::new({
            let (here, there) = (here.clone(), there.clone());
            move || fs::rename(&here, &there).unwrap()
        }),
        mend_it: Box::new(move || fs::rename(&there, &here).unwrap()),
    };
    survive(&service, fault).await;
}

/// A record that was damaged while the service was stopped: it does not start, says so, and leaves all as it is.
#[tokio::test]
async fn a_damaged_record() {
    let folder = Folder::new();
    let mut service = serve(&folder, &[]);
    let peer = Peer::connect(service.address).await.unwrap();
    let agent = Agent::subscribe(&peer).await;
    let mut accepted = BTreeSet::new();
    for number in 0..20 {
        let text = format!("message {number} of a damaged journal");
        assert_eq!(agent.post(&peer, &text).await, StatusCode::CREATED);
        accepted.insert(text);
    }
    service.process.kill();

    let journal = folder.path("data/store/data/0.jnl");
    let whole = fs::read(&journal).unwrap();
    let needle = b"message 10 of";
    let at = whole.windows(needle.len()).position(|octets| octets == needle).unwrap();
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    let data = folder.text("data");
    let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--behind-proxy"];
    let output = run(words.into_iter().chain(["--public-url", "https://push.test"]));
    assert_fails(&output, 1, &["cannot open the store", "ChecksumMismatch", "backup"]);
    assert!(fs::read(&journal).unwrap() == damaged, "nothing was cut off");

    fs::write(&journal, &whole).unwrap();
    let service = serve(&folder, &[]);
    let peer = Peer::connect(service.address).await.unwrap();
    assert_eq!(agent.collect(&peer).await, accepted);
}

/// What goes wrong, and how it is put right.
struct Fault {
    /// What `/readyz` says.
    reason: &'static str,
    break_it: Box<dyn Fn()>,
    mend_it: Box<dyn Fn()>,
}

/// The fault strikes a service that is idle, and then one that is busy.
async fn survive(service: &Service, fault: Fault) {
    tokio::time::timeout(GUARD, async {
        let peer = Peer::connect(service.address).await.unwrap();
        let agent = Agent::subscribe(&peer).await;
        let mut accepted = BTreeSet::new();
        assert_eq!(agent.post(&peer, "before").await, StatusCode::CREATED);
        accepted.insert("before".to_owned());

        let waiting = Agent::subscribe(&peer).await;
        let monitor = peer.monitor(&waiting.subscription, &[]).await.unwrap();
        (fault.break_it)();
        red(&peer, fault.reason).await;
        assert_eq!(health(&peer, "/healthz").await.0, StatusCode::OK, "to restart it would not help");
        assert_eq!(monitor.response().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(agent.post(&peer, "lost").await, StatusCode::SERVICE_UNAVAILABLE);
        (fault.mend_it)();
        green(&peer).await;
        assert_eq!(agent.post(&peer, "between").await, StatusCode::CREATED);
        accepted.insert("between".to_owned());

        let enough = Arc::new(AtomicBool::new(false));
        let (begun, begins) = oneshot::channel();
        let busy = tokio::spawn(agent.clone().keep_posting(peer.clone(), begun, Arc::clone(&enough)));
        begins.await.unwrap();
        (fault.break_it)();
        red(&peer, fault.reason).await;
        (fault.mend_it)();
        green(&peer).await;
        enough.store(true, Ordering::Relaxed);
        accepted.append(&mut busy.await.unwrap());

        let received = agent.collect(&peer).await;
        let lost: Vec<_> = accepted.difference(&received).map(|text| text.split(' ').next()).collect();
        assert!(lost.is_empty(), "accepted and lost: {lost:?}");
        assert_eq!(agent.collect(&peer).await, BTreeSet::new(), "pushed again after its acknowledgement");
    })
    .await
    .unwrap_or_else(|_| panic!("{}: an event never came", fault.reason));
}

/// `webpush serve` in cleartext, started by these words.
fn serve(folder: &Folder, by: &[&str]) -> Service {
    let data = folder.text("data");
    let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--behind-proxy"];
    let command = webpush(words.into_iter().chain(["--public-url", "https://push.test"]));
    let Some((first, rest)) = by.split_first() else { return Service::ready(command) };
    let mut wrapped = Command::new(first);
    wrapped.args(rest).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        assert_eq!(value, None);
        wrapped.env_remove(name);
    }
    Service::ready(wrapped)
}

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// Files that cannot be changed, and can again when this is dropped, lest they stay for ever.
struct Immutable(PathBuf);

impl Immutable {
    fn set(&self, flag: &str) -> bool {
        let chattr = Command::new("chattr").args(["-R", flag]).arg(&self.0).stderr(Stdio::null()).status();
        chattr.is_ok_and(|status| status.success())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.set("-i");
    }
}

async fn health(peer: &Peer, path: &str) -> (StatusCode, Value) {
    let response = peer.request(Method::GET, path, &[], Bytes::new()).await.unwrap();
    assert_eq!(response.headers["cache-control"], "no-store");
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

/// Asks until it is red for that reason.
async fn red(peer: &Peer, reason: &str) {
    loop {
        let (status, problem) = health(peer, "/readyz").await;
        if status == StatusCode::SERVICE_UNAVAILABLE && problem["reason"] == reason {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Asks until it is green.
async fn green(peer: &Peer) {
    while health(peer, "/readyz").await.0 != StatusCode::OK {
        tokio::time::sleep(POLL).await;
    }
}

impl Agent {
    /// Sends a message. A refusal says when to come again.
    async fn post(&self, peer: &Peer, text: &str) -> StatusCode {
        let fields = [("ttl", "3600"), ("content-encoding", "aes128gcm")];
        let body = Bytes::from(text.to_owned());
        let answer = peer.request(Method::POST, &self.push, &fields, body).await.unwrap();
        assert!(answer.status == StatusCode::CREATED || answer.headers.contains_key("retry-after"));
        answer.status
    }

    /// Sends one message after the other; gives what was accepted. Says when that is enough to break something.
    async fn keep_posting(
        self,
        peer: Peer,
        begun: oneshot::Sender<()>,
        enough: Arc<AtomicBool>,
    ) -> BTreeSet<String> {
        let (mut accepted, mut begun) = (BTreeSet::new(), Some(begun));
        let mut number = 0;
        loop {
            let last = enough.load(Ordering::Relaxed);
            let text = format!("{number} {}", "x".repeat(2000));
            match self.post(&peer, &text).await {
                StatusCode::CREATED => {
                    accepted.insert(text);
                    if last {
                        return accepted;
                    }
                    if accepted.len() == 10
                        && let Some(begun) = begun.take()
                    {
                        begun.send(()).unwrap();
                    }
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    tokio::time::sleep(POLL).await;
                }
                other => panic!("{other}"),
            }
            number += 1;
        }
    }

    /// Everything that waits, acknowledged.
    async fn collect(&self, peer: &Peer) -> BTreeSet<String> {
        let monitor = peer.monitor(&self.subscription, &[("prefer", "wait=0")]).await.unwrap();
        let (status, all) = monitor.all().await.unwrap();
        assert_eq!(status == StatusCode::NO_CONTENT, all.is_empty(), "{status}");
        let mut received = BTreeSet::new();
        for pushed in all {
            let text = str::from_utf8(&pushed.response.body).unwrap().to_owned();
            let answer = peer.request(Method::DELETE, &pushed.path, &[], Bytes::new()).await.unwrap();
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
            assert!(received.insert(text), "pushed twice by one monitor");
        }
        received
    }
}

/// How often to ask: an event is waited for, not this time.
const POLL: Duration = Duration::from_millis(20);
/// A guard, not an assertion: a test that waits this long for an event will wait for ever.
const GUARD: Duration = Duration::from_secs(120);
