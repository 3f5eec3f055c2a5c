//! What an operator can do to a running service.

use http::Method;
use push_driver::{Fault, Limits};
use push_proto::{
    Refusal,
    service::{Limits as ServiceLimits, Rate},
};
use tokio::io::AsyncReadExt as _;

use super::support::{
    Setup,
    clocked::Clocked,
    connect,
    peer::{Peer, path},
    run,
};

/// 8030-7.3-1, 8030-7.3-2, 8030-7.3-3, 8030-8.4-4: an abused subscription ends at once, by its push URL alone; the rest of
/// its set stays.
#[test]
fn a_subscription_is_ended_by_its_push_url() {
    run(async {
        let service = Setup { shards: 3, ..Setup::default() }.start();
        let mut agent = Peer::connect(&service).await;
        let abused = agent.subscribe().await;
        let stays = agent.subscribe().await;
        let mut monitor = agent.monitor(&abused.subscription, &[]).await;
        let push = format!("{}{}", agent.base, abused.push);
        // A message, so that the monitor is known to be open.
        agent.send(&abused.push, b"x").await;
        monitor.next().await.unwrap();
        service.server.expire(&push).await.unwrap();
        assert_eq!(monitor.end().await.status(), 404);
        let post = agent.request(Method::POST, &abused.push, &[("ttl", "60")], b"x").await;
        assert_eq!(post.status(), 404);
        agent.send(&stays.push, b"x").await;
        assert_eq!(service.server.expire(&push).await, Err(Refusal::NOT_FOUND), "once");
        assert_eq!(service.server.expire("https://elsewhere.example/p/x").await, Err(Refusal::NOT_FOUND));
    });
}

/// 8030-7.3.1-1, 8030-7.3.1-2 for a set; 8030-6.2-5 for a message.
#[test]
fn sets_and_messages_are_ended_by_their_urls() {
    run(async {
        let service = Setup::default().start();
        let mut agent = Peer::connect(&service).await;
        let subscription = agent.subscribe().await;
        let message = agent.send(&subscription.push, b"x").await;
        let url = format!("{}{}", agent.base, path(&message));
        service.server.expire(&url).await.unwrap();
        let snapshot = agent.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
        assert_eq!(snapshot.end().await.status(), 204, "it is gone");
        let mut monitor = agent.monitor(&subscription.set, &[]).await;
        agent.send(&subscription.push, b"y").await;
        monitor.next().await.unwrap();
        service.server.expire(&format!("{}{}", agent.base, subscription.set)).await.unwrap();
        assert_eq!(monitor.end().await.status(), 404);
        let post = agent.request(Method::POST, &subscription.push, &[("ttl", "60")], b"x").await;
        assert_eq!(post.status(), 404);
    });
}

/// G5: rates of the service and of addresses, from the next request on, on every shard.
#[test]
fn rates_are_changed_while_serving() {
    run(async {
        let clock = Clocked::new();
        let service = Setup { shards: 3, tls: true, ..Setup::default() }.start_on(clock.clone());
        let mut peer = Peer::connect(&service).await;
        let mut subscriptions = Vec::new();
        for _ in 0..9 {
            subscriptions.push(peer.subscribe().await);
        }
        let once = ServiceLimits { messages: Rate::new(1, 1), ..ServiceLimits::default() };
        service.server.reconfigure(once, Limits::default()).unwrap();
        let headers = [("ttl", "60")];
        for to in &subscriptions {
            peer.send(&to.push, b"x").await;
            assert_eq!(peer.request(Method::POST, &to.push, &headers, b"x").await.status(), 429);
        }
        // Those that were made before have cost less than half a second of it.
        let limits = Limits { address_agents: Rate::new(1, 2), ..Limits::default() };
        service.server.reconfigure(ServiceLimits::default(), limits).unwrap();
        peer.subscribe().await;
        assert_eq!(peer.request(Method::POST, "/subscribe", &[], b"").await.status(), 429);
        clock.advance(std::time::Duration::from_secs(1));
        peer.subscribe().await;
        service.server.reconfigure(ServiceLimits::default(), Limits::default()).unwrap();
        peer.subscribe().await;
        peer.send(&subscriptions[0].push, b"x").await;
    });
}

/// G5: connections beyond a lower bound stay, and nobody else comes in until there is room.
#[test]
fn bounds_of_connections_are_changed_while_serving() {
    run(async {
        for lower in [
            Limits { connections: 1, ..Limits::default() },
            Limits { address_connections: 1, ..Limits::default() },
        ] {
            let service = Setup { shards: 1, tls: true, ..Setup::default() }.start();
            let mut first = Peer::connect(&service).await;
            let mut second = Peer::connect(&service).await;
            first.subscribe().await;
            second.subscribe().await;
            service.server.reconfigure(ServiceLimits::default(), lower).unwrap();
            let mut third = connect(service.address).await;
            assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)));
            assert_eq!(service.server.census().connections, 2);
            first.subscribe().await;
            second.subscribe().await;
            service.server.reconfigure(ServiceLimits::default(), Limits::default()).unwrap();
            Peer::connect(&service).await.subscribe().await;
        }
    });
}

/// G5: and the memory of bodies.
#[test]
fn memory_is_changed_while_serving() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let push = peer.subscribe().await.push;
        let none = Limits { shed_octets: 0, ..Limits::default() };
        service.server.reconfigure(ServiceLimits::default(), none).unwrap();
        assert_eq!(peer.request(Method::POST, &push, &[("ttl", "60")], b"x").await.status(), 503);
        service.server.reconfigure(ServiceLimits::default(), Limits::default()).unwrap();
        peer.send(&push, b"x").await;
    });
}

/// What cannot change is not passed over in silence.
#[test]
fn a_bound_that_is_fixed_is_refused_with_all_others() {
    run(async {
        let service = Setup::default().start();
        let fixed = Limits { mailbox: 1, connections: 0, ..Limits::default() };
        let refused = service.server.reconfigure(ServiceLimits::default(), fixed);
        assert!(matches!(refused, Err(Fault::Config(_))));
        Peer::connect(&service).await.subscribe().await;
    });
}
