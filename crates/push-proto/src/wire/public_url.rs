//! Where the world finds this service: every URL that it hands out comes from here, never from a `Host` field.

use core::fmt;

use push_crypto::{Origin, PushUrl, UrlError};

/// The public URL of a push service: origin and path prefix.
///
/// ```
/// # use push_proto::wire::PublicUrl;
/// let url = PublicUrl::parse("https://example.net:443/push/").unwrap();
/// assert_eq!(url.to_string(), "https://example.net/push");
/// assert!(PublicUrl::parse("example.net").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Origin,
    /// Empty, or with a slash in front and none behind.
    prefix: String,
}

impl PublicUrl {
    /// Reads an absolute http or https URL without user information, query, fragment and dot segments.
    ///
    /// Whether cleartext will do is for the listener to decide (`8030-3-1`).
    ///
    /// # Errors
    ///
    /// It is no such URL.
    pub fn parse(url: &str) -> Result<Self, PublicUrlError> {
        let url = PushUrl::parse_allow_http(url).map_err(PublicUrlError::Url)?;
        let path = url.path_and_query();
        if path.contains('?') {
            return Err(PublicUrlError::Query);
        }
        let prefix = path.strip_suffix('/').unwrap_or(path);
        if prefix.split('/').skip(1).any(|step| matches!(step, "" | "." | "..")) {
            return Err(PublicUrlError::Path);
        }
        if prefix.len() > Self::PREFIX_OCTETS_MAX {
            return Err(PublicUrlError::TooLong);
        }
        Ok(Self { origin: url.origin(), prefix: prefix.to_owned() })
    }

    /// The longest path prefix, in octets: URLs are to stay below 1000 (`up-2`).
    pub const PREFIX_OCTETS_MAX: usize = 256;

    /// What VAPID tokens are made for (`8292-2-2`).
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where user agents subscribe (RFC 8030 §4).
    #[must_use]
    pub fn subscribe(&self) -> String {
        format!("{self}/{SUBSCRIBE}")
    }

    /// What is below the prefix in this path, without a slash in front.
    pub(super) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.prefix.as_str())?.strip_prefix('/')
    }

    /// The URL of a request for `path`, whatever its `Host` said.
    pub(super) fn request_url(&self, path: &str) -> Option<PushUrl> {
        PushUrl::parse_allow_http(&format!("{}{path}", self.origin)).ok()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.prefix)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicUrl({self})")
    }
}

/// Why a URL cannot be the public URL of a push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicUrlError {
    /// Its path has empty or dot segments.
    Path,
    /// It has a query.
    Query,
    /// Its path is longer than [`PublicUrl::PREFIX_OCTETS_MAX`].
    TooLong,
    /// It is no absolute http or https URL.
    Url(UrlError),
}

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the path of the public URL must not have empty or dot segments"),
            Self::Query => f.write_str("the public URL must not have a query"),
            Self::TooLong => f.write_str("the path of the public URL is longer than 256 octets"),
            Self::Url(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PublicUrlError {}

/// Last segment of the URL at which user agents subscribe.
pub(super) const SUBSCRIBE: &str = "subscribe";
