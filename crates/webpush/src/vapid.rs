//! Who sends.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::HeaderValue;
use push_crypto::{
    Origin, Provider, PublicKey, UnixTime,
    vapid::{SignError, Signer, SigningKey, Subject, SubjectError},
};

/// Who sends (RFC 8292): a key, a contact, and the tokens made with them. Subscriptions are made with the public half of
/// the key, which the page passes as `applicationServerKey`, and take messages of its holder only: keep it as long as
/// them.
///
/// Each push service gets one token, for twelve hours (`8292-5-3`). Clones share them.
///
/// ```
/// use webpush::{SigningKey, Vapid};
///
/// let key = SigningKey::generate(&webpush::provider())?; // once: then from a file, `webpush keygen` writes one
/// let vapid = Vapid::new(key, "mailto:push@example.com")?;
/// println!("applicationServerKey: {}", vapid.public_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Vapid(Arc<Inner>);

struct Inner {
    signer: Signer,
    provider: Provider,
    tokens: Mutex<BTreeMap<Origin, Kept>>,
}

struct Kept {
    authorization: HeaderValue,
    /// From then on a new one is made.
    until: UnixTime,
}

impl Vapid {
    /// A key, and whom the operators of push services can write to: a `mailto:` or `https:` URI (`8292-2.1-1`). Apple takes
    /// no message without one, and none that it cannot reach, so that is not left to chance here.
    ///
    /// # Errors
    ///
    /// What is wrong with the contact.
    pub fn new(key: SigningKey, subject: &str) -> Result<Self, SubjectError> {
        let subject: Subject = subject.parse()?;
        let signer = Signer::new(key, Some(subject));
        Ok(Self(Arc::new(Inner { signer, provider: crate::provider(), tokens: Mutex::default() })))
    }

    /// The key that subscriptions are made with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.0.signer.public_key()
    }

    /// The value of `Authorization` for one push service. It is kept, and made anew half an hour before it expires: Apple
    /// does not want that more often than once an hour.
    ///
    /// # Errors
    ///
    /// The cryptographic library fails.
    pub fn authorization(&self, origin: &Origin, now: UnixTime) -> Result<HeaderValue, SignError> {
        let mut tokens = self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = |kept: &&Kept| now < kept.until && kept.until <= now.saturating_add_secs(TOKEN_SECS);
        if let Some(kept) = tokens.get(origin).filter(usable) {
            return Ok(kept.authorization.clone());
        }
        let token = self.0.signer.sign(&self.0.provider, origin, now.saturating_add_secs(TOKEN_SECS), now)?;
        let mut authorization =
            HeaderValue::try_from(token.authorization()).map_err(|_| SignError::Library)?;
        authorization.set_sensitive(true);
        if tokens.len() >= TOKENS {
            tokens.retain(|_, kept| now < kept.until);
        }
        if tokens.len() >= TOKENS {
            tokens.pop_first();
        }
        let until = now.saturating_add_secs(TOKEN_SECS - MARGIN_SECS);
        tokens.insert(origin.clone(), Kept { authorization: authorization.clone(), until });
        Ok(authorization)
    }

    #[cfg(any(feature = "smol", feature = "tokio"))]
    pub(crate) fn signer(&self) -> Signer {
        self.0.signer.clone()
    }
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid").field("public_key", self.public_key()).finish_non_exhaustive()
    }
}

/// How long a token is good for; at most a day (`8292-2-4`).
const TOKEN_SECS: u64 = 12 * 3600;
/// How long before that it is made anew.
const MARGIN_SECS: u64 = 1800;
/// Push services whose tokens are kept: there are few large ones, and a token is made in microseconds.
const TOKENS: usize = 1024;
