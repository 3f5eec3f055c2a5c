//! `/healthz` and `/readyz` say what is true: red by themselves within seconds, green again without a restart.
//!
//! Nobody sends anything where it matters: a service that is idle has to notice, too.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response};
use push_driver::{HealthLimits, Limits};
use push_proto::store::{Availability, Command};
use push_store::{
    Client, Completions, Embedded, OpenError, ProbeAnswer, Quotas, SharedMemory, Store,
    engine::{Engine, EngineError, Keyspace, SimulatedDisk, Span, Visit, Write},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{Service, Setup, clocked::Clocked, connect, peer::Peer, run, yield_now};

/// Short waits: what is waited for is an event, however long it takes.
fn brisk() -> Setup {
    let health = HealthLimits {
        beat: Duration::from_millis(5),
        stall: Duration::from_millis(200),
        probe: Duration::from_millis(10),
        retry: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        ..HealthLimits::default()
    };
    Setup { limits: Limits { health, ..Limits::default() }, ..Setup::default() }
}

/// For a clock that runs ahead: no connection is idle for that long.
fn patient() -> Setup {
    let limits = Limits { idle: Duration::from_secs(u64::from(u32::MAX)), ..Limits::default() };
    Setup { limits, ..Setup::default() }
}

async fn get(peer: &mut Peer, path: &str) -> Response<Vec<u8>> {
    peer.request(Method::GET, path, &[], b"").await
}

/// Asks until it is red for that reason.
async fn red(peer: &mut Peer, path: &str, reason: &str) {
    loop {
        let response = get(peer, path).await;
        let body = String::from_utf8(response.body().clone()).unwrap();
        if response.status() == 503 && body.contains(&format!("\"reason\":\"{reason}\"")) {
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            return;
        }
        yield_now().await;
    }
}

/// Asks until it is green.
async fn green(peer: &mut Peer, path: &str) {
    while get(peer, path).await.status() != 200 {
        yield_now().await;
    }
}

async fn http1(service: &Service, method: &str, path: &str) -> String {
    let mut socket = connect(service.address).await;
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    socket.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

#[test]
fn a_service_that_is_well_says_so_by_both_versions() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        for path in ["/healthz", "/readyz", "/readyz?verbose"] {
            let response = get(&mut peer, path).await;
            assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"{\"status\":200}"[..]));
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert!(response.headers().contains_key("date"));
            let head = peer.request(Method::HEAD, path, &[], b"").await;
            assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                let response = peer.request(method, path, &[], b"").await;
                assert_eq!(response.status(), 405);
                assert_eq!(response.headers()["allow"], "GET, HEAD");
            }
            let response = http1(&service, "GET", path).await;
            assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("no-store"), "{response}");
            assert!(response.ends_with("\r\n\r\n{\"status\":200}"), "{response}");
            let response = http1(&service, "HEAD", path).await;
            assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\n"), "{response}");
            let response = http1(&service, "POST", path).await;
            assert!(response.starts_with("HTTP/1.1 405 ") && response.contains("GET, HEAD"), "{response}");
        }
        for path in ["/healthz/", "/x/readyz", "/Readyz"] {
            assert_eq!(get(&mut peer, path).await.status(), 404, "{path}");
        }
    });
}

#[test]
fn whoever_embeds_the_server_can_do_without() {
    run(async {
        let health = HealthLimits { served: false, ..HealthLimits::default() };
        let limits = Limits { health, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get(&mut peer, path).await.status(), 404);
        }
        assert_eq!(service.server.readiness(), Ok(()), "it is asked another way");
    });
}

/// G7: what was promised before is kept, nothing is promised meanwhile.
#[test]
fn a_store_that_is_down_is_red_and_green_when_it_is_back() {
    run(async {
        let service = brisk().start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let kept = peer.send(&subscription.push, b"kept").await;
        for _ in 0..3 {
            let monitor = peer.monitor(&subscription.set, &[]).await;
            service.store.with(|store, emit| store.set_availability(Availability::Down, emit));
            red(&mut peer, "/readyz", "store-failed").await;
            assert!(!service.server.is_ready());
            let ended = monitor.end().await;
            assert_eq!((ended.status().as_u16(), ended.headers().contains_key("retry-after")), (503, true));
            let refused = peer.request(Method::POST, &subscription.push, &[("ttl", "9")], b"x").await;
            assert_eq!(refused.status(), 503);
            assert!(refused.headers().contains_key("retry-after"));
            green(&mut peer, "/healthz").await;
            service.store.with(|store, emit| store.set_availability(Availability::Up, emit));
            green(&mut peer, "/readyz").await;
        }
        let pushed = peer.monitor(&subscription.set, &[]).await.next().await.unwrap();
        assert_eq!((pushed.url, &pushed.response.body()[..]), (kept, &b"kept"[..]));
    });
}

/// The embedded store's engine, on a disk that fails as it is told to.
struct Faulty {
    disk: SimulatedDisk,
    fails: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl Faulty {
    fn fault(&self) -> Option<io::Error> {
        self.fails.lock().unwrap().map(io::Error::from)
    }
}

impl Engine for Faulty {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.disk.get(keyspace, key)
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.disk.scan(span, visit)
    }

    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        match self.fault() {
            Some(fault) => Err(EngineError::new("commit", fault)),
            None => self.disk.commit(batch),
        }
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        match self.fault().filter(|fault| fault.kind() != io::ErrorKind::StorageFull) {
            Some(fault) => Err(OpenError::NotWritable("/secret/folder".into(), fault.into())),
            // A full disk can be read.
            None => self.disk.reopen(),
        }
    }

    fn close(&mut self) {}
}

/// G1, G7: an idle service notices what its disk does, names it, and comes back by itself.
#[test]
fn a_disk_that_fails_is_named_and_the_store_opens_itself_again() {
    run(async {
        let fails = Arc::new(Mutex::new(None));
        let engine = Faulty { disk: SimulatedDisk::new(), fails: Arc::clone(&fails) };
        let store = Embedded::over(engine, Quotas::default()).unwrap();
        let service = brisk().start_with(Arc::new(store));
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let mut kept = vec![peer.send(&subscription.push, b"0").await];
        for (kind, reason) in [
            (io::ErrorKind::StorageFull, "store-full"),
            (io::ErrorKind::ReadOnlyFilesystem, "store-read-only"),
            (io::ErrorKind::NotFound, "store-gone"),
            (io::ErrorKind::UnexpectedEof, "store-damaged"),
            (io::ErrorKind::TimedOut, "store-failed"),
        ] {
            *fails.lock().unwrap() = Some(kind);
            red(&mut peer, "/readyz", reason).await;
            let told = get(&mut peer, "/readyz").await;
            assert!(!String::from_utf8_lossy(told.body()).contains("secret"), "no path is told");
            let refused = peer.request(Method::POST, &subscription.push, &[("ttl", "9")], b"x").await;
            assert_eq!(
                (refused.status().as_u16(), refused.headers().contains_key("retry-after")),
                (503, true)
            );
            *fails.lock().unwrap() = None;
            green(&mut peer, "/readyz").await;
            kept.push(peer.send(&subscription.push, b"more").await);
        }
        let mut monitor = peer.monitor(&subscription.set, &[]).await;
        for url in kept {
            assert_eq!(monitor.next().await.unwrap().url, url);
        }
    });
}

/// An idle store shows that it can write, one that is written to has shown it, and a failure comes with what is done.
#[test]
fn a_fault_that_a_request_comes_upon_is_known_at_once() {
    run(async {
        let fails = Arc::new(Mutex::new(None));
        let engine = Faulty { disk: SimulatedDisk::new(), fails: Arc::clone(&fails) };
        let store = Arc::new(Embedded::over(engine, Quotas::default()).unwrap());
        let clock = Clocked::new();
        let service = patient().start_with_on(store, clock.clone());
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        *fails.lock().unwrap() = Some(io::ErrorKind::StorageFull);
        let failed = peer.request(Method::POST, &subscription.push, &[("ttl", "9")], b"x").await;
        assert_eq!(failed.status(), 503);
        // The clock stands still: nobody had to wait for a probe.
        red(&mut peer, "/readyz", "store-full").await;
        *fails.lock().unwrap() = None;
        while !service.server.is_ready() {
            clock.advance(Duration::from_millis(100));
            yield_now().await;
        }
        peer.send(&subscription.push, b"y").await;
    });
}

/// A store that hangs where it must not.
struct Hanging {
    store: SharedMemory,
    hangs: Mutex<Option<Hangs>>,
    freed: Condvar,
}

#[derive(Clone, Copy, PartialEq)]
enum Hangs {
    /// The shard that gives it a command.
    Shard(u32),
    /// Whoever makes the rounds.
    Rounds,
}

impl Hanging {
    fn new() -> Arc<Self> {
        let store = SharedMemory::new(Quotas::default());
        Arc::new(Self { store, hangs: Mutex::new(None), freed: Condvar::new() })
    }

    fn set(&self, hangs: Option<Hangs>) {
        *self.hangs.lock().unwrap() = hangs;
        self.freed.notify_all();
    }

    fn pass(&self, who: Hangs) {
        drop(self.freed.wait_while(self.hangs.lock().unwrap(), |hangs| *hangs == Some(who)).unwrap());
    }
}

impl Store for Hanging {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        self.store.attach(sink)
    }

    fn submit(&self, from: Client, command: Command) {
        self.pass(Hangs::Shard(from.number()));
        self.store.submit(from, command);
    }

    fn probe(&self, answer: ProbeAnswer) {
        self.pass(Hangs::Rounds);
        self.store.probe(answer);
    }

    fn close(&self) {
        self.store.close();
    }
}

#[test]
fn a_shard_that_hangs_is_red_and_the_others_say_so() {
    run(async {
        let store = Hanging::new();
        let service = brisk().start_with(Arc::clone(&store) as _);
        // Connections are dealt in turn.
        let mut first = Peer::connect(&service).await;
        green(&mut first, "/readyz").await;
        let mut second = Peer::connect(&service).await;
        green(&mut second, "/readyz").await;
        store.set(Some(Hangs::Shard(1)));
        let (subscribed, _) = second.begin(Method::POST, "/subscribe", &[], true).await;
        red(&mut first, "/readyz", "shard-stalled").await;
        red(&mut first, "/healthz", "shard-stalled").await;
        assert!(!service.server.is_ready());
        store.set(None);
        assert_eq!(subscribed.await.unwrap().status(), 201);
        green(&mut first, "/readyz").await;
        green(&mut first, "/healthz").await;
    });
}

#[test]
fn nobody_making_the_rounds_is_red() {
    run(async {
        let store = Hanging::new();
        let service = brisk().start_with(Arc::clone(&store) as _);
        let mut peer = Peer::connect(&service).await;
        green(&mut peer, "/readyz").await;
        store.set(Some(Hangs::Rounds));
        red(&mut peer, "/healthz", "health-stalled").await;
        store.set(None);
        green(&mut peer, "/readyz").await;
    });
}

/// A store that answers no probe while it is told not to, as one on a disk that hangs.
struct Silent {
    store: SharedMemory,
    silent: AtomicBool,
    owed: Mutex<Vec<ProbeAnswer>>,
}

impl Store for Silent {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        self.store.attach(sink)
    }

    fn submit(&self, from: Client, command: Command) {
        self.store.submit(from, command);
    }

    fn probe(&self, answer: ProbeAnswer) {
        if self.silent.load(Ordering::Relaxed) {
            self.owed.lock().unwrap().push(answer);
        } else {
            self.store.probe(answer);
        }
    }

    fn close(&self) {
        self.store.close();
    }
}

#[test]
fn a_store_that_does_not_answer_is_red() {
    run(async {
        let store = SharedMemory::new(Quotas::default());
        let silent = Silent { store, silent: AtomicBool::new(true), owed: Mutex::default() };
        let store = Arc::new(silent);
        let clock = Clocked::new();
        let service = Setup::default().start_with_on(Arc::clone(&store) as _, clock.clone());
        let mut peer = Peer::connect(&service).await;
        while store.owed.lock().unwrap().is_empty() {
            yield_now().await;
        }
        assert_eq!(get(&mut peer, "/readyz").await.status(), 200, "it may take a while");
        clock.advance(Limits::default().health.probe_stall + Duration::from_nanos(1));
        red(&mut peer, "/readyz", "store-stalled").await;
        green(&mut peer, "/healthz").await;
        assert_eq!(store.owed.lock().unwrap().len(), 1, "it is asked one thing at a time");
        store.silent.store(false, Ordering::Relaxed);
        let owed = std::mem::take(&mut *store.owed.lock().unwrap());
        owed.into_iter().for_each(|answer| store.store.probe(answer));
        green(&mut peer, "/readyz").await;
    });
}

#[test]
fn a_clock_that_is_not_set_or_goes_back_is_red() {
    run(async {
        let limits = Limits::default().health;
        let clock = Clocked::new();
        let service = patient().start_on(clock.clone());
        let mut peer = Peer::connect(&service).await;
        peer.subscribe().await;
        // What the store has seen is known by the next probe.
        let behind = |service: &Service| {
            service.server.readiness().is_err_and(|refusal| refusal.reason() == "clock-behind")
        };
        clock.set_wall(-24 * 3600);
        while !behind(&service) {
            clock.advance(limits.beat);
            yield_now().await;
        }
        red(&mut peer, "/readyz", "clock-behind").await;
        green(&mut peer, "/healthz").await;
        clock.set_wall(-i64::try_from(limits.behind.as_secs()).unwrap());
        green(&mut peer, "/readyz").await;
        clock.set_wall(-1_800_000_000);
        red(&mut peer, "/readyz", "clock-unset").await;
        clock.set_wall(0);
        green(&mut peer, "/readyz").await;
    });
}
