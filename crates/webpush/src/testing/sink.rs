//! A push service to measure senders by.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use push_crypto::{
    PushUrl, ReceiverKeys, Subscription,
    message::{MAX_BODY, decrypt},
    vapid::{Credentials, verify},
};
use push_driver::{Resolver, system_clocks};

#[cfg(feature = "sender")]
use crate::{Addresses, Allowed, Options};
use crate::{
    provider,
    testing::{
        Answer, HOST, LEEWAY_SECS,
        server::{ALL, Respond, Running},
    },
};

/// A push service, or a thousand of them, that takes every message and keeps none: what is left to measure is the sender.
/// It listens on a free port of 127.0.0.1, over TLS with a certificate of its own, by HTTP/2 and HTTP/1.1, and answers for
/// `localhost` and for every name below `push.test`.
///
/// Of each thousand messages it decrypts one and verifies its token, so that what is measured is known to be good.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use webpush::{Message, SigningKey, Vapid, testing::Sink};
///
/// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # rt.block_on(async {
/// let sink = Sink::start()?;
/// let vapid = Vapid::new(SigningKey::generate(&webpush::provider())?, "mailto:push@example.com")?;
/// let sender = webpush::tokio::sender(&vapid, sink.options())?;
/// sender.send(Message::new(sink.subscription("a.push.test", 1)?, "Lunch?")).await?;
/// assert_eq!((sink.count().messages, sink.count().bad), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    running: Running,
}

struct Shared {
    keys: ReceiverKeys,
    messages: AtomicU64,
    checked: AtomicU64,
    bad: AtomicU64,
}

/// What came to a [`Sink`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// Requests with a message.
    pub messages: u64,
    /// Of these, those that were decrypted and whose token was verified.
    pub checked: u64,
    /// Of all, those that no push service could take, or nobody could read.
    pub bad: u64,
}

impl Sink {
    /// Starts it, on a thread of its own.
    ///
    /// # Errors
    ///
    /// There is no port, no thread or no randomness.
    pub fn start() -> io::Result<Self> {
        let keys = ReceiverKeys::generate(&provider()).map_err(io::Error::other)?;
        let (messages, checked, bad) = Default::default();
        let shared = Arc::new(Shared { keys, messages, checked, bad });
        let names = vec![HOST.to_owned(), format!("*.{DOMAIN}")];
        let running = Running::start(names, ALL, Arc::clone(&shared))?;
        Ok(Self { shared, running })
    }

    /// One of its subscriptions, at one of its names. All have the same keys.
    ///
    /// # Errors
    ///
    /// It is not one of its names.
    pub fn subscription(&self, host: &str, number: u64) -> io::Result<Subscription> {
        let wrong = |_| io::Error::new(io::ErrorKind::InvalidInput, "not a name");
        let port = self.address().port();
        let endpoint = PushUrl::parse(&format!("https://{host}:{port}/p/{number}")).map_err(wrong)?;
        if !is_ours(endpoint.host()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not one of its names"));
        }
        let (p256dh, auth) = (*self.shared.keys.public_key(), self.shared.keys.auth().clone());
        Ok(Subscription { endpoint, p256dh, auth, expiration_time: None })
    }

    /// What came until now.
    #[must_use]
    pub fn count(&self) -> Count {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { messages, checked, bad, .. } = &*self.shared;
        Count { messages: read(messages), checked: read(checked), bad: read(bad) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The certificate to trust, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.running.certificate
    }

    /// For a sender that trusts it, and finds it by all its names.
    #[cfg(feature = "sender")]
    #[must_use]
    pub fn options(&self) -> Options {
        Self::options_for(self.address(), self.certificate().as_bytes())
    }

    /// The same for one in another process.
    #[cfg(feature = "sender")]
    #[must_use]
    pub fn options_for(address: SocketAddr, certificate: &[u8]) -> Options {
        let resolve = move |host: &str, port: u16| -> io::Result<Vec<SocketAddr>> {
            Ok(if is_ours(host) { vec![SocketAddr::new(address.ip(), port)] } else { Vec::new() })
        };
        let tls = push_driver::ClientTls::from_pem(certificate).ok();
        let here = Allowed::network(address.ip(), 8).into_iter().collect();
        let resolver = Some(Resolver::new(resolve));
        Options { tls, addresses: Addresses::PublicAnd(here), resolver, ..Options::default() }
    }
}

fn is_ours(host: &str) -> bool {
    let below = host.strip_suffix(DOMAIN).and_then(|name| name.strip_suffix('.'));
    host == HOST || below.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

impl Respond for Shared {
    fn respond(&self, request: Request<Bytes>) -> Answer {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let acceptable = head.headers.contains_key("ttl")
            && head.headers.contains_key(header::AUTHORIZATION)
            && (1..=MAX_BODY).contains(&body.len());
        let looked_at = number.is_multiple_of(CHECKED_OF);
        if looked_at {
            self.checked.fetch_add(1, Ordering::Relaxed);
        }
        if !acceptable || (looked_at && !self.is_good(&head.uri, &head.headers, &body)) {
            self.bad.fetch_add(1, Ordering::Relaxed);
            return Answer::status(400);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(location) = format!("/m/{number}").parse() {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Answer::from(response)
    }
}

impl Shared {
    /// Whether the user agent could read it, and the token is for us. Other senders' tokens leave out the port, so that is
    /// let pass.
    fn is_good(&self, uri: &http::Uri, headers: &HeaderMap, body: &[u8]) -> bool {
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let authority = authority.or_else(|| headers.get(header::HOST)?.to_str().ok()).unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let field = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let Ok(credentials) = Credentials::parse(field) else { return false };
        let is_for = |host: &str| {
            let now = system_clocks().wall;
            PushUrl::parse(&format!("https://{host}/"))
                .is_ok_and(|url| verify(&provider(), &credentials, &url.origin(), now, LEEWAY_SECS).is_ok())
        };
        (is_for(authority) || is_for(host)) && decrypt(&provider(), &self.keys, body).is_ok()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(..)")
    }
}

/// Reserved for tests (RFC 6761 §6.2).
const DOMAIN: &str = "push.test";
/// One of so many is looked at.
const CHECKED_OF: u64 = 1000;
