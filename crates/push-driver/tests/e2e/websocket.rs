//! User agents of Mozilla's push protocol, over real sockets.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::support::{
    Service, Setup,
    browser::{Browser, channel},
    clocked::Clocked,
    connect,
    peer::Peer,
    run,
};

/// From hello to the receipt.
async fn speaks(service: &Service) {
    let (mut browser, uaid) = Browser::hello(service, None).await;
    let first = browser.register(1, None).await;
    let mut sender = Peer::connect(service).await;
    let url = sender.send(&first.path, b"hello").await;
    let (to, version, body) = browser.notified().await;
    assert_eq!((to, body.as_slice()), (first.id.clone(), &b"hello"[..]));
    browser.acknowledge(&first.id, &version).await;
    browser.settle().await;

    // It has ended; what was not acknowledged comes again, by the same name.
    let gone = sender.request(Method::GET, &url, &[], b"").await;
    assert_eq!(gone.status(), 404);
    sender.send(&first.path, b"again").await;
    let (_, version, _) = browser.notified().await;
    drop(browser);
    let (mut browser, same) = Browser::hello(service, Some(&uaid)).await;
    assert_eq!(same, uaid);
    let (_, after, body) = browser.notified().await;
    assert_eq!((after, body.as_slice()), (version, &b"again"[..]));

    browser.say(&json!({"messageType": "unregister", "channelID": first.id, "code": 200})).await;
    let reply = browser.hear().await;
    assert_eq!(reply, json!({"messageType": "unregister", "channelID": channel(1), "status": 200}));
    let refused = sender.request(Method::POST, &first.path, &[("ttl", "60")], b"x").await;
    assert_eq!(refused.status(), 404);
}

#[test]
fn they_speak_over_cleartext() {
    run(async { speaks(&Setup::default().start()).await });
}

#[test]
fn they_speak_over_tls() {
    run(async { speaks(&Setup { tls: true, ..Setup::default() }.start()).await });
}

/// G4: what was read counts, whatever ends the connection, and when.
#[test]
fn an_acknowledgement_just_before_the_end_counts() {
    run(async {
        let service = Setup::default().start();
        let mut sender = Peer::connect(&service).await;
        for _ in 0..20 {
            let (mut browser, _) = Browser::hello(&service, None).await;
            let channel = browser.register(1, None).await;
            let url = sender.send(&channel.path, b"x").await;
            let (_, version, _) = browser.notified().await;
            // Nobody is there to hear what it is answered to this.
            sender.send(&channel.path, &[0; 4000]).await;
            browser.acknowledge(&channel.id, &version).await;
            drop(browser);
            sender.until_gone(&url).await;
        }
    });
}

/// G3: what comes right behind the reply to the first registration reaches it.
#[test]
fn a_message_that_is_not_stored_reaches_who_has_just_registered() {
    run(async {
        let service = Setup { shards: 3, ..Setup::default() }.start();
        for number in 0..10 {
            let (mut browser, _) = Browser::hello(&service, None).await;
            let channel = browser.register(number, None).await;
            let mut sender = Peer::connect(&service).await;
            let sent = sender.request(Method::POST, &channel.path, &[("ttl", "0")], b"now").await;
            assert_eq!(sent.status(), 201);
            assert_eq!(browser.notified().await.2, b"now");
        }
    });
}

#[test]
fn the_same_user_agent_on_another_connection_takes_over() {
    run(async {
        let service = Setup::default().start();
        let (mut first, uaid) = Browser::hello(&service, None).await;
        let channel = first.register(1, None).await;
        let (mut second, _) = Browser::hello(&service, Some(&uaid)).await;
        assert_eq!(first.closed().await, 1000);
        Peer::connect(&service).await.send(&channel.path, b"x").await;
        assert_eq!(second.notified().await.2, b"x");
    });
}

#[test]
fn what_is_no_handshake_is_refused() {
    run(async {
        let service =
            Setup { public_url: Some("http://push.example/here".into()), ..Setup::default() }.start();
        let version = [("sec-websocket-version", "8")];
        let refused = Browser::connect_as(&service, "/here/", &version).await.err().unwrap();
        assert_eq!(refused.status(), 426);
        assert_eq!(refused.headers()["sec-websocket-version"], "13");
        let refused = Browser::connect_as(&service, "/", &[]).await.err().unwrap();
        assert_eq!(refused.status(), 404);
        let refused = Browser::connect_as(&service, "/here/", &[("sec-websocket-key", "c2hvcnQ=")]).await;
        assert_eq!(refused.err().unwrap().status(), 400);
        let mut peer = Peer::connect(&service).await;
        let refused = peer.request(Method::GET, "/here/", &[], b"").await;
        assert_eq!(refused.status(), 426);
        let refused = peer.request(Method::POST, "/here/", &[], b"").await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["allow"]),
            (405, &"GET, HEAD".parse().unwrap())
        );
        drop(
            Browser::connect_as(&service, "/here/", &[("origin", "https://anybody.example")])
                .await
                .ok()
                .unwrap(),
        );
    });
}

/// G5: each ends with a close frame that says why.
#[test]
fn what_means_nothing_ends_the_session() {
    run(async {
        let service = Setup::default().start();
        let text = |text: &str| Message::text(text.to_owned());
        let octets_max = push_proto::autopush::Limits::default().frame_octets;
        for (message, code) in [
            (text("nonsense"), 1008),
            (text("[]"), 1008),
            (text("{\"messageType\":\"dance\"}"), 1008),
            (text("{\"messageType\":\"hello\"}"), 1008),
            (Message::binary(vec![1, 2, 3]), 1003),
            (Message::binary(vec![0; octets_max + 1]), 1009),
            (Message::text(" ".repeat(octets_max + 1)), 1009),
        ] {
            let (mut browser, _) = Browser::hello(&service, None).await;
            browser.socket.send(message).await.unwrap();
            assert_eq!(browser.closed().await, code);
        }
        // Masked badly, and no UTF-8.
        for (octets, code) in [(&[0x81, 0x01, b'x'][..], 1002), (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007)] {
            let mut io = connect(service.address).await;
            io.write_all(HANDSHAKE).await.unwrap();
            io.write_all(octets).await.unwrap();
            let mut answer = Vec::new();
            io.read_to_end(&mut answer).await.unwrap();
            let close = answer.windows(4).rev().find(|frame| frame[0] == 0x88).unwrap();
            assert_eq!(u16::from_be_bytes([close[2], close[3]]), code);
        }
    });
}

#[test]
fn a_drain_says_that_it_goes_away() {
    run(async {
        let service = Setup::default().start();
        let (idle, _) = Browser::hello(&service, None).await;
        let (mut subscribed, _) = Browser::hello(&service, None).await;
        subscribed.register(1, None).await;
        let drained = service.server.drain(Duration::from_secs(30));
        let (_, one, other) = futures_util::future::join3(drained, idle.closed(), subscribed.closed()).await;
        assert_eq!((one, other), (1001, 1001));
    });
}

/// Whoever says nothing at first is sent away, and whoever does not answer later is left.
#[test]
fn silence_is_bounded() {
    run(async {
        let clock = Clocked::new();
        let service = Setup { shards: 1, ..Setup::default() }.start_on(clock.clone());
        let limits = push_proto::autopush::Limits::default();
        let silent = Browser::connect(&service).await;
        let (mut mute, _) = Browser::hello(&service, None).await;
        let (mut live, _) = Browser::hello(&service, None).await;
        clock.advance(limits.hello);
        assert_eq!(silent.closed().await, 1008);
        clock.advance(limits.keepalive.first);
        assert!(matches!(live.socket.next().await, Some(Ok(Message::Ping(_)))));
        live.settle().await;
        // The mute one is asked too, and does not answer.
        let mut ping = [0; 2];
        mute.socket.get_mut().read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        clock.advance(limits.pong);
        live.settle().await;
        assert_eq!(mute.socket.get_mut().read(&mut ping).await.unwrap(), 0);
    });
}

const HANDSHAKE: &[u8] =
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
