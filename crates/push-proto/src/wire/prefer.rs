//! Preferences (RFC 7240): the two that RFC 8030 uses.

use core::time::Duration;

use http::{HeaderMap, header::HeaderName};

use super::lexer::{Cursor, is_token, trim};

/// The preferences that mean something to a push service. All others are ignored (`7240-2-1`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `respond-async`: a delivery receipt is wanted (`8030-5.1-1`).
    pub respond_async: bool,
    /// `wait`: how long a monitor may stay open; zero for what is stored now (`8030-6-7`, `7240-4.3-1`).
    pub wait: Option<Duration>,
}

impl Preferences {
    /// Reads all `Prefer` field lines. Of a preference that comes more than once the first counts; a malformed one
    /// is ignored, as an unknown one is.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let mut seen = Seen::default();
        for line in headers.get_all(PREFER) {
            let mut elements = Cursor::new(line.as_bytes());
            while !elements.is_at_end() {
                let Some(element) = elements.element(b',') else { break };
                seen.note(element);
            }
        }
        Self { respond_async: seen.respond_async.unwrap_or(false), wait: seen.wait.flatten() }
    }
}

/// What the first instance of each preference said.
#[derive(Default)]
struct Seen {
    respond_async: Option<bool>,
    wait: Option<Option<Duration>>,
}

impl Seen {
    fn note(&mut self, element: &[u8]) {
        let Some(preference) = Cursor::new(element).element(b';') else { return };
        let mut cursor = Cursor::new(preference);
        let name = cursor.take_while(is_token);
        cursor.skip_whitespace();
        let value = if cursor.eat(b'=') {
            cursor.skip_whitespace();
            cursor.quoted().unwrap_or_else(|| cursor.take_while(is_token).into())
        } else {
            Default::default()
        };
        cursor.skip_whitespace();
        let whole = cursor.is_at_end();
        if name.eq_ignore_ascii_case(b"respond-async") {
            // An empty value is no value (RFC 7240 §2).
            self.respond_async.get_or_insert(whole && trim(&value).is_empty());
        } else if name.eq_ignore_ascii_case(b"wait") {
            self.wait.get_or_insert(if whole { seconds(trim(&value)) } else { None });
        }
    }
}

/// `delta-seconds` (RFC 9110 §10.2.3), at most what fits.
pub(super) fn seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits
        .iter()
        .fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))));
    Some(Duration::from_secs(u64::from(seconds)))
}

/// `Prefer`.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
