//! `serve`, `listen`, `send` and `keygen` together, as people use them.

#![allow(clippy::unwrap_used, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{fs, process::Command};

use bytes::Bytes;
use http::Method;
use push_crypto::vapid::{Signer, SigningKey};
use serde_json::{Value, json};
use support::{
    Folder, Running, Service, assert_fails,
    http2::{Peer, link, path_of},
    run, run_with_input, stderr, stdout, webpush,
};

/// `webpush listen` at a development service, which has printed its subscription.
struct Listener {
    process: Running,
    subscription: String,
}

impl Listener {
    fn start(folder: &Folder, service: &Service, more: &[&str]) -> Self {
        let state = folder.text("me.state");
        let more: Vec<_> = ["--state", &state].into_iter().chain(more.iter().copied()).collect();
        Self::run(Self::command(folder, service, &more))
    }

    /// Without a state: what it does is over when it ends.
    fn start_for_once(folder: &Folder, service: &Service, more: &[&str]) -> Self {
        Self::run(Self::command(folder, service, more))
    }

    fn command(folder: &Folder, service: &Service, more: &[&str]) -> Command {
        let (ca, out) = (folder.text("data/dev/ca.pem"), folder.text("me.json"));
        let words = ["listen", "--url", &service.public_url, "--ca", &ca, "--subscription-out", &out];
        webpush(words.into_iter().chain(more.iter().copied()))
    }

    fn run(command: Command) -> Self {
        let mut process = Running::start(command);
        let subscription = process.line();
        assert!(subscription.contains("\"p256dh\""), "{subscription}");
        Self { process, subscription }
    }
}

/// `webpush send` to that listener, with these further words.
fn send(folder: &Folder, more: &[&str]) -> std::process::Output {
    let (to, ca) = (folder.text("me.json"), folder.text("data/dev/ca.pem"));
    run(["send", "--to", &to, "--ca", &ca].into_iter().chain(more.iter().copied()))
}

fn a_message_from_send_arrives_at_listen(serve: &str) {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), serve);
    let mut listener = Listener::start(&folder, &service, &[]);
    assert_eq!(fs::read_to_string(folder.path("me.json")).unwrap().trim_end(), listener.subscription);

    let sent = send(&folder, &["--wait-receipt", "30", "hello, world"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert!(stdout(&sent).contains("keeps it for 86400 s"), "{}", stdout(&sent));
    assert!(stdout(&sent).contains("receipt: delivered"));
    assert_eq!(listener.process.line(), "hello, world");

    // Capability URLs are secrets: shown on request only.
    assert!(!stdout(&sent).contains("/m/"));
    let verbose = send(&folder, &["--verbose", "--receipt", "--ttl", "1h", "again"]);
    assert!(stdout(&verbose).contains("/m/") && stdout(&verbose).contains("keeps it for 3600 s"));
    assert_eq!(listener.process.line(), "again");

    let (to, ca) = (folder.text("me.json"), folder.text("data/dev/ca.pem"));
    let piped = run_with_input(["send", "--to", &to, "--ca", &ca], b"from a pipe");
    assert_eq!(piped.status.code(), Some(0), "{}", stderr(&piped));
    assert_eq!(listener.process.line(), "from a pipe");

    listener.process.signal("INT");
    assert_eq!(listener.process.exit_code(), Some(0));
}

#[test]
fn a_message_from_send_arrives_at_listen_by_tokio() {
    a_message_from_send_arrives_at_listen("--dev");
}

#[test]
fn a_message_from_send_arrives_at_listen_by_smol() {
    a_message_from_send_arrives_at_listen("--dev --runtime smol");
}

#[test]
fn listen_goes_on_where_it_was_whatever_happened() {
    let folder = Folder::new();
    let data = folder.path("data");
    let mut service = Service::start(&data, "--dev");
    let mut first = Listener::start(&folder, &service, &["--json"]);
    let subscription = first.subscription.clone();
    first.process.kill();
    let sent = send(&folder, &["while you were away"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));

    service.process.kill();
    let address = service.address.to_string();
    service = Service::start_at(&data, &address, "--dev");
    let mut again = Listener::start(&folder, &service, &["--json", "--count", "1"]);
    assert_eq!(again.subscription, subscription);
    assert_eq!(again.process.line(), "{\"message\":\"while you were away\"}");
    assert_eq!(again.process.exit_code(), Some(0));

    // It was acknowledged before the end: the next one is first.
    let sent = send(&folder, &["--ttl", "10m", "--urgency", "high", "--topic", "t", "next"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let mut last = Listener::start(&folder, &service, &["--count", "1"]);
    assert_eq!(last.process.line(), "next");
    assert_eq!(last.process.exit_code(), Some(0));
}

/// 8030-7.3-3, 8030-7.3-4: what nobody can take up again is not left behind; what was printed was acknowledged before.
#[test]
fn a_subscription_without_state_ends_with_listen() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let mut counted = Listener::start_for_once(&folder, &service, &["--count", "1"]);
    let sent = send(&folder, &["--wait-receipt", "30", "the only one"]);
    assert!(stdout(&sent).contains("receipt: delivered"), "{}", stderr(&sent));
    assert_eq!(counted.process.line(), "the only one");
    assert_eq!(counted.process.exit_code(), Some(0));
    assert_fails(&send(&folder, &["too late"]), 1, &["the subscription has ended"]);

    let mut interrupted = Listener::start_for_once(&folder, &service, &[]);
    interrupted.process.signal("INT");
    assert_eq!(interrupted.process.exit_code(), Some(0));
    assert_fails(&send(&folder, &["too late"]), 1, &["the subscription has ended"]);
}

#[test]
fn listen_ends_without_a_service_to_tell() {
    let folder = Folder::new();
    let mut service = Service::start(&folder.path("data"), "--dev");
    let mut command = Listener::command(&folder, &service, &[]);
    command.stderr(fs::File::create(folder.path("stderr")).unwrap());
    let mut listener = Listener::run(command);
    service.process.kill();
    listener.process.signal("INT");
    assert_eq!(listener.process.exit_code(), Some(0));
    let told = fs::read_to_string(folder.path("stderr")).unwrap();
    assert!(told.contains("stays there until it expires"), "{told}");
}

/// Into what is no file the subscription is written; nothing takes its place.
#[cfg(unix)]
#[test]
fn a_subscription_goes_into_a_pipe_or_a_device() {
    use std::os::unix::fs::FileTypeExt as _;
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let (ca, pipe) = (folder.text("data/dev/ca.pem"), folder.pipe("pipe"));
    let words = ["listen", "--url", &service.public_url, "--ca", &ca, "--subscription-out"];
    let mut listener = Running::start(webpush(words.into_iter().chain([pipe.as_str()])));
    let written = fs::read_to_string(&pipe).unwrap();
    assert!(written.contains("\"p256dh\""), "{written}");
    assert_eq!(listener.line(), written.trim_end());
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    // A link to a pipe of this process.
    let mut listener = Running::start(webpush(words.into_iter().chain(["/dev/stdout"])));
    let (written, printed) = (listener.line(), listener.line());
    assert!(written.contains("\"p256dh\"") && written == printed, "{written} {printed}");

    if fs::metadata("/dev/full").is_ok() {
        let full = run(words.into_iter().chain(["/dev/full"]));
        assert_fails(&full, 1, &["/dev/full", "no space is left"]);
    }
}

/// `w3c-recv-2`: a push without a body has no payload, which is not the same as an empty one.
#[tokio::test]
async fn a_message_without_a_body_is_shown_as_such() {
    let folder = Folder::new();
    let secure = Service::start(&folder.path("data"), "--dev");
    let mut listener = Listener::start_for_once(&folder, &secure, &["--json"]);
    let empty = send(&folder, &[""]);
    assert_eq!(empty.status.code(), Some(0), "{}", stderr(&empty));
    assert_eq!(listener.process.line(), "{\"message\":\"\"}");
    drop((secure, listener));

    let service = Service::start(&folder.path("data"), "--dev --cleartext");
    let mut listener = Listener::start_for_once(&folder, &service, &["--json"]);
    let endpoint = listener.subscription.split('"').find(|text| text.contains("/p/")).unwrap();
    let peer = Peer::connect(service.address).await.unwrap();
    let sent = peer.request(Method::POST, &path_of(endpoint), &[("ttl", "60")], Bytes::new()).await.unwrap();
    assert_eq!(sent.status, 201);
    assert_eq!(listener.process.line(), "{\"message\":null}");
}

/// One JSON object a line: the subscription, messages as they come, and what else happens.
#[test]
fn listen_in_json_tells_messages_and_events() {
    let folder = Folder::new();
    let data = folder.path("data");
    let mut service = Service::start(&data, "--dev");
    let mut listener = Listener::start(&folder, &service, &["--json"]);
    let told: Value = serde_json::from_str(&listener.subscription).unwrap();
    // w3c-recv-1: a sender with another secret than ours.
    let mut other = told.get("subscription").unwrap().clone();
    *other.pointer_mut("/keys/auth").unwrap() = "A".repeat(22).into();
    let (other, ca) = (folder.file("other.json", other.to_string()), folder.text("data/dev/ca.pem"));
    let sent = run(["send", "--to", &other, "--ca", &ca, "not for us"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert_eq!(listener.process.line(), "{\"event\":\"discarded\",\"why\":\"undecryptable\"}");
    let sent = send(&folder, &["line\nand \"line\""]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let message: Value = serde_json::from_str(&listener.process.line()).unwrap();
    assert_eq!(message, json!({ "message": "line\nand \"line\"" }));

    service.process.kill();
    assert_eq!(listener.process.line(), "{\"event\":\"offline\"}");
    let address = service.address.to_string();
    service = Service::start_at(&data, &address, "--dev");
    assert_eq!(listener.process.line(), "{\"event\":\"online\"}");

    // 8030-7.3-2: a service that knows nothing of it any more.
    service.process.kill();
    assert_eq!(listener.process.line(), "{\"event\":\"offline\"}");
    // The same certificate and key, and nothing in the store.
    fs::create_dir(folder.path("other")).unwrap();
    fs::rename(folder.path("data/dev"), folder.path("other/dev")).unwrap();
    let _forgetful = Service::start_at(&folder.path("other"), &address, "--dev");
    assert_eq!(listener.process.line(), "{\"event\":\"online\"}");
    assert_eq!(listener.process.line(), "{\"event\":\"failed\",\"why\":\"gone\"}");
    assert_eq!(listener.process.exit_code(), Some(1));
}

/// 8030-5.3-4: what matters less than is wanted waits at the service.
#[test]
fn listen_takes_only_what_is_urgent_enough() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let mut listener = Listener::start(&folder, &service, &["--urgency", "high"]);
    for (urgency, text) in [("normal", "can wait"), ("high", "cannot")] {
        let sent = send(&folder, &["--urgency", urgency, text]);
        assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    }
    assert_eq!(listener.process.line(), "cannot");
    listener.process.signal("INT");
    assert_eq!(listener.process.exit_code(), Some(0));
    let mut all = Listener::start(&folder, &service, &["--count", "1"]);
    assert_eq!(all.process.line(), "can wait");
    assert_fails(&run(["listen", "--url", "https://a.example", "--urgency", "some"]), 2, &["very-low"]);
}

/// 8292-4.1-5, 8292-4.2-9: by the binary, from the subscribe to the refusal.
#[test]
fn only_the_holder_of_the_key_may_send() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    let (mine, theirs) = (folder.text("mine.pem"), folder.text("theirs.json"));
    let made = run(["keygen", "--out", &mine]);
    run(["keygen", "--format", "json", "--out", &theirs]);
    let mut listener = Listener::start(&folder, &service, &["--vapid", stdout(&made).trim()]);

    let refused = send(&folder, &["--key", &theirs, "--subject", "mailto:me@example.org", "not for you"]);
    assert_fails(&refused, 1, &["another VAPID key", "the key it was made with"]);
    assert_fails(&send(&folder, &["nor from nobody"]), 1, &["does not accept who we say we are", "--key"]);
    let sent = send(&folder, &["--key", &mine, "--subject", "mailto:me@example.org", "for you"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    assert_eq!(listener.process.line(), "for you");
}

#[test]
fn send_says_who_erred() {
    let folder = Folder::new();
    let mut service = Service::start(&folder.path("data"), "--dev");
    let listener = Listener::start(&folder, &service, &[]);
    let too_long = folder.file("long", vec![b'x'; 3994]);
    assert_fails(&send(&folder, &["--file", &too_long]), 1, &["nothing was sent", "3993"]);
    let json = listener.subscription.replacen("/p/", "/p/A", 1);
    let gone = folder.file("gone.json", json);
    let ca = folder.text("data/dev/ca.pem");
    assert_fails(&run(["send", "--to", &gone, "--ca", &ca, "hello"]), 1, &["the subscription has ended"]);
    // Without --ca only the world's certificates and addresses are good enough.
    let json = folder.text("me.json");
    assert_fails(&run(["send", "--to", &json, "hello"]), 1, &[&service.public_url, "--private-addresses"]);
    service.process.kill();
    assert_fails(&send(&folder, &["hello"]), 1, &["cannot be reached"]);
}

#[test]
fn listen_says_whose_state_it_is() {
    let folder = Folder::new();
    let service = Service::start(&folder.path("data"), "--dev");
    drop(Listener::start(&folder, &service, &[]));
    let (ca, state) = (folder.text("data/dev/ca.pem"), folder.text("me.state"));
    let elsewhere = run(["listen", "--url", "https://localhost:1", "--ca", &ca, "--state", &state]);
    assert_fails(&elsewhere, 2, &[&service.public_url, "--state"]);
    let foreign = folder.file("foreign.state", "{}");
    let broken = run(["listen", "--url", &service.public_url, "--ca", &ca, "--state", &foreign]);
    assert_fails(&broken, 1, &["foreign.state", "not the state of a user agent"]);
}

#[tokio::test]
async fn logs_show_no_secret_at_any_level() {
    let folder = Folder::new();
    let log = folder.path("log");
    let service = Service::start_logged(&folder.path("data"), &log);
    let peer = Peer::connect(service.address).await.unwrap();
    let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
    let subscription = path_of(made.headers.get("location").unwrap().to_str().unwrap());
    let push = link(&made.headers, "urn:ietf:params:push");
    let fields = [("ttl", "60"), ("topic", "secret-topic"), ("content-encoding", "aes128gcm")];
    let sent = peer.request(Method::POST, &push, &fields, "secret body".into()).await.unwrap();
    let message = path_of(sent.headers.get("location").unwrap().to_str().unwrap());
    let mut monitor = peer.monitor(&subscription, &[]).await.unwrap();
    assert_eq!(monitor.next().await.unwrap().unwrap().path, message);
    peer.request(Method::DELETE, &message, &[], Bytes::new()).await.unwrap();
    peer.request(Method::DELETE, &format!("{subscription}x"), &[], Bytes::new()).await.unwrap();
    drop((service, peer));
    let log = fs::read_to_string(log).unwrap();
    for secret in [&subscription, &push, &message] {
        let token = secret.rsplit('/').next().unwrap();
        assert!(!log.contains(token), "a capability URL is in {log}");
    }
    assert!(!log.contains("secret-topic") && !log.contains("secret body"), "{log}");
}

#[test]
fn sigterm_drains() {
    let folder = Folder::new();
    let mut service = Service::start(&folder.path("data"), "--dev");
    let mut listener = Listener::start(&folder, &service, &[]);
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
    listener.process.signal("TERM");
    assert_eq!(listener.process.exit_code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new();
    let mut service = Service::start_cleartext(&folder.path("data"), "--drain 5m");
    let peer = Peer::connect(service.address).await.unwrap();
    let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
    let subscription = path_of(made.headers.get("location").unwrap().to_str().unwrap());
    // A message that never ends holds the drain up.
    let begun = peer.begin(&link(&made.headers, "urn:ietf:params:push"), &[("ttl", "60")]).await.unwrap();
    let monitor = peer.monitor(&subscription, &[]).await.unwrap();
    // When this is answered, what was sent before it has been read.
    peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
    service.process.signal("TERM");
    // A monitor ends when the drain begins.
    monitor.response().await.unwrap();
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(1));
    drop(begun);
}

/// an `aud` without the port of the public URL counts where the operator says so.
#[tokio::test]
async fn portless_audience_is_a_flag() {
    for (flag, status) in [("", 403), ("--portless-audience", 201)] {
        let folder = Folder::new();
        let flags = format!("--behind-proxy --public-url https://push.test:8443 {flag}");
        let service = Service::start(&folder.path("data"), &flags);
        let peer = Peer::connect(service.address).await.unwrap();
        let provider = push_crypto::aws_lc::provider();
        let signer = Signer::new(SigningKey::generate(&provider).unwrap(), None);
        let subscribed = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
        let push = path_of(&link(&subscribed.headers, "urn:ietf:params:push"));

        let now = push_tokio::system_clocks().wall;
        let audience = "https://push.test".parse().unwrap();
        let token = signer.sign(&provider, &audience, now.saturating_add_secs(3600), now).unwrap();
        let authorization = token.authorization();
        let fields = [("ttl", "60"), ("authorization", &authorization)];
        let sent = peer.request(Method::POST, &push, &fields, Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(sent.status, status, "{flag}");
    }
}

/// vapid01-2-1, vapid01-4-1, A-26: credentials from before RFC 8292 count where the operator says so, and nowhere else.
#[tokio::test]
async fn draft_vapid_is_a_flag() {
    for (flag, status) in [("", 401), ("--draft-vapid", 201)] {
        let folder = Folder::new();
        let service = Service::start_cleartext(&folder.path("data"), flag);
        let peer = Peer::connect(service.address).await.unwrap();
        let provider = push_crypto::aws_lc::provider();
        let signer = Signer::new(SigningKey::generate(&provider).unwrap(), None);
        let key = signer.public_key().to_string();
        let options = Bytes::from(json!({ "vapid": key }).to_string());
        let typed = [("content-type", "application/webpush-options+json")];
        let subscribed = peer.request(Method::POST, "/subscribe", &typed, options).await.unwrap();
        let push = path_of(&link(&subscribed.headers, "urn:ietf:params:push"));

        let now = push_tokio::system_clocks().wall;
        let audience = "https://push.test".parse().unwrap();
        let token = signer.sign(&provider, &audience, now.saturating_add_secs(3600), now).unwrap();
        let (authorization, crypto_key) = (format!("WebPush {}", token.jwt()), format!("p256ecdsa={key}"));
        let fields = [("ttl", "60"), ("authorization", &authorization), ("crypto-key", &crypto_key)];
        let sent = peer.request(Method::POST, &push, &fields, Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(sent.status, status, "{flag}");
    }
}
