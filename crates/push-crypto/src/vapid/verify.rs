//! The push service's side: is the token what it claims to be?

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value};

use super::{Credentials, MAX_LIFETIME_SECS, VapidError};
use crate::base64;
use crate::key::PublicKey;
use crate::provider::{Provider, SIGNATURE_LEN};
use crate::time::UnixTime;
use crate::url::Origin;

/// What `aud` of a token must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience<'a> {
    origin: &'a Origin,
    portless: bool,
}

impl<'a> Audience<'a> {
    /// This origin (`8292-4.2-8`).
    #[must_use]
    pub const fn new(origin: &'a Origin) -> Self {
        Self { origin, portless: false }
    }

    /// The same; a port that is not its scheme's default may be missing, since some senders write `aud` without one.
    ///
    /// Then a token that was made for another port of the same host is taken as well. Whoever serves that port can so use
    /// what senders give him, until it expires.
    #[must_use]
    pub const fn or_without_port(self) -> Self {
        Self { portless: true, ..self }
    }

    fn is_written_as(&self, text: &str) -> bool {
        self.origin.is_written_as(text) || (self.portless && self.origin.is_written_without_port_as(text))
    }
}

impl<'a> From<&'a Origin> for Audience<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self::new(origin)
    }
}

/// Checks credentials against the push service's own origin and the time, with so much leeway for clocks that differ.
///
/// Cheap checks come first, the signature last; whatever fails, nothing of the token is used (`8292-2-7`).
///
/// # Errors
///
/// The first thing that is wrong with the token.
pub fn verify<'a>(
    provider: &Provider,
    credentials: &Credentials,
    audience: impl Into<Audience<'a>>,
    now: UnixTime,
    leeway_secs: u64,
) -> Result<Verified, VapidError> {
    let token = Jws::parse(credentials.token())?;
    let claims = object(&token.payload)?;
    check_audience(&claims, audience.into())?;
    let expires = check_expiry(&claims, now, leeway_secs)?;
    provider
        .signature
        .verify(credentials.claimed_key(), token.signed.as_bytes(), &token.signature)
        .map_err(|_| VapidError::Signature)?;
    let contact = claims.get("sub").and_then(Value::as_str).map(ToString::to_string);
    Ok(Verified { key: *credentials.claimed_key(), expires, contact })
}

/// Proof that the holder of a key sent a request to this push service. Only [`verify`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    key: PublicKey,
    expires: UnixTime,
    contact: Option<String>,
}

impl Verified {
    /// The key, to be compared with the one that the subscription was made for (`8292-4.2-9`).
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Until when the token is good, without leeway: the verification may be remembered so long (`8292-5-3`).
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }

    /// The `sub` claim: signed, but otherwise unchecked. For operators to read, never for decisions (`8292-5-2`).
    #[must_use]
    pub fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({}, expires: {})", self.key, self.expires.as_secs())
    }
}

/// A token in JWS compact form whose header says ES256.
struct Jws<'a> {
    signed: &'a str,
    payload: Vec<u8>,
    signature: [u8; SIGNATURE_LEN],
}

impl<'a> Jws<'a> {
    fn parse(token: &'a str) -> Result<Self, VapidError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(VapidError::Token)?;
        let (header, payload) = signed.split_once('.').ok_or(VapidError::Token)?;
        if payload.contains('.') {
            // Five parts are an encrypted token, which proves nothing (8292-2-8).
            return Err(VapidError::Token);
        }
        check_header(&object(&part(header)?)?)?;
        let payload = part(payload)?;
        // r and s, 32 octets each: DER and other curves have other lengths (8292-2-9).
        let signature = part(signature)?.try_into().map_err(|_| VapidError::Signature)?;
        Ok(Self { signed, payload, signature })
    }
}

/// ES256, and no extension that would have to be understood (RFC 7515 section 4.1.11).
fn check_header(header: &Map<String, Value>) -> Result<(), VapidError> {
    let algorithm = header.get("alg").and_then(Value::as_str);
    if algorithm != Some("ES256") {
        return Err(VapidError::Algorithm);
    }
    if header.contains_key("crit") { Err(VapidError::Token) } else { Ok(()) }
}

/// `aud` is, or holds, this audience: in ASCII, without a slash; the default port may be written out.
fn check_audience(claims: &Map<String, Value>, audience: Audience<'_>) -> Result<(), VapidError> {
    let matches = |value: &Value| value.as_str().is_some_and(|text| audience.is_written_as(text));
    let found = match claims.get("aud") {
        None | Some(Value::Null) => return Err(VapidError::MissingAudience),
        Some(Value::Array(values)) => values.iter().any(matches),
        Some(value) => matches(value),
    };
    if found { Ok(()) } else { Err(VapidError::Audience) }
}

/// `exp` is neither past nor more than 24 h away (`8292-4.2-7`); an integer or a fraction, not negative.
fn check_expiry(
    claims: &Map<String, Value>,
    now: UnixTime,
    leeway_secs: u64,
) -> Result<UnixTime, VapidError> {
    let value = match claims.get("exp") {
        None | Some(Value::Null) => return Err(VapidError::MissingExpiry),
        Some(value) => value,
    };
    let (secs, has_fraction) = match (value.as_u64(), value.as_f64()) {
        (Some(secs), _) => (secs, false),
        // The cast saturates and cuts off the fraction.
        (None, Some(secs)) if secs >= 0.0 => (secs as u64, secs > (secs as u64) as f64),
        _ => return Err(VapidError::Expiry),
    };
    // `now` has whole seconds: it is past a fraction exactly if it is past its whole part.
    if now.as_secs() > secs.saturating_add(leeway_secs) {
        return Err(VapidError::Expired);
    }
    let latest = now.as_secs().saturating_add(MAX_LIFETIME_SECS).saturating_add(leeway_secs);
    if secs.saturating_add(u64::from(has_fraction)) > latest {
        return Err(VapidError::Lifetime);
    }
    Ok(UnixTime::from_secs(secs))
}

fn part(text: &str) -> Result<Vec<u8>, VapidError> {
    base64::decode_strict(text.as_bytes()).ok_or(VapidError::Token)
}

fn object(json: &[u8]) -> Result<Map<String, Value>, VapidError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(VapidError::Token),
    }
}
