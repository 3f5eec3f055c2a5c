//! RFC 8292: how an application server says who it is (VAPID).
//!
//! | who | uses |
//! |---|---|
//! | application server | [`SigningKey`], [`Subject`], [`Signer::sign`] or [`PreparedSigner`], [`Token::authorization`] |
//! | push service | [`Credentials::parse`], [`Audience`], [`verify`], [`Verified`], [`restriction_from_json`] |
//!
//! Only [`verify`] makes a [`Verified`] key, so nothing of an invalid token can be mistaken for something proved
//! (`8292-2-7`). There is no algorithm to negotiate: ES256, and nothing else (`8292-2.3-1`).
//!
//! The credentials belong into Authorization only, never into Proxy-Authorization (`8292-3-1`), and are never forwarded
//! to a user agent (`8292-4.2-10`); callers see to that. The challenge of a 401 is [`CHALLENGE`].
//!
//! ```
//! # #[cfg(feature = "aws-lc")] {
//! use push_crypto::vapid::{Credentials, Signer, SigningKey, verify};
//! use push_crypto::{Origin, UnixTime};
//!
//! let provider = push_crypto::aws_lc::provider();
//! let signer = Signer::new(SigningKey::generate(&provider)?, Some("mailto:push@example.com".parse()?));
//! let audience: Origin = "https://push.example.net".parse()?;
//! let now = UnixTime::from_secs(1_453_500_000);
//! let token = signer.sign(&provider, &audience, now.saturating_add_secs(3600), now)?;
//!
//! let credentials = Credentials::parse(token.authorization())?;
//! let verified = verify(&provider, &credentials, &audience, now, 0)?;
//! assert_eq!(verified.key(), signer.public_key());
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod credentials;
mod error;
mod options;
mod signer;
mod signing_key;
mod subject;
mod verify;

pub use credentials::Credentials;
pub use error::VapidError;
pub use options::{OptionsError, restriction_from_json};
pub use signer::{PreparedSigner, SignError, Signer, Token};
pub use signing_key::{SigningKey, SigningKeyError};
pub use subject::{Subject, SubjectError};
pub use verify::{Audience, Verified, verify};

/// The authentication scheme (`8292-2-5`). Compare it without regard to case.
pub const SCHEME: &str = "vapid";

/// The schemes of draft-ietf-webpush-vapid-01 and of what was deployed with it (`vapid01-2-1`). Never in a challenge
/// (`vapid01-3-1`).
pub const DRAFT_SCHEMES: [&str; 2] = ["WebPush", "Bearer"];

/// The value of WWW-Authenticate in a 401: the bare scheme (`8292-3-2`, `8292-6.2-1`).
pub const CHALLENGE: &str = "vapid";

/// The media type of a subscribe request that carries a key (`8292-4.1-2`).
pub const OPTIONS_MEDIA_TYPE: &str = "application/webpush-options+json";

/// How far in the future a token may expire (`8292-2-4`).
pub const MAX_LIFETIME_SECS: u64 = 24 * 60 * 60;

/// How long a token should live: short enough to make a stolen one worth little (`8292-5-1`), long enough to be reused.
pub const DEFAULT_LIFETIME_SECS: u64 = 12 * 60 * 60;

/// The difference of clocks that a push service should forgive (A-21).
pub const DEFAULT_LEEWAY_SECS: u64 = 60;

/// The longest field value that [`Credentials::parse`] reads, in octets. Real ones have about 350 (`8292-2.2-2`).
pub const MAX_CREDENTIALS_LEN: usize = 4096;

/// The longest subject, in octets.
pub const MAX_SUBJECT_LEN: usize = 512;

/// The longest body that [`restriction_from_json`] reads, in octets.
pub const MAX_OPTIONS_LEN: usize = 4096;
