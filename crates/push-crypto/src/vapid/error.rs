//! What a push service answers to a bad Authorization field.

use core::fmt;

use crate::key::KeyError;

/// Why a request is not authorised: always the sender's fault.
///
/// [`VapidError::status`] is what to answer, [`VapidError::reason`] what to say to machines, `Display` what to say to
/// people. Nothing here holds any part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VapidError {
    /// The token is not signed with ES256 (`8292-2-8`, `8292-2-9`).
    Algorithm,
    /// The token is for another push service (`8292-4.2-8`).
    Audience,
    /// A parameter occurs twice.
    DuplicateParameter,
    /// The token has expired (`8292-4.2-7`).
    Expired,
    /// The token's `exp` is not a time.
    Expiry,
    /// The parameter `k` is not a key (`8292-3.2-1`).
    Key(KeyError),
    /// The token expires more than 24 h from now (`8292-2-4`).
    Lifetime,
    /// The token has no `aud` (`8292-2-2`).
    MissingAudience,
    /// The token has no `exp` (`8292-2-3`).
    MissingExpiry,
    /// No parameter `k` (`8292-4.2-5`).
    MissingKey,
    /// No parameter `t` (`8292-4.2-5`).
    MissingToken,
    /// Another authentication scheme, or none: as if the field were absent (`8292-4.2-3`).
    Scheme,
    /// The signature is not by `k` (`8292-4.2-6`).
    Signature,
    /// The field does not follow the grammar of RFC 9110.
    Syntax,
    /// `t` is not a signed token: not three parts of base64url that hold JSON objects (`8292-2-8`).
    Token,
    /// The field is too long to be looked at.
    TooLong,
}

impl VapidError {
    /// The status code to answer with: 401 if there are no credentials of this scheme (`8292-4.2-3`), else 403
    /// (`8292-4.2-4`).
    #[must_use]
    pub const fn status(&self) -> u16 {
        if matches!(self, Self::Scheme) { 401 } else { 403 }
    }

    /// The section of the standard that the request broke.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Algorithm | Self::Audience | Self::MissingAudience => "RFC 8292 §2",
            Self::Expired | Self::Expiry | Self::Lifetime | Self::MissingExpiry => "RFC 8292 §2",
            Self::DuplicateParameter | Self::Scheme | Self::Syntax | Self::TooLong => "RFC 8292 §3",
            Self::MissingToken | Self::Token => "RFC 8292 §3.1",
            Self::Key(_) | Self::MissingKey => "RFC 8292 §3.2",
            Self::Signature => "RFC 8292 §4.2",
        }
    }

    /// A short reason for machines.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Algorithm => "vapid-algorithm",
            Self::Audience => "vapid-audience",
            Self::DuplicateParameter => "vapid-duplicate-parameter",
            Self::Expired => "vapid-expired",
            Self::Expiry => "vapid-expiry",
            Self::Key(_) => "vapid-key",
            Self::Lifetime => "vapid-lifetime",
            Self::MissingAudience => "vapid-missing-audience",
            Self::MissingExpiry => "vapid-missing-expiry",
            Self::MissingKey => "vapid-missing-key",
            Self::MissingToken => "vapid-missing-token",
            Self::Scheme => "vapid-absent",
            Self::Signature => "vapid-signature",
            Self::Syntax => "vapid-syntax",
            Self::Token => "vapid-token",
            Self::TooLong => "vapid-too-long",
        }
    }
}

impl fmt::Display for VapidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the token is not signed with ES256",
            Self::Audience => "the token is for another push service",
            Self::DuplicateParameter => "a parameter occurs twice",
            Self::Expired => "the token has expired",
            Self::Expiry => "the token's exp is not a time",
            Self::Key(error) => return write!(f, "the parameter k: {error}"),
            Self::Lifetime => "the token expires more than 24 hours from now",
            Self::MissingAudience => "the token has no aud",
            Self::MissingExpiry => "the token has no exp",
            Self::MissingKey => "the parameter k is missing",
            Self::MissingToken => "the parameter t is missing",
            Self::Scheme => "there are no vapid credentials",
            Self::Signature => "the token was not signed with the key in k",
            Self::Syntax => "the credentials are malformed",
            Self::Token => "the parameter t is not a signed token",
            Self::TooLong => "the credentials are too long",
        })
    }
}

impl core::error::Error for VapidError {}
