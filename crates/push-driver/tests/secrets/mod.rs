//! G6 over real sockets: whatever is logged, printed or told to others has no capability URL, key or payload in it.
//!
//! In a binary of its own, since it listens to all logs of its process.
#![allow(missing_docs, unreachable_pub, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../e2e/support/mod.rs"]
mod support;

use std::{
    fmt::Debug,
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use self::support::{
    Service, Setup, connect,
    peer::{Peer, Subscription},
    provider,
    raw::Raw,
    run,
};
use bytes::Bytes;
use http::Method;
use push_crypto::vapid::{Signer, SigningKey};
use push_driver::{Addresses, ClientTls, Push, Runtime as _, Sender, SenderOptions, UserAgentOptions};
use push_proto::{
    Content, PushUrl, Topic, Ttl, UnixTime,
    application_server::Verdict,
    user_agent::{State, Tag},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _};

use crate::adapter::{NATIVE, sender, user_agent};

const PAYLOAD: &[u8] = b"the planted payload of a message";
const TOPIC: &str = "the-planted-topic-of-a-message";
/// The octets 0xa7, as a key of ours.
const VAPID_KEY: &str = "p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c";

/// What all threads have logged.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(Arc::default);

#[derive(Clone)]
struct Captured;

impl Write for Captured {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Our own crates say all they have to say, libraries what the command lets through at most.
fn listen_in() {
    let targets =
        ["push_crypto", "push_driver", "push_proto", "push_smol", "push_store", "push_tokio", "secrets"]
            .into_iter()
            .fold(Targets::new().with_default(LevelFilter::WARN), |targets, ours| {
                targets.with_target(ours, LevelFilter::TRACE)
            });
    let layer = tracing_subscriber::fmt::layer().with_writer(|| Captured).with_ansi(false);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(layer))
        .unwrap();
}

/// Secrets by name, and all that was said.
#[derive(Default)]
struct Watch {
    secrets: Vec<(&'static str, Vec<u8>)>,
    said: String,
}

impl Watch {
    fn secret(&mut self, name: &'static str, secret: impl AsRef<[u8]>) {
        self.secrets.push((name, secret.as_ref().to_vec()));
    }

    /// The token at the end of a capability URL, as text and as octets.
    fn capability(&mut self, name: &'static str, url: &str) {
        let token = url.rsplit('/').next().unwrap();
        self.secret(name, token);
        // The first octets are the same in all tokens.
        self.secret(name, &decode(token)[2..]);
    }

    fn subscription(&mut self, subscription: &Subscription) {
        self.capability("a subscription", &subscription.subscription);
        self.capability("a push resource", &subscription.push);
        self.capability("a set", &subscription.set);
    }

    fn says(&mut self, what: &impl Debug) {
        self.said.push_str(&format!("{what:?}\n{what:#?}\n"));
    }

    fn tells(&mut self, body: &[u8]) {
        self.said.push_str(&String::from_utf8_lossy(body));
        self.said.push('\n');
    }

    /// Every planted secret that is in `text` in any form, by name.
    fn found_in(&self, text: &str) -> Vec<(&'static str, String)> {
        let found = |(name, secret): &(&'static str, Vec<u8>)| {
            let form = forms(secret).into_iter().find(|form| text.contains(form.as_str()))?;
            Some((*name, form))
        };
        self.secrets.iter().filter_map(found).collect()
    }
}

/// How octets may be written. A part of a secret is a secret too, so its ends are looked for.
fn forms(secret: &[u8]) -> Vec<String> {
    let length = secret.len().min(16);
    let parts = [&secret[..length], &secret[secret.len() - length..]];
    let each =
        |part: &[u8], form: fn(u8) -> String| part.iter().map(|octet| form(*octet)).collect::<Vec<_>>();
    let mut forms = Vec::new();
    for part in parts {
        forms.extend(std::str::from_utf8(part).ok().map(str::to_owned));
        forms.push(each(part, |octet| format!("{octet:02x}")).concat());
        forms.push(each(part, |octet| format!("{octet:02X}")).concat());
        forms.push(each(part, |octet| format!("%{octet:02x}")).concat());
        forms.push(each(part, |octet| format!("%{octet:02X}")).concat());
        forms.push(each(part, |octet| octet.to_string()).join(", "));
        // base64 in each of its alignments, whole groups only.
        for shift in 0..3 {
            let whole = &part[shift..part.len() - (part.len() - shift) % 3];
            let url = encode(whole);
            forms.push(url.replace('-', "+").replace('_', "/"));
            forms.push(url);
        }
    }
    forms
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url of whole groups.
fn encode(octets: &[u8]) -> String {
    let letters = |group: &[u8]| {
        let bits = group.iter().fold(0, |bits, octet| bits << 8 | usize::from(*octet));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits >> shift & 63]))
    };
    octets.chunks_exact(3).flat_map(letters).collect()
}

fn decode(text: &str) -> Vec<u8> {
    let value = |letter: u8| ALPHABET.iter().position(|known| *known == letter).unwrap();
    let bits = text.bytes().flat_map(|letter| (0..6).rev().map(move |bit| value(letter) >> bit & 1));
    let bits: Vec<usize> = bits.collect();
    let octet = |bits: &[usize]| u8::try_from(bits.iter().fold(0, |octet, bit| octet << 1 | bit)).unwrap();
    bits.chunks_exact(8).map(octet).collect()
}

fn signer() -> Signer {
    Signer::new(SigningKey::from_base64url(VAPID_KEY).unwrap(), None)
}

fn tls(service: &Service) -> ClientTls {
    ClientTls::from_pem(service.certificate.as_ref().unwrap().as_bytes()).unwrap()
}

fn from(signer: Option<Signer>, tls: ClientTls) -> Sender {
    let options = SenderOptions { addresses: Addresses::Any, ..SenderOptions::new(provider(), signer, tls) };
    sender(options).unwrap()
}

/// Our own clients at our own service: what works, and what is refused.
async fn converse(service: &Service, watch: &mut Watch) {
    let url = format!("https://localhost:{}/subscribe", service.address.port());
    let options = UserAgentOptions::new(PushUrl::parse(&url).unwrap(), provider(), tls(service));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let agent = user_agent(options, State::default(), move |state: &State| {
        *keep.lock().unwrap() = state.to_bytes();
    })
    .unwrap();
    let subscription = agent.subscribe(Tag(1), Some(*signer().public_key())).await.unwrap();
    watch.says(&agent.subscribe(Tag(1), None).await.unwrap_err());
    watch.capability("a push resource", subscription.endpoint.as_str());
    let json = subscription.to_json();
    let (_, auth) = json.split_once("\"auth\":\"").unwrap();
    watch.secret("an authentication secret", decode(auth.split('"').next().unwrap()));
    // What is kept has every secret of the user agent in it; it says of itself how long it is at most.
    watch.says(&State::from_bytes(&kept.lock().unwrap()).unwrap());

    let push = Push { topic: Topic::parse(TOPIC.as_bytes()), ..Push::new(Ttl::from_secs(60)) };
    let own = from(Some(signer()), tls(service));
    let sent = own.send(&subscription, PAYLOAD, Push { receipt: true, ..push.clone() }).await.unwrap();
    watch.says(&sent);
    let Verdict::Accepted(accepted) = &sent.verdict else { panic!("{:?}", sent.verdict) };
    watch.capability("a message", accepted.message.as_ref().unwrap().as_str());
    let message = agent.next().await.unwrap();
    assert_eq!(message.payload(), Some(PAYLOAD));
    watch.says(&message);
    message.acknowledge();
    watch.says(&sent.receipt.unwrap().outcome().await);

    let content = Content { body: Bytes::from_static(PAYLOAD), ..Content::default() };
    // What nobody can decrypt is an event; what is dropped comes again.
    own.send_content(&subscription.endpoint, content.clone(), Push::new(push.ttl)).await.unwrap();
    own.send(&subscription, PAYLOAD, push.clone()).await.unwrap();
    watch.says(&agent.next().await.unwrap());
    watch.says(&own.send(&subscription, &[PAYLOAD; 200].concat(), push.clone()).await.map(drop));

    let other = Signer::new(SigningKey::generate(&provider()).unwrap(), None);
    for sender in [from(None, tls(service)), from(Some(other), tls(service))] {
        let refused =
            sender.send_content(&subscription.endpoint, content.clone(), push.clone()).await.unwrap();
        if let Verdict::KeyMismatch(why) | Verdict::Auth(why) | Verdict::Rejected(why) = &refused.verdict {
            watch.tells(&why.reason);
        }
        watch.says(&refused);
        sender.close().await;
    }
    // No TLS with us, nor a connection at all.
    let mut options = SenderOptions::new(provider(), Some(signer()), ClientTls::nobody().unwrap());
    options.addresses = Addresses::Any;
    options.config.limits.attempts = 1;
    let stranger = sender(options).unwrap();
    watch.says(&stranger.send_content(&subscription.endpoint, content, push.clone()).await);
    agent.unsubscribe(Tag(1)).await;
    watch.says(&own.send(&subscription, PAYLOAD, push).await);
    watch.says(&agent);
    watch.says(&own);
    own.close().await;
    agent.close().await;
    while let Some(event) = agent.event().await {
        watch.says(&event);
    }
}

/// Method, path, fields, body.
type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);

/// Well-formed requests that are refused, each for a reason of its own.
async fn refuse(service: &Service, watch: &mut Watch) {
    let mut peer = Peer::connect(service).await;
    let subscription = peer.subscribe().await;
    watch.subscription(&subscription);
    let now: UnixTime = NATIVE.now().wall;
    let audience = peer.base.parse().unwrap();
    let token = signer().sign(&provider(), &audience, now.saturating_add_secs(3600), now).unwrap();
    watch.secret("a VAPID token", token.jwt());
    let (good, broken) = (token.authorization(), format!("{}x", token.authorization()));
    let message = peer.send(&subscription.push, PAYLOAD).await;
    watch.capability("a message", &message);
    let headers = [("ttl", "60"), ("authorization", good.as_str())];
    let signed = peer.request(Method::POST, &subscription.push, &headers, PAYLOAD).await;
    assert_eq!(signed.status(), 201);

    let large = vec![PAYLOAD[0]; 1 << 20];
    let wrong = format!("{}x", subscription.push);
    let link = format!("<{}{}>; rel=\"urn:ietf:params:push:receipt\"", peer.base, subscription.set);
    let receipts = [("ttl", "60"), ("prefer", "respond-async"), ("link", link.as_str())];
    let unsigned = [("ttl", "60"), ("authorization", broken.as_str())];
    let topical = [("ttl", "60"), ("topic", "the planted topic of a message")];
    let cases: [Case<'_>; 9] = [
        (Method::POST, &subscription.push, &[], PAYLOAD),
        (Method::POST, &subscription.push, &[("ttl", "soon")], PAYLOAD),
        (Method::POST, &subscription.push, &unsigned, PAYLOAD),
        (Method::POST, &subscription.push, &receipts, PAYLOAD),
        (Method::POST, &subscription.push, &topical, PAYLOAD),
        (Method::POST, &subscription.push, &[("ttl", "60")], &large),
        (Method::POST, &wrong, &[("ttl", "60")], PAYLOAD),
        (Method::POST, &subscription.subscription, &[("ttl", "60")], PAYLOAD),
        (Method::GET, &subscription.push, &[], b""),
    ];
    for (method, path, headers, body) in cases {
        let refused = peer.request(method, path, headers, body).await;
        assert!(refused.status().as_u16() >= 400, "{}", refused.status());
        watch.tells(refused.body());
    }
    watch.tells(peer.request(Method::DELETE, &subscription.set, &[], b"").await.body());
}

/// What is no request at all, in the midst of which secrets stand; and connections that end.
async fn garble(clear: &Service, secure: &Service, watch: &mut Watch) {
    let mut peer = Peer::connect(clear).await;
    let subscription = peer.subscribe().await;
    watch.subscription(&subscription);
    peer.send(&subscription.push, PAYLOAD).await;

    // A monitor that resets what it is pushed, and one that goes.
    let mut monitor = peer.monitor(&subscription.set, &[]).await;
    drop(monitor.pushes.push_promise().await.unwrap().unwrap());
    drop(monitor);
    drop(peer.begin(Method::POST, &subscription.push, &[("ttl", "60")], false).await);

    let push = &subscription.push;
    let oddities = [
        format!("POST {push} HTTP/1.1\r\nhost: x\r\nttl: 5\r\ncontent-length: many\r\n\r\n"),
        format!("POST {push}\0 HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("{push} {push} {push}\r\n\r\n"),
        format!("POST {push} HTTP/1.1\r\nhost: x\r\n{push}\r\n\r\n"),
        format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", subscription.set),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{push}{push}{push}"),
        "x".repeat(100_000),
    ];
    for service in [clear, secure] {
        for oddity in &oddities {
            let mut socket = connect(service.address).await;
            // The service may have gone before all of it is written, or read.
            let _gone = socket.write_all(oddity.as_bytes()).await;
            let _gone = socket.shutdown().await;
            let mut answer = Vec::new();
            let _gone = socket.read_to_end(&mut answer).await;
            watch.tells(&answer);
        }
    }
    for settings in [&[(2, 7)][..], &[(4, u32::MAX)]] {
        let mut raw = Raw::connect(clear, settings).await;
        raw.until(|frame| frame.kind == support::raw::GOAWAY).await;
    }
    let mut raw = Raw::connect(clear, &[]).await;
    raw.head(1, ("POST", push), &[("connection", push), ("ttl", "60")], true).await;
    raw.until(|frame| frame.stream == 1).await;
    raw.write(support::raw::HEADERS, 4, 3, push.as_bytes()).await;
    raw.until(|frame| frame.kind == support::raw::GOAWAY).await;
}

/// 8030-8.5-1, G6: nobody who reads logs, errors or other people's answers learns a secret.
#[test]
fn no_planted_secret_is_logged_printed_or_told_to_others() {
    listen_in();
    let mut watch = Watch::default();
    watch.secret("a payload", PAYLOAD);
    watch.secret("a topic", TOPIC);
    watch.secret("a VAPID key", VAPID_KEY);
    watch.secret("a VAPID key", [0xa7; 32]);
    // How every token begins.
    watch.secret("a VAPID token", "eyJ0eXAiOiJKV1Qi");
    watch.secret("a VAPID token", "vapid t=");
    run(async {
        let secure = Setup { tls: true, ..Setup::default() }.start();
        let clear = Setup::default().start();
        converse(&secure, &mut watch).await;
        refuse(&secure, &mut watch).await;
        refuse(&clear, &mut watch).await;
        garble(&clear, &secure, &mut watch).await;
        secure.server.drain(std::time::Duration::ZERO).await;
        clear.server.drain(std::time::Duration::ZERO).await;
    });
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(log.contains("push_driver") && log.contains("refused"), "something is logged: {log}");
    assert_eq!(watch.found_in(&log), [], "G6: in the log");
    assert_eq!(watch.found_in(&watch.said), [], "G6: in what is printed or told");

    // It would be found: in each form, and through the subscriber.
    let (_, token) = watch.secrets.iter().find(|(name, _)| *name == "a message").unwrap();
    for form in forms(token) {
        assert!(!watch.found_in(&format!("it was {form}, you know")).is_empty(), "{form}");
    }
    tracing::trace!(target: "push_driver::planted", url = %String::from_utf8_lossy(token), "leaked");
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    assert!(!watch.found_in(&log).is_empty(), "a log line with a secret in it is caught");
}
