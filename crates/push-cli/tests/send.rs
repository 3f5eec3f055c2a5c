//! `webpush send` to many, and without sending, against a push service that is not ours.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use support::{Folder, assert_fails, run, stderr, stdout, webpush};
use webpush::{
    Vendor,
    testing::{Answer, PushService, Situation},
};

struct Scene {
    folder: Folder,
    service: PushService,
    ca: String,
    key: String,
    public: String,
}

fn scene() -> Scene {
    let (folder, service) = (Folder::new(), PushService::start().unwrap());
    let ca = folder.file("ca.pem", service.certificate());
    let key = folder.text("vapid.pem");
    let made = run(["keygen", "--out", &key]);
    let public = stdout(&made).trim().to_owned();
    Scene { folder, service, ca, key, public }
}

impl Scene {
    fn subscribe(&self) -> String {
        self.service.subscribe(Some(&self.public.parse().unwrap())).to_json()
    }

    fn send(&self, to: &str, more: &[&str]) -> std::process::Output {
        let words =
            ["send", "--to", to, "--ca", &self.ca, "--key", &self.key, "--subject", "mailto:a@b.example"];
        run(words.into_iter().chain(more.iter().copied()))
    }
}

#[test]
fn many_are_sent_to_and_each_line_is_accounted_for() {
    let scene = scene();
    let mut lines: Vec<String> = (0..30).map(|_| scene.subscribe()).collect();
    let gone = scene.service.subscribe(None);
    scene.service.unsubscribe(&gone);
    lines.insert(3, gone.to_json());
    lines.insert(5, String::new());
    lines.insert(8, "no subscription".to_owned());
    lines.insert(9, "x".repeat(100_000));
    let to = scene.folder.file("all.jsonl", lines.join("\n"));
    let verdicts = scene.folder.text("verdicts.jsonl");
    let sent = scene.send(&to, &["--verdicts", &verdicts, "hello, all"]);
    assert_fails(&sent, 1, &["3 of 33 were not accepted"]);
    let table = stdout(&sent);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["localhost", "30", "1", "0", "0", "0", "0", "0", "0"], "{table}");
    assert_eq!(rows[2], ["none", "0", "0", "0", "0", "2", "0", "0", "0"], "{table}");
    let received = scene.service.take_received();
    let readable = received.iter().filter(|one| one.payload.as_deref() == Ok(b"hello, all"));
    assert_eq!((received.len(), readable.count()), (31, 30));

    let told = fs::read_to_string(&verdicts).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |verdict: &str| {
        let mut lines: Vec<_> = told
            .iter()
            .filter(|one| one["verdict"] == verdict)
            .map(|one| one["line"].as_u64().unwrap())
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(
        (told.len(), of("accepted").len(), of("gone"), of("rejected")),
        (33, 30, vec![4], vec![9, 10])
    );
}

#[test]
fn all_accepted_is_success_and_nothing_at_all_is_not() {
    let scene = scene();
    let to = scene.folder.file("all.ndjson", scene.subscribe());
    let sent = scene.send(&to, &["hello"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let to = scene.folder.file("none.jsonl", "\n\n");
    assert_fails(&scene.send(&to, &["hello"]), 1, &["holds no subscription"]);
    assert_fails(&scene.send(&scene.folder.text("missing.jsonl"), &["hello"]), 1, &["there is no such file"]);
    assert_fails(&scene.send(&to, &["--wait-receipt", "1", "hello"]), 2, &["for one subscription"]);
    let one = scene.folder.file("one.json", scene.subscribe());
    assert_fails(&scene.send(&one, &["--verdicts", "x", "hello"]), 2, &["for many"]);
    let without = run(["send", "--to", &to, "--ca", &scene.ca, "--key", &scene.key, "hello"]);
    assert_fails(&without, 2, &["--subject"]);
}

/// The service's own words, in words.
#[test]
fn what_the_service_says_is_told() {
    let scene = scene();
    let to = scene.folder.file("one.json", scene.subscribe());
    for (vendor, says) in [
        (Vendor::Mozilla, "(401): Unauthorized, errno 109, Missing or invalid VAPID header"),
        (Vendor::Apple, "(403): BadJwtToken"),
        (Vendor::Wns, "(401): The token is invalid."),
    ] {
        scene.service.answer_next(Answer::of(vendor, Situation::BadToken));
        assert_fails(&scene.send(&to, &["hello"]), 1, &[says]);
    }
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let scene = scene();
    let to = scene.folder.file("one.json", scene.subscribe());
    let shown = scene.send(&to, &["--dry-run", "--urgency", "high", "hello"]);
    let shown = stdout(&shown);
    let endpoint = format!("POST {}/p/1\n", scene.service.url());
    assert!(shown.starts_with(&endpoint) && shown.contains("\nurgency: high\n"), "{shown}");
    let curl = scene.send(&to, &["--dry-run", "--curl", "hello"]);
    let curl = stdout(&curl);
    let body = curl.split('\'').nth(1).unwrap();
    assert!(Base64::decode_vec(body).unwrap().len() > 100);
    assert!(
        curl.contains("| base64 -d | curl --globoff --request POST")
            && curl.contains("'content-encoding: aes128gcm'")
    );
    assert!(scene.service.take_received().is_empty());
    assert_fails(&scene.send(&to, &["--curl", "hello"]), 2, &["--dry-run"]);
}

/// A shell reads what is printed as it is meant: curl is told everything, and nothing to add by itself.
#[cfg(unix)]
#[test]
fn the_command_that_is_shown_is_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = scene();
    let json = scene.subscribe();
    let to = scene.folder.file("one.json", json.replace("/p/1", "/p/1?a=[1-3]&b=it's$HOME"));
    let shown = scene.send(&to, &["--dry-run", "--curl", "--topic", "lunch", "hello"]);
    let command = stdout(&shown);
    let body = Base64::decode_vec(command.split('\'').nth(1).unwrap()).unwrap();

    // Notes what it is given.
    let (words, given) = (scene.folder.text("words"), scene.folder.text("given"));
    let curl =
        scene.folder.file("curl", format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >'{words}'\ncat >'{given}'\n"));
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o700)).unwrap();
    let folder = curl.strip_suffix("/curl").unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let ran = std::process::Command::new("sh").args(["-c", command]).env("PATH", path).output().unwrap();
    assert!(ran.status.success(), "{}", stderr(&ran));

    assert_eq!(fs::read(given).unwrap(), body);
    let words = fs::read_to_string(words).unwrap();
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words[..5], ["--globoff", "--request", "POST", "--header", "Content-Type:"]);
    for field in ["ttl: 86400", "topic: lunch", "content-encoding: aes128gcm"] {
        assert!(words.windows(2).any(|pair| pair == ["--header", field]), "{field}: {words:?}");
    }
    let url = format!("{}/p/1?a=[1-3]&b=it's$HOME", scene.service.url());
    assert_eq!(words[words.len() - 3..], ["--data-binary", "@-", &url]);
}

/// What a proxy was asked, each time.
type Asked = mpsc::Receiver<String>;

/// A proxy that notes what it is asked, and makes tunnels if it may. Its address.
fn proxy(tunnels: bool) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut from, _)) = listener.accept() {
            let mut head = Vec::new();
            let mut octet = [0];
            while !head.ends_with(b"\r\n\r\n") && from.read_exact(&mut octet).is_ok() {
                head.push(octet[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let service = head.split(' ').nth(1).unwrap().to_owned();
            tell.send(head).unwrap();
            if !tunnels {
                drop(from.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
                continue;
            }
            let to = TcpStream::connect(service).unwrap();
            from.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            for (from, to) in [(from.try_clone(), to.try_clone()), (Ok(to), Ok(from))] {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(Shutdown::Both));
                });
            }
        }
    });
    (address, asked)
}

/// By flag and by environment, to one and to many.
#[test]
fn messages_go_by_the_proxy() {
    let scene = scene();
    let authority = scene.service.url().replace("https://", "");
    let (address, asked) = proxy(true);
    let url = format!("http://me:p%40ss@{address}");
    for name in ["one.json", "all.jsonl"] {
        let to = scene.folder.file(name, scene.subscribe());
        let sent = scene.send(&to, &["--proxy", &url, "hello"]);
        assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
        let mut command = webpush(["send", "--to", &to, "--ca", &scene.ca, "--key", &scene.key, "--subject"]);
        let sent = command.args(["mailto:a@b.example", "hello"]).env("WEBPUSH_PROXY", &url).output().unwrap();
        assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
        // As Docker and systemd hand out secrets.
        let file = scene.folder.file("proxy", format!("{url}\n"));
        let mut command = webpush(["send", "--to", &to, "--ca", &scene.ca, "--key", &scene.key, "--subject"]);
        let command = command.args(["mailto:a@b.example", "hello"]).env("WEBPUSH_PROXY_FILE", &file);
        let sent = command.output().unwrap();
        assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
        assert_eq!(scene.service.take_received().len(), 3, "{name}");
        let both = command.env("WEBPUSH_PROXY", &url).output().unwrap();
        assert_fails(&both, 2, &["both WEBPUSH_PROXY and WEBPUSH_PROXY_FILE are set"]);
        for head in asked.try_iter() {
            assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
            assert!(head.contains("\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n"), "{head}");
        }
    }
}

/// G6: neither a log, nor an error, nor the help shows where a proxy is and what it is told.
#[test]
fn a_proxy_and_its_password_are_shown_nowhere() {
    let scene = scene();
    let to = scene.folder.file("one.json", scene.subscribe());
    let (address, asked) = proxy(false);
    let url = format!("http://planted-user:planted-password@{address}");
    let refused = scene.send(&to, &["--log", "trace", "--proxy", &url, "hello"]);
    assert_fails(&refused, 1, &["cannot be reached", "the proxy wants credentials, or others (407)"]);
    assert!(asked.try_iter().count() > 1 && scene.service.take_received().is_empty());
    let many = scene.folder.file("all.jsonl", scene.subscribe());
    let nonsense = url.replace("http:", "socks5:");
    let mut wrong: Vec<_> = [&to, &many].map(|to| scene.send(to, &["--proxy", &nonsense, "hello"])).into();
    for wrong in &wrong {
        assert_fails(wrong, 2, &["--proxy", "must begin with http:// or https://"]);
    }
    let help = webpush(["send", "--help"]).env("WEBPUSH_PROXY", &url).output().unwrap();
    assert!(stdout(&help).contains("WEBPUSH_PROXY"));
    let file = scene.folder.file("proxy", &nonsense);
    let by_file =
        |words: &[&str]| webpush(words.iter().copied()).env("WEBPUSH_PROXY_FILE", &file).output().unwrap();
    let (help_by_file, wrong_by_file) =
        (by_file(&["send", "--help"]), by_file(&["send", "--to", &to, "hello"]));
    assert_fails(&wrong_by_file, 2, &["--proxy", "must begin with http:// or https://"]);
    wrong.extend([refused, help, help_by_file, wrong_by_file]);
    let secrets = ["planted", &address, "cGxhbnRlZC11c2VyOnBsYW50ZWQtcGFzc3dvcmQ="];
    for output in wrong {
        let shown = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
    }
}
