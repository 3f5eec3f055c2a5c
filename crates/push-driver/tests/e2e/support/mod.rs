//! A push service on a real socket, and clients that are not ours: the h2 crate, and one that writes frames itself.
#![allow(dead_code, reason = "each runtime uses its part")]

pub mod browser;
pub mod clocked;
pub mod front;
pub mod peer;
pub mod raw;
mod task;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use push_crypto::{Provider, aws_lc, capability::Keyring};
use push_driver::{Config, Fault, Limits, Listen, Runtime, Server, ServerTls, TrustedProxies};
use push_proto::{
    Seed, autopush,
    service::Limits as ServiceLimits,
    wire::{self, Door, PublicUrl, WebSocketAt},
};
use push_store::{Quotas, SharedMemory, Store};

#[allow(unused_imports, reason = "each binary uses its part")]
pub use task::{Task, spawn, yield_now};

use crate::adapter::{self, NATIVE, Native};

/// A guard, not an assertion: a test that waits this long for an event will wait for ever.
pub const GUARD: Duration = Duration::from_secs(60);

/// Runs a test on the runtime under test; panics instead of hanging.
pub fn run(test: impl Future<Output = ()>) {
    adapter::block_on(async {
        let late = NATIVE.now().mono.after(GUARD);
        tokio::select! {
            biased;
            () = test => {}
            () = NATIVE.sleep_until(late) => panic!("an event never came"),
        }
    });
}

/// A connection to that address.
pub async fn connect(address: SocketAddr) -> Io {
    NATIVE.connect(address).await.unwrap()
}

/// Accepts connections for a peer of the test's own.
pub struct Listener {
    listening: <Native as Runtime>::Listener,
    pub address: SocketAddr,
}

impl Listener {
    pub fn bind() -> Self {
        Self::bind_to(0)
    }

    pub fn bind_to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listening: NATIVE.listen(listener.into()).unwrap(), address }
    }

    pub async fn accept(&mut self) -> Io {
        NATIVE.adopt(NATIVE.accept(&mut self.listening).await.unwrap()).unwrap()
    }
}

/// A socket of the runtime under test.
pub type Io = <Native as Runtime>::Io;

/// A running service.
pub struct Service {
    pub server: Server,
    pub address: SocketAddr,
    pub store: Arc<SharedMemory>,
    /// PEM of the certificate, if it has TLS.
    pub certificate: Option<String>,
}

/// How to start one.
pub struct Setup {
    pub shards: u16,
    pub tls: bool,
    pub limits: Limits,
    pub service: ServiceLimits,
    /// Where others find it, if not where it listens.
    pub public_url: Option<String>,
    pub autopush: autopush::Config,
    pub proxies: TrustedProxies,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            shards: 2,
            tls: false,
            limits: Limits::default(),
            service: ServiceLimits::default(),
            public_url: None,
            autopush: autopush::Config::default(),
            proxies: TrustedProxies::default(),
        }
    }
}

impl Setup {
    pub fn start(self) -> Service {
        self.start_by(adapter::serve)
    }

    pub fn start_on<R: Runtime>(self, runtime: R) -> Service {
        self.start_by(|config, listens| Server::start(runtime, config, listens))
    }

    /// With a store of the test's own; the one of [`Service`] is nobody's.
    pub fn start_with(self, store: Arc<dyn Store>) -> Service {
        self.start_over(Some(store), adapter::serve)
    }

    /// The same on another runtime.
    pub fn start_with_on<R: Runtime>(self, store: Arc<dyn Store>, runtime: R) -> Service {
        self.start_over(Some(store), |config, listens| Server::start(runtime, config, listens))
    }

    fn start_by(self, serve: impl FnOnce(Config, Vec<Listen>) -> Result<Server, Fault>) -> Service {
        self.start_over(None, serve)
    }

    fn start_over(
        self,
        own: Option<Arc<dyn Store>>,
        serve: impl FnOnce(Config, Vec<Listen>) -> Result<Server, Fault>,
    ) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let store = Arc::new(SharedMemory::new(Quotas::default()));
        let (tls, certificate) = if self.tls {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            let certificate = made.cert.pem();
            let key = made.signing_key.serialize_pem();
            (Some(ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()), Some(certificate))
        } else {
            (None, None)
        };
        let scheme = if self.tls { "https" } else { "http" };
        let here = || format!("{scheme}://localhost:{}", address.port());
        let url = self.public_url.unwrap_or_else(here);
        let config = Config {
            door: door(&url),
            store: own.unwrap_or_else(|| Arc::clone(&store) as _),
            seed: seed(),
            shards: self.shards,
            service: self.service,
            limits: self.limits,
            autopush: self.autopush,
        };
        let server = serve(config, vec![Listen::new(listener, tls).behind(self.proxies)]).unwrap();
        Service { server, address, store, certificate }
    }
}

pub fn provider() -> Provider {
    aws_lc::provider()
}

pub fn door(url: &str) -> Door {
    let keyring = Arc::new(Keyring::generate(&provider()).unwrap());
    Door::new(keyring, PublicUrl::parse(url).unwrap(), provider(), wire::Limits::default())
        .with_websocket(WebSocketAt::default())
}

pub fn seed() -> Seed {
    let mut octets = [0; 32];
    provider().fill(&mut octets).unwrap();
    Seed::from_octets(octets)
}
