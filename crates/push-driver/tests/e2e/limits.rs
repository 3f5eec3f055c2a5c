//! What happens at each limit of the driver.

use std::time::Duration;

use super::support::{
    Setup,
    clocked::Clocked,
    connect,
    peer::{Peer, collect},
    raw::{ACK, GOAWAY, PING, PUSH_PROMISE, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE},
    run, spawn, yield_now,
};
use bytes::Bytes;
use http::Method;
use push_driver::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[test]
fn a_full_mailbox_is_503_with_retry_after() {
    run(async {
        let limits = Limits { mailbox: 0, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let response = peer.request(Method::POST, "/subscribe", &[], b"").await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        let problem = String::from_utf8(response.into_body()).unwrap();
        assert!(problem.contains("\"reason\":\"overloaded\""), "{problem}");
    });
}

#[test]
fn a_body_over_the_limit_is_413_by_http2() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let fits = peer.request(Method::POST, &subscription.push, &[("ttl", "1")], &[0; 4096]).await;
        assert_eq!(fits.status(), 201);
        let headers = [("ttl", "1"), ("content-length", "4097")];
        let told = peer.request(Method::POST, &subscription.push, &headers, &[0; 4097]).await;
        assert_eq!(told.status(), 413);
        let untold = peer.request(Method::POST, &subscription.push, &[("ttl", "1")], &[0; 4097]).await;
        assert_eq!(untold.status(), 413);
        assert!(!peer.subscribe().await.push.is_empty(), "the connection goes on");
    });
}

#[test]
fn head_is_answered_without_a_body() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let get = peer.request(Method::GET, "/x", &[], b"").await;
        let head = peer.request(Method::HEAD, "/x", &[], b"").await;
        assert!(head.status().is_client_error() && head.body().is_empty());
        assert!(!get.body().is_empty() && head.headers().contains_key("content-length"));
        let mut raw = Raw::connect(&service, &[]).await;
        raw.request(1, "HEAD", "/x", &[]).await;
        assert!(raw.until(|frame| frame.stream == 1).await.ends());
        raw.settle().await;
        assert!(raw.read.iter().all(|frame| frame.stream != 1));
    });
}

/// Some clients lose a response that comes while they still send (libcurl: every second one).
#[test]
fn a_refusal_waits_for_the_rest_of_a_small_body_and_for_no_more_of_a_large_one() {
    run(async {
        let limits = Limits { refused_octets: 8192, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        for (url, status) in [(subscription.push.as_str(), 413), ("/p/unknown", 404)] {
            let (response, stream) = peer.begin(Method::POST, url, &[("ttl", "1")], false).await;
            let mut stream = stream.unwrap();
            stream.send_data(Bytes::from_static(&[0; 5000]), false).unwrap();
            let mut response = Box::pin(response);
            // Whatever was to come for those octets has come when a later request is answered.
            assert!(!peer.subscribe().await.push.is_empty());
            assert!(futures_util::poll!(&mut response).is_pending(), "{status} while the peer still sends");
            stream.send_data(Bytes::new(), true).unwrap();
            assert_eq!(collect(response.await.unwrap()).await.unwrap().status(), status);

            let (response, stream) = peer.begin(Method::POST, url, &[("ttl", "1")], false).await;
            stream.unwrap().send_data(Bytes::from_static(&[0; 40_000]), false).unwrap();
            assert_eq!(collect(response.await.unwrap()).await.unwrap().status(), status);
        }
    });
}

async fn http1(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut socket = connect(address).await;
    socket.write_all(request).await.unwrap();
    let mut response = Vec::new();
    socket.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

#[test]
fn a_body_over_the_limit_is_413_by_http1() {
    run(async {
        let service = Setup::default().start();
        let push = Peer::connect(&service).await.subscribe().await.push;
        let head = format!("POST {push} HTTP/1.1\r\nhost: x\r\nttl: 1\r\nconnection: close\r\n");
        let told = [format!("{head}content-length: 4097\r\n\r\n").as_bytes(), &[0; 4097]].concat();
        let response = http1(service.address, &told).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        // A sender that only reads when it has written everything gets to see it as well.
        let large = [format!("{head}content-length: 200000\r\n\r\n").as_bytes(), &[0; 200_000]].concat();
        let response = http1(service.address, &large).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        // One that asks first is spared the trouble.
        let asking = format!("{head}expect: 100-continue\r\ncontent-length: 4097\r\n\r\n");
        let response = http1(service.address, asking.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        // One that was told to go on is heard out.
        let chunked = format!("{head}expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n10000\r\n");
        let told_to_go_on = [chunked.as_bytes(), &[0; 0x10000], b"\r\n0\r\n\r\n"].concat();
        let response = http1(service.address, &told_to_go_on).await;
        assert!(response.starts_with("HTTP/1.1 100 ") && response.contains("HTTP/1.1 413 "), "{response}");
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n1001\r\n");
        let untold = [chunked.as_bytes(), &[0; 4097], b"\r\n0\r\n\r\n"].concat();
        let response = http1(service.address, &untold).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    });
}

#[test]
fn a_header_block_over_the_limit_is_431() {
    run(async {
        let service = Setup::default().start();
        let long = "x".repeat(20_000);
        // Each field counts 32 octets more than it is long (RFC 9113 §6.5.2).
        let mut raw = Raw::connect(&service, &[]).await;
        raw.request(1, "GET", "/x", &[("a", "b"); 600]).await;
        assert_eq!(raw.status(1).await, 431);
        raw.get(3, "/x").await;
        assert_eq!(raw.status(3).await, 404, "the connection goes on");
        let response =
            http1(service.address, format!("GET /x HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n").as_bytes())
                .await;
        assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    });
}

#[test]
fn a_slow_body_is_408() {
    run(async {
        let clock = Clocked::new();
        let service = Setup::default().start_on(clock.clone());
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let (response, stream) = peer.begin(Method::POST, &subscription.push, &[("ttl", "1")], false).await;
        let mut stream = stream.unwrap();
        stream.send_data(Bytes::from_static(b"slow"), false).unwrap();
        peer.subscribe().await;
        clock.advance(Limits::default().body);
        assert_eq!(collect(response.await.unwrap()).await.unwrap().status(), 408);
    });
}

#[test]
fn a_monitoring_peer_that_is_gone_is_found_out() {
    run(async {
        let clock = Clocked::new();
        let limits =
            Limits { keepalive: Duration::from_secs(10), pong: Duration::from_secs(5), ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start_on(clock.clone());
        let subscription = Peer::connect(&service).await.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        raw.settle().await;
        // A third request shows that the second, the monitor, has been taken.
        raw.get(3, "/x").await;
        assert_eq!(raw.status(3).await, 404);
        for number in 0..3 {
            clock.advance(limits.keepalive);
            let ping = raw.until_unanswered(PING).await;
            raw.write(PING, ACK, 0, &ping.payload).await;
            // What was written before a request has been read when that is answered.
            raw.get(5 + 2 * number, "/x").await;
            assert_eq!(raw.status(5 + 2 * number).await, 404);
        }
        clock.advance(limits.keepalive);
        raw.until_unanswered(PING).await;
        clock.advance(limits.pong);
        while raw.next_unanswered().await.is_some() {}
    });
}

#[test]
fn an_idle_connection_is_closed() {
    run(async {
        let clock = Clocked::new();
        // The clock runs ahead in here, and must not cut off a peer that is being told to go.
        let limits = Limits { pong: Duration::from_secs(u64::from(u32::MAX)), ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start_on(clock.clone());
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, "/x").await;
        assert_eq!(raw.status(1).await, 404);
        let mut socket = connect(service.address).await;
        socket.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut response = [0; 12];
        socket.read_exact(&mut response).await.unwrap();
        assert_eq!(&response, b"HTTP/1.1 404");
        let ticking = spawn(async move {
            loop {
                clock.advance(limits.keepalive);
                yield_now().await;
            }
        });
        assert_eq!(raw.until(|frame| frame.kind == GOAWAY).await.error(), 0);
        while raw.next().await.is_some() {}
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        ticking.stop();
    });
}

/// Whoever stays is told to go in the end, and keeps what it asked for until then.
#[test]
fn a_connection_has_an_age() {
    run(async {
        let clock = Clocked::new();
        let never = Duration::from_secs(u64::from(u32::MAX));
        let age = Duration::from_secs(1000);
        let limits = Limits { age, keepalive: never, idle: never, head: never, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start_on(clock.clone());
        let mut socket = connect(service.address).await;
        socket.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut response = [0; 12];
        socket.read_exact(&mut response).await.unwrap();
        let subscription = Peer::connect(&service).await.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        raw.settle().await;
        clock.advance(age);
        assert_eq!(raw.until(|frame| frame.kind == GOAWAY).await.error(), 0);
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        Peer::connect(&service).await.send(&subscription.push, b"still here").await;
        assert_eq!(raw.until(|frame| frame.kind == PUSH_PROMISE).await.stream, 1);
    });
}

#[test]
fn streams_beyond_the_limit_are_refused_and_the_connection_goes_on() {
    run(async {
        let limits = Limits { streams: 2, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        let first = Peer::connect(&service).await.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.settle().await;
        for stream in [1, 3] {
            raw.head(stream, ("POST", &first.push), &[("ttl", "1")], false).await;
        }
        raw.get(5, "/x").await;
        let refused = raw.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!((refused.stream, refused.error()), (5, 7));
        raw.write(0, 1, 1, b"x").await;
        assert_eq!(raw.status(1).await, 201);
        assert!(!raw.has_read(GOAWAY) && !raw.has_read(PING));
    });
}

#[test]
fn a_connection_without_a_place_is_closed() {
    run(async {
        let limits = Limits { connections: 1, ..Limits::default() };
        let service = Setup { limits, shards: 2, ..Setup::default() }.start();
        let mut first = Peer::connect(&service).await;
        let mut second = Peer::connect(&service).await;
        first.subscribe().await;
        second.subscribe().await;
        let mut third = connect(service.address).await;
        assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)));
    });
}

/// What a peer may send ahead is what it is told, and h2 holds it to that (RFC 9113 §5.2).
#[test]
fn a_peer_is_told_its_windows() {
    run(async {
        let limits = Limits { stream_window: 70_000, connection_window: 100_000, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start();
        let mut raw = Raw::connect(&service, &[]).await;
        let settings = raw.until_unanswered(SETTINGS).await;
        let told = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 4]).unwrap();
        assert_eq!(told[2..], 70_000_u32.to_be_bytes());
        let more = raw.until_unanswered(WINDOW_UPDATE).await;
        assert_eq!((more.stream, &more.payload[..]), (0, &(100_000_u32 - 65_535).to_be_bytes()[..]));
    });
}

/// A shard that takes one letter at a time serves everybody all the same.
#[test]
fn a_turn_of_one_letter() {
    run(async {
        let limits = Limits { turn: 1, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let mut begun = Vec::new();
        for _ in 0..50 {
            let (response, stream) =
                peer.begin(Method::POST, &subscription.push, &[("ttl", "60")], false).await;
            stream.unwrap().send_data(Bytes::from_static(b"x"), true).unwrap();
            begun.push(response);
        }
        for response in begun {
            assert_eq!(collect(response.await.unwrap()).await.unwrap().status(), 201);
        }
    });
}
