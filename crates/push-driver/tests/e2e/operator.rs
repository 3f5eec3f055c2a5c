//! What an operator can do to a running service.

use http::Method;
use push_proto::Refusal;

use super::support::{
    Setup,
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
