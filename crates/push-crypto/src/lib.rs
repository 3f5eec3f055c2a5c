//! The cryptography of web push, without IO and without a clock.
//!
//! | module | standard |
//! |---|---|
//! | [`message`] | RFC 8291: a message that one user agent can read |
//! | [`record`] | RFC 8188: encrypted content, `aes128gcm`, streaming and in place |
//! | `aesgcm` | what came before the two above, for receivers that never learnt them (feature `aesgcm`) |
//! | [`vapid`] | RFC 8292: who the application server is |
//! | [`declarative`] | Declarative Web Push: payloads that are notifications |
//! | [`capability`] | sealed tokens for the URLs of a push service |
//! | [`provider`] | the primitives that all of these are handed |
//!
//! Everything takes a [`Provider`], a plain value; nothing is global. Time is an argument. Types that parse cannot hold a
//! bad value: a [`PublicKey`] is on its curve, a [`PushUrl`] is `https`. Keys and auth secrets are wiped when dropped,
//! and neither `Debug` nor an error shows a secret; capability URLs are redacted, not wiped.
//!
//! ```
//! # #[cfg(feature = "aws-lc")] {
//! use push_crypto::message::{Padding, decrypt, encrypt};
//! use push_crypto::{ReceiverKeys, Subscription};
//!
//! let provider = push_crypto::aws_lc::provider();
//! // The user agent makes keys, and the browser hands their public part to the application as JSON.
//! let keys = ReceiverKeys::generate(&provider)?;
//! # let json = Subscription {
//! #     endpoint: "https://push.example.net/p/1".parse()?,
//! #     p256dh: *keys.public_key(),
//! #     auth: keys.auth().clone(),
//! #     expiration_time: None,
//! # }
//! # .to_json();
//! let subscription: Subscription = json.parse()?;
//! let body = encrypt(&provider, &subscription.recipient(), b"hello", Padding::Buckets(128))?;
//! assert_eq!(decrypt(&provider, &keys, &body)?, b"hello");
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `aesgcm` | the content coding of the drafts, for old user agents |
//! | `aws-lc` (default) | `aws_lc::provider()`, the fast one; needs std |
//! | `os-random` | `rustcrypto::provider()`, the portable one with the operating system's randomness |
//! | `kernel-testing` | nothing that is meant for use: the vector kernel by itself, for tests and measurements |
//! | `serde` | `Serialize` and `Deserialize` for [`Subscription`] |
//! | `std` (default) | tables that make the portable provider about twice as fast; a vector kernel; [`UnixTime`] of a `SystemTime` |
//!
//! On an x86-64 processor with AVX-512 IFMA both providers make many agreements at once ([`Provider::agree_many`], which is
//! behind [`message::encrypt_batch`]) by a vector kernel of ours, if `std` is on. The environment variable
//! `WEBPUSH_VECTOR_KERNEL=off`, which is read once, turns it off: everything is the same then, and takes longer.
//!
//! Without any of them the crate is `no_std` with `alloc`, and `rustcrypto::provider_with` takes the caller's random
//! source. Ids such as `8291-4-1` name rows of `docs/requirements.json`: standard, section, number.

#![no_std]
// But for one file, which talks to the vector unit and says why: `.ci/unsafe`.
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "aesgcm")]
pub mod aesgcm;
#[cfg(feature = "aws-lc")]
pub mod aws_lc;
mod base64;
pub mod capability;
pub mod declarative;
mod digest;
mod field;
mod key;
pub mod message;
#[cfg(any(all(feature = "std", target_arch = "x86_64"), feature = "kernel-testing"))]
mod p256x8;
pub mod provider;
mod receiver;
pub mod record;
pub mod rustcrypto;
mod secret;
mod subscription;
mod time;
mod url;
pub mod vapid;

#[cfg(feature = "kernel-testing")]
#[doc(hidden)]
pub use p256x8::testing as kernel_testing;

pub use digest::sha256;
pub use key::{KeyError, KeyPair, PUBLIC_KEY_LEN, PublicKey, SECRET_KEY_LEN, SecretKey};
pub use provider::Provider;
pub use receiver::{
    AUTH_SECRET_LEN, AuthSecret, AuthSecretLength, RECEIVER_KEYS_LEN, ReceiverKeys, ReceiverKeysError,
};
pub use secret::{SecretBytes, SecretString};
pub use subscription::{MAX_SUBSCRIPTION_LEN, Subscription, SubscriptionError};
pub use time::{UnixMillis, UnixTime};
pub use url::{MAX_URL_LEN, Origin, PushUrl, UrlError};
