//! Monitoring without server push: the event stream, over HTTP/1.1 and HTTP/2.

use std::time::Duration;

use http::Method;
use push_driver::Limits;
use push_proto::service::Limits as ServiceLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{
    Io, Service, Setup,
    clocked::Clocked,
    connect,
    peer::{Peer, Subscription},
    raw::{DATA, ENABLE_PUSH, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PUSH_PROMISE, RST_STREAM, Raw},
    run, spawn, yield_now,
};

const STREAM: (&str, &str) = ("accept", "text/event-stream");

/// A client that monitors by HTTP/1.1 and knows what chunks are, and nothing else.
struct Http1 {
    io: Io,
    head: String,
    /// What was read and not looked at.
    read: Vec<u8>,
    body: String,
}

impl Http1 {
    async fn monitor(service: &Service, path: &str, more: &str) -> Self {
        let mut io = connect(service.address).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self { io, head: String::new(), read: Vec::new(), body: String::new() };
        client.head = client.until(b"\r\n\r\n").await;
        client
    }

    async fn streams(service: &Service, path: &str, more: &str) -> Self {
        let client = Self::monitor(service, path, &format!("accept: text/event-stream\r\n{more}")).await;
        assert!(client.head.starts_with("HTTP/1.1 200 "), "{}", client.head);
        assert!(client.head.contains("content-type: text/event-stream\r\n"), "{}", client.head);
        assert!(client.head.contains("cache-control: private, no-store\r\n"), "{}", client.head);
        client
    }

    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let text = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(text).unwrap();
            }
            let mut octets = [0; 4096];
            let read = self.io.read(&mut octets).await.unwrap();
            assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&octets[..read]);
        }
    }

    /// The next event or comment; none at the end of the body.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.body.split_once("\n\n") {
                let event = event.to_owned();
                self.body = rest.to_owned();
                return Some(event);
            }
            let size = self.until(b"\r\n").await;
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            while self.read.len() < size + 2 {
                let mut octets = [0; 4096];
                let read = self.io.read(&mut octets).await.unwrap();
                assert!(read > 0, "the body was cut short");
                self.read.extend_from_slice(&octets[..read]);
            }
            if size == 0 {
                return None;
            }
            let chunk = self.read.drain(..size + 2).take(size).collect();
            self.body += &String::from_utf8(chunk).unwrap();
        }
    }

    async fn message(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let data = event.strip_prefix("event: message\ndata: ").unwrap_or_else(|| panic!("{event}"));
        assert!(!data.contains('\n'));
        (super::support::peer::path(&member(data, "message")), member(data, "body"))
    }

    /// It ends like this, and its body with it.
    async fn ends(mut self, data: &str) {
        assert_eq!(self.next().await.unwrap(), format!("event: end\ndata: {data}"));
        assert_eq!(self.next().await, None);
    }
}

/// A text member of a JSON object; nothing that comes here is escaped.
fn member(json: &str, name: &str) -> String {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("{name}: {json}"));
    rest.split_once('"').unwrap().0.to_owned()
}

async fn subscribed(service: &Service) -> (Peer, Subscription) {
    let mut peer = Peer::connect(service).await;
    let subscription = peer.subscribe().await;
    (peer, subscription)
}

/// 8030-5.3-2, 8030-5.4-9, 8292-4.2-10: what is for the service alone is not in it; 8030-5-3: what is carried is.
#[test]
fn a_message_is_an_event_with_what_was_carried_and_nothing_else() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let mut stream = Http1::streams(&service, &subscription.set, "").await;
        let headers = [
            ("ttl", "60"),
            ("urgency", "high"),
            ("topic", "news"),
            ("content-encoding", "aes128gcm"),
            ("content-type", "text/\"plain\""),
        ];
        let sent = peer.request(Method::POST, &subscription.push, &headers, b"\xff\x00 body").await;
        assert_eq!(sent.status(), 201);
        let url = sent.headers()["location"].to_str().unwrap();
        let event = stream.next().await.unwrap();
        let data = event.strip_prefix("event: message\ndata: ").unwrap();
        let (front, back) = data.split_once("\"last-modified\":\"").unwrap();
        let push = format!("{}{}", peer.base, subscription.push);
        assert_eq!(
            front,
            format!(
                "{{\"message\":\"{url}\",\"push\":\"{push}\",\"headers\":{{\"content-encoding\":\"aes128gcm\",\
                 \"content-type\":\"text/\\\"plain\\\"\","
            )
        );
        assert!(back.ends_with(" GMT\"},\"body\":\"_wAgYm9keQ\"}"), "{back}");
        // It is acknowledged as ever, and not pushed again.
        peer.acknowledge(&super::support::peer::path(url)).await;
        let again =
            Http1::monitor(&service, &subscription.set, "accept: text/event-stream\r\nprefer: wait=0\r\n");
        assert!(again.await.head.starts_with("HTTP/1.1 204 "), "8030-6-8");
    });
}

/// 8030-6.2-3: what was not acknowledged comes again, by whatever it is monitored then.
#[test]
fn what_is_stored_comes_by_stream_and_by_push_until_it_is_acknowledged() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let urls = [peer.send(&subscription.push, b"1").await, peer.send(&subscription.push, b"2").await];
        for target in [&subscription.set, &subscription.subscription] {
            let mut stream = Http1::streams(&service, target, "").await;
            assert_eq!(stream.message().await, (urls[0].clone(), "MQ".to_owned()));
            assert_eq!(stream.message().await, (urls[1].clone(), "Mg".to_owned()));
            drop(stream);
            let mut stream = Http1::streams(&service, target, "prefer: wait=0\r\n").await;
            assert_eq!(stream.message().await.0, urls[0]);
            assert_eq!(stream.message().await.0, urls[1]);
            stream.ends("{\"status\":200}").await;
        }
        let monitor = peer.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
        let (_, pushed) = monitor.all().await;
        assert_eq!(pushed.into_iter().map(|pushed| pushed.url).collect::<Vec<_>>(), urls);
    });
}

/// RFC 8030 §6.3 by the stream: 8030-6.3-4.
#[test]
fn a_receipt_is_an_event_and_is_delivered_once_it_is_written() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let headers = [("ttl", "60"), ("prefer", "respond-async")];
        let sent = peer.request(Method::POST, &subscription.push, &headers, b"x").await;
        let url = sent.headers()["location"].to_str().unwrap().to_owned();
        let link = sent.headers()["link"].to_str().unwrap();
        let receipts = super::support::peer::path(link.split_once('<').unwrap().1.split_once('>').unwrap().0);
        let mut stream = Http1::streams(&service, &receipts, "").await;
        peer.acknowledge(&super::support::peer::path(&url)).await;
        let event = stream.next().await.unwrap();
        assert_eq!(event, format!("event: receipt\ndata: {{\"message\":\"{url}\",\"status\":204}}"));
        // That it was written is known to the service before anything that is asked after this.
        while service.server.census().pushes > 0 {
            yield_now().await;
        }
        let again =
            Http1::monitor(&service, &receipts, "accept: text/event-stream\r\nprefer: wait=0\r\n").await;
        assert!(again.head.starts_with("HTTP/1.1 204 "), "{}", again.head);
        stream.ends("{\"status\":200}").await;
    });
}

#[test]
fn without_asking_for_it_there_is_none() {
    run(async {
        let service = Setup::default().start();
        let (_peer, subscription) = subscribed(&service).await;
        for accept in ["", "accept: */*\r\n", "accept: text/*\r\n", "accept: text/event-stream;q=0\r\n"] {
            let mut client = Http1::monitor(&service, &subscription.set, accept).await;
            assert!(client.head.starts_with("HTTP/1.1 406 "), "{accept}: {}", client.head);
            assert!(client.until(b"}").await.contains("Accept: text/event-stream"), "it says what to do");
        }
    });
}

/// 8030-7.3-2, 8030-7.3-3: a status as long as there is a head to put it in, an event after that.
#[test]
fn a_target_that_is_gone_is_404_and_one_that_goes_ends_with_it() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let stream = Http1::streams(&service, &subscription.subscription, "").await;
        let set = Http1::streams(&service, &subscription.set, "").await;
        peer.request(Method::DELETE, &subscription.subscription, &[], b"").await;
        stream.ends("{\"status\":404,\"reason\":\"not-found\"}").await;
        let gone =
            Http1::monitor(&service, &subscription.subscription, "accept: text/event-stream\r\n").await;
        assert!(gone.head.starts_with("HTTP/1.1 404 "), "{}", gone.head);
        peer.request(Method::DELETE, &subscription.set, &[], b"").await;
        set.ends("{\"status\":404,\"reason\":\"not-found\"}").await;
    });
}

/// A newer monitor of the same target ends the older, whatever either is.
#[test]
fn a_newer_monitor_ends_the_older() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let url = peer.send(&subscription.push, b"1").await;
        let mut first = Http1::streams(&service, &subscription.set, "").await;
        assert_eq!(first.message().await.0, url);
        let mut pushed = peer.monitor(&subscription.set, &[]).await;
        assert_eq!(pushed.next().await.unwrap().url, url);
        first.ends("{\"status\":200}").await;
        let mut second = Http1::streams(&service, &subscription.set, "").await;
        assert_eq!(pushed.end().await.status(), 200);
        assert_eq!(second.message().await.0, url);
    });
}

/// 7240-4.3-1, A-11
#[test]
fn a_bounded_stream_ends_in_time_and_a_silent_one_says_that_it_lives() {
    run(async {
        let clock = Clocked::new();
        let service = Setup { shards: 1, ..Setup::default() }.start_on(clock.clone());
        let (mut peer, subscription) = subscribed(&service).await;
        let mut stream = Http1::streams(&service, &subscription.set, "prefer: wait=3600\r\n").await;
        peer.send(&subscription.push, b"1").await;
        stream.message().await;
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last| last == ":") {
            tokio::select! {
                biased;
                event = stream.next() => heard.push(event.unwrap()),
                // One thread serves both, so it gets to see each point in time.
                _ = peer.request(Method::GET, "/x", &[], b"") => clock.advance(Duration::from_secs(20)),
            }
        }
        assert_eq!(heard.pop().unwrap(), "event: end\ndata: {\"status\":200}");
        assert!(heard.len() > 20, "{}", heard.len());
    });
}

#[test]
fn a_drain_ends_streams_in_peace() {
    run(async {
        let service = Setup::default().start();
        let (peer, subscription) = subscribed(&service).await;
        let stream = Http1::streams(&service, &subscription.set, "").await;
        let server = service.server.clone();
        let drained = spawn(async move { server.drain(Duration::from_secs(3600)).await });
        stream.ends("{\"status\":200}").await;
        drop(peer);
        drained.await;
    });
}

/// 9113-8.4-1: no promise to a peer that takes none; it gets the stream where it asks for it.
#[test]
fn http2_without_push_streams() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let mut raw = Raw::connect(&service, &[(ENABLE_PUSH, 0)]).await;
        raw.request(1, "GET", &subscription.set, &[STREAM]).await;
        assert_eq!(raw.status(1).await, 200);
        let url = peer.send(&subscription.push, b"1").await;
        let data = raw.until(|frame| frame.stream == 1 && frame.kind == DATA).await;
        let event = String::from_utf8(data.payload).unwrap();
        assert!(event.starts_with("event: message\ndata: {\"message\":\"http") && event.ends_with("}\n\n"));
        assert!(event.contains(&url));
        peer.acknowledge(&url).await;
        peer.request(Method::DELETE, &subscription.set, &[], b"").await;
        let end = raw.until(|frame| frame.stream == 1 && frame.kind == DATA).await;
        assert_eq!(end.payload, b"event: end\ndata: {\"status\":404,\"reason\":\"not-found\"}\n\n");
        raw.until(|frame| frame.stream == 1 && frame.ends()).await;
        assert!(!raw.has_read(PUSH_PROMISE) && !raw.has_read(GOAWAY));
        raw.request(3, "GET", &subscription.set, &[STREAM]).await;
        assert_eq!(raw.status(3).await, 404);
    });
}

/// 8030-6-8 over HTTP/2, and a stream that its peer resets.
#[test]
fn http2_streams_end_when_nothing_waits_and_when_they_are_reset() {
    run(async {
        let service = Setup::default().start();
        let (mut peer, subscription) = subscribed(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.request(1, "GET", &subscription.set, &[STREAM, ("prefer", "wait=0")]).await;
        assert_eq!(raw.status(1).await, 204);
        for stream in (3..203).step_by(2) {
            raw.request(stream, "GET", &subscription.set, &[STREAM]).await;
            assert_eq!(raw.status(stream).await, 200);
            raw.reset(stream, 8).await;
        }
        // The service has let go of all of them.
        while service.server.census().monitors > 0 {
            yield_now().await;
        }
        let url = peer.send(&subscription.push, b"1").await;
        raw.request(203, "GET", &subscription.set, &[STREAM]).await;
        let data = raw.until(|frame| frame.stream == 203 && frame.kind == DATA).await;
        assert!(String::from_utf8(data.payload).unwrap().contains(&url));
    });
}

/// A peer that does not read is handed no more than its credit, is cut off in the end, and loses nothing.
/// G2, 8030-5.2-8: the same as for pushes, `pushing::what_expires_while_it_waits_for_a_stream_is_not_promised`.
#[test]
fn what_expires_while_it_waits_behind_another_is_not_written() {
    run(async {
        let clock = Clocked::new();
        clock.advance(Duration::from_millis(900));
        let service = Setup { shards: 1, ..Setup::default() }.start_on(clock.clone());
        let (mut sender, subscription) = subscribed(&service).await;
        for (body, ttl) in [(b"0", "60"), (b"1", "1"), (b"2", "60")] {
            let answer = sender.request(Method::POST, &subscription.push, &[("ttl", ttl)], body).await;
            assert_eq!(answer.status(), 201);
        }
        let mut raw = Raw::connect(&service, &[(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, 1)]).await;
        raw.request(1, "GET", &subscription.set, &[STREAM]).await;
        assert_eq!(raw.status(1).await, 200);
        raw.until(|frame| frame.kind == DATA).await;
        raw.settle().await;
        // Its second is over, and the service has not woken up for it.
        clock.advance(Duration::from_millis(200));
        raw.window(1, 10_000).await;
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("\"body\":\"Mg\"") {
            let data = raw.until(|frame| frame.kind == DATA).await;
            text.extend_from_slice(&data.payload);
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\"body\":\"MA\"") && !text.contains("\"body\":\"MQ\""), "{text}");
    });
}

#[test]
fn a_stream_that_is_not_read_is_cut_off_and_loses_nothing() {
    run(async {
        let clock = Clocked::new();
        let limits = Limits {
            pong: Duration::from_secs(u64::from(u32::MAX)),
            idle: Duration::from_secs(u64::from(u32::MAX)),
            ..Limits::default()
        };
        let service = ServiceLimits {
            acknowledgement: Duration::from_secs(u64::from(u32::MAX)),
            monitor: Duration::from_secs(u64::from(u32::MAX)),
            ..ServiceLimits::default()
        };
        let service = Setup { limits, service, shards: 1, ..Setup::default() }.start_on(clock.clone());
        let (mut peer, subscription) = subscribed(&service).await;
        let other = peer.subscribe().await;
        let mut raw = Raw::connect(&service, &[(INITIAL_WINDOW_SIZE, 10)]).await;
        raw.request(1, "GET", &subscription.set, &[STREAM]).await;
        assert_eq!(raw.status(1).await, 200);
        let (mut ours, theirs) = tokio::io::duplex(512);
        let server = service.server.clone();
        let _serving = spawn(async move { server.serve_connection(theirs).await });
        let head = format!("GET {} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n", other.set);
        ours.write_all(head.as_bytes()).await.unwrap();
        while service.server.census().monitors < 2 {
            yield_now().await;
        }
        let mut urls = Vec::new();
        let credit = usize::try_from(limits.credit).unwrap();
        for _ in 0..3 * credit {
            let headers = [("ttl", "4294967295")];
            for push in [&subscription.push, &other.push] {
                let sent = peer.request(Method::POST, push, &headers, &[0; 4096]).await;
                urls.push(super::support::peer::path(sent.headers()["location"].to_str().unwrap()));
                let pushes = service.server.census().pushes;
                assert!(pushes <= 2 * credit, "{pushes}");
            }
        }
        let ticking = {
            let clock = clock.clone();
            spawn(async move {
                loop {
                    clock.advance(Duration::from_secs(1));
                    yield_now().await;
                }
            })
        };
        raw.until(|frame| frame.stream == 1 && frame.kind == RST_STREAM).await;
        while service.server.census().monitors > 0 {
            yield_now().await;
        }
        ticking.stop();
        let mut left = Vec::new();
        for set in [&subscription.set, &other.set] {
            let mut monitor = peer.monitor(set, &[("prefer", "wait=0")]).await;
            for _ in 0..3 * credit {
                left.push(monitor.next().await.unwrap().url);
            }
            assert_eq!(monitor.end().await.status(), 200);
        }
        urls.sort();
        left.sort();
        assert_eq!(left, urls);
    });
}

/// Streams count as monitors of their connection.
#[test]
fn streams_of_a_connection_are_limited() {
    run(async {
        let limits = Limits { monitors: 2, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let mut raw = Raw::connect(&service, &[]).await;
        let mut sets = Vec::new();
        for _ in 0..3 {
            sets.push(peer.subscribe().await.set);
        }
        raw.hold();
        for (stream, set) in (1..).step_by(2).zip(&sets) {
            raw.request(stream, "GET", set, &[STREAM]).await;
        }
        raw.release().await;
        let mut statuses = Vec::new();
        for stream in [1, 3, 5] {
            statuses.push(raw.until(|frame| frame.stream == stream && frame.kind == HEADERS).await.status());
        }
        assert_eq!(statuses, [200, 200, 503]);
    });
}
