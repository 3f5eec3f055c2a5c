//! What the real binary tells Prometheus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly, its helpers too")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use bytes::Bytes;
use http::Method;
use support::{
    Folder, Service, assert_fails,
    http2::{Peer, link, path_of},
    run, webpush,
};

/// A service with one thread, so that what it has answered it has counted; and where it tells so.
fn serve(folder: &Folder, runtime: &str) -> (Service, SocketAddr) {
    let (data, log) = (folder.text("data"), folder.path("log"));
    let words = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--shards", "1", "--runtime", runtime];
    let more = ["--behind-proxy", "--public-url", "https://push.test", "--metrics", "127.0.0.1:0"];
    let mut command = webpush(words.into_iter().chain(more));
    command.stderr(fs::File::create(&log).unwrap());
    let service = Service::ready(command);
    let said = fs::read_to_string(log).unwrap();
    let told =
        said.lines().find_map(|line| line.strip_prefix("metrics at http://")?.strip_suffix("/metrics"));
    (service, told.unwrap().parse().unwrap())
}

/// The whole answer to a request.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "{request} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Every number, by its name and labels. Says loudly what is not in the text format.
fn scrape(address: SocketAddr) -> BTreeMap<String, u64> {
    let answer = ask(address, "GET /metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(text.ends_with('\n'));
    let (mut families, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (family, help) =
            line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("{line}")).split_once(' ').unwrap();
        assert!(!help.is_empty() && families.insert(family.to_owned()), "{family} comes twice");
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {family} ")).unwrap();
        assert_eq!(kind == "counter", family.ends_with("_total"), "{family} is a {kind}");
        assert!(family.starts_with("webpush_") || family.starts_with("process_"), "{family}");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (name, value) = sample.rsplit_once(' ').unwrap();
            assert!(name == family || name.starts_with(&format!("{family}{{")), "{name} is not of {family}");
            assert!(numbers.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} comes twice");
        }
    }
    numbers
}

/// What has changed between two scrapes, but for what the machine has a say in.
fn changes(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<(String, i64)> {
    assert!(before.keys().eq(after.keys()), "as many lines as ever");
    let theirs = |name: &str| name.starts_with("process_") || name.starts_with("webpush_store_");
    let difference = |name: &String| after[name].cast_signed() - before[name].cast_signed();
    let all = before.keys().filter(|name| !theirs(name)).map(|name| (name.clone(), difference(name)));
    all.filter(|(_, difference)| *difference != 0).collect()
}

/// The numbers once the last response has left: its peer may have read it before the service knows that.
fn settled(address: SocketAddr) -> BTreeMap<String, u64> {
    let left = |numbers: &BTreeMap<String, u64>| numbers["webpush_held_octets{of=\"response\"}"] == 0;
    let mut scrapes = (0..10_000).map(|_| scrape(address));
    scrapes.find(left).unwrap()
}

#[track_caller]
fn changed(address: SocketAddr, numbers: &mut BTreeMap<String, u64>, expected: &[(&str, i64)]) {
    let now = settled(address);
    let expected: Vec<_> = expected.iter().map(|(name, by)| ((*name).to_owned(), *by)).collect();
    assert_eq!(changes(numbers, &now), expected);
    *numbers = now;
}

/// G6: the numbers move exactly as messages do, on both runtimes, and there is nothing else in them.
#[tokio::test]
async fn numbers_move_as_messages_do() {
    for runtime in ["tokio", "smol"] {
        let folder = Folder::new();
        let (service, metrics) = serve(&folder, runtime);
        let peer = Peer::connect(service.address).await.unwrap();
        let post = async |path: &str, fields: &[(&'static str, &str)]| {
            peer.request(Method::POST, path, fields, Bytes::from_static(b"x")).await.unwrap()
        };
        let made = post("/subscribe", &[]).await;
        let push = path_of(&link(&made.headers, "urn:ietf:params:push"));
        let subscription = path_of(made.headers.get("location").unwrap().to_str().unwrap());
        let numbers = &mut scrape(metrics);
        assert_eq!(numbers["webpush_ready"], 1);
        assert_eq!(numbers["webpush_connections"], 1);
        assert_eq!(numbers["webpush_subscribed_total"], 1);
        assert!(numbers["process_start_time_seconds"] > 1_700_000_000);
        #[cfg(target_os = "linux")]
        assert!(numbers["process_resident_memory_bytes"] > 1 << 20);

        assert_eq!(post(&push, &[("ttl", "60")]).await.status, 201);
        changed(metrics, numbers, &[("webpush_accepted_total{as=\"stored\"}", 1)]);
        assert_eq!(post(&push, &[("ttl", "0")]).await.status, 201);
        changed(metrics, numbers, &[("webpush_accepted_total{as=\"transient\"}", 1)]);
        for _ in 0..2 {
            assert_eq!(post(&push, &[("ttl", "60"), ("topic", "t")]).await.status, 201);
        }
        let replaced = ("webpush_ended_total{by=\"replacement\"}", 1);
        changed(metrics, numbers, &[("webpush_accepted_total{as=\"stored\"}", 2), replaced]);

        let mut monitor = peer.monitor(&subscription, &[]).await.unwrap();
        let first = monitor.next().await.unwrap().unwrap();
        let second = monitor.next().await.unwrap().unwrap();
        for message in [&first, &second] {
            let acknowledged = peer.request(Method::DELETE, &message.path, &[], Bytes::new()).await.unwrap();
            assert_eq!(acknowledged.status, 204);
        }
        changed(
            metrics,
            numbers,
            &[
                ("webpush_ended_total{by=\"acknowledgement\"}", 2),
                ("webpush_exchanges", 1),
                ("webpush_monitors{of=\"subscription\"}", 1),
                ("webpush_pushed_total{of=\"message\"}", 2),
            ],
        );

        // By the service, and before it.
        let again = peer.request(Method::DELETE, &first.path, &[], Bytes::new()).await.unwrap();
        assert_eq!((again.status.as_u16(), post("/p/x", &[]).await.status.as_u16()), (404, 404));
        assert_eq!(post(&push, &[]).await.status, 400);
        let not_found = ("webpush_refused_total{reason=\"not-found\"}", 2);
        changed(metrics, numbers, &[not_found, ("webpush_refused_total{reason=\"ttl-missing\"}", 1)]);

        let ended = peer.request(Method::DELETE, &subscription, &[], Bytes::new()).await.unwrap();
        assert_eq!(ended.status, 204);
        assert_eq!(monitor.response().await.unwrap(), 404);
        let closed = [
            ("webpush_exchanges", -1),
            ("webpush_monitors{of=\"subscription\"}", -1),
            ("webpush_refused_total{reason=\"not-found\"}", 1),
            ("webpush_unsubscribed_total", 1),
        ];
        changed(metrics, numbers, &closed);

        let text = ask(metrics, "GET /metrics");
        for secret in ["push.test", "127.0.0.1", &push, &first.path] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

/// What nobody fetches ends by its TTL, and is told.
#[tokio::test]
async fn what_expires_is_counted() {
    let folder = Folder::new();
    let (service, metrics) = serve(&folder, "tokio");
    let peer = Peer::connect(service.address).await.unwrap();
    let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
    let push = path_of(&link(&made.headers, "urn:ietf:params:push"));
    for ttl in ["1", "600"] {
        let sent =
            peer.request(Method::POST, &push, &[("ttl", ttl)], Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(sent.status, 201);
    }
    while scrape(metrics)["webpush_ended_total{by=\"expiry\"}"] == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scrape(metrics)["webpush_ended_total{by=\"expiry\"}"], 1);
}

/// G5: `SCRAPERS` and `PATIENCE`. Those who ask for nothing are cut off; until then one more is closed.
#[test]
fn scrapers_are_bounded_and_slow_ones_are_cut_off() {
    let folder = Folder::new();
    let (_service, metrics) = serve(&folder, "smol");
    let mut slow: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(metrics).unwrap()).collect();
    for socket in &mut slow {
        socket.write_all(b"GET /met").unwrap();
    }
    let mut over = TcpStream::connect(metrics).unwrap();
    assert!(matches!(over.read(&mut [0]), Ok(0) | Err(_)));
    for mut socket in slow {
        assert!(matches!(socket.read(&mut [0]), Ok(0) | Err(_)));
    }
    assert_eq!(scrape(metrics)["webpush_ready"], 1);
}

/// G5: `HEAD_OCTETS`.
#[test]
fn a_head_of_any_size_is_not_read() {
    let folder = Folder::new();
    let (_service, metrics) = serve(&folder, "tokio");
    let head = |octets| format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(octets));
    let answer = |octets| {
        let mut socket = TcpStream::connect(metrics).unwrap();
        // Whoever does not read on may break the connection off.
        let _written = socket.write_all(head(octets).as_bytes());
        let mut answer = Vec::new();
        let _read = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(answer(4 * 1024).starts_with("HTTP/1.1 200"));
    let refused = answer(16 * 1024);
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[test]
fn nothing_else_is_there() {
    let folder = Folder::new();
    let (service, metrics) = serve(&folder, "tokio");
    for (request, status) in
        [("GET /", 404), ("GET /subscribe", 404), ("POST /metrics", 405), ("GET /healthz", 404)]
    {
        let answer = ask(metrics, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    let head = ask(metrics, "HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    // And not where everybody asks.
    let mut socket = TcpStream::connect(service.address).unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let other = folder.text("other");
    let words = ["serve", "--data", &other, "--dev", "--listen", "127.0.0.1:0", "--metrics", &address];
    assert_fails(&run(words), 1, &[&address, "--metrics"]);
}
