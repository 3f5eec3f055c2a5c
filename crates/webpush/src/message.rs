//! A message, and the request that carries it.

use std::{convert::Infallible, fmt};

use bytes::Bytes;
#[cfg(feature = "aesgcm")]
use push_crypto::aesgcm;
#[cfg(feature = "sender")]
use push_crypto::message::Draft;
use push_crypto::{
    Provider, PublicKey, Subscription, SubscriptionError, UnixTime,
    message::{EncryptError, Padding, encrypt},
    vapid::SignError,
};
use push_proto::{
    Content, ContentField, Topic, Ttl, Urgency,
    application_server::{Credentials, ReceiptRequest, Request, Send},
    wire,
};

use zeroize::Zeroizing;

use crate::Vapid;

/// A message to one subscription. It is encrypted for the user agent when it is sent (RFC 8291); nobody on the way can
/// read it.
///
/// ```
/// use webpush::{Message, SigningKey, Subscription, Topic, Ttl, UnixTime, Urgency, Vapid};
///
/// # fn example(json: &str, vapid: &Vapid, now: UnixTime) -> Result<(), Box<dyn std::error::Error>> {
/// let to: Subscription = json.parse()?; // as `JSON.stringify(subscription)` gives it in the browser
/// let request = Message::new(to, "Lunch?")
///     .ttl(Ttl::hours(1))
///     .urgency(Urgency::High)
///     .topic(Topic::parse(b"lunch").ok_or("no topic")?)
///     .into_request(vapid, now)?; // an `http::Request`, for any client
/// # drop(request);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Message {
    pub(crate) to: Subscription,
    pub(crate) payload: Zeroizing<Vec<u8>>,
    pub(crate) ttl: Ttl,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<Topic>,
    pub(crate) padding: Padding,
    pub(crate) receipt: bool,
    pub(crate) key: Option<PublicKey>,
    coding: Coding,
}

/// How a message is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coding {
    /// RFC 8291, which every browser of today takes.
    #[default]
    Aes128gcm,
    /// What was there before it, [`push_crypto::aesgcm`], for subscriptions that are known to take nothing else: the page
    /// says so by `PushManager.supportedContentEncodings`.
    #[cfg(feature = "aesgcm")]
    Aesgcm,
}

impl Message {
    /// A message with this payload: at most [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) octets with [`Padding::None`]. It is worth
    /// delivering for [four weeks](Message::TTL), of normal urgency, and replaces no other.
    #[must_use]
    pub fn new(to: Subscription, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            to,
            payload: Zeroizing::new(payload.into()),
            ttl: Self::TTL,
            urgency: Urgency::Normal,
            topic: None,
            padding: Padding::Buckets(128),
            receipt: false,
            key: None,
            coding: Coding::Aes128gcm,
        }
    }

    /// Four weeks: no large push service keeps a message for much longer.
    pub const TTL: Ttl = Ttl::days(28);

    /// How long it is worth delivering. [`Ttl::ZERO`]: now or never (`8030-5.2-9`). The service may grant less.
    #[must_use]
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// How much it matters (RFC 8030 §5.3): whether a device with little power gets it now.
    #[must_use]
    pub const fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
        self
    }

    /// It replaces a message of the same topic that still waits (RFC 8030 §5.4), and can be sent again without harm when a
    /// connection is lost. The push service sees the topic.
    #[must_use]
    pub fn topic(mut self, topic: Topic) -> Self {
        self.topic = Some(topic);
        self
    }

    /// What hides the length of the payload. By default it is rounded up to a multiple of 128 octets.
    #[must_use]
    pub const fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Asks for a receipt (RFC 8030 §5.1). No large push service gives one; this project's does.
    #[must_use]
    pub const fn receipt(mut self) -> Self {
        self.receipt = true;
        self
    }

    /// The VAPID key that the subscription was made with, if a sender has several (`8292-4.2-1`).
    #[must_use]
    pub const fn key(mut self, key: PublicKey) -> Self {
        self.key = Some(key);
        self
    }

    /// How it is encrypted.
    #[must_use]
    pub const fn coding(mut self, coding: Coding) -> Self {
        self.coding = coding;
        self
    }

    /// The subscription that it is for.
    #[must_use]
    pub const fn to(&self) -> &Subscription {
        &self.to
    }

    /// Encrypts it, and makes the request that sends it: a POST to the push resource with all its fields (`8030-5-1`),
    /// signed (`8292-2-5`). Send it without following redirections, and give the response to
    /// [`Verdict::from_response`](crate::Verdict::from_response).
    ///
    /// Without a [`Vapid`], for the few push services that do not insist on one, it is not signed.
    ///
    /// `now` is what the clock says, which nothing here reads by itself:
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use webpush::{Message, Subscription, UnixTime, Vapid};
    ///
    /// # fn example(to: Subscription, vapid: &Vapid) -> Result<(), Box<dyn std::error::Error>> {
    /// let now = UnixTime::try_from(SystemTime::now())?;
    /// let request = Message::new(to, "Lunch?").into_request(vapid, now)?;
    /// # drop(request);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// It is too long, or the cryptographic library fails.
    pub fn into_request<'a>(
        self,
        vapid: impl Into<Option<&'a Vapid>>,
        now: UnixTime,
    ) -> Result<http::Request<Bytes>, MessageError> {
        let body = self.encrypt(&crate::provider()).map_err(MessageError::Encrypt)?;
        let origin = self.to.endpoint.origin();
        let signed = vapid.into().map(|vapid| vapid.authorization(&origin, now)).transpose();
        let authorization = signed.map_err(MessageError::Sign)?;
        let send = Send {
            to: self.to.endpoint,
            ttl: self.ttl,
            urgency: self.urgency,
            topic: self.topic,
            receipt: if self.receipt { ReceiptRequest::New } else { ReceiptRequest::No },
            credentials: authorization.and_then(|value| value.to_str().ok().map(Credentials::new)),
            content: body,
        };
        wire::application_server::request(&Request::Send(send)).map_err(MessageError::Http)
    }

    pub(crate) fn encrypt(&self, provider: &Provider) -> Result<Content, EncryptError> {
        match self.coding {
            Coding::Aes128gcm => {
                encrypt(provider, &self.to.recipient(), &self.payload, self.padding).map(aes128gcm)
            }
            #[cfg(feature = "aesgcm")]
            Coding::Aesgcm => {
                let message = aesgcm::encrypt(provider, &self.to.recipient(), &self.payload, self.padding)?;
                let fields = [
                    (ContentField::Encoding, Bytes::from_static(aesgcm::CONTENT_CODING.as_bytes())),
                    (ContentField::Encryption, message.fields.encryption().into()),
                    (ContentField::CryptoKey, message.fields.crypto_key().into()),
                ];
                Ok(Content { body: message.body.into(), fields: Box::new(fields) })
            }
        }
    }
}

fn aes128gcm(body: Vec<u8>) -> Content {
    let coding = (ContentField::Encoding, Bytes::from_static(b"aes128gcm"));
    Content { body: body.into(), fields: Box::new([coding]) }
}

/// As [`Message::encrypt`], for many.
#[cfg(feature = "sender")]
pub(crate) fn encrypt_batch(provider: &Provider, messages: &[Message]) -> Vec<Result<Content, EncryptError>> {
    let is_draft = |message: &&Message| message.coding == Coding::Aes128gcm;
    let drafts: Vec<_> = messages
        .iter()
        .filter(is_draft)
        .map(|message| Draft::new(message.to.recipient(), &message.payload, message.padding))
        .collect();
    let mut bodies = vec![Err(EncryptError::NoDraft); drafts.len()];
    push_crypto::message::encrypt_batch(provider, &drafts, &mut bodies);
    let mut bodies = bodies.into_iter();
    let content = |message: &Message| match message.coding {
        Coding::Aes128gcm => bodies.next().unwrap_or(Err(EncryptError::NoDraft)).map(aes128gcm),
        #[cfg(feature = "aesgcm")]
        Coding::Aesgcm => message.encrypt(provider),
    };
    messages.iter().map(content).collect()
}

/// Neither the payload nor whom it is for.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.to.endpoint.origin();
        f.debug_struct("Message").field("service", &service).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What comes to be a message, or does not: as rows of a table come, of which one may hold nonsense.
impl TryFrom<Result<Self, SubscriptionError>> for Message {
    type Error = MessageError;

    fn try_from(message: Result<Self, SubscriptionError>) -> Result<Self, MessageError> {
        message.map_err(MessageError::Subscription)
    }
}

/// The same where something else made it, and has said why there is none: [`MessageError::Other`], for example.
impl TryFrom<Result<Self, MessageError>> for Message {
    type Error = MessageError;

    fn try_from(message: Result<Self, MessageError>) -> Result<Self, MessageError> {
        message
    }
}

/// Why there is no request.
#[derive(Debug)]
#[non_exhaustive]
pub enum MessageError {
    /// The subscription is none.
    Subscription(SubscriptionError),
    /// It cannot be encrypted, for example because it is too long.
    Encrypt(EncryptError),
    /// No token could be made.
    Sign(SignError),
    /// The http crate does not take it.
    Http(http::Error),
    /// What it was to be made of was none, in the words of whoever found out.
    Other(String),
}

impl From<Infallible> for MessageError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscription(error) => error.fmt(f),
            Self::Encrypt(error) => error.fmt(f),
            Self::Sign(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for MessageError {}
