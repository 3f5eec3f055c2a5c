//! URLs of push resources, and origins. Written by hand: small, strict, and quiet about the path, which is a secret.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The longest URL that is accepted, in octets.
pub const MAX_URL_LEN: usize = 2048;

/// An absolute URL of a push resource: `https`, a host, no user info, no fragment, at most [`MAX_URL_LEN`] octets, and
/// only the characters of RFC 3986.
///
/// It is a capability URL: whoever knows it can send. `Debug` and errors therefore never show its path; only
/// [`PushUrl::as_str`] and [`PushUrl::path_and_query`] do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushUrl {
    /// Shared: whatever happens to a message names its push resource.
    text: Arc<str>,
    path_start: usize,
    origin: Origin,
}

impl PushUrl {
    /// Parses an `https` URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it; [`UrlError::Insecure`] for `http`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse_allow_http(text)?;
        if url.origin.scheme == Scheme::Http { Err(UrlError::Insecure) } else { Ok(url) }
    }

    /// Parses an `https` or `http` URL: for tests and services behind a proxy of your own.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse_allow_http(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (origin, rest) = split_origin(text)?;
        let path_start = text.len().saturating_sub(rest.len());
        Ok(Self { text: text.into(), path_start, origin })
    }

    /// The URL that `reference` means at this one (RFC 3986 section 5.2): origin and dots normalised, so that equal
    /// resources compare equal, and without a fragment. `None` if it is no `https` or `http` URL.
    ///
    /// ```
    /// # use push_crypto::PushUrl;
    /// let base = PushUrl::parse("https://push.example.net/a/b?c")?;
    /// let resolve = |reference| base.resolve(reference).map(|url| url.as_str().to_owned());
    /// assert_eq!(resolve("../d").as_deref(), Some("https://push.example.net/d"));
    /// assert_eq!(resolve("HTTPS://A.example:443").as_deref(), Some("https://a.example/"));
    /// assert_eq!(resolve("mailto:a@a.example"), None);
    /// # Ok::<(), push_crypto::UrlError>(())
    /// ```
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<Self> {
        let text = reference.split('#').next().unwrap_or_default();
        if let Some(rest) = text.strip_prefix("//") {
            return Self::normalised(&format!("{}{rest}", self.origin.scheme.prefix()));
        }
        if has_scheme(text) {
            return Self::normalised(text);
        }
        let (path, query) = split_query(text);
        let (base_path, base_query) = split_query(self.path_and_query());
        let path = if path.is_empty() {
            String::from(base_path)
        } else if path.starts_with('/') {
            String::from(path)
        } else {
            format!("{}/{path}", base_path.rsplit_once('/').map_or("", |(folder, _)| folder))
        };
        let query = query.or_else(|| base_query.filter(|_| text.is_empty()));
        Self::of_parts(&self.origin, &path, query)
    }

    /// An absolute URL with its origin and dots normalised.
    pub(crate) fn normalised(text: &str) -> Option<Self> {
        let url = Self::parse_allow_http(text).ok()?;
        let (path, query) = split_query(url.path_and_query());
        Self::of_parts(&url.origin, path, query)
    }

    fn of_parts(origin: &Origin, path: &str, query: Option<&str>) -> Option<Self> {
        let path = without_dots(path);
        let text = query.map_or_else(|| format!("{origin}{path}"), |query| format!("{origin}{path}?{query}"));
        Self::parse_allow_http(&text).ok()
    }

    /// The URL as it was given. A secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the push service is: what a VAPID token is made out for (`8292-2-2`).
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin.clone()
    }

    /// The path and query for a request line. A secret. `/` if the URL has neither.
    ///
    /// A URL with a query and an empty path (`https://host?q`) yields the query alone; put a `/` before it.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        match self.text.get(self.path_start..) {
            None | Some("") => "/",
            Some(rest) => rest,
        }
    }

    /// The host in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin.host()
    }

    /// The port, given or by default.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.origin.port
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.is_https()
    }
}

impl FromStr for PushUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushUrl({}/..)", self.origin)
    }
}

/// The ASCII serialisation of an origin: scheme, host and port, in lower case, without the scheme's default port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Shared: it is the key of whatever is kept for each push service.
    text: Arc<str>,
    scheme: Scheme,
    host_len: usize,
    port: u16,
}

impl Origin {
    /// The serialisation, for example `https://push.example.net` or `https://push.example.net:8443`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let start = self.scheme.prefix().len();
        self.text.get(start..start.saturating_add(self.host_len)).unwrap_or_default()
    }

    /// The port, given or by default.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Whether `text` is this origin, exactly, or with its default port written out (A-20).
    pub(crate) fn is_written_as(&self, text: &str) -> bool {
        let with_port = || text.strip_prefix(self.as_str()).and_then(|rest| rest.strip_prefix(':'));
        text == &*self.text
            || (self.port == self.scheme.default_port()
                && with_port().is_some_and(|port| port == self.scheme.default_port_text()))
    }

    /// Whether `text` is its scheme and host, without a port or with the scheme's default one (A-20).
    pub(crate) fn is_written_without_port_as(&self, text: &str) -> bool {
        let end = self.scheme.prefix().len().saturating_add(self.host_len);
        match self.text.get(..end).and_then(|host| text.strip_prefix(host)) {
            None => false,
            Some("") => true,
            Some(rest) => rest.strip_prefix(':').is_some_and(|port| port == self.scheme.default_port_text()),
        }
    }

    fn new(scheme: Scheme, host: &str, port: Option<u16>) -> Self {
        let port = port.unwrap_or(scheme.default_port());
        let mut text = format!("{}{host}", scheme.prefix());
        if port != scheme.default_port() {
            text.push_str(&format!(":{port}"));
        }
        Self { text: text.into(), scheme, host_len: host.len(), port }
    }
}

impl FromStr for Origin {
    type Err = UrlError;

    /// `http` and `https` alike; a path, even a single slash, is refused.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        match split_origin(text)? {
            (origin, "") => Ok(origin),
            _ => Err(UrlError::NotAnOrigin),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.text)
    }
}

/// What is wrong with a URL. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// A character that no URL may hold: a space, a control, anything beyond ASCII.
    Character,
    /// A fragment.
    Fragment,
    /// An empty or malformed host.
    Host,
    /// `http` where only `https` is allowed.
    Insecure,
    /// More than a scheme, a host and a port.
    NotAnOrigin,
    /// A malformed port, or 0.
    Port,
    /// No scheme, or one that is neither `https` nor `http`.
    Scheme,
    /// Longer than [`MAX_URL_LEN`].
    TooLong,
    /// A user name or password.
    UserInfo,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "the URL holds a character that a URL must not hold",
            Self::Fragment => "the URL has a fragment",
            Self::Host => "the URL has no valid host",
            Self::Insecure => "the URL is http; it must be https",
            Self::NotAnOrigin => "an origin has nothing after its host and port",
            Self::Port => "the URL has no valid port",
            Self::Scheme => "the URL must begin with https://",
            Self::TooLong => "the URL is longer than 2048 octets",
            Self::UserInfo => "the URL has user information",
        })
    }
}

impl core::error::Error for UrlError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn default_port_text(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// Whether a scheme stands at the front; without one a colon may only come after a slash or a question mark.
fn has_scheme(text: &str) -> bool {
    text.split(['/', '?']).next().is_some_and(|first| first.contains(':'))
}

/// RFC 3986 section 5.2.4, on the segments of an absolute path.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment == ".." {
            kept.pop();
        }
        if !matches!(segment, "." | "..") {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    if text.len() > MAX_URL_LEN {
        return Err(UrlError::TooLong);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    if text.bytes().all(is_legal) { Ok(()) } else { Err(UrlError::Character) }
}

/// Whether an octet may stand somewhere in a URL (RFC 3986); `#` only before a fragment.
pub(crate) fn is_legal(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet)
}

/// The origin at the start of `text`, and what follows it.
fn split_origin(text: &str) -> Result<(Origin, &str), UrlError> {
    let (scheme, rest) = split_scheme(text)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let (host, port) = split_port(authority)?;
    let host = parse_host(host)?;
    Ok((Origin::new(scheme, &host, port), rest))
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    for scheme in [Scheme::Https, Scheme::Http] {
        let prefix = scheme.prefix();
        if let Some((start, rest)) = text.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return Ok((scheme, rest));
        }
    }
    Err(UrlError::Scheme)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    // The colons of an IPv6 address are within brackets.
    if authority.starts_with('[') && !authority.contains(']') {
        return Err(UrlError::Host);
    }
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
    let colon = authority.get(host_end..).and_then(|rest| rest.find(':'));
    let Some(colon) = colon else { return Ok((authority, None)) };
    let (host, port) = authority.split_at_checked(host_end.saturating_add(colon)).ok_or(UrlError::Port)?;
    let digits = port.strip_prefix(':').ok_or(UrlError::Port)?;
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(UrlError::Port),
        Ok(port) => Ok((host, Some(port))),
    }
}

fn parse_host(host: &str) -> Result<String, UrlError> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
        return Ok(format!("[{address}]"));
    }
    let legal_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL_LEN
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
    };
    if host.len() > MAX_HOST_LEN || !host.split('.').all(legal_label) {
        return Err(UrlError::Host);
    }
    // What ends in a number is an IPv4 address, and only its canonical form is one: `127.1` and `0x7f.1` are traps.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric =
        last.bytes().all(|octet| octet.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    if numeric {
        host.parse::<Ipv4Addr>().map_err(|_| UrlError::Host)?;
    }
    Ok(host.to_ascii_lowercase())
}

/// The limits of DNS.
const MAX_HOST_LEN: usize = 253;
const MAX_LABEL_LEN: usize = 63;
