//! URL references as they stand in `Location`, `Link` and a promise's path, and what they mean.

use alloc::boxed::Box;
use core::fmt;

use crate::PushUrl;

/// A URL reference as the peer wrote it, relative or absolute (RFC 3986 §4.1). It is, or will be, a capability, so
/// `Debug` shows nothing of it (`8030-8.3-2`). The machines resolve and check it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference(Box<str>);

impl Reference {
    /// The reference with this text, unchecked.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text. A secret.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL that this means where `base` is the URL of the request; its fragment is dropped. None if it is no http
    /// or https URL.
    #[must_use]
    pub fn resolve(&self, base: &PushUrl) -> Option<PushUrl> {
        if self.0.len() > push_crypto::MAX_URL_LEN {
            return None;
        }
        base.resolve(&self.0)
    }

    /// The same, only if it has the same origin as `base`: what a service may hand out as its own resource.
    pub(crate) fn resolve_at_home(&self, base: &PushUrl) -> Option<PushUrl> {
        self.resolve(base).filter(|url| url.origin() == base.origin())
    }
}

impl From<&str> for Reference {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&PushUrl> for Reference {
    fn from(url: &PushUrl) -> Self {
        Self::new(url.as_str())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, reference: &str) -> Option<String> {
        let base = PushUrl::parse_allow_http(base).unwrap();
        Reference::new(reference).resolve(&base).map(|url| url.as_str().into())
    }

    #[test]
    fn references_resolve_as_rfc3986_5_4_has_it() {
        let base = "https://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g", "https://a/b/c/g"),
            ("./g", "https://a/b/c/g"),
            ("g/", "https://a/b/c/g/"),
            ("/g", "https://a/g"),
            ("//g", "https://g/"),
            ("?y", "https://a/b/c/d;p?y"),
            ("g?y", "https://a/b/c/g?y"),
            ("#s", "https://a/b/c/d;p?q"),
            ("g#s", "https://a/b/c/g"),
            ("", "https://a/b/c/d;p?q"),
            (".", "https://a/b/c/"),
            ("..", "https://a/b/"),
            ("../..", "https://a/"),
            ("../../../g", "https://a/g"),
            ("./g/.", "https://a/b/c/g/"),
            ("HTTPS://A:443/g", "https://a/g"),
        ] {
            assert_eq!(resolved(base, reference).as_deref(), Some(expected), "{reference}");
        }
    }

    #[test]
    fn what_is_no_web_url_resolves_to_nothing() {
        for reference in ["mailto:a@b", "https:g", "https://u@a/", "//", "/a b", "/\u{e9}", "javascript:x"] {
            assert_eq!(resolved("https://a/b", reference), None, "{reference}");
        }
    }

    #[test]
    fn home_is_the_origin_of_the_request() {
        let base = PushUrl::parse("https://push.example.net/subscribe").unwrap();
        assert!(Reference::new("/s/1").resolve_at_home(&base).is_some());
        assert!(Reference::new("https://push.example.net:443/s/1").resolve_at_home(&base).is_some());
        for elsewhere in
            ["https://evil.example/s/1", "http://push.example.net/s/1", "//push.example.net:8443/s/1"]
        {
            assert!(Reference::new(elsewhere).resolve_at_home(&base).is_none(), "{elsewhere}");
        }
    }
}
