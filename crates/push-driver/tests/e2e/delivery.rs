//! Messages from the sender's POST to the user agent's acknowledgement, over real sockets.

use super::support::{
    Service, Setup, connect,
    peer::{Peer, handshake},
    raw::Raw,
    run, spawn,
};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

async fn delivers(service: &Service) {
    let mut agent = Peer::connect(service).await;
    let mut sender = Peer::connect(service).await;
    let subscription = agent.subscribe().await;
    let mut monitor = agent.monitor(&subscription.set, &[]).await;

    let url = sender.send(&subscription.push, b"hello").await;
    let pushed = monitor.next().await.unwrap();
    assert_eq!(pushed.url, url);
    assert_eq!(pushed.response.status(), 200);
    assert_eq!(pushed.response.body(), b"hello");
    let link = format!("<{}{}>; rel=\"urn:ietf:params:push\"", agent.base, subscription.push);
    assert_eq!(pushed.link, link);
    assert_eq!(pushed.response.headers()["link"].to_str().unwrap(), link);
    agent.acknowledge(&pushed.url).await;

    // What was acknowledged is gone; nothing else waits.
    let again = agent.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
    assert_eq!(again.end().await.status(), 204);
}

#[test]
fn a_message_is_pushed_and_acknowledged_over_cleartext() {
    run(async { delivers(&Setup::default().start()).await });
}

/// 8030-6-2: the GET stays open, and what comes is pushed on it.
#[test]
fn a_message_is_pushed_and_acknowledged_over_tls() {
    run(async { delivers(&Setup { tls: true, ..Setup::default() }.start()).await });
}

#[test]
fn agents_of_every_shard_are_reached_from_every_connection() {
    run(async {
        let service = Setup { shards: 3, ..Setup::default() }.start();
        let mut peers = Vec::new();
        for _ in 0..6 {
            peers.push(Peer::connect(&service).await);
        }
        for index in 0..peers.len() {
            let mut agent = peers[index].clone();
            let subscription = agent.subscribe().await;
            let mut monitor = agent.monitor(&subscription.subscription, &[]).await;
            for sender in &mut peers {
                let url = sender.send(&subscription.push, b"x").await;
                assert_eq!(monitor.next().await.unwrap().url, url);
                sender.acknowledge(&url).await;
            }
        }
    });
}

async fn http1(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str, body: &[u8]) -> String {
    io.write_all(request.as_bytes()).await.unwrap();
    io.write_all(body).await.unwrap();
    let mut response = Vec::new();
    while !response.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut octets = [0; 1024];
        let read = io.read(&mut octets).await.unwrap();
        assert!(read > 0, "the connection ended");
        response.extend_from_slice(&octets[..read]);
    }
    String::from_utf8(response).unwrap()
}

async fn delivers_from_http1(service: &Service, mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut agent = Peer::connect(service).await;
    let subscription = agent.subscribe().await;
    let mut monitor = agent.monitor(&subscription.set, &[]).await;
    for body in ["first", "again"] {
        let post =
            format!("POST {} HTTP/1.1\r\nhost: x\r\nttl: 5\r\ncontent-length: 5\r\n\r\n", subscription.push);
        let response = http1(&mut io, &post, body.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
        let pushed = monitor.next().await.unwrap();
        assert_eq!(pushed.response.body(), body.as_bytes());
        let delete = format!("DELETE {} HTTP/1.1\r\nhost: x\r\n\r\n", pushed.url);
        assert!(http1(&mut io, &delete, b"").await.starts_with("HTTP/1.1 204 "));
    }
    let get = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", subscription.set);
    assert!(http1(&mut io, &get, b"").await.starts_with("HTTP/1.1 406 "));
}

#[test]
fn a_message_is_sent_and_acknowledged_by_http1_and_a_monitor_refused() {
    run(async {
        let service = Setup::default().start();
        let io = connect(service.address).await;
        delivers_from_http1(&service, io).await;
    });
}

#[test]
fn http1_over_tls() {
    run(async {
        let service = Setup { tls: true, ..Setup::default() }.start();
        for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
            let socket = connect(service.address).await;
            let io = handshake(socket, service.certificate.as_ref().unwrap(), protocols).await;
            delivers_from_http1(&service, io).await;
        }
    });
}

#[test]
fn without_waiting_promises_come_before_the_response() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let mut sent = Vec::new();
        for number in 0..5_u8 {
            sent.push(peer.send(&subscription.push, &[number]).await);
        }
        // A raw peer sees the order of the frames.
        let mut raw = Raw::connect(&service, &[]).await;
        raw.request(1, "GET", &subscription.set, &[("prefer", "wait=0")]).await;
        let end = raw.until(|frame| frame.stream == 1 && frame.kind == super::support::raw::HEADERS).await;
        assert_eq!(end.status(), 200);
        let promised: Vec<_> = raw
            .read
            .iter()
            .filter(|frame| frame.kind == super::support::raw::PUSH_PROMISE)
            .map(|frame| frame.promised())
            .collect();
        assert_eq!(promised.len(), 5);
        for (number, stream) in (0..).zip(promised) {
            assert_eq!(raw.body(stream).await, [number]);
        }
        // Nothing of it was acknowledged.
        let mut monitor = peer.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
        for url in sent {
            assert_eq!(monitor.next().await.unwrap().url, url);
            peer.acknowledge(&url).await;
        }
        assert_eq!(monitor.end().await.status(), 200);
        let empty = peer.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
        assert_eq!(empty.end().await.status(), 204);
    });
}

#[test]
fn a_newer_monitor_ends_the_older() {
    run(async {
        let service = Setup::default().start();
        let mut first = Peer::connect(&service).await;
        let mut second = Peer::connect(&service).await;
        let subscription = first.subscribe().await;
        let mut older = first.monitor(&subscription.set, &[]).await;
        let url = first.send(&subscription.push, b"x").await;
        assert_eq!(older.next().await.unwrap().url, url);
        let mut newer = second.monitor(&subscription.set, &[]).await;
        assert_eq!(older.end().await.status(), 200);
        assert_eq!(newer.next().await.unwrap().url, url, "it was not acknowledged");
    });
}

/// 8030-7.2-1: what was stored comes when monitoring resumes.
#[test]
fn a_connection_that_is_cut_loses_nothing() {
    run(async {
        let service = Setup::default().start();
        let mut sender = Peer::connect(&service).await;
        let subscription = sender.subscribe().await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        let url = sender.send(&subscription.push, b"x").await;
        let stream = raw.promise().await;
        assert_eq!(raw.body(stream).await, b"x");
        drop(raw);
        let mut agent = Peer::connect(&service).await;
        let mut monitor = agent.monitor(&subscription.set, &[]).await;
        assert_eq!(monitor.next().await.unwrap().url, url);
        // The stream alone is reset: the same.
        drop(monitor);
        let mut monitor = agent.monitor(&subscription.set, &[]).await;
        assert_eq!(monitor.next().await.unwrap().url, url);
    });
}

#[test]
fn a_receipt_is_pushed_as_headers_only() {
    run(async {
        let service = Setup::default().start();
        let mut agent = Peer::connect(&service).await;
        let mut sender = Peer::connect(&service).await;
        let subscription = agent.subscribe().await;
        let headers = [("ttl", "60"), ("prefer", "respond-async")];
        let response = sender.request(Method::POST, &subscription.push, &headers, b"x").await;
        assert_eq!(response.status(), 202);
        let url = super::support::peer::path(response.headers()["location"].to_str().unwrap());
        let link = response.headers()["link"].to_str().unwrap();
        let receipts = super::support::peer::path(link.split_once('<').unwrap().1.split_once('>').unwrap().0);
        let mut monitor = sender.monitor(&receipts, &[]).await;
        agent.acknowledge(&url).await;
        let receipt = monitor.next().await.unwrap();
        assert_eq!((receipt.url, receipt.response.status().as_u16()), (url, 204));
        assert!(receipt.response.body().is_empty());
        // It is delivered once it is written.
        drop(monitor);
        let again = sender.monitor(&receipts, &[("prefer", "wait=0")]).await;
        assert_eq!(again.end().await.status(), 204);
    });
}

#[test]
fn a_connection_given_by_the_caller_is_served_to_its_end() {
    run(async {
        let service = Setup::default().start();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = service.server.clone();
        let served = spawn(async move { server.serve_connection(theirs).await });
        let base = format!("http://localhost:{}", service.address.port());
        let (mut peer, _) = Peer::over(ours, &h2::client::Builder::new(), base).await;
        let subscription = peer.subscribe().await;
        let mut monitor = peer.monitor(&subscription.set, &[]).await;
        let url = peer.send(&subscription.push, b"x").await;
        assert_eq!(monitor.next().await.unwrap().url, url);
        drop((peer, monitor));
        served.await;
    });
}

#[test]
fn certificates_are_replaced_while_serving() {
    run(async {
        let made = |name: &str| {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        };
        let (certificate, key) = made("localhost");
        let tls = push_driver::ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let (other, _) = made("localhost");
        assert!(tls.replace(other.as_bytes(), key.as_bytes()).is_err(), "they do not belong together");
        let (certificate, key) = made("localhost");
        tls.replace(certificate.as_bytes(), key.as_bytes()).unwrap();
    });
}
