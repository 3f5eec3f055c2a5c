//! Whom the operator of a push service can write to when an application server misbehaves.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use super::MAX_SUBJECT_LEN;
use crate::url::PushUrl;

/// The contact of an application server (`8292-2.1-1`): a `mailto:` or `https:` URI (`8292-2.1-2`) that push services in
/// the world accept, so without spaces, angle brackets, `localhost` and `.local`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if text.len() > MAX_SUBJECT_LEN {
            return Err(SubjectError::TooLong);
        }
        // What passes needs no escaping in JSON either.
        if !text.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>\"\\".contains(&octet)) {
            return Err(SubjectError::Character);
        }
        match text.split_once(':') {
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("mailto") => check_mailto(address)?,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => check_https(text)?,
            _ => return Err(SubjectError::Scheme),
        }
        Ok(Self(text.to_string()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.0)
    }
}

/// What is wrong with a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectError {
    /// Not an address with a name and a domain, or not a URL with a host.
    Address,
    /// A space, an angle bracket, a quote, or anything that is not printable ASCII.
    Character,
    /// A host that nobody else can reach.
    Localhost,
    /// Neither `mailto:` nor `https:`.
    Scheme,
    /// Longer than [`MAX_SUBJECT_LEN`].
    TooLong,
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the subject is not an address that can be written to",
            Self::Character => {
                "the subject holds a space, an angle bracket or another character it must not hold"
            }
            Self::Localhost => "the subject points to this machine or its network; push services refuse that",
            Self::Scheme => "the subject must begin with mailto: or https:",
            Self::TooLong => "the subject is longer than 512 octets",
        })
    }
}

impl core::error::Error for SubjectError {}

fn check_mailto(address: &str) -> Result<(), SubjectError> {
    let address = address.split('?').next().unwrap_or_default();
    let (name, domain) = address.rsplit_once('@').ok_or(SubjectError::Address)?;
    if name.is_empty() || domain.is_empty() || name.contains(':') || name.contains('@') {
        return Err(SubjectError::Address);
    }
    check_reachable(domain)
}

fn check_https(text: &str) -> Result<(), SubjectError> {
    let url = PushUrl::parse(text).map_err(|_| SubjectError::Address)?;
    check_reachable(url.host())
}

fn check_reachable(host: &str) -> Result<(), SubjectError> {
    let last = host.rsplit('.').next().unwrap_or_default();
    let nobodys = ["localhost", "local"].iter().any(|name| last.eq_ignore_ascii_case(name));
    if nobodys || host.starts_with("127.") || host == "[::1]" {
        return Err(SubjectError::Localhost);
    }
    Ok(())
}
