//! HTTP/2 alone: a server that pushes to a monitor what is posted, keeps nothing, checks nothing and promises nothing.
//! It speaks as much of RFC 8030 as the client needs, and echoes what is posted to `/echo`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::{SendResponse, handshake};
use http::{Method, Request, Response, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

/// A running server. It ends when this is dropped.
pub(super) struct Bare {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Monitors by number.
type Monitors = Rc<RefCell<BTreeMap<String, SendResponse<Bytes>>>>;

impl Bare {
    /// With TLS if there is a certificate and its key.
    pub(super) fn start(tls: Option<&(String, String)>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let acceptor = tls.map(|(certificate, key)| acceptor(certificate, key));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            LocalSet::new().block_on(&runtime, async move {
                spawn_local(accept(TcpListener::from_std(listener).expect("a socket"), acceptor));
                drop(stopped.await);
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    let monitors = Monitors::default();
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("a socket");
        let (monitors, acceptor) = (Rc::clone(&monitors), acceptor.clone());
        spawn_local(async move {
            match acceptor {
                None => serve(socket, monitors).await,
                Some(acceptor) => serve(acceptor.accept(socket).await.expect("a handshake"), monitors).await,
            }
        });
    }
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin, monitors: Monitors) {
    let mut connection = handshake(io).await.expect("HTTP/2");
    while let Some(request) = connection.accept().await {
        // The client goes without a word when the contest is over.
        let Ok((request, respond)) = request else { return };
        spawn_local(answer(request, respond, Rc::clone(&monitors)));
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, monitors: Monitors) {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let response = Response::builder();
    match (head.method, path.get(..3)) {
        (Method::POST, Some("/ec")) => {
            let body = collect(body).await;
            let mut stream = respond.send_response(Response::new(()), false).expect("responds");
            stream.send_data(body, true).expect("sends");
        }
        (Method::POST, Some("/p/")) => {
            let body = collect(body).await;
            push(&monitors, path, body);
            respond.send_response(status(StatusCode::CREATED), true).expect("responds");
        }
        (Method::POST, _) => {
            let number = NEXT.with_borrow_mut(|next| {
                *next += 1;
                *next
            });
            let link = format!("</p/{number}>; rel=\"urn:ietf:params:push\"");
            let response =
                response.status(201).header("location", format!("/s/{number}")).header("link", link);
            respond.send_response(response.body(()).expect("a response"), true).expect("responds");
        }
        (Method::GET, Some("/s/")) => {
            monitors.borrow_mut().insert(path[3..].to_owned(), respond);
        }
        (Method::DELETE, _) => {
            respond.send_response(status(StatusCode::NO_CONTENT), true).expect("responds");
        }
        _ => {
            respond.send_response(status(StatusCode::NOT_FOUND), true).expect("responds");
        }
    }
}

thread_local! {
    static NEXT: RefCell<u64> = const { RefCell::new(0) };
}

fn push(monitors: &Monitors, path: &str, body: Bytes) {
    let mut monitors = monitors.borrow_mut();
    let monitor = monitors.get_mut(&path[3..]).expect("a monitor");
    let promise = Request::get("https://localhost/m/1").body(()).expect("a promise");
    let mut push = monitor.push_request(promise).expect("pushes");
    let mut stream = push.send_response(Response::new(()), false).expect("responds");
    stream.send_data(body, true).expect("sends");
}

fn status(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

async fn collect(mut body: RecvStream) -> Bytes {
    let mut octets = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.expect("a body");
        body.flow_control().release_capacity(piece.len()).expect("a window");
        octets.extend_from_slice(&piece);
    }
    octets.freeze()
}
