//! A push service in your own tests: it runs in the test's process, decrypts what it gets, and answers as it is told, in
//! the words of each vendor.
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use webpush::testing::{Answer, PushService, Situation};
//! use webpush::{Message, SigningKey, Vapid, Vendor, Verdict};
//!
//! # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # rt.block_on(async {
//! let service = PushService::start()?;
//! let vapid = Vapid::new(SigningKey::generate(&webpush::provider())?, "mailto:push@example.com")?;
//! let sender = webpush::tokio::sender(&vapid, service.options())?;
//!
//! // As a browser's user would, with the page's key.
//! let to = service.subscribe(Some(vapid.public_key()));
//! let sent = sender.send(Message::new(to.clone(), "Lunch?")).await?;
//! assert!(matches!(sent.verdict, Verdict::Accepted(_)));
//! assert_eq!(service.received().await.payload.as_deref(), Ok(b"Lunch?".as_slice()));
//!
//! service.answer_next(Answer::of(Vendor::Apple, Situation::Gone));
//! let sent = sender.send(Message::new(to, "Lunch?")).await?;
//! assert!(matches!(sent.verdict, Verdict::Gone(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod server;
mod sink;

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
#[cfg(feature = "aesgcm")]
use push_crypto::aesgcm;
use push_crypto::{
    Origin, PublicKey, PushUrl, ReceiverKeys, Subscription,
    message::{DecryptError, decrypt},
    vapid::{Credentials, verify},
};
use push_driver::system_clocks;
use tokio::sync::Notify;

pub use answer::{Answer, Situation};
pub use sink::{Count, Sink};

use server::{Respond, Running};

#[cfg(feature = "sender")]
use crate::{Addresses, Allowed, Options};
use crate::{Topic, Ttl, Urgency, Vendor, provider};

/// A push service of a test's own, on a free port of 127.0.0.1, over TLS with a certificate of its own, by HTTP/2 and
/// HTTP/1.1. It ends when it is dropped.
///
/// Unless it is told otherwise it takes what a push service must take and refuses what it must not: a message without a TTL
/// (`8030-5.2-2`), with a body above 4096 octets (`8030-7.2-5`), with a token that is not good, or not of the key that the
/// subscription was made with (`8292-4.2-9`).
pub struct PushService {
    shared: Arc<Shared>,
    running: Running,
}

#[derive(Default)]
struct Shared {
    /// Known before anything can come.
    origin: OnceLock<Origin>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// By the path of the push resource.
    subscriptions: BTreeMap<String, Known>,
    answers: VecDeque<Answer>,
    otherwise: Option<Answer>,
    received: VecDeque<Received>,
    messages: u64,
}

struct Known {
    /// None once it has ended.
    keys: Option<ReceiverKeys>,
    restricted_to: Option<PublicKey>,
}

/// Why nobody can read a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is no such subscription, or it has ended.
    NoSubscription,
    /// It is not for this one, or it is damaged.
    Message(DecryptError),
    /// The same of one in the coding of old browsers.
    #[cfg(feature = "aesgcm")]
    Aesgcm(aesgcm::DecryptError),
    /// It says that it is in that coding, and not how to read it.
    #[cfg(feature = "aesgcm")]
    Fields(aesgcm::FieldsError),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSubscription => f.write_str("there is no such subscription"),
            Self::Message(error) => error.fmt(f),
            #[cfg(feature = "aesgcm")]
            Self::Aesgcm(error) => error.fmt(f),
            #[cfg(feature = "aesgcm")]
            Self::Fields(error) => error.fmt(f),
        }
    }
}

impl Error for Unreadable {}

/// A message that came, whatever was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The path of the push resource.
    pub path: String,
    /// What it says, or why nobody can read it.
    pub payload: Result<Vec<u8>, Unreadable>,
    /// `TTL`, if there is a good one.
    pub ttl: Option<Ttl>,
    /// `Urgency`; normal without.
    pub urgency: Urgency,
    /// `Topic`
    pub topic: Option<Topic>,
    /// Whose token it came with, if that is good.
    pub signed_by: Option<PublicKey>,
    /// All its fields.
    pub headers: HeaderMap,
    /// As it came.
    pub body: Bytes,
}

impl PushService {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// There is no port, or no thread.
    pub fn start() -> io::Result<Self> {
        Self::start_speaking(server::ALL)
    }

    /// As [`PushService::start`], for HTTP/1.1 only, as WNS is.
    ///
    /// # Errors
    ///
    /// There is no port, or no thread.
    pub fn start_http1() -> io::Result<Self> {
        Self::start_speaking(server::HTTP1_ONLY)
    }

    fn start_speaking(protocols: server::Protocols) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let running = Running::start(vec![HOST.to_owned()], protocols, Arc::clone(&shared))?;
        let service = Self { shared, running };
        if let Ok(url) = service.url().parse::<PushUrl>() {
            service.shared.origin.get_or_init(|| url.origin());
        }
        Ok(service)
    }

    /// A new subscription, as a user agent's would be; with a key it takes messages of its holder only. What is sent to it
    /// is decrypted here.
    ///
    /// # Panics
    ///
    /// If the system has no randomness.
    #[must_use]
    #[allow(clippy::panic, reason = "there is no test without it")]
    pub fn subscribe(&self, restricted_to: Option<&PublicKey>) -> Subscription {
        self.try_subscribe(restricted_to).unwrap_or_else(|error| panic!("no subscription: {error}"))
    }

    fn try_subscribe(&self, restricted_to: Option<&PublicKey>) -> Result<Subscription, Box<dyn Error>> {
        let keys = ReceiverKeys::generate(&provider())?;
        let mut state = self.shared.state();
        let path = format!("/p/{}", state.subscriptions.len() + 1);
        let subscription = Subscription {
            endpoint: format!("{}{path}", self.url()).parse()?,
            p256dh: *keys.public_key(),
            auth: keys.auth().clone(),
            expiration_time: None,
        };
        state.subscriptions.insert(path, Known { keys: Some(keys), restricted_to: restricted_to.copied() });
        Ok(subscription)
    }

    /// The subscription has ended: 410 from now on.
    pub fn unsubscribe(&self, subscription: &Subscription) {
        let mut state = self.shared.state();
        if let Some(known) = state.subscriptions.get_mut(subscription.endpoint.path_and_query()) {
            known.keys = None;
        }
    }

    /// The next message is answered so. Several are answered in this order.
    pub fn answer_next(&self, answer: Answer) {
        self.shared.state().answers.push_back(answer);
    }

    /// All messages are answered so, but for those of [`PushService::answer_next`]; none ends that.
    pub fn answer_all(&self, answer: Option<Answer>) {
        self.shared.state().otherwise = answer;
    }

    /// The next message that came and was not taken from here; waits for it.
    ///
    /// Cancel safe.
    pub async fn received(&self) -> Received {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(received) = self.shared.state().received.pop_front() {
                return received;
            }
            arrived.await;
        }
    }

    /// All messages that came and were not taken from here.
    #[must_use]
    pub fn take_received(&self) -> Vec<Received> {
        self.shared.state().received.drain(..).collect()
    }

    /// Where it is, for example `https://localhost:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{HOST}:{}", self.running.address.port())
    }

    /// The certificate to trust, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.running.certificate
    }

    /// For a sender that trusts this service, and connects to this machine.
    #[cfg(feature = "sender")]
    #[must_use]
    pub fn options(&self) -> Options {
        let tls = push_driver::ClientTls::from_pem(self.certificate().as_bytes()).ok();
        let here = Allowed::host(HOST).into_iter().collect();
        Options { tls, addresses: Addresses::PublicAnd(here), ..Options::default() }
    }
}

impl fmt::Debug for PushService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushService({})", self.url())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose token it is, if it is a good one for this service.
    fn signer(&self, headers: &HeaderMap) -> Option<PublicKey> {
        let credentials = Credentials::parse(headers.get(header::AUTHORIZATION)?.as_bytes()).ok()?;
        let verified =
            verify(&provider(), &credentials, self.origin.get()?, system_clocks().wall, LEEWAY_SECS);
        verified.ok().map(|verified| *verified.key())
    }
}

impl Respond for Shared {
    fn respond(&self, request: Request<Bytes>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let field = |name: &str| head.headers.get(name).map(http::HeaderValue::as_bytes);
        let mut state = self.state();
        let known = state.subscriptions.get(&path);
        let keys = known.and_then(|known| known.keys.as_ref()).ok_or(Unreadable::NoSubscription);
        let payload = keys.and_then(|keys| open(keys, &head.headers, &body));
        let received = Received {
            payload,
            ttl: field("ttl").and_then(Ttl::parse),
            urgency: field("urgency").and_then(Urgency::parse).unwrap_or_default(),
            topic: field("topic").and_then(Topic::parse),
            signed_by: self.signer(&head.headers),
            path,
            headers: head.headers,
            body,
        };
        let scripted = state.answers.pop_front().or_else(|| state.otherwise.clone());
        let answer = scripted.unwrap_or_else(|| {
            state.messages += 1;
            natural(&received, state.subscriptions.get(&received.path), state.messages)
        });
        state.received.push_back(received);
        drop(state);
        self.arrived.notify_one();
        answer
    }
}

/// What it says to the user agent that has these keys.
fn open(keys: &ReceiverKeys, headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Unreadable> {
    #[cfg(feature = "aesgcm")]
    if aesgcm::is_content_coding(&joined(headers, "content-encoding")) {
        let (encryption, crypto_key) = (joined(headers, "encryption"), joined(headers, "crypto-key"));
        let fields = aesgcm::Fields::parse(encryption, crypto_key).map_err(Unreadable::Fields)?;
        return aesgcm::decrypt(&provider(), keys, &fields, body).map_err(Unreadable::Aesgcm);
    }
    #[cfg(not(feature = "aesgcm"))]
    let _one_coding = headers;
    decrypt(&provider(), keys, body).map_err(Unreadable::Message)
}

/// All lines of a field (RFC 9110 §5.3).
#[cfg(feature = "aesgcm")]
fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines.collect::<Vec<_>>().join(",")
}

/// What a push service makes of it.
fn natural(received: &Received, known: Option<&Known>, number: u64) -> Answer {
    let Some(known) = known else { return Answer::of(Vendor::Other, Situation::Unknown) };
    if known.keys.is_none() {
        return Answer::of(Vendor::Other, Situation::Gone);
    }
    let Some(ttl) = received.ttl else { return Answer::status(400) };
    if received.body.len() > push_crypto::message::MAX_BODY {
        return Answer::status(413);
    }
    if let Some(key) = &known.restricted_to {
        match &received.signed_by {
            None => return Answer::of(Vendor::Other, Situation::BadToken),
            Some(signer) if signer != key => {
                return Answer::of(Vendor::Other, Situation::KeyMismatch);
            }
            Some(_) => {}
        }
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = format!("/m/{number}").parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert("ttl", ttl.as_secs().into());
    Answer::from(response)
}

const HOST: &str = "localhost";
/// How far a sender's clock may be off.
const LEEWAY_SECS: u64 = 60;
