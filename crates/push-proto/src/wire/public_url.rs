//! Where the world finds this service: every URL that it hands out comes from here, never from a `Host` field.

use core::fmt;

use http::{Uri, uri::{Authority, Scheme}};
use push_crypto::Origin;

/// The public URL of a push service: origin and path prefix.
///
/// ```
/// # use push_proto::wire::PublicUrl;
/// let url = PublicUrl::parse("https://example.net/push/").unwrap();
/// assert_eq!(url.to_string(), "https://example.net/push");
/// assert!(PublicUrl::parse("example.net").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or with a slash in front and none behind.
    prefix: String,
    origin: Origin,
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
        if url.contains('#') {
            return Err(PublicUrlError::Excess);
        }
        let uri: Uri = url.parse().map_err(|_| PublicUrlError::Malformed)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority), Some(path)) = (parts.scheme, parts.authority, parts.path_and_query)
        else {
            return Err(PublicUrlError::Relative);
        };
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(PublicUrlError::Scheme);
        }
        if authority.as_str().contains('@') || path.query().is_some() {
            return Err(PublicUrlError::Excess);
        }
        let prefix = path.path().trim_end_matches('/');
        let steps = prefix.strip_prefix('/').map(|steps| steps.split('/'));
        if steps.is_some_and(|mut steps| steps.any(|step| matches!(step, "" | "." | ".."))) {
            return Err(PublicUrlError::Path);
        }
        let origin = Origin::of(url).map_err(|_| PublicUrlError::Malformed)?;
        Ok(Self { prefix: prefix.to_owned(), scheme, authority, origin })
    }

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

    /// The path below the prefix, without a slash in front.
    pub(super) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.prefix.as_str())?.strip_prefix('/')
    }

    /// The absolute URI of a request for `path`, whatever its `Host` said.
    pub(super) fn uri(&self, path: &str) -> Option<Uri> {
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path).build().ok()
    }

    /// Whether `uri` has this origin (`A-17`).
    pub(super) fn serves(&self, uri: &Uri) -> bool {
        let ours = (Some(&self.scheme), self.authority.host(), self.authority.port_u16());
        let theirs = (uri.scheme(), uri.host().unwrap_or_default(), uri.port_u16());
        let port = |scheme: Option<&Scheme>, port: Option<u16>| {
            port.or(if scheme == Some(&Scheme::HTTPS) { Some(443) } else { Some(80) })
        };
        ours.0 == theirs.0 && ours.1.eq_ignore_ascii_case(theirs.1) && port(ours.0, ours.2) == port(theirs.0, theirs.2)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
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
    /// It has user information, a query or a fragment.
    Excess,
    /// It is no URL.
    Malformed,
    /// Its path has empty or dot segments.
    Path,
    /// It is not absolute.
    Relative,
    /// It is neither http nor https.
    Scheme,
}

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excess => "the public URL must not have user information, a query or a fragment",
            Self::Malformed => "the public URL is no URL",
            Self::Path => "the path of the public URL must not have empty or dot segments",
            Self::Relative => "the public URL must begin with https:// or http:// and name a host",
            Self::Scheme => "the public URL must be an https or http URL",
        })
    }
}

impl core::error::Error for PublicUrlError {}

/// Last segment of the URL at which user agents subscribe.
pub(super) const SUBSCRIBE: &str = "subscribe";
