//! A door, requests to knock with, and the ids behind the URLs.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use push_crypto::{
    Provider,
    capability::Keyring,
    rustcrypto,
    vapid::{Signer, SigningKey},
};
use push_proto::{
    AgentId, Content, ContentField, Handle, Message, MessageId, Refusal, SealingKeyId, Slot, SubscriptionId,
    Ttl, UnixTime, Urgency,
    service::{Accepted, Named, Request, Send, Subscribed},
    wire::{BodyLimit, Door, Limits, PublicUrl, Unremembered},
};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const AGENT: AgentId = AgentId::from_octets([0xa1; 16]);
pub(crate) const RECEIPTS: AgentId = AgentId::from_octets([0xc3; 16]);
pub(crate) const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_octets([0xb2; 16]);
pub(crate) const HANDLE: Handle = Handle {
    agent: AGENT,
    subscription: SUBSCRIPTION,
    slot: Slot::from_octets([0xd4; 16]),
    id: MessageId::from_octets([0xe5; 16]),
};
/// The only key of [`door`].
pub(crate) const KEY: SealingKeyId = SealingKeyId::from_u8(0);
pub(crate) const SUBSCRIBED: Subscribed =
    Subscribed { agent: AGENT, subscription: SUBSCRIPTION, set_sealed_by: None };
/// Without a receipt.
pub(crate) const ACCEPTED: Accepted =
    Accepted { handle: HANDLE, sealed_by: KEY, ttl: Ttl::ZERO, receipt: None, receipt_sealed_by: None };
pub(crate) const ORIGIN: &str = "https://push.example.net";

pub(crate) static PROVIDER: LazyLock<Provider> = LazyLock::new(rustcrypto::provider);
static KEYRING: LazyLock<Arc<Keyring>> = LazyLock::new(|| Arc::new(Keyring::generate(&PROVIDER).unwrap()));
pub(crate) static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::new(SigningKey::generate(&PROVIDER).unwrap(), None));

/// At the origin itself.
pub(crate) fn door() -> Door {
    door_at(ORIGIN, Limits::default())
}

/// All doors of the tests have the same keys.
pub(crate) fn door_at(url: &str, limits: Limits) -> Door {
    Door::new(Arc::clone(&KEYRING), PublicUrl::parse(url).unwrap(), *PROVIDER, limits)
}

/// `Authorization` of a good token.
pub(crate) fn authorization() -> String {
    let audience = ORIGIN.parse().unwrap();
    SIGNER.sign(&PROVIDER, &audience, NOW.saturating_add_secs(3600), NOW).unwrap().authorization()
}

/// A request being made.
#[derive(Clone, Debug)]
pub(crate) struct Knock {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Knock {
    pub(crate) fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.parse().unwrap(),
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// POST to the push resource, without a TTL.
    pub(crate) fn bare_send() -> Self {
        Self::new("POST", door().push_url(AGENT, SUBSCRIPTION)).body("hello")
    }

    pub(crate) fn send() -> Self {
        Self::bare_send().header("ttl", "60")
    }

    pub(crate) fn subscribe() -> Self {
        Self::new("POST", door().url().subscribe())
    }

    /// One more field line.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub(crate) fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines.iter().fold(self, |knock, (name, value)| knock.header(name, value))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// As the driver does it.
    pub(crate) fn at(self, door: &Door) -> Result<Request, Refusal> {
        let path = self.url.strip_prefix(ORIGIN).unwrap_or(&self.url).to_owned();
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = path.parse().unwrap();
        *request.headers_mut() = self.headers;
        let (head, body) = request.into_parts();
        let admitted = door.admit(&head)?;
        let body = match admitted.body_limit() {
            BodyLimit::Ignored => Bytes::new(),
            BodyLimit::AtMost(octets) if body.len() > octets => return Err(Refusal::BODY_TOO_LARGE),
            BodyLimit::AtMost(_) => body,
        };
        door.request(admitted, http::Request::from_parts(head, body), &mut Unremembered, NOW)
    }

    pub(crate) fn go(self) -> Result<Request, Refusal> {
        self.at(&door())
    }

    pub(crate) fn refused(self) -> Refusal {
        self.go().expect_err("the request must be refused")
    }

    pub(crate) fn sent(self) -> Send {
        match self.go() {
            Ok(Request::Send(send)) => send,
            other => panic!("{other:?}"),
        }
    }
}

/// A stored message.
pub(crate) fn message() -> Message {
    Message {
        handle: HANDLE,
        sealed_by: KEY,
        accepted: UnixTime::from_secs(1_799_999_000),
        expires: UnixTime::from_secs(1_800_001_000),
        urgency: Urgency::High,
        receipt: Some(RECEIPTS),
        content: Content {
            body: Bytes::from_static(b"sealed"),
            fields: [(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))].into(),
        },
    }
}

/// An agent, named by a URL of [`door`].
pub(crate) fn named(agent: AgentId) -> Named {
    Named { agent, sealed_by: KEY }
}

/// The one value of a field.
pub(crate) fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    match values.as_slice() {
        [value] => value,
        other => panic!("{name}: {other:?}"),
    }
}
