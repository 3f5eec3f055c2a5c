//! The Authorization field: RFC 9110 grammar, no more and no less.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{DRAFT_SCHEMES, MAX_CREDENTIALS_LEN, SCHEME, VapidError};
use crate::digest::sha256;
use crate::field::{Cursor, Malformed, is_token_char, text};
use crate::key::PublicKey;

/// What an Authorization field claims. Nothing of it is true before [`super::verify`] says so (`8292-2-7`).
///
/// `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    token: String,
    key: PublicKey,
}

impl Credentials {
    /// Reads a field value. `k` must be unpadded base64url.
    ///
    /// White space around `=`, quoted values, empty list elements, any order and any case of names are part of the
    /// grammar; unknown parameters, `realm` among them, are ignored (`8292-3-3`, `8292-3-4`).
    ///
    /// # Errors
    ///
    /// [`VapidError::Scheme`] if there are no credentials of this scheme; else what is wrong with them.
    pub fn parse(field: impl AsRef<[u8]>) -> Result<Self, VapidError> {
        Self::parse_with(field.as_ref(), PublicKey::parse_strict)
    }

    /// As [`Credentials::parse`], but `k` may be padded or in the standard alphabet, as some senders have it.
    ///
    /// # Errors
    ///
    /// As [`Credentials::parse`].
    pub fn parse_lenient(field: impl AsRef<[u8]>) -> Result<Self, VapidError> {
        Self::parse_with(field.as_ref(), str::parse)
    }

    /// Reads the credentials of draft-ietf-webpush-vapid-01, which some senders still use: `field` is the value of
    /// Authorization, `WebPush` or `Bearer` and a token (`vapid01-2-1`); `key` is the value of the parameter `p256ecdsa` of
    /// Crypto-Key, in unpadded base64url (`vapid01-4-1`). What follows is [`super::verify`], as for any others.
    ///
    /// # Errors
    ///
    /// [`VapidError::Scheme`] if there are no credentials of these schemes; else what is wrong with them.
    pub fn parse_draft(field: impl AsRef<[u8]>, key: Option<&[u8]>) -> Result<Self, VapidError> {
        let field = field.as_ref().trim_ascii();
        if field.len() > MAX_CREDENTIALS_LEN {
            return Err(VapidError::TooLong);
        }
        let rest = after_scheme(field, &DRAFT_SCHEMES)?;
        let token = rest.trim_ascii();
        if token.is_empty() {
            return Err(VapidError::MissingToken);
        }
        if !token.iter().all(|&octet| is_token_char(octet)) {
            return Err(VapidError::Syntax);
        }
        let key =
            PublicKey::parse_strict(text(key.ok_or(VapidError::MissingKey)?)?).map_err(VapidError::Key)?;
        Ok(Self { token: text(token)?.to_string(), key })
    }

    /// The key that signed the token, if the token is what it claims to be. Not proved: use it only to refuse early.
    #[must_use]
    pub const fn claimed_key(&self) -> &PublicKey {
        &self.key
    }

    /// A digest over token and key: where to remember a verification (`8292-5-3`).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&[self.key.as_bytes(), self.token.as_bytes()])
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn parse_with(
        field: &[u8],
        parse_key: impl Fn(&str) -> Result<PublicKey, crate::key::KeyError>,
    ) -> Result<Self, VapidError> {
        if field.len() > MAX_CREDENTIALS_LEN {
            return Err(VapidError::TooLong);
        }
        let parameters = Parameters::read(after_scheme(field.trim_ascii(), &[SCHEME])?)?;
        let token = parameters.token.ok_or(VapidError::MissingToken)?;
        let key = parameters.key.ok_or(VapidError::MissingKey)?;
        Ok(Self { token, key: parse_key(&key).map_err(VapidError::Key)? })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(t: .., k: {})", self.key)
    }
}

/// What follows the scheme, if it is one of these.
fn after_scheme<'a>(field: &'a [u8], schemes: &[&str]) -> Result<&'a [u8], VapidError> {
    let end = field.iter().position(|&octet| !is_token_char(octet)).unwrap_or(field.len());
    let (scheme, rest) = field.split_at_checked(end).ok_or(VapidError::Syntax)?;
    if !schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes())) {
        return Err(VapidError::Scheme);
    }
    match rest.first() {
        None | Some(b' ') => Ok(rest),
        Some(_) => Err(VapidError::Syntax),
    }
}

/// The two parameters that mean something.
#[derive(Default)]
struct Parameters {
    token: Option<String>,
    key: Option<String>,
}

impl Parameters {
    /// `#auth-param`: a list with commas, whose elements may be empty.
    fn read(list: &[u8]) -> Result<Self, VapidError> {
        let mut found = Self::default();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut cursor = Cursor::new(list);
        loop {
            cursor.skip_white_space();
            if cursor.is_at_end() {
                return Ok(found);
            }
            if cursor.take(b',') {
                continue;
            }
            let (name, value) = cursor.parameter(Cursor::token)?;
            if seen.contains(&name) {
                return Err(VapidError::DuplicateParameter);
            }
            match name.as_slice() {
                b"t" => found.token = Some(value),
                b"k" => found.key = Some(value),
                _ => {}
            }
            seen.push(name);
            cursor.skip_white_space();
            if !cursor.is_at_end() && !cursor.take(b',') {
                return Err(VapidError::Syntax);
            }
        }
    }
}

impl From<Malformed> for VapidError {
    fn from(_: Malformed) -> Self {
        Self::Syntax
    }
}
