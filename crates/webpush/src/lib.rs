//! Web push for applications: send messages to browsers and devices that subscribed, know what became of each, test it all
//! on your own machine.
//!
//! A user's browser subscribes at the push service of its vendor and hands the application a *subscription*: a URL to send
//! to, and keys to encrypt with. The push service keeps each message until the device is there, and cannot read it.
//!
//! # Your first message
//!
//! Make a key once, `webpush keygen --out vapid.pem` or [`SigningKey::generate`], and give its public half to the page:
//!
//! ```js
//! const subscription = await registration.pushManager.subscribe({
//!     userVisibleOnly: true,
//!     applicationServerKey: "BA1Hxz…", // what vapid.public_key() prints
//! });
//! await fetch("/subscriptions", { method: "POST", body: JSON.stringify(subscription) });
//! ```
//!
//! Then send:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")] {
//! use webpush::{Message, Options, SigningKey, Subscription, Ttl, Vapid, Verdict};
//!
//! # async fn example(json: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_pem(&std::fs::read_to_string("vapid.pem")?)?;
//! let vapid = Vapid::new(key, "mailto:push@example.com")?;
//! let sender = webpush::tokio::sender(&vapid, Options::default())?;
//!
//! let to: Subscription = json.parse()?; // as the page posted it
//! let sent = sender.send(Message::new(to, "Hello!").ttl(Ttl::hours(1))).await?;
//! match sent.verdict {
//!     Verdict::Accepted(_) => println!("on its way"),
//!     Verdict::Gone(_) => println!("delete the subscription"),
//!     other => println!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! With an HTTP client of your own, and whatever runtime it needs: [`Message::into_request`] makes an `http::Request`, and
//! [`Verdict::from_response`] reads the response. Any number of messages: [`Sender::send_all`].
//!
//! # Storing subscriptions
//!
//! Keep the JSON as it came, and beside it the public key that the subscription was made with: it takes messages of that
//! key only. A subscription is its URL: one that comes again with the same `endpoint` replaces the old one. The URL and the
//! keys are secrets of the user, and `Debug` shows neither.
//! [`Subscription`] reads what browsers and other libraries write (padded keys, `expirationTime`, members that nobody knows)
//! and refuses the rest with a reason, when it is stored rather than when it is used. It reads and writes by serde as well.
//!
//! # What to do with each verdict
//!
//! | verdict | what it means | what to do |
//! |---|---|---|
//! | [`Accepted`](Verdict::Accepted) | the service has it; it says nothing about delivery | nothing |
//! | [`Gone`](Verdict::Gone) | the user unsubscribed, or the service dropped the subscription | delete it; services punish those who go on |
//! | [`KeyMismatch`](Verdict::KeyMismatch) | the subscription was made with another VAPID key | send with that key ([`Message::key`]), or have the page subscribe anew; do not just delete: a mistake in your configuration looks the same |
//! | [`Auth`](Verdict::Auth) | the service does not accept the token | look where it comes from. A service that took your messages before: an alarm for you, since the contact, the clock or the key is wrong, and none will be taken there. One that never did: anybody can subscribe with an endpoint that says so |
//! | [`Rejected`](Verdict::Rejected) | this message will never be taken | look at its [`explanation`](Rejection::explanation) |
//! | [`Throttled`](Verdict::Throttled) | too much, and no attempt or no time was left, or a pause of more than [`patience`](SenderLimits::patience) was asked for | try again after its `wait`; none was told if that is zero: in a minute or so |
//! | [`Expired`](Verdict::Expired) | its TTL ran out while it waited here | nothing |
//! | [`Transient`](Verdict::Transient) | no answer, or the service has a problem of its own | try again later; without a topic it may come twice if it was `sent` |
//!
//! A [`Sender`] has already tried again where that was safe, inside the TTL and as the service asked. What each service says
//! in its own words is taken from one [table of facts](RULES).
//!
//! # Changing keys
//!
//! A subscription is bound to the key it was made with. To change keys, let pages subscribe with the new one, and send to
//! each subscription with its own: both are in [`Options::identities`], and [`Message::key`] says which. When nothing needs
//! the old one any more, drop it.
//!
//! # What it connects to
//!
//! Endpoints come from the world and may name anything. A [`Sender`] connects to `https` and public addresses only, checked
//! on the address it really connects to, and follows no redirections. For services of your own see [`Addresses`].
//!
//! With a [`Proxy`] it connects to that alone, and asks it for a tunnel to each push service. The proxy then resolves the
//! names, so it must see to it that nothing inside is reached; private addresses and local names it is not asked for.
//!
//! # Coming from another crate
//!
//! | `web-push` 0.11 | `web-push-native` 0.4 | here |
//! |---|---|---|
//! | `SubscriptionInfo` | endpoint, `p256::PublicKey`, `Auth` | [`Subscription`], checked when it is read |
//! | `VapidSignatureBuilder::from_pem` | `jwt_simple::ES256KeyPair` | [`SigningKey::from_pem`], [`from_base64url`](SigningKey::from_base64url) |
//! | `add_claim("sub", ..)`, else an address of its own | `with_vapid(&key, contact)` | [`Vapid::new`], which insists on a contact that services accept |
//! | `WebPushMessageBuilder` | `WebPushBuilder` | [`Message`] |
//! | `set_payload(ContentEncoding::Aes128Gcm, ..)`, 3052 octets | `build(payload)` | [`Message::new`], 3993 octets |
//! | `ContentEncoding::AesGcm` | none | [`Message::coding`], with the feature `aesgcm` |
//! | `set_ttl`, `set_urgency`, `set_topic` | `with_valid_duration`, for the token too | [`ttl`](Message::ttl), [`urgency`](Message::urgency), [`topic`](Message::topic) |
//! | `request_builder`, http 0.2 | the request that `build` gives | [`Message::into_request`] |
//! | `IsahcWebPushClient`, `HyperWebPushClient` | none | [`Sender`], with retries, pace and time limits |
//! | `WebPushError` | none | [`Verdict`], with the service's own words |
//! | none | `decrypt` | [`decrypt`] |
//!
//! Keys and stored subscriptions can stay as they are. Tokens say the port of an origin, which both leave out: a service on
//! a port of its own that took theirs by leniency takes ours by right.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `tokio` (default) | `webpush::tokio`: sender, push service, user agent |
//! | `smol` | `webpush::smol`: the same |
//! | `aesgcm` | [`Coding::Aesgcm`](Coding), for old browsers |
//! | `aws-lc` (default) | the fast cryptography; without it, and without a runtime, pure Rust |
//! | `testing` | `webpush::testing`: a push service for your own tests |
//!
//! No OpenSSL with any of them.
#![forbid(unsafe_code)]

mod message;
#[cfg(feature = "sender")]
mod send_all;
#[cfg(feature = "sender")]
mod sender;
#[cfg(feature = "smol")]
pub mod smol;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tokio")]
pub mod tokio;
mod vapid;

pub use push_crypto::{
    KeyError, Origin, Provider, PublicKey, PushUrl, ReceiverKeys, Subscription, SubscriptionError, UnixTime,
    declarative,
    message::{EncryptError, MAX_PLAINTEXT as MAX_PAYLOAD, Padding, decrypt},
    vapid::{SigningKey, SigningKeyError, Subject, SubjectError},
};
#[cfg(feature = "sender")]
pub use push_driver::{
    Addresses, Allowed, AllowedError, AwaitedReceipt, ClientLimits, ClientTls, Fault, Proxy, ProxyError,
    Push, Resolve, Resolver, Resolving, SendError,
};
// What `Sender::driver` is given, and why it takes no more.
#[cfg(feature = "sender")]
pub use push_proto::{
    Content, ContentField,
    application_server::{Change, Refused},
};
pub use push_proto::{
    Topic, Ttl, Urgency,
    application_server::{
        Accepted, Explanation, Gone, ReceiptOutcome, Rejection, Throttled, Transient, Vendor, Verdict,
    },
};
// What `Options::config` is made of, and what `RULES` are.
pub use push_proto::{
    application_server::{Class, Config, Limits as SenderLimits, Notice, RULES, Rule, Says, Scope},
    user_agent::Backoff,
};

pub use message::{Coding, Message, MessageError};
#[cfg(feature = "aesgcm")]
pub use push_crypto::aesgcm;
#[cfg(feature = "sender")]
pub use send_all::SendAll;
#[cfg(feature = "sender")]
pub use sender::{IN_FLIGHT, Options, Receipts, Sender, Sent};
pub use vapid::Vapid;

/// The cryptography that this build has.
#[must_use]
pub fn provider() -> Provider {
    #[cfg(feature = "aws-lc")]
    {
        push_crypto::aws_lc::provider()
    }
    #[cfg(not(feature = "aws-lc"))]
    {
        push_crypto::rustcrypto::provider()
    }
}
