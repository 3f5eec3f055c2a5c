//! G5: what a shard holds for its peers is counted, and it lets go before it hurts. Nothing that was accepted is lost.

use super::support::{
    Service, Setup, connect,
    peer::Peer,
    raw::{DATA, END_STREAM, INITIAL_WINDOW_SIZE, Raw},
    run, yield_now,
};
use http::Method;
use push_driver::{Census, Limits};
use push_proto::service::Limits as ServiceLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Waits for a count.
pub(super) async fn counted(service: &Service, wanted: impl Fn(Census) -> bool) {
    while !wanted(service.server.census()) {
        yield_now().await;
    }
}

/// Over the first bound a body is 503; what has none, and what was taken in, is served.
#[test]
fn bodies_are_shed() {
    run(async {
        let limits = Limits { shed_octets: 2 * 4096, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let stored = peer.send(&subscription.push, b"stored").await;
        let mut raw = Raw::connect(&service, &[]).await;
        for stream in [1, 3] {
            raw.head(stream, ("POST", &subscription.push), &[("ttl", "60")], false).await;
            raw.write(DATA, 0, stream, b"begun ").await;
        }
        counted(&service, |census| census.request_octets == 2 * 4096).await;
        let shed = peer.request(Method::POST, &subscription.push, &[("ttl", "60")], b"x").await;
        assert_eq!((shed.status().as_u16(), &shed.headers()["retry-after"]), (503, &"2".parse().unwrap()));
        let problem = String::from_utf8(shed.into_body()).unwrap();
        assert!(problem.contains("memory-short") && !problem.contains("exceeded_by"), "{problem}");
        let mut monitor = peer.monitor(&subscription.set, &[]).await;
        assert_eq!(monitor.next().await.unwrap().url, stored);
        peer.acknowledge(&stored).await;
        let empty = peer.request(Method::POST, &subscription.push, &[("ttl", "60")], b"").await;
        assert_eq!(empty.status(), 201);
        for stream in [1, 3] {
            raw.write(DATA, END_STREAM, stream, b"and ended").await;
            assert_eq!(raw.status(stream).await, 201);
        }
        counted(&service, |census| census.octets() == 0).await;
        let bodies = [&b""[..], b"begun and ended", b"begun and ended"];
        for body in bodies {
            assert_eq!(monitor.next().await.unwrap().response.into_body(), body);
        }
        peer.send(&subscription.push, &[0; 4096]).await;
    });
}

/// A body that is known to be short takes no more than that.
#[test]
fn a_body_takes_what_it_says() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        let headers = [("ttl", "60"), ("content-length", "10")];
        raw.head(1, ("POST", &subscription.push), &headers, false).await;
        counted(&service, |census| census.request_octets == 10).await;
        raw.write(DATA, 0, 1, b"half ").await;
        raw.reset(1, 8).await;
        counted(&service, |census| census.octets() == 0).await;
        let mut socket = connect(service.address).await;
        let head = format!("POST {} HTTP/1.1\r\nhost: x\r\nttl: 60\r\n", subscription.push);
        socket.write_all(format!("{head}content-length: 20\r\n\r\nhalf").as_bytes()).await.unwrap();
        counted(&service, |census| census.request_octets == 20).await;
        drop(socket);
        counted(&service, |census| census.octets() == 0).await;
    });
}

/// Over the second bound those are cut off who have not read for longest; their messages wait for them, and others are
/// pushed theirs.
#[test]
fn who_does_not_read_is_cut_off_and_loses_nothing() {
    run(async {
        let limits = Limits { cut_octets: 80 * 1024, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let own = peer.subscribe().await;
        let mut monitor = peer.monitor(&own.set, &[]).await;
        let mut silent = Vec::new();
        for _ in 0..6 {
            let subscription = peer.subscribe().await;
            let mut raw = Raw::narrow(&service, 512, &[(INITIAL_WINDOW_SIZE, 0)]).await;
            raw.get(1, &subscription.set).await;
            raw.settle().await;
            silent.push((raw, subscription));
        }
        let mut sent = Vec::new();
        for (_, subscription) in &silent {
            let mut urls = Vec::new();
            for _ in 0..10 {
                urls.push(peer.send(&subscription.push, &[0; 4096]).await);
                let census = service.server.census();
                assert!(census.octets() <= (80 + 8 * 4) * 1024, "{census:?}");
                let url = peer.send(&own.push, b"meanwhile").await;
                assert_eq!(monitor.next().await.unwrap().url, url);
                peer.acknowledge(&url).await;
            }
            sent.push(urls);
        }
        // Eight each are 32 KiB: two fit, and the first four had to go.
        counted(&service, |census| census.monitors == 3 && census.octets() == 2 * 8 * 4096).await;
        for (number, ((mut raw, subscription), urls)) in silent.into_iter().zip(sent).enumerate() {
            if number < 4 {
                while raw.next().await.is_some() {}
            }
            drop(raw);
            let mut again = Peer::connect(&service).await;
            let mut monitor = again.monitor(&subscription.set, &[]).await;
            for url in urls {
                assert_eq!(monitor.next().await.unwrap().url, url, "G1: none is lost, none out of order");
                again.acknowledge(&url).await;
            }
        }
        counted(&service, |census| census.octets() == 0).await;
    });
}

/// Responses count until they are written, or nobody wants them any more.
#[test]
fn responses_that_are_not_read_count() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let message = peer.send(&subscription.push, &[7; 4000]).await;
        let mut raw = Raw::connect(&service, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        for stream in (1..20).step_by(2) {
            raw.get(stream, &message).await;
        }
        counted(&service, |census| census.response_octets == 40_000).await;
        raw.reset(1, 8).await;
        counted(&service, |census| census.response_octets == 36_000).await;
        raw.window(3, 3999).await;
        raw.window(5, 4000).await;
        assert!(raw.until(|frame| frame.stream == 5 && frame.ends()).await.ends());
        counted(&service, |census| census.response_octets == 32_000).await;
        drop(raw);
        counted(&service, |census| census.octets() == 0).await;
        assert_eq!(peer.request(Method::GET, &message, &[], b"").await.into_body(), [7; 4000]);
        counted(&service, |census| census.octets() == 0).await;
    });
}

/// The same over HTTP/1.1, which answers one request after the other: what does not fit into the pipe counts.
#[test]
fn a_response_by_http1_counts_until_it_is_written() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let message = peer.send(&subscription.push, &[7; 4000]).await;
        let (mut ours, theirs) = tokio::io::duplex(512);
        let server = service.server.clone();
        super::support::spawn(async move { server.serve_connection(theirs).await });
        let request = format!("GET {message} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        ours.write_all(request.as_bytes()).await.unwrap();
        counted(&service, |census| census.response_octets == 4000).await;
        let mut response = Vec::new();
        ours.read_to_end(&mut response).await.unwrap();
        assert!(response.ends_with(&[7; 4000]));
        counted(&service, |census| census.octets() == 0).await;
    });
}

/// What waits in a monitor for want of credit counts as well.
#[test]
fn what_waits_in_monitors_counts() {
    run(async {
        let limits = Limits { credit: 1, ..Limits::default() };
        let service_limits = ServiceLimits { transient: 4, ..ServiceLimits::default() };
        let service = Setup { limits, service: service_limits, shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let mut raw = Raw::narrow(&service, 512, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        raw.settle().await;
        for _ in 0..9 {
            let sent = peer.request(Method::POST, &subscription.push, &[("ttl", "0")], &[0; 1000]).await;
            assert_eq!(sent.status(), 201);
        }
        let full = |census: Census| (census.push_octets, census.waiting_octets) == (1000, 4000);
        counted(&service, full).await;
        drop(raw);
        counted(&service, |census| census.octets() == 0).await;
    });
}
