//! URLs that a user follows.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use crate::url::{MAX_URL_LEN, Origin, PushUrl, UrlError, is_legal};

/// An absolute `https` or `http` URL, which may have a fragment: at most [`MAX_URL_LEN`] octets, and only the
/// characters of RFC 3986, so what is beyond ASCII comes percent-encoded.
///
/// It is part of a payload, so `Debug` shows its origin only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    text: String,
    /// What is before the fragment.
    page: PushUrl,
}

impl Link {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it leads.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.page.origin()
    }

    /// What a sender wrote, resolved against `base`, forgiving what browsers forgive: white space around it, and
    /// characters that should have been percent-encoded. `None` if it leads nowhere, or needs a base and has none.
    pub(super) fn resolve(base: Option<&Self>, reference: &str) -> Option<Self> {
        let reference = encode_illegal(reference);
        let (page, fragment) = split_fragment(&reference);
        let page = match base {
            Some(base) => base.page.resolve(page)?,
            None => PushUrl::normalised(page)?,
        };
        match fragment {
            Some(fragment) => format!("{}#{fragment}", page.as_str()).parse().ok(),
            None => page.as_str().parse().ok(),
        }
    }
}

impl FromStr for Link {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_LEN {
            return Err(UrlError::TooLong);
        }
        let (page, fragment) = split_fragment(text);
        let page = PushUrl::parse_allow_http(page)?;
        let fragment = fragment.unwrap_or_default();
        if !fragment.bytes().all(|octet| is_legal(octet) && octet != b'#') {
            return Err(UrlError::Character);
        }
        Ok(Self { text: text.to_string(), page })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}/..)", self.page.origin())
    }
}

fn split_fragment(url: &str) -> (&str, Option<&str>) {
    url.split_once('#').map_or((url, None), |(page, fragment)| (page, Some(fragment)))
}

/// Without white space around it and line breaks within; what no URL may hold is percent-encoded.
fn encode_illegal(reference: &str) -> String {
    let mut legal = String::with_capacity(reference.len());
    for octet in reference.trim_matches(|c: char| c <= ' ').bytes() {
        match octet {
            b'\t' | b'\n' | b'\r' => {}
            _ if is_legal(octet) => legal.push(char::from(octet)),
            _ => legal.push_str(&format!("%{octet:02X}")),
        }
    }
    legal
}
