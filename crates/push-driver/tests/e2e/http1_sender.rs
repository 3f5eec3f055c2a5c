//! A sender at a push service that speaks HTTP/1.1 only: WNS does, and so do services behind many a proxy.

use std::time::Duration;

use push_crypto::{ReceiverKeys, Subscription};
use push_driver::{Addresses, ClientTls, Push, Sender, SenderOptions};
use push_proto::{
    Topic, Ttl,
    application_server::{Gone, ReceiptOutcome, Verdict},
    user_agent::Backoff,
};

use super::support::{
    Service, Setup,
    front::{Front, Passing},
    peer::Peer,
    provider, run,
};
use crate::adapter::sender;

/// A service, and a sender that reaches it through the front alone.
struct Scene {
    service: Service,
    url: String,
    front: Passing,
    sender: Sender,
}

fn scene() -> Scene {
    let front = Front::new();
    let (url, certificate) = (front.url(), front.certificate.clone());
    let service = Setup { public_url: Some(url.clone()), ..Setup::default() }.start();
    let front = front.stand_before(service.address);
    let tls = ClientTls::from_pem(certificate.as_bytes()).unwrap();
    let mut options =
        SenderOptions { addresses: Addresses::Any, ..SenderOptions::new(provider(), None, tls) };
    options.limits.http1_connections = 3;
    options.config.limits.backoff =
        Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    Scene { service, url, front, sender: sender(options).unwrap() }
}

fn to(scene: &Scene, push: &str) -> Subscription {
    let keys = ReceiverKeys::generate(&provider()).unwrap();
    Subscription {
        endpoint: format!("{}{push}", scene.url).parse().unwrap(),
        p256dh: *keys.public_key(),
        auth: keys.auth().clone(),
        expiration_time: None,
    }
}

fn push() -> Push {
    Push::new(Ttl::from_secs(600))
}

#[test]
fn a_few_connections_serve_all_messages() {
    run(async {
        let scene = scene();
        let mut peer = Peer::connect(&scene.service).await;
        let subscription = peer.subscribe().await;
        let to = to(&scene, &subscription.push);
        for _ in 0..3 {
            let sent = (0..20).map(|_| scene.sender.send(&to, b"hello", push()));
            for sent in futures_util::future::join_all(sent).await {
                let Verdict::Accepted(accepted) = sent.unwrap().verdict else { panic!() };
                assert!(accepted.message.unwrap().as_str().starts_with(&scene.url));
            }
        }
        assert!((1..=3).contains(&scene.front.accepted()));
        let (_, pushed) = peer.monitor(&subscription.set, &[("prefer", "wait=0")]).await.all().await;
        assert_eq!(pushed.len(), 60);
        // An answer that is an error keeps its connection, and its words.
        peer.request(http::Method::DELETE, &subscription.set, &[], b"").await;
        let Verdict::Gone(Gone::Ended(Some(said))) =
            scene.sender.send(&to, b"", push()).await.unwrap().verdict
        else {
            panic!()
        };
        assert!(said.explanation().code.is_some());
        assert!(scene.front.accepted() <= 3);
    });
}

/// 8030-5.1-5, A-12: there is no push here, so receipts come by a stream.
#[test]
fn receipts_come_by_a_stream_of_events() {
    run(async {
        let scene = scene();
        let mut peer = Peer::connect(&scene.service).await;
        let subscription = peer.subscribe().await;
        let to = to(&scene, &subscription.push);
        let sent = scene.sender.send(&to, b"hello", Push { receipt: true, ..push() }).await.unwrap();
        let Verdict::Accepted(accepted) = sent.verdict else { panic!() };
        let path = accepted.message.unwrap().path_and_query().to_owned();
        peer.acknowledge(&path).await;
        assert_eq!(sent.receipt.unwrap().outcome().await, ReceiptOutcome::Delivered);
    });
}

/// A connection that the service closed while it rested costs no message.
#[test]
fn a_connection_that_was_closed_meanwhile_is_not_used() {
    run(async {
        let scene = scene();
        let mut peer = Peer::connect(&scene.service).await;
        let subscription = peer.subscribe().await;
        let to = to(&scene, &subscription.push);
        for round in 1..4 {
            // With a topic: if the end of the connection is still on its way, the message is sent again.
            let push = Push { topic: Topic::parse(b"t"), ..push() };
            let verdict = scene.sender.send(&to, b"hello", push).await.unwrap().verdict;
            assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
            assert_eq!(scene.front.accepted(), round);
            scene.front.cut().await;
        }
    });
}
