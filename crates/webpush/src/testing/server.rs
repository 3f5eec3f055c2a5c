//! The socket, and the thread behind it.

use std::{
    convert::Infallible,
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::Answer;

/// What answers.
pub(super) trait Respond: Send + Sync + 'static {
    /// Takes note of a message, and says what is answered.
    fn respond(&self, request: Request<Bytes>) -> Answer;
}

/// What it speaks, as ALPN has it.
pub(super) type Protocols = &'static [&'static [u8]];

pub(super) const ALL: Protocols = &[b"h2", HTTP1];
pub(super) const HTTP1_ONLY: Protocols = &[HTTP1];
const HTTP1: &[u8] = b"http/1.1";

/// A server on a thread of its own. It ends when it is dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    /// PEM.
    pub(super) certificate: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it on a free port, with a certificate for these names.
    pub(super) fn start(
        names: Vec<String>,
        speaks: Protocols,
        respond: Arc<impl Respond>,
    ) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let acceptor = acceptor(&made, speaks).map_err(io::Error::other)?;
        let listener = StdListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, certificate) = (listener.local_addr()?, made.cert.pem());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("push-service".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _dropped = stopped => {}
                    () = serve(listener, acceptor, respond) => {}
                }
            });
        })?;
        Ok(Self { address, certificate, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.address)
    }
}

fn acceptor(
    made: &rcgen::CertifiedKey<rcgen::KeyPair>,
    speaks: Protocols,
) -> Result<TlsAcceptor, rustls::Error> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = speaks.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: StdListener, acceptor: TlsAcceptor, responder: Arc<impl Respond>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // They end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((io, _)) = accepted {
                    connections.spawn(connection(io, acceptor.clone(), Arc::clone(&responder)));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn connection(io: TcpStream, acceptor: TlsAcceptor, responder: Arc<impl Respond>) {
    let Ok(io) = acceptor.accept(io).await else { return };
    // An error of a service ends a connection of HTTP/1.1, but of HTTP/2 only the stream.
    let closed = Arc::new(Notify::new());
    let close = Arc::clone(&closed);
    let service = service_fn(move |request| respond(request, Arc::clone(&responder), Arc::clone(&close)));
    let builder = Builder::new(TokioExecutor::new());
    tokio::select! {
        biased;
        () = closed.notified() => {}
        // A connection that its peer has given up is no concern of the test.
        _ended = builder.serve_connection(TokioIo::new(io), service) => {}
    }
}

async fn respond(
    request: Request<Incoming>,
    responder: Arc<impl Respond>,
    close: Arc<Notify>,
) -> Result<Response<Told>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_OCTETS).collect().await?.to_bytes();
    match responder.respond(Request::from_parts(head, body)) {
        Answer::Response(response) => return Ok(response.map(|body| Told { body, ends: true })),
        Answer::Unfinished(response) => return Ok(response.map(|body| Told { body, ends: false })),
        Answer::Close => close.notify_one(),
        Answer::Silence => {}
    }
    std::future::pending::<Result<_, Infallible>>().await.map_err(Into::into)
}

/// A body that is told at once, and then ends or does not.
struct Told {
    body: Bytes,
    ends: bool,
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = std::mem::take(&mut self.body);
        match (body.is_empty(), self.ends) {
            (false, _) => Poll::Ready(Some(Ok(Frame::data(body)))),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ends && self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ends { SizeHint::with_exact(self.body.len() as u64) } else { SizeHint::default() }
    }
}

/// More than any sender should send.
const BODY_OCTETS: usize = 1 << 20;
