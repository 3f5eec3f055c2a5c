//! A proxy that does as it is told, and services that are reached through it. Each has a thread, which ends with it.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What a proxy does when it was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Says this, and is a tunnel.
    Tunnel(&'static str),
    /// As that, but waits for what the service says first, and says the beginning of it at once with this.
    Together(&'static str),
    /// Says this and closes.
    Say(&'static str),
    /// Says this again and again.
    Endless(&'static str),
    /// Says this and nothing more.
    Silence(&'static str),
}

/// A proxy.
pub(crate) struct Double {
    seen: Arc<Mutex<Seen>>,
    certificate: Option<String>,
    server: Server,
}

#[derive(Default)]
struct Seen {
    asked: Vec<String>,
    /// What went through tunnels, to services.
    passed: Vec<u8>,
}

impl Double {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::start_with(manner, None)
    }

    /// Speaks TLS, with a certificate for 127.0.0.1, and insists on the right protocol.
    pub(crate) fn start_tls(manner: Manner) -> Self {
        Self::start_with(manner, Some(made("127.0.0.1", b"http/1.1")))
    }

    fn start_with(manner: Manner, tls: Option<(TlsAcceptor, String)>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let (acceptor, certificate) = tls.unzip();
        let server = Server::start(move |io| {
            let (noted, acceptor) = (Arc::clone(&noted), acceptor.clone());
            async move {
                match acceptor {
                    None => proxy(io, manner, &noted).await,
                    Some(acceptor) => {
                        let Ok(io) = acceptor.accept(io).await else { return };
                        assert_eq!(io.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
                        proxy(io, manner, &noted).await;
                    }
                }
            }
        });
        Self { seen, certificate, server }
    }

    /// With credentials before the host, and the @ behind them.
    pub(crate) fn url(&self, credentials: &str) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{credentials}{}", self.server.address)
    }

    pub(crate) fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap()
    }

    /// The heads of all requests.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().asked.clone()
    }

    pub(crate) fn passed(&self) -> Vec<u8> {
        self.seen.lock().unwrap().passed.clone()
    }
}

async fn proxy<Io: AsyncRead + AsyncWrite + Unpin>(mut io: Io, manner: Manner, seen: &Mutex<Seen>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(octet) = io.read_u8().await else { return };
        head.push(octet);
    }
    let head = String::from_utf8(head).unwrap();
    let authority = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().asked.push(head);
    match manner {
        Manner::Tunnel(answer) => {
            let service = TcpStream::connect(authority).await.unwrap();
            // In pieces, as networks have it.
            for octet in answer.bytes() {
                io.write_all(&[octet]).await.unwrap();
                io.flush().await.unwrap();
            }
            pass(io, service, seen).await;
        }
        Manner::Together(answer) => {
            let mut service = TcpStream::connect(authority).await.unwrap();
            // Not whole frames: a peer might do without one.
            let mut first = [0; 5];
            service.read_exact(&mut first).await.unwrap();
            io.write_all(&[answer.as_bytes(), &first].concat()).await.unwrap();
            // And the rest only once the sender has spoken, so that it is not read along with them.
            let mut preface = Vec::new();
            io.read_buf(&mut preface).await.unwrap();
            service.write_all(&preface).await.unwrap();
            pass(io, service, seen).await;
        }
        // The peer may have gone meanwhile, and should have.
        Manner::Say(answer) => {
            drop(io.write_all(answer.as_bytes()).await);
            drop(io.shutdown().await);
        }
        Manner::Endless(answer) => while io.write_all(answer.as_bytes()).await.is_ok() {},
        Manner::Silence(answer) => {
            drop(io.write_all(answer.as_bytes()).await);
            drop(io.read_u8().await);
        }
    }
}

async fn pass<Io: AsyncRead + AsyncWrite + Unpin>(io: Io, mut service: TcpStream, seen: &Mutex<Seen>) {
    let (mut from_sender, mut to_sender) = tokio::io::split(io);
    let (mut from_service, mut to_service) = service.split();
    let there = async {
        let mut octets = Vec::new();
        while from_sender.read_buf(&mut octets).await.is_ok_and(|read| read > 0) {
            seen.lock().unwrap().passed.extend_from_slice(&octets);
            if to_service.write_all(&octets).await.is_err() {
                break;
            }
            octets.clear();
        }
    };
    tokio::select! {
        () = there => {}
        _ended = tokio::io::copy(&mut from_service, &mut to_sender) => {}
    }
}

/// A push service that takes everything: what the double of the crate does not speak.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// PEM; empty for cleartext.
    pub(crate) certificate: String,
    _server: Server,
}

impl Upstream {
    /// Cleartext, and it speaks first.
    pub(crate) fn http2() -> Self {
        let server = Server::start(|io| async {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(TokioIo::new(io), service_fn(take)).await);
        });
        Self { address: server.address, certificate: String::new(), _server: server }
    }

    pub(crate) fn http1() -> Self {
        let (acceptor, certificate) = made("localhost", b"http/1.1");
        let server = Server::start(move |io| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(io) = acceptor.accept(io).await else { return };
                let builder = hyper::server::conn::http1::Builder::new();
                drop(builder.serve_connection(TokioIo::new(io), service_fn(take)).await);
            }
        });
        Self { address: server.address, certificate, _server: server }
    }
}

async fn take(_: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = http::StatusCode::CREATED;
    Ok(response)
}

/// A certificate for this host, and it in PEM.
fn made(host: &str, alpn: &[u8]) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

/// A port of 127.0.0.1, and the thread behind it.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut connections = JoinSet::new();
                loop {
                    tokio::select! {
                        biased;
                        _dropped = &mut stopped => break,
                        accepted = listener.accept() => drop(connections.spawn(serve(accepted.unwrap().0))),
                    }
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
