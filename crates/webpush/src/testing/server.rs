//! The socket, and the thread behind it.

use std::{
    convert::Infallible,
    fmt, io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
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
    pub(super) fn start(names: Vec<String>, respond: Arc<impl Respond>) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let acceptor = acceptor(&made).map_err(io::Error::other)?;
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

fn acceptor(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Result<TlsAcceptor, rustls::Error> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
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
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_OCTETS).collect().await?.to_bytes();
    match responder.respond(Request::from_parts(head, body)) {
        Answer::Response(response) => return Ok(response.map(Full::new)),
        Answer::Close => close.notify_one(),
        Answer::Silence => {}
    }
    std::future::pending::<Result<_, Infallible>>().await.map_err(Into::into)
}

/// More than any sender should send.
const BODY_OCTETS: usize = 1 << 20;
