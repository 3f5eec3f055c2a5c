//! A client made of the h2 crate: a user agent and a sender, as simple as can be.

use std::sync::Arc;

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{Builder, PushPromise, PushPromises, ResponseFuture, SendRequest},
};
use http::{Method, Request, Response};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};

use super::{Io, Service, connect, spawn};

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct Peer {
    pub requests: SendRequest<Bytes>,
    pub base: String,
}

/// What a subscribe gives.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub subscription: String,
    pub push: String,
    pub set: String,
}

/// An open monitor.
pub struct Monitor {
    pub response: ResponseFuture,
    pub pushes: PushPromises,
}

/// A pushed message.
#[derive(Debug)]
pub struct Pushed {
    pub url: String,
    pub link: String,
    pub response: Response<Vec<u8>>,
}

impl Peer {
    pub async fn connect(service: &Service) -> Self {
        Self::connect_with(service, &Builder::new()).await.0
    }

    /// Waits until a message has ended.
    pub async fn until_gone(&mut self, url: &str) {
        while self.request(Method::GET, url, &[], b"").await.status() != 404 {}
    }

    /// Also says how the connection ended.
    pub async fn connect_with(
        service: &Service,
        builder: &Builder,
    ) -> (Self, oneshot::Receiver<Result<(), h2::Error>>) {
        let socket = connect(service.address).await;
        let scheme = if service.certificate.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://localhost:{}", service.address.port());
        match &service.certificate {
            None => Self::over(socket, builder, base).await,
            Some(certificate) => {
                Self::over(handshake(socket, certificate, &[b"h2"]).await, builder, base).await
            }
        }
    }

    pub async fn over(
        io: impl AsyncRead + AsyncWrite + Unpin + 'static,
        builder: &Builder,
        base: String,
    ) -> (Self, oneshot::Receiver<Result<(), h2::Error>>) {
        let (requests, connection) = builder.handshake(io).await.unwrap();
        let (ended, end) = oneshot::channel();
        spawn(async move {
            let _nobody_asks = ended.send(connection.await);
        });
        (Self { requests, base }, end)
    }

    pub async fn subscribe(&mut self) -> Subscription {
        let response = self.request(Method::POST, "/subscribe", &[], b"").await;
        assert_eq!(response.status(), 201);
        let links: Vec<_> =
            response.headers().get_all("link").iter().map(|link| link.to_str().unwrap().to_owned()).collect();
        let link = |relation: &str| {
            let link = links.iter().find(|link| link.ends_with(&format!("rel=\"{relation}\""))).unwrap();
            path(link.split_once('<').unwrap().1.split_once('>').unwrap().0)
        };
        Subscription {
            subscription: path(response.headers()["location"].to_str().unwrap()),
            push: link("urn:ietf:params:push"),
            set: link("urn:ietf:params:push:set"),
        }
    }

    /// Sends a message; gives the path of its resource.
    pub async fn send(&mut self, push: &str, body: &[u8]) -> String {
        let response = self.request(Method::POST, push, &[("ttl", "60")], body).await;
        assert_eq!(response.status(), 201);
        path(response.headers()["location"].to_str().unwrap())
    }

    pub async fn acknowledge(&mut self, message: &str) {
        assert_eq!(self.request(Method::DELETE, message, &[], b"").await.status(), 204);
    }

    pub async fn monitor(&mut self, path: &str, headers: &[(&str, &str)]) -> Monitor {
        let request = self.head(Method::GET, path, headers);
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (mut response, _) = requests.send_request(request, true).unwrap();
        let pushes = response.push_promises();
        Monitor { response, pushes }
    }

    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response<Vec<u8>> {
        let (response, stream) = self.begin(method, path, headers, body.is_empty()).await;
        if let Some(mut stream) = stream {
            stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
        }
        collect(response.await.unwrap()).await.unwrap()
    }

    /// A request whose body is for the caller to write.
    pub async fn begin(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        whole: bool,
    ) -> (ResponseFuture, Option<h2::SendStream<Bytes>>) {
        let request = self.head(method, path, headers);
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, stream) = requests.send_request(request, whole).unwrap();
        (response, (!whole).then_some(stream))
    }

    fn head(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }
}

impl Monitor {
    /// The next push, whole. Its end is seen by [`Monitor::end`] only: h2 does not wake `push_promise` for it.
    pub async fn next(&mut self) -> Option<Pushed> {
        let push = self.pushes.push_promise().await?.unwrap();
        Some(whole(push).await)
    }

    /// The response that ends it, and what was pushed until then.
    pub async fn all(self) -> (Response<Vec<u8>>, Vec<Pushed>) {
        let Self { response, mut pushes } = self;
        let response = collect(response.await.unwrap()).await.unwrap();
        let mut all = Vec::new();
        while let Some(push) = pushes.push_promise().await {
            all.push(whole(push.unwrap()).await);
        }
        (response, all)
    }

    /// The response that ends it.
    pub async fn end(self) -> Response<Vec<u8>> {
        collect(self.response.await.unwrap()).await.unwrap()
    }
}

pub async fn whole(push: PushPromise) -> Pushed {
    let (request, response) = push.into_parts();
    Pushed {
        url: request.uri().path().to_owned(),
        link: request.headers().get("link").map(|link| link.to_str().unwrap().to_owned()).unwrap_or_default(),
        response: collect(response.await.unwrap()).await.unwrap(),
    }
}

pub async fn collect(response: Response<RecvStream>) -> Result<Response<Vec<u8>>, h2::Error> {
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, collect_body(body).await?))
}

pub async fn collect_body(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut octets = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        octets.extend_from_slice(&piece);
    }
    Ok(octets)
}

/// The path of a URL.
pub fn path(url: &str) -> String {
    url.parse::<http::Uri>().unwrap().path().to_owned()
}

/// TLS to the test's own certificate.
pub async fn handshake(
    socket: Io,
    certificate: &str,
    protocols: &[&[u8]],
) -> tokio_rustls::client::TlsStream<Io> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}
