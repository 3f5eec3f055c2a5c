//! Whom the operator of a push service can write to when an application server misbehaves.

use alloc::string::{String, ToString};
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use super::MAX_SUBJECT_LEN;
use crate::url::PushUrl;

/// The contact of an application server (`8292-2.1-1`): a `mailto:` or `https:` URI (`8292-2.1-2`) that push services in
/// the world accept: without spaces and angle brackets, and at a host that others can reach, so not `localhost`, `.local`,
/// an address of this machine or its network, nor, for mail, a domain without a dot.
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
    if let Some(literal) = domain.strip_prefix('[') {
        return check_literal(literal.strip_suffix(']').ok_or(SubjectError::Address)?);
    }
    check_name(domain)?;
    // A name of one's own network, as its mail servers know it.
    if without_root(domain).contains('.') { Ok(()) } else { Err(SubjectError::Localhost) }
}

/// What stands in brackets instead of a domain (RFC 5321 section 4.1.3).
fn check_literal(literal: &str) -> Result<(), SubjectError> {
    let address = match literal.split_once(':') {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => address.parse().map(IpAddr::V6),
        _ => literal.parse().map(IpAddr::V4),
    };
    check_address(address.map_err(|_| SubjectError::Address)?)
}

fn check_https(text: &str) -> Result<(), SubjectError> {
    let url = PushUrl::parse(text).map_err(|_| SubjectError::Address)?;
    match url.host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => check_address(address.parse().map_err(|_| SubjectError::Address)?),
        None => check_name(url.host()),
    }
}

/// A name, or an IPv4 address. What ends in a number can be nothing but an address, and some would read `127.1` as one of
/// this machine.
fn check_name(host: &str) -> Result<(), SubjectError> {
    let host = without_root(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|octet| octet.is_ascii_digit()) {
        return check_address(host.parse().map(IpAddr::V4).map_err(|_| SubjectError::Address)?);
    }
    let nobodys = ["localhost", "local"].iter().any(|name| last.eq_ignore_ascii_case(name));
    if nobodys { Err(SubjectError::Localhost) } else { Ok(()) }
}

/// `example.com.` is `example.com`.
fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Addresses that mean another machine to everybody.
fn check_address(address: IpAddr) -> Result<(), SubjectError> {
    let nobodys = match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0 || address.is_private() || address.is_loopback() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    };
    if nobodys { Err(SubjectError::Localhost) } else { Ok(()) }
}
