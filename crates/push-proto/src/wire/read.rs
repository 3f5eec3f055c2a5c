//! Fields of responses that user agents and application servers look at. What cannot be read counts as absent.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

use super::{lexer::trim, prefer::seconds, request::TTL};
use crate::{
    Ttl, UnixTime,
    user_agent::{Reference, RetryAfter},
};

/// `Location`, as it stands there (`8030-4-2`, `8030-5-2`).
#[must_use]
pub fn location(headers: &HeaderMap) -> Option<Reference> {
    std::str::from_utf8(only(headers, &header::LOCATION)?).ok().map(Reference::new)
}

/// The TTL that the service grants (`8030-5.2-6`); absent means as requested.
#[must_use]
pub fn granted_ttl(headers: &HeaderMap) -> Option<Ttl> {
    Ttl::parse(only(headers, &TTL)?)
}

/// When to try again (`8030-8.4-3`): seconds or a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let value = only(headers, &header::RETRY_AFTER)?;
    seconds(value).map(RetryAfter::In).or_else(|| date(value).map(RetryAfter::At))
}

/// When a message was accepted (`8030-7.2-2`).
#[must_use]
pub fn last_modified(headers: &HeaderMap) -> Option<UnixTime> {
    date(only(headers, &header::LAST_MODIFIED)?)
}

/// An HTTP date, in each of its three forms.
pub(super) fn date(value: &[u8]) -> Option<UnixTime> {
    let time = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| UnixTime::from_secs(since.as_secs()))
}

/// The value of a field with one line.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Some(trim(line.as_bytes())),
        _ => None,
    }
}
