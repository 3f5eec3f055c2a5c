//! The way to a service: connections, requests by HTTP/1.1, and what stands in between, in words.

use std::{io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use push_crypto::Origin;
use push_proto::wire::PublicUrl;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time,
};
use tokio_rustls::TlsConnector;

use crate::{
    error::{Error, Result},
    files,
};

/// What stands in the way, and what to do about it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Trouble {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

pub(super) type Hop<T> = std::result::Result<T, Trouble>;

/// Where the service is, and whom to trust on the way.
pub(super) struct Way {
    origin: Origin,
    roots: Option<Arc<RootCertStore>>,
}

/// What a connection may speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Either,
    Http1,
    Http2,
}

/// A connection.
pub(super) struct Line {
    pub(super) transport: Box<dyn Transport>,
    /// Whether HTTP/2 was agreed on; without TLS nobody agrees on anything.
    pub(super) http2: bool,
    /// Whom it leads to, and by what.
    pub(super) said: String,
}

pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// What the service itself says of a refusal.
    pub(super) fn problem(&self) -> Option<Value> {
        serde_json::from_slice(&self.body)
            .ok()
            .filter(|problem: &Value| problem.get("reason").is_some_and(Value::is_string))
    }
}

impl Way {
    pub(super) fn new(url: &PublicUrl, ca: Option<&Path>) -> Result<Self> {
        let origin = url.origin().clone();
        let roots = if origin.is_https() { Some(Arc::new(roots(ca)?)) } else { None };
        Ok(Self { origin, roots })
    }

    pub(super) async fn connect(&self, offer: Offer) -> Hop<Line> {
        let (host, port) = (self.origin.host(), self.origin.port());
        let socket = TcpStream::connect((host.trim_matches(['[', ']']), port));
        let socket = in_time("nobody takes the connection", socket).await?.map_err(|error| {
            Trouble::new(
                format!("cannot connect to {host}:{port}: {}", files::why(&error)),
                "see that the name leads to the right machine, that something listens there, and that no firewall is between",
            )
        })?;
        let peer = socket.peer_addr().map_or_else(|_| format!("{host}:{port}"), |peer| peer.to_string());
        let Some(roots) = &self.roots else {
            let said = format!("{peer}, without TLS");
            return Ok(Line { transport: Box::new(socket), http2: offer == Offer::Http2, said });
        };
        let tls = in_time("TLS does not come about", self.handshake(roots, socket, offer)).await??;
        let tls = tls.map_err(|error| no_tls(&error, self.origin.host()))?;
        let (_, session) = tls.get_ref();
        let http2 = session.alpn_protocol() == Some(H2);
        let version = session.protocol_version().map_or_else(String::new, |version| format!("{version:?}"));
        let said =
            format!("{peer}, {}, {}", version.replace('_', "."), if http2 { "HTTP/2" } else { "HTTP/1.1" });
        Ok(Line { transport: Box::new(tls), http2, said })
    }

    async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        roots: &Arc<RootCertStore>,
        transport: T,
        offer: Offer,
    ) -> Hop<io::Result<tokio_rustls::client::TlsStream<T>>> {
        let ours = |what: String| Trouble::new(what, "this is a fault of this program");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ours(error.to_string()))?;
        let mut config = config.with_root_certificates(Arc::clone(roots)).with_no_client_auth();
        config.alpn_protocols = match offer {
            Offer::Either => vec![H2.to_vec(), HTTP1.to_vec()],
            Offer::Http1 => vec![HTTP1.to_vec()],
            Offer::Http2 => vec![H2.to_vec()],
        };
        let name = ServerName::try_from(self.origin.host().trim_matches(['[', ']']).to_owned())
            .map_err(|error| ours(error.to_string()))?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, transport).await)
    }

    /// A request on a connection of its own, and its whole answer.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Hop<Answer> {
        let response = self.send(request).await?;
        let (head, body) = response.into_parts();
        let body = in_time("an answer does not end", Limited::new(body, ANSWER_OCTETS_MAX).collect()).await?;
        let body =
            body.map_err(|error| Trouble::new(format!("an answer breaks off: {error}"), PROXY))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// The head of an answer, whose body is to come.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Hop<http::Response<Incoming>> {
        let line = self.connect(Offer::Http1).await?;
        let failed = |error: hyper::Error| Trouble::new(format!("a request gets no answer: {error}"), PROXY);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(line.transport)).await.map_err(failed)?;
        drop(tokio::spawn(connection));
        let answer = in_time("a request gets no answer", sender.send_request(request)).await?;
        // Some servers say it in their own words.
        let is_strange = answer.as_ref().map_or(true, |answer| answer.status() == StatusCode::BAD_REQUEST);
        if is_strange && self.roots.is_none() && self.speaks_tls().await {
            return Err(Trouble::new("this port speaks TLS, and is asked without", "use https://"));
        }
        answer.map_err(failed)
    }

    /// Whether there is TLS where none is expected, whoever its certificate is for.
    async fn speaks_tls(&self) -> bool {
        let Ok(line) = self.connect(Offer::Http1).await else { return false };
        let nobody = Arc::new(RootCertStore::empty());
        let shaken = in_time("", self.handshake(&nobody, line.transport, Offer::Http1)).await;
        let Ok(Ok(Err(error))) = shaken else { return false };
        matches!(of_tls(&error), Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)))
    }

    /// A request for this path.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        fields: &[(&'static str, &str)],
        body: &str,
    ) -> Hop<Request<Full<Bytes>>> {
        let authority = self.origin.as_str().split("://").nth(1).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header("host", authority);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request
            .body(Full::new(Bytes::from(body.to_owned())))
            .map_err(|error| Trouble::new(format!("the service named a strange URL: {error}"), PROXY))
    }
}

/// An event that is waited for, not for ever.
pub(super) async fn in_time<T>(otherwise: &str, event: impl Future<Output = T>) -> Hop<T> {
    time::timeout(PATIENCE, event).await.map_err(|_| {
        Trouble::new(
            format!("{otherwise} within {} s", PATIENCE.as_secs()),
            "see what stands between, and its log",
        )
    })
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let pem = files::read_secret(path, PEM_OCTETS_MAX)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let trusted = certificate.map(|certificate| roots.add(certificate).is_ok());
                if !matches!(trusted, Ok(true)) {
                    return Err(Error::file("trust the certificates in", path, "one cannot be read"));
                }
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(Error::failed("there are no certificates to trust")
            .hint("install them (package ca-certificates), or name a file of certificates with --ca"));
    }
    Ok(roots)
}

fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|error| error.downcast_ref())
}

/// Why there is no TLS, in words.
fn no_tls(error: &io::Error, host: &str) -> Trouble {
    of_tls(error).map_or_else(
        || Trouble::new(format!("TLS fails: {}", files::why(error)), "see that this port speaks TLS"),
        |error| certificate(error, host),
    )
}

/// A certificate's problem in words.
fn certificate(error: &rustls::Error, host: &str) -> Trouble {
    let rustls::Error::InvalidCertificate(problem) = error else {
        return Trouble::new(format!("TLS fails: {error}"), "see that this port speaks TLS 1.2 or 1.3");
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the problems are open-ended")]
    let (what, hint) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "it has expired".to_owned(),
            "renew it, and see that the server has loaded the new one; or this clock is wrong",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("it is not valid yet".to_owned(), "see to the clocks of both machines")
        }
        // Of a CA with the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "nobody whom this machine trusts has signed it".to_owned(),
            "serve the whole chain, our own certificate first; for a CA of your own name its certificate with --ca",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (format!("it is not for {host}"), "get one for this name, or use the name that it is for")
        }
        other => (format!("{other:?}"), "get another certificate"),
    };
    Trouble::new(format!("the certificate is not good: {what}"), hint)
}

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
/// What is most often at fault where the service itself answers.
pub(super) const PROXY: &str = "see what stands between, such as a proxy, and its log";
/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
const PEM_OCTETS_MAX: u64 = 4 * 1024 * 1024;
