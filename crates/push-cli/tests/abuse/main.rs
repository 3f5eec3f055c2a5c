//! G5 for real: `webpush serve` is abused in every way that is known to hurt servers. Each time somebody who behaves is
//! served meanwhile, the abusers are answered or cut off, and what the process takes stays within a bound and comes back
//! to what it was.
#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails loudly, and says what it measured"
)]

mod place;
mod raw;
mod storm;
#[path = "../support/mod.rs"]
mod support;

use bytes::Bytes;
use http::{Method, StatusCode};

use place::{Place, Subscription};
use raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, PUSH_PROMISE,
    RST_STREAM, Raw, SETTINGS, block, literal,
};
const MIB: u64 = 1024;

/// Monitors whose pushes nobody reads, with more waiting than the service is ready to hold for them: the slowest are cut
/// off, and their messages are in the store.
#[tokio::test]
async fn slow_readers() {
    let mut place = Place::new("--shed-octets 1048576 --cut-octets 1048576 --shards 1").await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let subscription = Subscription::make(&place.bystander.peer).await;
        let mut raw = Raw::connect(place.service.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let monitor = block("GET", &subscription.set, &[]);
        raw.write(HEADERS, END_HEADERS | END_STREAM, 1, &monitor).await.unwrap();
        silent.push((raw, subscription));
    }
    for (_, subscription) in &silent {
        for _ in 0..12 {
            place.bystander.send(&subscription.push, Bytes::from_static(&[0; 4096])).await;
        }
        place.bystander.is_served().await;
    }
    // 100 monitors with a credit of eight are 3.2 MiB: those who were first have been cut off by now.
    let (mut first, subscription) = silent.swap_remove(0);
    while first.next().await.is_some() {}
    drop(silent);
    let mut monitor = place.bystander.peer.monitor(&subscription.set, &[("prefer", "wait=0")]).await.unwrap();
    for number in 0..12 {
        let pushed = monitor.next().await.unwrap().unwrap();
        assert_eq!(
            pushed.response.body.len(),
            4096,
            "G1: nothing that was accepted is lost, not number {number}"
        );
    }
    assert!(monitor.response().await.unwrap().is_success());
    place.recovers(32 * MIB).await;
}

/// Bodies that never end, as many as memory is for: more are 503, and are taken again when those have gone.
#[tokio::test]
async fn slow_writers() {
    let place = Place::new("--shed-octets 4194304 --shards 1").await;
    let push = block("POST", &place.bystander.own.push, &[("ttl", "60")]);
    let spare = Subscription::make(&place.bystander.peer).await;
    let post = async || {
        let (fields, body) = ([("ttl", "0")], Bytes::from_static(&[0; 4096]));
        place.bystander.peer.request(Method::POST, &spare.push, &fields, body).await.unwrap()
    };
    let mut slow = Vec::new();
    // As many as it takes: on a busy machine the service gives some up before the others have come.
    let shed = loop {
        let mut raw = Raw::connect(place.service.address, &[]).await;
        for stream in (1..241).step_by(2) {
            raw.write(HEADERS, END_HEADERS, stream, &push).await.unwrap();
            // All of them within the window of a connection (RFC 9113 §6.9.2): this peer is slow, and breaks no rule.
            raw.write(DATA, 0, stream, &[0; 500]).await.unwrap();
        }
        slow.push(raw);
        let response = post().await;
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            break response;
        }
        assert_eq!(response.status, StatusCode::CREATED, "somebody who behaves is served meanwhile");
    };
    assert!(slow.len() > 7, "{} connections of half a megabyte are enough", slow.len());
    // Whoever comes now is told that there is no room, and that it may come again.
    assert!(shed.headers.contains_key("retry-after"));
    assert!(str::from_utf8(&shed.body).unwrap().contains("memory-short"));
    drop(slow);
    while post().await.status != StatusCode::CREATED {}
    place.recovers(32 * MIB).await;
}

/// Header blocks that are too large, that have too many fields, and one without an end (CVE-2024-27316).
#[tokio::test]
async fn header_floods() {
    let mut place = Place::new("").await;
    let large = block("GET", "/x", &[("a", &"b".repeat(15_900))]);
    let many = block("GET", "/x", &[("a", "b"); 600]);
    let mut raw = Raw::connect(place.service.address, &[]).await;
    for stream in (1..2000).step_by(4) {
        raw.write(HEADERS, END_HEADERS | END_STREAM, stream, &large).await.unwrap();
        raw.write(HEADERS, END_HEADERS | END_STREAM, stream + 2, &many).await.unwrap();
        raw.until_answered(stream + 2).await;
    }
    place.bystander.is_served().await;
    let mut endless = Raw::connect(place.service.address, &[]).await;
    endless.write(HEADERS, END_STREAM, 1, &block("GET", "/x", &[])).await.unwrap();
    let mut more = vec![0];
    literal(&mut more, "x");
    literal(&mut more, &"y".repeat(1000));
    while endless.write(CONTINUATION, 0, 1, &more).await.is_ok() {}
    place.bystander.is_served().await;
    drop((raw, endless));
    place.recovers(16 * MIB).await;
}

/// CVE-2023-44487: requests that are reset as soon as they are made, on connection after connection.
#[tokio::test]
async fn rapid_resets() {
    let mut place = Place::new("").await;
    let monitor = block("GET", &Subscription::make(&place.bystander.peer).await.set, &[]);
    for _ in 0..20 {
        let mut raw = Raw::connect(place.service.address, &[]).await;
        for stream in (1..20_001).step_by(2) {
            let begun = raw.write(HEADERS, END_HEADERS | END_STREAM, stream, &monitor).await;
            if begun.is_err() || raw.write(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await.is_err() {
                break;
            }
        }
        // What it was told may have been lost with what the service did not read any more.
        raw.is_told_to_go().await;
        place.bystander.is_served().await;
    }
    place.recovers(16 * MIB).await;
}

/// Pings and settings whose answers nobody reads (CVE-2019-9512, CVE-2019-9515): the peer is held up, or cut off.
#[tokio::test]
async fn questions_without_end() {
    let mut place = Place::new("").await;
    let mut floods = Vec::new();
    for _ in 0..20 {
        let mut raw = Raw::connect(place.service.address, &[]).await;
        floods.push(tokio::spawn(async move {
            while raw.write(PING, 0, 0, b"are you?").await.is_ok()
                && raw.write(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]).await.is_ok()
            {}
        }));
    }
    for _ in 0..100 {
        place.bystander.is_served().await;
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
    place.recovers(32 * MIB).await;
}

/// A field of 4 KiB that is in the table once and named thousands of times by one octet each.
#[tokio::test]
async fn hpack_bombs() {
    let mut place = Place::new("").await;
    for _ in 0..20 {
        let mut raw = Raw::connect(place.service.address, &[]).await;
        let mut bomb = block("GET", "/x", &[]);
        bomb.push(0x40);
        literal(&mut bomb, "x");
        literal(&mut bomb, &"y".repeat(4000));
        // The first entry of the dynamic table.
        bomb.extend([0xbe; 8000]);
        raw.write(HEADERS, END_HEADERS | END_STREAM, 1, &bomb).await.unwrap();
        raw.until_answered(1).await;
        for stream in (3..101).step_by(2) {
            let again = [&block("GET", "/x", &[])[..], &[0xbe; 16_000]].concat();
            if raw.write(HEADERS, END_HEADERS | END_STREAM, stream, &again).await.is_err() {
                break;
            }
            raw.until_answered(stream).await;
        }
        place.bystander.is_served().await;
    }
    place.recovers(16 * MIB).await;
}

/// A body that says it is compressed is whatever octets it is: nobody opens it on its way.
#[tokio::test]
async fn compressed_bombs() {
    let place = Place::new("").await;
    // As deflate writes a stored block of nothing, over and over: the octets of a real gzip file are no different here.
    let bomb = Bytes::from([&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"[..], &[0x55; 4086]].concat());
    let peer = &place.bystander.peer;
    let to = Subscription::make(peer).await;
    let mut monitor = peer.monitor(&to.itself, &[]).await.unwrap();
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip, gzip", "aes128gcm, gzip"] {
        let fields = [("ttl", "60"), ("content-encoding", coding)];
        let sent = peer.request(Method::POST, &to.push, &fields, bomb.clone()).await.unwrap();
        assert_eq!(sent.status, StatusCode::CREATED, "{coding}");
        let pushed = monitor.next().await.unwrap().unwrap();
        assert_eq!(pushed.response.headers["content-encoding"], coding);
        assert_eq!(pushed.response.body, bomb, "{coding}");
    }
    // And what is too large is too large as it is.
    let fields = [("ttl", "60"), ("content-encoding", "gzip")];
    let large = Bytes::from(vec![0; 4097]);
    let refused = peer.request(Method::POST, &to.push, &fields, large).await.unwrap();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    place.recovers(16 * MIB).await;
}

/// A thousand monitors on one connection: as many as a connection may have are opened, the others are told so.
#[tokio::test]
async fn monitors_by_the_thousand() {
    let mut place = Place::new("").await;
    let mut sets = Vec::new();
    for _ in 0..1000 {
        sets.push(Subscription::make(&place.bystander.peer).await);
    }
    let mut greedy = Raw::connect(place.service.address, &[]).await;
    for (number, (stream, to)) in (1..).step_by(2).zip(&sets).enumerate() {
        greedy.write(HEADERS, END_HEADERS | END_STREAM, stream, &block("GET", &to.set, &[])).await.unwrap();
        if number >= MONITORS {
            let problem = greedy.problem(stream).await;
            assert!(problem.contains("\"status\":503"), "{problem}");
        }
    }
    place.bystander.is_served().await;
    // Those that were opened are there, the last of them too.
    place.bystander.send(&sets[MONITORS - 1].push, Bytes::from_static(b"x")).await;
    while greedy.next().await.unwrap().kind != PUSH_PROMISE {}
    drop(greedy);
    place.recovers(32 * MIB).await;
}

/// How many a connection may have.
const MONITORS: usize = 16;
