//! `webpush backup` and `webpush restore` through the real binary. `docs/operations.md` says what they promise.
#![cfg(unix)]
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
    io::{Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, StatusCode};
use support::{
    Folder, Running, Service, assert_fails,
    http2::{Agent, Peer},
    run, run_with_input, stderr, webpush,
};

impl Agent {
    async fn post(&self, peer: &Peer, text: &str) -> StatusCode {
        let fields = [("ttl", "3600"), ("content-encoding", "aes128gcm")];
        let body = Bytes::from(text.to_owned());
        peer.request(Method::POST, &self.push, &fields, body).await.unwrap().status
    }

    /// Everything that waits, acknowledged.
    async fn collect(&self, peer: &Peer) -> BTreeSet<String> {
        let monitor = peer.monitor(&self.subscription, &[("prefer", "wait=0")]).await.unwrap();
        let mut received = BTreeSet::new();
        for pushed in monitor.all().await.unwrap().1 {
            let answer = peer.request(Method::DELETE, &pushed.path, &[], Bytes::new()).await.unwrap();
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
            assert!(received.insert(str::from_utf8(&pushed.response.body).unwrap().to_owned()));
        }
        received
    }
}

fn backup(folder: &Folder, to: &str) -> Output {
    run(["backup", "--data", &folder.text("data"), "--to", to])
}

/// Runs a backup. One whose client has just gone away is under way until the service notices.
fn when_free(run: impl Fn() -> Output) -> Output {
    loop {
        let made = run();
        if !stderr(&made).contains("another backup is under way") {
            return made;
        }
    }
}

fn restore(from: &str, data: &str) -> Output {
    run(["restore", "--from", from, "--data", data])
}

#[track_caller]
fn assert_works(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

async fn connect(service: &Service) -> Peer {
    Peer::connect(service.address).await.unwrap()
}

/// G1: all that was answered 201 before the backup began is in it, or has ended; the URLs are the same.
async fn a_backup_under_load(flags: &str) {
    let folder = Folder::new();
    let mut service = Service::start_cleartext(&folder.path("data"), flags);
    let peer = connect(&service).await;
    let (agent, other) = (Agent::subscribe(&peer).await, Agent::subscribe(&peer).await);
    assert_eq!(other.post(&peer, "acknowledged before").await, StatusCode::CREATED);
    assert_eq!(other.collect(&peer).await, BTreeSet::from(["acknowledged before".to_owned()]));

    let enough = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(AtomicUsize::new(0));
    let (many, mut told) = tokio::sync::mpsc::unbounded_channel();
    let load: Vec<_> = (0..4)
        .map(|poster| {
            let (agent, peer, many) = (agent.clone(), peer.clone(), many.clone());
            let (enough, accepted) = (Arc::clone(&enough), Arc::clone(&accepted));
            tokio::spawn(async move {
                let mut number = 0;
                while !enough.load(Ordering::Relaxed) && number < 2000 {
                    let text = format!("{poster} {number} {}", "x".repeat(1000));
                    assert_eq!(agent.post(&peer, &text).await, StatusCode::CREATED);
                    many.send(text).unwrap();
                    accepted.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            })
        })
        .collect();
    let mut before = BTreeSet::new();
    while before.len() < 200 {
        before.insert(told.recv().await.unwrap());
    }
    let file = folder.text("webpush.backup");
    let running = (folder.text("data"), file.clone());
    let made = tokio::task::spawn_blocking(move || run(["backup", "--data", &running.0, "--to", &running.1]));
    let made = made.await.unwrap();
    enough.store(true, Ordering::Relaxed);
    for poster in load {
        poster.await.unwrap();
    }
    assert_works(&made);
    assert!(stderr(&made).contains("whoever reads it"), "{}", stderr(&made));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    service.process.kill();
    drop(many);
    let mut all = before.clone();
    while let Some(text) = told.recv().await {
        all.insert(text);
    }

    let elsewhere = folder.text("elsewhere");
    let restored = restore(&file, &elsewhere);
    assert_works(&restored);
    assert!(stderr(&restored).contains("never run this beside"), "{}", stderr(&restored));
    let service = Service::start_cleartext(Path::new(&elsewhere), flags);
    let peer = connect(&service).await;
    let received = agent.collect(&peer).await;
    assert!(
        before.is_subset(&received),
        "{} were accepted before and lost",
        before.difference(&received).count()
    );
    assert!(received.is_subset(&all));
    assert_eq!(other.collect(&peer).await, BTreeSet::new(), "it had ended");
    assert_eq!(other.post(&peer, "to the same URL").await, StatusCode::CREATED);
    assert_eq!(other.collect(&peer).await, BTreeSet::from(["to the same URL".to_owned()]));
}

#[tokio::test]
async fn a_backup_under_load_by_tokio() {
    a_backup_under_load("").await;
}

#[tokio::test]
async fn a_backup_under_load_by_smol() {
    a_backup_under_load("--runtime smol").await;
}

/// Of a service that is stopped in good order, and of one that was killed; into a file, and by pipes.
#[tokio::test]
async fn a_backup_without_a_service() {
    let folder = Folder::new();
    let mut service = Service::start_cleartext(&folder.path("data"), "");
    let peer = connect(&service).await;
    let agent = Agent::subscribe(&peer).await;
    assert_eq!(agent.post(&peer, "waits").await, StatusCode::CREATED);
    let socket = folder.path("data/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    service.process.kill();
    assert!(socket.exists(), "nobody took it away, and nobody listens");
    let piped = backup(&folder, "/dev/stdout");
    assert_works(&piped);

    let mut service = Service::start_cleartext(&folder.path("data"), "");
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
    assert!(!socket.exists());
    let file = folder.file("a.backup", "an older one, which is replaced");
    assert_works(&backup(&folder, &file));

    let (by_pipe, by_file) = (folder.text("by-pipe"), folder.text("by-file"));
    assert_works(&run_with_input(["restore", "--from", "/dev/stdin", "--data", &by_pipe], &piped.stdout));
    // A folder that is there, and empty: the root of a new file system.
    fs::create_dir_all(folder.path("by-file/lost+found")).unwrap();
    assert_works(&restore(&file, &by_file));
    for data in [by_pipe, by_file] {
        let names: BTreeSet<_> = fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "lost+found")
            .collect();
        assert_eq!(names, BTreeSet::from(["sealing.key", "store"].map(str::to_owned)));
        let service = Service::start_cleartext(Path::new(&data), "");
        assert_eq!(agent.collect(&connect(&service).await).await, BTreeSet::from(["waits".to_owned()]));
    }
}

/// Whatever is wrong with the file is found out before anything is put in place.
#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused() {
    let folder = Folder::new();
    let service = Service::start_cleartext(&folder.path("data"), "");
    let peer = connect(&service).await;
    let agent = Agent::subscribe(&peer).await;
    assert_eq!(agent.post(&peer, "waits").await, StatusCode::CREATED);
    let file = folder.text("whole.backup");
    assert_works(&backup(&folder, &file));
    let whole = fs::read(&file).unwrap();
    let data = folder.text("restored");
    let refused = |octets: &[u8], says: &str| {
        let file = folder.file("wrong.backup", octets);
        assert_fails(&restore(&file, &data), 1, &["wrong.backup", says]);
        assert!(!folder.path("restored").exists(), "{says}");
    };
    for length in [0, 10, 17, 60, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length], "cut short");
    }
    for at in [40, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 4;
        refused(&altered, "is");
    }
    refused(b"hello, world\n", "not a backup");
    refused(&[b"webpush-backup 2\n", &whole[17..]].concat(), "format 2");
    refused(&[&whole[..], b"\n"].concat(), "damaged");
    assert_fails(&restore(&folder.text("nothing"), &data), 1, &["no such file"]);
}

#[tokio::test]
async fn folders_that_are_not_right_are_refused() {
    let folder = Folder::new();
    assert_fails(&backup(&folder, &folder.text("b")), 1, &["there is no push service in", "--data"]);
    assert!(!folder.path("data").exists() && !folder.path("b").exists(), "nothing was made");
    let service = Service::start_cleartext(&folder.path("data"), "");
    assert_works(&backup(&folder, &folder.text("b")));

    assert_fails(
        &restore(&folder.text("b"), &folder.text("data")),
        1,
        &["not empty", "a folder that is empty"],
    );
    assert_fails(&restore(&folder.text("b"), &folder.text("b")), 1, &["not a folder"]);
    std::os::unix::fs::symlink("nowhere", folder.path("link")).unwrap();
    assert_fails(
        &restore(&folder.text("b"), &folder.text("link")),
        1,
        &["it is a symbolic link to nowhere, where no folder is"],
    );
    fs::create_dir_all(folder.path("half/restore.draft")).unwrap();
    assert_fails(
        &restore(&folder.text("b"), &folder.text("half")),
        1,
        &["was not finished", "empty the folder"],
    );
    let half = folder.text("half");
    let words = ["serve", "--data", &half, "--listen", "127.0.0.1:0", "--dev"];
    assert_fails(&run(words), 1, &["was not finished", "restore again"]);

    let pipe = folder.text("data/control.sock");
    assert_fails(&backup(&folder, &folder.text("no/such/folder")), 1, &["no such file or folder"]);
    drop((service, pipe));
    fs::rename(folder.path("data/sealing.key"), folder.path("key")).unwrap();
    assert_fails(&backup(&folder, &folder.text("c")), 1, &["sealing.key is missing", "backup"]);
    assert!(!folder.path("c").exists());
}

/// What root leaves in the folder of another user its service could not use.
#[test]
fn a_folder_of_another_user_is_left_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    // Root can give it away; whoever is not root takes one of root's.
    let given = std::os::unix::fs::chown(folder.path("data"), Some(65_534), None).is_ok();
    let data = if given { folder.text("data") } else { "/".to_owned() };
    let file = folder.text("b");
    for words in [
        &["backup", "--data", &data, "--to", &file][..],
        &["rotate-key", "--data", &data],
        &["restore", "--from", &folder.file("any", ""), "--data", &data],
    ] {
        let refused = run(words.iter().copied());
        assert_fails(&refused, 1, &["it belongs to user", "as the user", "setpriv --reuid="]);
    }
    // Only root can write there and keep the service's user out.
    for more in [&[][..], &["--check"]].into_iter().filter(|_| given) {
        let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--dev", "--cleartext"];
        let words = words.into_iter().chain(more.iter().copied());
        assert_fails(&run(words), 1, &["it belongs to user", "as the user"]);
    }
    assert!(!given || fs::read_dir(&data).unwrap().next().is_none(), "nothing was made");
    assert!(!folder.path("b").exists());
}

/// What the hint says that root can do, with a folder where systemd has it: behind one that only root may enter.
#[cfg(target_os = "linux")]
#[test]
fn root_can_do_it_as_the_user_of_the_service() {
    let folder = Folder::new();
    let (private, data) = (folder.path("private"), folder.text("private/data"));
    fs::create_dir(&private).unwrap();
    let owner = 61_234;
    let mut service = Service::start_cleartext(Path::new(&data), "");
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
    if !Command::new("chown").args(["-R", &format!("{owner}:{owner}"), &data]).status().unwrap().success() {
        eprintln!(
            "not root: only root can give a folder away, and only root is told to take its owner's place"
        );
        return;
    }
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    // The binary, too, is behind what only root may enter.
    let refused = run(["rotate-key", "--data", &data]);
    let hint = stderr(&refused).lines().find(|line| line.contains("setpriv ")).unwrap().trim();
    let words = hint.strip_suffix(" webpush ..").unwrap().split(' ').skip(1);
    let rotated = Command::new("setpriv")
        .args(words)
        .args([env!("CARGO_BIN_EXE_webpush"), "rotate-key", "--data", &data])
        .output()
        .unwrap();
    assert_works(&rotated);
    let key = fs::metadata(folder.path("private/data/sealing.key")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&key), owner);
}

/// There is no room: the backup before stays, and what was begun goes.
#[tokio::test]
async fn a_disk_that_is_full() {
    let folder = Folder::new();
    let service = Service::start_cleartext(&folder.path("data"), "");
    let peer = connect(&service).await;
    let agent = Agent::subscribe(&peer).await;
    assert_eq!(agent.post(&peer, &"x".repeat(4000)).await, StatusCode::CREATED);
    if fs::metadata("/dev/full").is_ok() {
        assert_fails(&backup(&folder, "/dev/full"), 1, &["/dev/full", "no space is left"]);
    }
    let limited = |words: &[&str]| {
        let command = webpush(words.iter().copied());
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).output().unwrap()
    };
    let (data, file) = (folder.text("data"), folder.file("b", "the one before"));
    let refused = when_free(|| limited(&["backup", "--data", &data, "--to", &file]));
    assert_fails(&refused, 1, &["cannot write", "b"]);
    assert_eq!(fs::read(&file).unwrap(), b"the one before");
    assert_works(&when_free(|| backup(&folder, &file)));
    let restored = folder.text("restored");
    assert_fails(&limited(&["restore", "--from", &file, "--data", &restored]), 1, &["restore"]);
    assert!(!folder.path("restored").exists());
    let names: Vec<_> =
        fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_works(&restore(&file, &restored));
}

/// The keys are in it from the first octet on: nothing of a backup that was given up stays, and what a killed one left the
/// next one replaces.
#[test]
fn no_half_of_a_backup_stays() {
    let folder = Folder::new();
    let (data, file) = (folder.text("data"), folder.file("b", "the one before"));
    let partial = folder.path(".b.partial");
    fs::create_dir(&data).unwrap();
    // A service whose disk hangs.
    let service = UnixListener::bind(folder.path("data/control.sock")).unwrap();
    let begin = || {
        let process = Running::start(webpush(["backup", "--data", &data, "--to", &file]));
        let mut asked = service.accept().unwrap().0;
        asked.read_exact(&mut [0; 9]).unwrap();
        asked.write_all(b"ok\nwebpush-backup").unwrap();
        (process, asked)
    };
    for signal in ["INT", "TERM"] {
        let (mut process, _asked) = begin();
        assert_eq!(fs::metadata(&partial).unwrap().permissions().mode() & 0o777, 0o600);
        assert_fails(&backup(&folder, &file), 1, &["another backup to this file is under way"]);
        process.signal(signal);
        assert_eq!(process.exit_code(), Some(1));
        assert!(!partial.exists());
    }
    let (mut process, asked) = begin();
    process.kill();
    assert!(partial.exists());
    assert_eq!(fs::read(&file).unwrap(), b"the one before");
    drop((asked, service));
    fs::remove_dir_all(&data).unwrap();

    let _service = Service::start_cleartext(Path::new(&data), "");
    assert_works(&backup(&folder, &file));
    assert!(!partial.exists());
    assert_works(&restore(&file, &folder.text("restored")));
}

/// One at a time, since each keeps what ends meanwhile on the disk; and whoever goes away makes room.
#[tokio::test]
async fn one_backup_at_a_time() {
    let folder = Folder::new();
    let service = Service::start_cleartext(&folder.path("data"), "");
    let peer = connect(&service).await;
    let agent = Agent::subscribe(&peer).await;
    for number in 0..1000 {
        assert_eq!(agent.post(&peer, &format!("{number} {}", "x".repeat(4000))).await, StatusCode::CREATED);
    }
    let mut client = UnixStream::connect(folder.path("data/control.sock")).unwrap();
    client.write_all(b"backup 1\n").unwrap();
    let mut first = [0; 3];
    client.read_exact(&mut first).unwrap();
    assert_eq!(first, *b"ok\n");
    assert_fails(&backup(&folder, &folder.text("b")), 1, &["another backup is under way"]);
    assert!(!folder.path("b").exists());

    let mut stranger = UnixStream::connect(folder.path("data/control.sock")).unwrap();
    stranger.write_all(b"backup 2\n").unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("refused: ") && answer.contains("another version"), "{answer}");

    drop(client);
    assert_works(&when_free(|| backup(&folder, &folder.text("b"))));
    // A service that ends takes its backups with it, and the file is not put in place.
    let mut client = UnixStream::connect(folder.path("data/control.sock")).unwrap();
    client.write_all(b"backup 1\n").unwrap();
    client.read_exact(&mut first).unwrap();
    let mut process = service.process;
    process.kill();
    let mut cut = Vec::new();
    client.read_to_end(&mut cut).unwrap();
    assert_fails(&restore(&folder.file("cut", &cut), &folder.text("r")), 1, &["cut short"]);
}
