//! What stands before a service and speaks HTTP/1.1 only, as proxies do: TLS ends there.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{Io, Listener, connect, spawn};

pub struct Front {
    listener: Listener,
    acceptor: TlsAcceptor,
    /// PEM.
    pub certificate: String,
}

impl Front {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            listener: Listener::bind(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: made.cert.pem(),
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.listener.address.port())
    }

    /// Hands everything on to that service.
    pub fn stand_before(mut self, service: SocketAddr) -> Passing {
        let passing = Passing {
            accepted: Arc::default(),
            open: Arc::new(watch::Sender::new(0)),
            cut: Arc::new(watch::Sender::new(())),
        };
        let Passing { accepted, open, cut } = passing.clone();
        drop(spawn(async move {
            loop {
                let io = self.listener.accept().await;
                accepted.fetch_add(1, Ordering::SeqCst);
                open.send_modify(|open| *open += 1);
                let passed = pass(self.acceptor.clone(), io, service, cut.subscribe());
                let open = Arc::clone(&open);
                drop(spawn(async move {
                    passed.await;
                    open.send_modify(|open| *open -= 1);
                }));
            }
        }));
        passing
    }
}

/// A front at work.
#[derive(Clone)]
pub struct Passing {
    accepted: Arc<AtomicUsize>,
    open: Arc<watch::Sender<usize>>,
    cut: Arc<watch::Sender<()>>,
}

impl Passing {
    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes all that there are: none is left when it comes back.
    pub async fn cut(&self) {
        self.cut.send_replace(());
        self.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }
}

async fn pass(acceptor: TlsAcceptor, io: Io, service: SocketAddr, mut cuts: watch::Receiver<()>) {
    let Ok(mut near) = acceptor.accept(io).await else { return };
    let mut far = connect(service).await;
    tokio::select! {
        _either_has_gone = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _cut = cuts.changed() => {}
    }
}
