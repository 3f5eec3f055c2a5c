//! A way out by a proxy: a tunnel by CONNECT (RFC 9110 §9.3.6, RFC 9112 §3.2.3).

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use base64ct::{Base64, Encoding as _};
use bytes::BytesMut;
use push_crypto::UrlError;
use push_proto::Origin;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{
    Addresses,
    dial::{Dialer, NoConnection, UNRESOLVED},
};
use crate::{Runtime, io::Rewind, tls::Alpn};

/// An HTTP proxy through which a sender reaches push services: it asks for a tunnel to each (CONNECT, RFC 9110 §9.3.6),
/// and what goes through it is encrypted end to end.
///
/// The proxy resolves the names, so [`Addresses`] cannot see what is really connected to: **the proxy must see to it that
/// nothing inside is reached**. What can be told by the name alone is refused here as ever: addresses that are not public,
/// and names that can only be local. The proxy itself may be anywhere.
///
/// Clones share it. Its credentials are wiped with the last, and `Debug` shows nothing of it.
///
/// ```
/// use push_driver::{Proxy, ProxyError};
///
/// for url in ["http://proxy.example:3128", "http://me:p%40ss@10.0.0.1:3128", "https://[2001:db8::1]:8443"] {
///     url.parse::<Proxy>()?;
/// }
/// assert_eq!("socks5://proxy.example".parse::<Proxy>().err(), Some(ProxyError::Scheme));
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    /// https where the proxy itself is spoken to by TLS.
    origin: Origin,
    /// What `Basic` stands before (RFC 7617 §2).
    credentials: Option<Zeroizing<String>>,
}

/// `http://host:port`, `https://host:port` for TLS to the proxy itself, and either with `user:password@` before the host,
/// percent-encoded (`Proxy-Authorization: Basic`, RFC 9110 §11.7.2, RFC 7617). Without a port it is 80 or 443.
impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        if text.len() > URL_OCTETS {
            return Err(ProxyError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(ProxyError::Scheme);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(ProxyError::Rest);
        }
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let origin = format!("{}{host}", if https { "https://" } else { "http://" });
        let origin = origin.parse().map_err(|error: UrlError| {
            if error == UrlError::Port { ProxyError::Port } else { ProxyError::Host }
        })?;
        Ok(Self(Arc::new(Inner { origin, credentials: user.map(basic).transpose()? })))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(..)")
    }
}

/// What is wrong with the URL of a proxy. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// A user name or password that is not percent-encoded, or holds a control character; or a colon in the user name
    /// (RFC 7617 §2).
    Credentials,
    /// An empty or malformed host.
    Host,
    /// A malformed port, or 0.
    Port,
    /// A path, a query or a fragment.
    Rest,
    /// No scheme, or one that is neither `http` nor `https`.
    Scheme,
    /// Longer than 2048 octets.
    TooLong,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => {
                "the proxy's user name or password is not percent-encoded, or holds what it must not: a control \
                 character, or a colon in the user name"
            }
            Self::Host => "the proxy's URL has no valid host",
            Self::Port => "the proxy's URL has no valid port",
            Self::Rest => {
                "the proxy's URL has something after its host and port; in a password, / ? # are written %2F %3F %23"
            }
            Self::Scheme => "the proxy's URL must begin with http:// or https://",
            Self::TooLong => "the proxy's URL is longer than 2048 octets",
        })
    }
}

impl std::error::Error for ProxyError {}

/// What a tunnel runs over. One type for all, so that nothing above is built anew for each.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> Transport for Io {}

/// What came behind the proxy's answer is read first.
pub(super) type Tunnel = Rewind<Box<dyn Transport>>;

impl<R: Runtime> Dialer<R> {
    /// A tunnel to an origin. A name is for the proxy to resolve, so only what it says by itself is checked.
    pub(super) async fn tunnel(&self, proxy: &Proxy, origin: &Origin) -> Result<Tunnel, NoConnection> {
        if !self.addresses.allow_unresolved(bare(origin.host())) {
            return Err(NoConnection::Forbidden("the proxy is not asked for what may not be connected to"));
        }
        let host = bare(proxy.0.origin.host());
        let io = self.connect(host, proxy.0.origin.port(), &Addresses::Any).await;
        let io = io.map_err(|reason| match reason {
            NoConnection::Failed(UNRESOLVED) => "the proxy's name was not resolved",
            NoConnection::Failed(_) | NoConnection::Forbidden(_) => "the proxy was not reached",
        })?;
        let io: Box<dyn Transport> = if proxy.0.origin.is_https() {
            let tls = TlsConnector::from(self.tls.config(Alpn::Http1)).connect(server_name(host)?, io);
            Box::new(tls.await.map_err(|_| "no TLS with the proxy")?)
        } else {
            Box::new(io)
        };
        let octets_max = usize::try_from(self.limits.header_octets).unwrap_or(usize::MAX);
        Ok(ask(io, &proxy.request(origin), octets_max).await?)
    }
}

impl Proxy {
    /// RFC 9112 §3.2.3: the port is always written.
    fn request(&self, origin: &Origin) -> Zeroizing<String> {
        let (host, port) = (origin.host(), origin.port());
        let credentials = self.0.credentials.as_ref().map_or("", |credentials| credentials);
        // Room for all of it, so that no part stays behind where it was before it grew.
        let mut request =
            Zeroizing::new(String::with_capacity(2 * host.len() + credentials.len() + FRAME_OCTETS));
        request.push_str(&format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
        if !credentials.is_empty() {
            for part in ["Proxy-Authorization: Basic ", credentials, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        request
    }
}

/// Asks for a tunnel, and reads the head of the answer, which is all of it (RFC 9110 §9.3.6): what follows a 2xx comes out
/// of the tunnel. All heads together, interim ones too, have at most `octets_max`.
async fn ask(mut io: Box<dyn Transport>, request: &str, octets_max: usize) -> Result<Tunnel, &'static str> {
    const LOST: &str = "the connection to the proxy was lost";
    io.write_all(request.as_bytes()).await.map_err(|_| LOST)?;
    io.flush().await.map_err(|_| LOST)?;
    let (mut came, mut left, mut searched) = (BytesMut::with_capacity(READ_OCTETS), octets_max, 0);
    loop {
        if !came.iter().zip(VERSION).all(|(octet, expected)| octet == expected) {
            return Err("what the proxy answers is not HTTP/1");
        }
        if let Some(end) = head_end(&came, searched) {
            let status = status(&came.split_to(end)).ok_or("the proxy's status line is malformed")?;
            match status {
                101 => return Err("the proxy switches protocols though nobody asked (101)"),
                100..200 => (left, searched) = (left.saturating_sub(end), 0),
                200..300 => return Ok(Rewind::after(came.freeze(), io)),
                refused => {
                    tracing::debug!(status = refused, "the proxy makes no tunnel");
                    return Err(refusal(refused));
                }
            }
            continue;
        }
        searched = came.len();
        let room = left.saturating_sub(came.len());
        if room == 0 {
            return Err("the head of the proxy's answer is too long");
        }
        let mut some = (&mut io).take(u64::try_from(room).unwrap_or(u64::MAX));
        if some.read_buf(&mut came).await.map_err(|_| LOST)? == 0 {
            return Err("the proxy closed before it had answered");
        }
    }
}

/// Where a head ends, if it does: behind an empty line. A line ends with LF, whether CR is before it or not (RFC 9112
/// §2.2). What is before `searched` was searched before.
fn head_end(octets: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    let ends = octets.iter().enumerate().skip(from).filter(|(_, octet)| **octet == b'\n');
    ends.map(|(at, _)| at.saturating_add(1)).find_map(|line| {
        let rest = octets.get(line..)?;
        let empty = [b"\n".as_slice(), b"\r\n"].into_iter().find(|empty| rest.starts_with(empty))?;
        Some(line.saturating_add(empty.len()))
    })
}

/// RFC 9112 §4. Fields say nothing that matters for a tunnel (RFC 9110 §9.3.6), so nobody reads them.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|octet| *octet == b'\n').next()?.trim_ascii_end();
    let (minor, rest) = line.strip_prefix(VERSION)?.split_first()?;
    let (code, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let ended = reason.is_empty() || reason.starts_with(b" ");
    let digits = minor.is_ascii_digit() && code.iter().all(u8::is_ascii_digit);
    let code: u16 = str::from_utf8(code).ok()?.parse().ok()?;
    (ended && digits && (100..600).contains(&code)).then_some(code)
}

const fn refusal(status: u16) -> &'static str {
    match status {
        403 => "the proxy does not allow it (403)",
        407 => "the proxy wants credentials, or others (407)",
        500..600 => "the proxy does not get there (5xx)",
        _ => "the proxy refuses the tunnel",
    }
}

/// The credentials of RFC 7617 §2, of what stands before the @.
fn basic(user: &str) -> Result<Zeroizing<String>, ProxyError> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + password.len() + 1));
    decode(user, &mut pair)?;
    if pair.contains(&b':') {
        return Err(ProxyError::Credentials);
    }
    pair.push(b':');
    decode(password, &mut pair)?;
    Ok(Zeroizing::new(Base64::encode_string(&pair)))
}

/// RFC 3986 §2.1. What it decodes to is never longer.
fn decode(text: &str, into: &mut Vec<u8>) -> Result<(), ProxyError> {
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        let octet = if *first == b'%' {
            let (digits, others) = rest.split_at_checked(2).ok_or(ProxyError::Credentials)?;
            rest = others;
            digits.iter().try_fold(0, |octet, digit| Some(octet << 4 | hexadecimal(*digit)?))
        } else {
            Some(*first)
        };
        let octet = octet.filter(|octet| !octet.is_ascii_control()).ok_or(ProxyError::Credentials)?;
        into.push(octet);
    }
    Ok(())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whom a certificate must name.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, &'static str> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(ServerName::from(address)),
        Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| "not a name for a certificate"),
    }
}

/// Of a proxy's URL: no credentials are so long.
const URL_OCTETS: usize = 2048;
/// What a head usually has, and more.
const READ_OCTETS: usize = 1024;
/// HTTP/1.0 is fine: a proxy that speaks it makes tunnels as well.
const VERSION: &[u8] = b"HTTP/1.";
/// What a request has beside the host and the credentials is less.
const FRAME_OCTETS: usize = 128;

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_util::FutureExt as _;
    use tokio::io::ReadBuf;

    use super::*;

    /// Scheme, host and port as understood, and the credentials.
    fn read(text: &str) -> Result<(String, Option<String>), ProxyError> {
        let Proxy(inner) = text.parse()?;
        let credentials = inner.credentials.as_ref().map(|credentials| credentials.to_string());
        Ok((format!("{}:{}", inner.origin, inner.origin.port()), credentials))
    }

    #[test]
    fn a_proxy_is_read_from_its_url() {
        for (text, origin, credentials) in [
            ("http://proxy.example", "http://proxy.example:80", None),
            ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128:3128", None),
            ("https://proxy.example", "https://proxy.example:443", None),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080:8080", None),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443:8443", None),
            ("http://[::1]", "http://[::1]:80", None),
            // The example of RFC 7617 §2.
            (
                "http://Aladdin:open%20sesame@p.example",
                "http://p.example:80",
                Some("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            // RFC 7617 §2.1, and what a password may hold.
            ("http://test:123%c2%A3@p.example", "http://p.example:80", Some("dGVzdDoxMjPCow==")),
            ("http://a:b@c@p.example", "http://p.example:80", Some("YTpiQGM=")),
            ("http://a:b:c@p.example", "http://p.example:80", Some("YTpiOmM=")),
            ("http://a@[::1]:1", "http://[::1]:1:1", Some("YTo=")),
            ("http://:@p.example", "http://p.example:80", Some("Og==")),
        ] {
            let expected = (origin.to_owned(), credentials.map(str::to_owned));
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        let long = format!("http://p.example:80/{}", "a".repeat(URL_OCTETS));
        let longest = format!("http://{}@p.example", "a".repeat(URL_OCTETS - 17));
        assert_eq!(read(&longest.replacen("a", "aa", 1)).err(), Some(ProxyError::TooLong));
        assert!(read(&longest[..]).is_ok());
        for (text, error) in [
            ("", ProxyError::Scheme),
            ("proxy.example:3128", ProxyError::Scheme),
            ("socks5://proxy.example", ProxyError::Scheme),
            ("://proxy.example", ProxyError::Scheme),
            ("http://", ProxyError::Host),
            ("http:///", ProxyError::Host),
            ("http://a b", ProxyError::Host),
            ("http://::1", ProxyError::Port),
            ("http://[::1", ProxyError::Host),
            ("http://127.1", ProxyError::Host),
            ("http://a:b@", ProxyError::Host),
            ("http://p.example:0", ProxyError::Port),
            ("http://p.example:65536", ProxyError::Port),
            ("http://p.example:", ProxyError::Port),
            ("http://p.example/a", ProxyError::Rest),
            ("http://p.example//", ProxyError::Rest),
            ("http://p.example?a", ProxyError::Rest),
            ("http://p.example#a", ProxyError::Rest),
            ("http://a:b/c@p.example", ProxyError::Rest),
            ("http://a%3Ab:c@p.example", ProxyError::Credentials),
            ("http://a:%0d%0a@p.example", ProxyError::Credentials),
            ("http://a:\n@p.example", ProxyError::Credentials),
            ("http://a:%00@p.example", ProxyError::Credentials),
            ("http://a:100%@p.example", ProxyError::Credentials),
            ("http://a:%2@p.example", ProxyError::Credentials),
            ("http://a:%+2@p.example", ProxyError::Credentials),
            (&long, ProxyError::TooLong),
        ] {
            assert_eq!(read(text).err(), Some(error), "{text}");
        }
    }

    /// G6: whoever sees a proxy or why it is none sees nothing of it.
    #[test]
    fn a_proxy_shows_nothing_of_itself() {
        let proxy: Proxy = "http://planted-user:planted-password@planted-host".parse().unwrap();
        assert_eq!(format!("{proxy:?} {proxy:#?}"), "Proxy(..) Proxy(..)");
        let error = "http://planted-user:planted%0@planted-host".parse::<Proxy>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("planted"));
    }

    /// RFC 9112 §3.2.3: the authority, with its port whatever that is.
    #[test]
    fn what_is_asked_for_is_the_authority() {
        for (proxy, origin, expected) in [
            (
                "http://p",
                "https://push.example",
                "CONNECT push.example:443 HTTP/1.1\r\nHost: push.example:443\r\n\r\n",
            ),
            (
                "http://p",
                "http://[2001:db8::1]",
                "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
            ),
            (
                "http://Aladdin:open%20sesame@p",
                "https://a.example:8443",
                "CONNECT a.example:8443 HTTP/1.1\r\nHost: a.example:8443\r\n\
                 Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
            ),
        ] {
            let request = proxy.parse::<Proxy>().unwrap().request(&origin.parse().unwrap());
            assert_eq!(request.as_str(), expected);
        }
    }

    /// Gives so many octets at a time at most, then is at its end.
    struct Pieces(&'static [u8], usize);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(into.remaining()));
            into.put_slice(piece);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    /// What comes out of the tunnel, or why there is none.
    fn answered(answer: &'static str, piece: usize, octets_max: usize) -> Result<String, &'static str> {
        let io = Box::new(tokio::io::join(Pieces(answer.as_bytes(), piece), tokio::io::sink()));
        let mut tunnel = ask(io, "", octets_max).now_or_never().unwrap()?;
        let mut out = String::new();
        tunnel.read_to_string(&mut out).now_or_never().unwrap().unwrap();
        Ok(out)
    }

    /// RFC 9110 §9.3.6, RFC 9112 §4: any 2xx, and what follows it belongs to the tunnel, however it was cut.
    #[test]
    fn answers_of_a_proxy() {
        let closed = "the proxy closed before it had answered";
        let malformed = "the proxy's status line is malformed";
        let other = "what the proxy answers is not HTTP/1";
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok("")),
            ("HTTP/1.1 200 Connection established\r\nVia: a\r\n\r\nHTTP/1.1 \n\n", Ok("HTTP/1.1 \n\n")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Ok("abc")),
            ("HTTP/1.0 299\n\nabc", Ok("abc")),
            ("HTTP/1.1 204 \r\n\r\n\r\n", Ok("\r\n")),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc",
                Ok("abc"),
            ),
            ("HTTP/1.1 101 Switching\r\n\r\n", Err("the proxy switches protocols though nobody asked (101)")),
            ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Err("the proxy refuses the tunnel")),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", Err("the proxy does not allow it (403)")),
            ("HTTP/1.1 407 Authenticate\r\n\r\n", Err("the proxy wants credentials, or others (407)")),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Err("the proxy does not get there (5xx)")),
            ("HTTP/1.1 100 Continue\r\n\r\n", Err(closed)),
            ("HTTP/1.1 200 OK\r\nVia: a\r\n", Err(closed)),
            ("", Err(closed)),
            ("HTTP/1.1 20 OK\r\n\r\n", Err(malformed)),
            ("HTTP/1.1 2000 OK\r\n\r\n", Err(malformed)),
            ("HTTP/1.1 600 OK\r\n\r\n", Err(malformed)),
            ("HTTP/1.x 200 OK\r\n\r\n", Err(malformed)),
            ("HTTP/1.1  200 OK\r\n\r\n", Err(malformed)),
            ("HTTP/1.1\r\n\r\n", Err(malformed)),
            ("HTTP/2 200\r\n\r\n", Err(other)),
            ("SSH-2.0-a", Err(other)),
            ("\x15\x03\x03", Err(other)),
            ("HTTP/1.1 100 Continue\r\n\r\nabc", Err(other)),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                let expected = expected.map(str::to_owned);
                assert_eq!(answered(answer, piece, 1000), expected, "{piece}: {answer:?}");
            }
        }
    }

    /// `ClientLimits::header_octets`
    #[test]
    fn the_head_of_a_proxys_answer_is_bounded() {
        let too_long = Err("the head of the proxy's answer is too long");
        for answer in [
            "HTTP/1.1 200 OK\r\nVia: a\r\n\r\n",
            "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            for piece in [1, 1000] {
                assert_eq!(answered(answer, piece, answer.len()), Ok(String::new()));
                assert_eq!(answered(answer, piece, answer.len() - 1), too_long);
            }
        }
    }
}
