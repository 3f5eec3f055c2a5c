//! The whole way over loopback: an application server's POST comes out of the user agent's connection as a server push,
//! which the user agent acknowledges. Client and server share the process, not a thread: what the table shows as the
//! CPU time of other threads is the server's.

mod bare;
mod client;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use push_crypto::capability::Keyring;
use push_driver::{Config, Listen, Server, ServerTls};
use push_proto::Seed;
use push_proto::wire::{self, Door, PublicUrl};
use push_store::{Embedded, Quotas, SharedMemory, Store};
use push_tokio::Tokio;
use tempfile::TempDir;

use self::bare::Bare;
use self::client::Client;
use crate::{Clock, Contest, Kind, Party};

/// One message at a time, where latency counts; many at a time, where throughput does.
pub const CONTESTS: &[fn() -> Contest] = &[
    || latency("POST to push, cleartext, one at a time", Transport::Cleartext),
    || latency("POST to push, TLS, one at a time", Transport::Tls),
    || throughput("POST to push, cleartext, 64 at a time", Transport::Cleartext),
    || throughput("POST to push, TLS, 64 at a time", Transport::Tls),
    || throughput_stored("POST stored, cleartext, 64 at a time", Transport::Cleartext),
];

/// User agents that are sent to at once, each over a connection of its own.
const LANES: usize = 64;
/// Octets of a message.
const BODY: usize = 1024;

/// Cleartext HTTP/2 with prior knowledge, or TLS with ALPN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Cleartext,
    Tls,
}

fn latency(name: &'static str, transport: Transport) -> Contest {
    let party = |kind, name, place: Place| {
        let mut client = Client::new(&place, 1);
        Party::new(kind, name, move |steps, meter| {
            meter.time_inside(|| client.push(steps));
            assert!(place.is_there());
        })
    };
    let parties = vec![
        party(Kind::Ours, "our service, memory store", ours_in_memory(transport)),
        party(Kind::Ours, "our service, embedded store", ours_on_disk(transport)),
        party(Kind::Limit, "h2 alone: POST, push, DELETE", bare(transport)),
        echo("h2 alone: POST, echo", transport, 1),
    ];
    Contest { name, clock: Clock::Wall, messages: 1, parties }
}

fn throughput(name: &'static str, transport: Transport) -> Contest {
    let party = |kind, name, place: Place| {
        let mut client = Client::new(&place, LANES);
        Party::new(kind, name, move |steps, meter| {
            meter.time(|| client.push(steps));
            assert!(place.is_there());
        })
    };
    let parties = vec![
        party(Kind::Ours, "our service, memory store", ours_in_memory(transport)),
        party(Kind::Ours, "our service, embedded store", ours_on_disk(transport)),
        party(Kind::Limit, "h2 alone: POST, push, DELETE", bare(transport)),
        echo("h2 alone: POST, echo", transport, LANES),
    ];
    Contest { name, clock: Clock::Server, messages: LANES as u64, parties }
}

/// Nobody monitors: the 201 says that the message is stored. It is acknowledged afterwards, which does not count.
fn throughput_stored(name: &'static str, transport: Transport) -> Contest {
    let party = |name, place: Place| {
        let mut client = Client::new(&place, LANES);
        client.stop_monitoring();
        Party::new(Kind::Ours, name, move |steps, meter| {
            for _ in 0..steps {
                let messages = meter.time(|| client.store());
                client.acknowledge(messages);
            }
            assert!(place.is_there());
        })
    };
    let parties = vec![
        party("our service, memory store", ours_in_memory(transport)),
        party("our service, embedded store", ours_on_disk(transport)),
        echo("h2 alone: POST, echo", transport, LANES),
    ];
    Contest { name, clock: Clock::Server, messages: LANES as u64, parties }
}

fn echo(name: &'static str, transport: Transport, lanes: usize) -> Party {
    let place = bare(transport);
    let mut client = Client::new(&place, lanes);
    Party::new(Kind::Limit, name, move |steps, meter| {
        meter.time(|| client.echo(steps));
        assert!(place.is_there());
    })
}

/// A server that runs.
struct Place {
    address: SocketAddr,
    /// PEM of its certificate, if it has TLS.
    certificate: Option<String>,
    /// What it takes to keep it running, and its data.
    server: Running,
}

enum Running {
    Ours(Server, Option<TempDir>),
    Bare(Bare),
}

impl Place {
    fn is_there(&self) -> bool {
        match &self.server {
            Running::Ours(server, folder) => {
                server.is_ready() && folder.as_ref().is_none_or(|folder| folder.path().exists())
            }
            Running::Bare(bare) => bare.is_running(),
        }
    }

    fn base(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }
}

/// A certificate for localhost and its key, PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn ours_in_memory(transport: Transport) -> Place {
    ours(transport, Arc::new(SharedMemory::new(Quotas::default())), None)
}

fn ours_on_disk(transport: Transport) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(folder.path().join("store"), Quotas::default()).expect("opens");
    ours(transport, Arc::new(store), Some(folder))
}

/// One shard, as everything here has two threads for each party: one serves, one asks.
fn ours(transport: Transport, store: Arc<dyn Store>, folder: Option<TempDir>) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (certificate, tls) = match transport {
        Transport::Cleartext => (None, None),
        Transport::Tls => {
            let (certificate, key) = certificate();
            let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).expect("a certificate");
            (Some(certificate), Some(tls))
        }
    };
    let provider = push_crypto::aws_lc::provider();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = PublicUrl::parse(&format!("{scheme}://localhost:{}", address.port())).expect("a URL");
    let keyring = Arc::new(Keyring::generate(&provider).expect("randomness"));
    let mut seed = [0; 32];
    provider.fill(&mut seed).expect("randomness");
    let config = Config {
        door: Door::new(keyring, url, provider, wire::Limits::default()),
        store,
        seed: Seed::from_octets(seed),
        shards: 1,
        service: crate::unhurried(),
        limits: crate::from_one_address(),
        autopush: push_proto::autopush::Config::default(),
    };
    let server = Server::start(Tokio, config, vec![Listen::new(listener, tls)]).expect("starts");
    Place { address, certificate, server: Running::Ours(server, folder) }
}

fn bare(transport: Transport) -> Place {
    let made = (transport == Transport::Tls).then(certificate);
    let bare = Bare::start(made.as_ref());
    let certificate = made.map(|(certificate, _)| certificate);
    Place { address: bare.address(), certificate, server: Running::Bare(bare) }
}
