//! A push service on a real socket, and clients that are not ours: the h2 crate, and one that writes frames itself.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

pub mod clocked;
pub mod peer;
pub mod raw;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use push_crypto::{Provider, aws_lc, capability::Keyring};
use push_proto::{
    Seed,
    service::Limits as ServiceLimits,
    wire::{self, Door, PublicUrl},
};
use push_store::{Quotas, SharedMemory};
use push_tokio::{Config, Limits, Listen, Runtime, Server, ServerTls, Tokio};

/// A guard, not an assertion: a test that waits this long for an event will wait for ever.
pub const GUARD: Duration = Duration::from_secs(60);

/// Runs a test on a runtime of its own; panics instead of hanging.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        tokio::time::timeout(GUARD, test).await.expect("an event never came");
    });
}

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
}

impl Default for Setup {
    fn default() -> Self {
        Self { shards: 2, tls: false, limits: Limits::default(), service: ServiceLimits::default() }
    }
}

impl Setup {
    pub fn start(self) -> Service {
        self.start_on(Tokio)
    }

    pub fn start_on<R: Runtime>(self, runtime: R) -> Service {
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
        let url = format!("{scheme}://localhost:{}", address.port());
        let config = Config {
            door: door(&url),
            store: Arc::clone(&store) as _,
            seed: seed(),
            shards: self.shards,
            service: self.service,
            limits: self.limits,
        };
        let server = Server::start(runtime, config, vec![Listen { listener, tls }]).unwrap();
        Service { server, address, store, certificate }
    }
}

pub fn provider() -> Provider {
    aws_lc::provider()
}

pub fn door(url: &str) -> Door {
    let keyring = Arc::new(Keyring::generate(&provider()).unwrap());
    Door::new(keyring, PublicUrl::parse(url).unwrap(), provider(), wire::Limits::default())
}

pub fn seed() -> Seed {
    let mut octets = [0; 32];
    provider().fill(&mut octets).unwrap();
    Seed::from_octets(octets)
}
