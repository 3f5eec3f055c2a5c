//! The socket, and the thread behind it.

use std::{
    convert::Infallible,
    io,
    net::TcpListener as StdListener,
    sync::{Arc, Mutex},
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

use super::{Answer, HOST, Shared, State};

pub(super) fn start() -> io::Result<(Arc<Shared>, oneshot::Sender<()>, JoinHandle<()>)> {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).map_err(io::Error::other)?;
    let acceptor = acceptor(&made).map_err(io::Error::other)?;
    let listener = StdListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        address: listener.local_addr()?,
        certificate: made.cert.pem(),
        state: Mutex::new(State::default()),
        arrived: Notify::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (stop, stopped) = oneshot::channel();
    let serving = Arc::clone(&shared);
    let thread = thread::Builder::new().name("push-service".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _dropped = stopped => {}
                () = serve(listener, acceptor, serving) => {}
            }
        });
    })?;
    Ok((shared, stop, thread))
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

async fn serve(listener: StdListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // They end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((io, _)) = accepted {
                    connections.spawn(connection(io, acceptor.clone(), Arc::clone(&shared)));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn connection(io: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(io) = acceptor.accept(io).await else { return };
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    let builder = Builder::new(TokioExecutor::new());
    // A connection that its peer has given up is no concern of the test.
    let _ended = builder.serve_connection(TokioIo::new(io), service).await;
}

async fn respond(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_OCTETS).collect().await?.to_bytes();
    match shared.answer(Request::from_parts(head, body)) {
        Answer::Response(response) => Ok(response.map(Full::new)),
        Answer::Close => Err("told to close".into()),
        Answer::Silence => std::future::pending::<Result<_, Infallible>>().await.map_err(Into::into),
    }
}

/// More than any sender should send.
const BODY_OCTETS: usize = 1 << 20;
