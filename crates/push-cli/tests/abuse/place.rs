//! A push service of its own process that is about to be abused, and somebody who behaves meanwhile.

use std::{fs, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::support::{
    Folder, Service,
    http2::{Monitor, Peer, Response, link, path_of},
};

/// A guard, not an assertion: what has not happened by then never will.
const GUARD: Duration = Duration::from_secs(120);

/// What may be resident more than before when all abusers have gone: what an allocator keeps at hand.
const KEPT_KIB: u64 = 16 * 1024;

/// A service, what it took before it was abused, and a bystander.
pub(crate) struct Place {
    pub(crate) service: Service,
    pub(crate) bystander: Bystander,
    before: u64,
    _folder: Folder,
}

impl Place {
    /// One that speaks cleartext.
    pub(crate) async fn new(flags: &str) -> Self {
        let folder = Folder::new();
        let service = Service::start_cleartext(&folder.path("data"), flags);
        let peer = Peer::connect(service.address).await.unwrap();
        Self::of(folder, service, peer).await
    }

    /// A service that runs, and the connection of a bystander.
    pub(crate) async fn of(folder: Folder, service: Service, peer: Peer) -> Self {
        let mut bystander = Bystander::of(peer).await;
        for _ in 0..50 {
            bystander.is_served().await;
        }
        let before = resident(&service, "VmRSS");
        Self { service, bystander, before, _folder: folder }
    }

    /// The abusers have gone: the bystander is served, what was resident meanwhile was at most `most_kib` more than
    /// before, and hardly any of that is still.
    pub(crate) async fn recovers(mut self, most_kib: u64) {
        self.bystander.is_served().await;
        let peak = resident(&self.service, "VmHWM");
        self.settles(KEPT_KIB).await;
        let after = resident(&self.service, "VmRSS");
        println!("resident: {} KiB before, {peak} KiB at most, {after} KiB after", self.before);
        assert!(peak <= self.before + most_kib, "{} KiB before, {peak} KiB at most", self.before);
        self.stops().await;
    }

    /// Ends it in good order.
    pub(crate) async fn stops(self) {
        let Self { mut service, bystander, .. } = self;
        // It waits for whoever is connected: this thread must get to close that connection meanwhile.
        drop(bystander);
        service.process.signal("TERM");
        let code = tokio::task::spawn_blocking(move || service.process.exit_code());
        assert_eq!(code.await.unwrap(), Some(0));
    }

    /// Serves the bystander until no more than so much is resident that was not before. What it is then.
    pub(crate) async fn settles(&mut self, most_kib: u64) -> u64 {
        let settled = async {
            loop {
                self.bystander.is_served().await;
                let resident = resident(&self.service, "VmRSS");
                if resident <= self.before + most_kib {
                    return resident;
                }
            }
        };
        let settled = tokio::time::timeout(GUARD, settled).await;
        settled.unwrap_or_else(|_| {
            panic!("{} KiB before, {} KiB for good", self.before, resident(&self.service, "VmRSS"))
        })
    }
}

/// How many descriptors a process has: as many more than before as it has connections.
pub(crate) fn descriptors(service: &Service) -> usize {
    fs::read_dir(format!("/proc/{}/fd", service.process.id())).unwrap().count()
}

/// What a process takes, in KiB.
pub(crate) fn resident(service: &Service, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|other: char| !other.is_ascii_digit()).parse().unwrap()
}

/// Somebody who has a subscription and a monitor, and sends to itself.
pub(crate) struct Bystander {
    pub(crate) peer: Peer,
    pub(crate) own: Subscription,
    monitor: Monitor,
}

/// The paths of a subscription.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) itself: String,
    pub(crate) push: String,
    pub(crate) set: String,
}

impl Subscription {
    /// A new one, in a set of its own.
    pub(crate) async fn make(peer: &Peer) -> Self {
        let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED);
        Self {
            itself: path_of(made.headers["location"].to_str().unwrap()),
            push: link(&made.headers, "urn:ietf:params:push"),
            set: link(&made.headers, "urn:ietf:params:push:set"),
        }
    }
}

impl Bystander {
    async fn of(peer: Peer) -> Self {
        let own = Subscription::make(&peer).await;
        let monitor = peer.monitor(&own.set, &[]).await.unwrap();
        Self { peer, own, monitor }
    }

    /// Sends a message to anybody.
    pub(crate) async fn send(&self, push: &str, body: Bytes) -> Response {
        let response = self.peer.request(Method::POST, push, &[("ttl", "600")], body).await.unwrap();
        assert_eq!(response.status, StatusCode::CREATED);
        response
    }

    /// A message to itself, from the POST to the acknowledgement.
    pub(crate) async fn is_served(&mut self) {
        let served = async {
            let sent = self.send(&self.own.push, Bytes::from_static(b"still here")).await;
            let sent = path_of(sent.headers["location"].to_str().unwrap());
            let pushed = self.monitor.next().await.unwrap().unwrap();
            assert_eq!((&pushed.path, &pushed.response.body[..]), (&sent, &b"still here"[..]));
            let ended = self.peer.request(Method::DELETE, &sent, &[], Bytes::new()).await.unwrap();
            assert_eq!(ended.status, StatusCode::NO_CONTENT);
        };
        tokio::time::timeout(GUARD, served).await.expect("the bystander is served");
    }
}
