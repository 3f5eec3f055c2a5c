//! Everybody comes back at once, as after the outage of a network: connects by TLS, monitors, and is cut off again.

use std::{sync::Arc, time::Instant};

use tokio::{net::TcpStream, sync::Semaphore, task::JoinSet};
use tokio_rustls::TlsConnector;

use crate::{
    place::{Place, Subscription, descriptors, resident},
    support::{
        Folder, Service,
        http2::{Monitor, Peer},
    },
};

/// User agents; `ABUSE_STORM` sets another number, which needs as many file descriptors in both processes.
const AGENTS: usize = 1000;

/// Handshakes under way at once: what a machine's queue of connections takes.
const AT_ONCE: usize = 200;

/// Storms in a row.
const STORMS: usize = 4;

/// What a connection with TLS and a monitor may take at most.
const AGENT_KIB: u64 = 72;

/// What storms take that come after the second, in percent of it. An allocator gives little of it back to the system,
/// since what lives longer lies between (all but 4 % of it is free), but the next storm must find it there.
const AGAIN_PERCENT: u64 = 125;

#[tokio::test]
async fn reconnect_storms() {
    let agents = std::env::var("ABUSE_STORM").map_or(AGENTS, |agents| agents.parse().unwrap());
    let folder = Folder::new();
    let flags = "--dev --address-connections 0 --address-rate 0 --address-agent-rate 0 --unsigned-rate 0";
    let service = Service::start(&folder.path("data"), flags);
    let line = Line::to(&service, &folder);
    let peer = line.connect().await;
    let mut place = Place::of(folder, service, peer).await;
    let mut subscriptions = Vec::new();
    for _ in 0..agents {
        subscriptions.push(Subscription::make(&place.bystander.peer).await);
    }
    let before = resident(&place.service, "VmRSS");
    let alone = descriptors(&place.service);
    let mut took = Vec::new();
    for number in 1..=STORMS {
        #[allow(clippy::disallowed_methods, reason = "told to people, not judged by")]
        let begun = Instant::now();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut coming = JoinSet::new();
        for subscription in &subscriptions {
            let (line, places, set) = (line.clone(), Arc::clone(&places), subscription.set.clone());
            coming.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let peer = line.connect().await;
                let monitor = peer.monitor(&set, &[]).await.unwrap();
                (peer, monitor)
            });
        }
        let mut there: Vec<(Peer, Monitor)> = Vec::new();
        while let Some(came) = coming.join_next().await {
            there.push(came.unwrap());
            if there.len().is_multiple_of(100) {
                place.bystander.is_served().await;
            }
        }
        place.bystander.is_served().await;
        let within = resident(&place.service, "VmRSS");
        took.push(within.saturating_sub(before));
        drop(there);
        while descriptors(&place.service) > alone {
            place.bystander.is_served().await;
        }
        let after = resident(&place.service, "VmRSS");
        println!(
            "storm {number}: {agents} user agents within {:?}; resident: {before} KiB before, {within} KiB with them, \
             {after} KiB after",
            begun.elapsed()
        );
    }
    let most = u64::try_from(agents).unwrap() * AGENT_KIB;
    assert!(took.iter().all(|took| *took <= most), "{took:?} KiB: more than {most}");
    let again = took[1] * AGAIN_PERCENT / 100;
    assert!(took[2..].iter().all(|took| *took <= again), "{took:?} KiB: each storm leaves something behind");
    place.stops().await;
}

/// The way to a service by TLS.
#[derive(Clone)]
struct Line {
    address: std::net::SocketAddr,
    tls: TlsConnector,
}

impl Line {
    fn to(service: &Service, folder: &Folder) -> Self {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(folder.path("data/dev/ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { address: service.address, tls: Arc::new(config).into() }
    }

    async fn connect(&self) -> Peer {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let name = "localhost".try_into().unwrap();
        Peer::over(self.tls.connect(name, socket).await.unwrap()).await.unwrap()
    }
}
