//! The application server's side: tokens.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

use super::{DRAFT_SCHEMES, MAX_LIFETIME_SECS, SigningKey, Subject};
use crate::base64;
use crate::key::PublicKey;
use crate::provider::{Es256SigningKey, Provider, SIGNATURE_LEN, SignatureError};
use crate::time::UnixTime;
use crate::url::Origin;

/// An application server: its key and its contact.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SigningKey,
    subject: Option<Subject>,
}

impl Signer {
    /// A subject is not needed by the standard (`8292-2.1-1`), but some push services refuse tokens without one.
    #[must_use]
    pub const fn new(key: SigningKey, subject: Option<Subject>) -> Self {
        Self { key, subject }
    }

    /// The key that subscriptions are made with.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// The key and its secret half.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The contact.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Makes a token for one push service: good for every push resource there until it expires, so keep and reuse it
    /// (`8292-5-3`). Claims: `aud` (`8292-2-2`), `exp` (`8292-2-3`) and `sub`, nothing else (`8292-2.2-2`).
    ///
    /// # Errors
    ///
    /// An expiry that is past, or more than 24 h away (`8292-2-4`); a failure of our library.
    pub fn sign(
        &self,
        provider: &Provider,
        audience: &Origin,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<Token, SignError> {
        let sign = |signed: &[u8]| provider.signature.sign(self.key.pair(), signed);
        self.token(audience, (expires, now), sign)
    }

    /// Sets up the key for any number of tokens: signing takes about half the time then.
    ///
    /// # Errors
    ///
    /// Our library failed.
    pub fn prepare(&self, provider: &Provider) -> Result<PreparedSigner, SignError> {
        let key = provider.signature.signing_key(self.key.pair()).map_err(|_| SignError::Library)?;
        Ok(PreparedSigner { signer: self.clone(), key })
    }

    fn token(
        &self,
        audience: &Origin,
        (expires, now): (UnixTime, UnixTime),
        sign: impl FnOnce(&[u8]) -> Result<[u8; SIGNATURE_LEN], SignatureError>,
    ) -> Result<Token, SignError> {
        if expires <= now {
            return Err(SignError::Past);
        }
        if expires > now.saturating_add_secs(MAX_LIFETIME_SECS) {
            return Err(SignError::TooFar);
        }
        let mut jwt = base64::encode(JWT_HEADER);
        jwt.push('.');
        jwt.push_str(&base64::encode(self.claims(audience, expires).as_bytes()));
        let signature = sign(jwt.as_bytes()).map_err(|_| SignError::Library)?;
        jwt.push('.');
        jwt.push_str(&base64::encode(&signature));
        Ok(Token { jwt, key: *self.public_key(), expires })
    }

    /// An origin and a subject hold nothing that JSON would have to escape.
    fn claims(&self, audience: &Origin, expires: UnixTime) -> String {
        let expires = expires.as_secs();
        match &self.subject {
            Some(subject) => format!(r#"{{"aud":"{audience}","exp":{expires},"sub":"{subject}"}}"#),
            None => format!(r#"{{"aud":"{audience}","exp":{expires}}}"#),
        }
    }
}

/// A [`Signer`] whose key has been set up with a provider, for many push services or many tokens. Wiped on drop.
///
/// ```
/// # #[cfg(feature = "aws-lc")] {
/// use push_crypto::UnixTime;
/// use push_crypto::vapid::{Signer, SigningKey};
///
/// let provider = push_crypto::aws_lc::provider();
/// let signer = Signer::new(SigningKey::generate(&provider)?, None).prepare(&provider)?;
/// let now = UnixTime::from_secs(1_453_500_000);
/// for service in ["https://push.example.net", "https://push.example.com"] {
///     let token = signer.sign(&service.parse()?, now.saturating_add_secs(3600), now)?;
///     assert!(token.authorization().starts_with("vapid t="));
/// }
/// # }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct PreparedSigner {
    signer: Signer,
    key: Box<dyn Es256SigningKey>,
}

impl PreparedSigner {
    /// As [`Signer::sign`].
    ///
    /// # Errors
    ///
    /// As [`Signer::sign`].
    pub fn sign(&self, audience: &Origin, expires: UnixTime, now: UnixTime) -> Result<Token, SignError> {
        self.signer.token(audience, (expires, now), |signed| self.key.sign(signed))
    }

    /// What was prepared.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
}

impl fmt::Debug for PreparedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared{:?}", self.signer)
    }
}

/// A signed token. Whoever has it can pretend to be the application server until it expires (`8292-5-1`), so `Debug`
/// does not show it.
#[derive(Clone)]
pub struct Token {
    jwt: String,
    key: PublicKey,
    expires: UnixTime,
}

impl Token {
    /// The value of the Authorization field (`8292-2-5`, `8292-3.1-1`, `8292-3.2-1`).
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("vapid t={}, k={}", self.jwt, self.key)
    }

    /// The value of Authorization for a push service that knows only draft-ietf-webpush-vapid-01 (`vapid01-2-1`). The
    /// key goes into Crypto-Key: [`Token::draft_crypto_key`].
    #[must_use]
    pub fn draft_authorization(&self) -> String {
        format!("{} {}", DRAFT_SCHEMES[0], self.jwt)
    }

    /// What Crypto-Key has to say about the key, for [`Token::draft_authorization`]: `p256ecdsa=` and unpadded base64url
    /// (`vapid01-4-1`). If there is more to say, as with the content coding `aesgcm`, a `;` joins them.
    #[must_use]
    pub fn draft_crypto_key(&self) -> String {
        format!("p256ecdsa={}", self.key)
    }

    /// The token alone.
    #[must_use]
    pub fn jwt(&self) -> &str {
        &self.jwt
    }

    /// The key that it was signed with.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(.., expires: {})", self.expires.as_secs())
    }
}

/// Why no token was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// Our library failed.
    Library,
    /// The expiry is now or past.
    Past,
    /// The expiry is more than 24 h away (`8292-2-4`).
    TooFar,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "the cryptographic library failed",
            Self::Past => "the token would expire at once",
            Self::TooFar => "the token would live longer than 24 hours",
        })
    }
}

impl core::error::Error for SignError {}

const JWT_HEADER: &[u8] = br#"{"typ":"JWT","alg":"ES256"}"#;
