//! URLs that a user follows.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::url::{MAX_URL_LEN, Origin, PushUrl, UrlError};

/// An absolute `https` or `http` URL, which may have a fragment: at most [`MAX_URL_LEN`] octets, and only the
/// characters of RFC 3986, so what is beyond ASCII comes percent-encoded.
///
/// It is part of a payload, so `Debug` shows its origin only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    text: String,
    origin: Origin,
}

impl Link {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it leads.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A reference that a sender wrote, as RFC 3986 section 5.2 resolves it, forgiving what browsers forgive: white
    /// space around it and characters that should have been percent-encoded. `None` if it leads nowhere, or needs a
    /// base and has none.
    pub(super) fn resolve(base: Option<&Self>, reference: &str) -> Option<Self> {
        let reference = encode_illegal(reference);
        if has_scheme(&reference) {
            return reference.parse().ok();
        }
        let base = base?;
        let (scheme, _) = base.text.split_once("//")?;
        let (front, path) = base.split();
        let resolved = match reference.as_bytes() {
            [] => format!("{front}{path}{}", query(&base.text)),
            [b'/', b'/', ..] => format!("{scheme}{reference}"),
            [b'/', ..] => format!("{front}{}", without_dots(&reference)),
            [b'?', ..] => format!("{front}{path}{reference}"),
            [b'#', ..] => format!("{front}{path}{}{reference}", query(&base.text)),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{front}{}", without_dots(&format!("{folder}/{reference}")))
            }
        };
        resolved.parse().ok()
    }

    /// Scheme and authority, and the path.
    fn split(&self) -> (&str, &str) {
        let start = self.text.find("//").map_or(0, |slashes| slashes.saturating_add(2));
        let authority = self.text.get(start..).unwrap_or_default();
        let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
        let (front, rest) = self.text.split_at_checked(start.saturating_add(end)).unwrap_or_default();
        (front, rest.split(['?', '#']).next().unwrap_or_default())
    }
}

impl FromStr for Link {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_LEN {
            return Err(UrlError::TooLong);
        }
        let (front, fragment) = text.split_once('#').unwrap_or((text, ""));
        if !fragment.bytes().all(is_legal) || fragment.contains('#') {
            return Err(UrlError::Character);
        }
        let origin = PushUrl::parse_allow_http(front)?.origin();
        Ok(Self { text: text.to_string(), origin })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}/..)", self.origin)
    }
}

/// The query with its question mark, if there is one.
fn query(url: &str) -> &str {
    let front = url.split('#').next().unwrap_or_default();
    front.find('?').and_then(|mark| front.get(mark..)).unwrap_or_default()
}

/// Whether it begins with a scheme and a colon.
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(legal)
}

/// RFC 3986 section 5.2.4. Begins with a slash; query and fragment stay as they are.
fn without_dots(reference: &str) -> String {
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at_checked(end).unwrap_or_default();
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == ".." {
            kept.pop();
        }
        let dots = matches!(segment, "." | "..");
        if !dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}{rest}", kept.join("/"))
}

/// Without white space around it and line breaks within; what no URL may hold is percent-encoded.
fn encode_illegal(reference: &str) -> String {
    let mut legal = String::with_capacity(reference.len());
    for octet in reference.trim_matches(|c: char| c <= ' ').bytes() {
        match octet {
            b'\t' | b'\n' | b'\r' => {}
            b'#' => legal.push('#'),
            _ if is_legal(octet) => legal.push(char::from(octet)),
            _ => legal.push_str(&format!("%{octet:02X}")),
        }
    }
    legal
}

fn is_legal(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet)
}
