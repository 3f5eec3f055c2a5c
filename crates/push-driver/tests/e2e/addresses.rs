//! What is counted by the address of a client (G5): who exceeds a bound is told so, and nobody else is affected.

use std::net::IpAddr;

use super::support::{
    Service, Setup, connect,
    peer::{Peer, Subscription},
    run, spawn,
};
use h2::client::Builder;
use http::{Method, Response};
use push_driver::Limits;
use push_proto::service::{Limits as ServiceLimits, Rate};
use tokio::io::AsyncReadExt as _;

/// A client with an address, by a pipe.
async fn from(service: &Service, address: &str) -> Peer {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (server, address): (_, IpAddr) = (service.server.clone(), address.parse().unwrap());
    spawn(async move { server.serve_connection_from(theirs, address).await });
    Peer::over(ours, &Builder::new(), format!("http://localhost:{}", service.address.port())).await.0
}

/// 429 that blames the address.
#[track_caller]
fn is_blamed(response: &Response<Vec<u8>>, reason: &str) {
    let problem = String::from_utf8(response.body().clone()).unwrap();
    assert_eq!(response.status(), 429, "{problem}");
    assert!(response.headers().contains_key("retry-after"), "{problem}");
    assert!(problem.contains(&format!("\"reason\":\"{reason}\"")), "{problem}");
    assert!(problem.contains("\"exceeded_by\":\"address\""), "{problem}");
}

async fn post(peer: &mut Peer, to: &Subscription) -> Response<Vec<u8>> {
    peer.request(Method::POST, &to.push, &[("ttl", "60")], b"x").await
}

const SLOW: Option<Rate> = Rate::new(1, 3);

/// G5: requests of an address, all its connections together; an IPv6 address counts by its network.
#[test]
fn requests_of_an_address() {
    run(async {
        let limits = Limits { address_requests: SLOW, ..Limits::default() };
        let clock = super::support::clocked::Clocked::new();
        let service = Setup { limits, ..Setup::default() }.start_on(clock.clone());
        let mut first = from(&service, "2001:db8:0:1::1").await;
        let mut second = from(&service, "2001:db8:0:1:ffff::2").await;
        for _ in 0..2 {
            first.subscribe().await;
        }
        second.subscribe().await;
        for peer in [&mut first, &mut second] {
            is_blamed(&peer.request(Method::GET, "/x", &[], b"").await, "address-rate-exceeded");
        }
        from(&service, "2001:db8:0:2::1").await.subscribe().await;
        let mut nowhere = Peer::connect(&service).await;
        for _ in 0..9 {
            nowhere.subscribe().await;
        }
        clock.advance(std::time::Duration::from_secs(1));
        first.subscribe().await;
        is_blamed(&second.request(Method::POST, "/subscribe", &[], b"").await, "address-rate-exceeded");
    });
}

/// 8030-4.1-6, 8030-4.1-7: new user agents of an address; who names a set that it has is not kept out.
#[test]
fn rfc8030_4_1_6_new_agents_of_an_address() {
    run(async {
        let limits = Limits { address_agents: SLOW, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start_on(super::support::clocked::Clocked::new());
        let mut peer = from(&service, "192.0.2.7").await;
        let subscription = peer.subscribe().await;
        for _ in 0..2 {
            peer.subscribe().await;
        }
        let over = peer.request(Method::POST, "/subscribe", &[], b"").await;
        is_blamed(&over, "address-agents-exceeded");
        let asking = [("ttl", "60"), ("prefer", "respond-async")];
        let over = peer.request(Method::POST, &subscription.push, &asking, b"x").await;
        is_blamed(&over, "address-agents-exceeded");
        let set = format!("<{}{}>; rel=\"urn:ietf:params:push:set\"", peer.base, subscription.set);
        let joined = peer.request(Method::POST, "/subscribe", &[("link", set.as_str())], b"").await;
        assert_eq!(joined.status(), 201, "8030-4.1-7");
        from(&service, "192.0.2.8").await.subscribe().await;
    });
}

/// Whoever signs nothing is counted by its address, and uses up nothing of whom it sends to.
#[test]
fn unsigned_messages_of_an_address() {
    run(async {
        let limits = Limits { address_unsigned: SLOW, ..Limits::default() };
        let rates = ServiceLimits { messages: Rate::new(1, 4), ..ServiceLimits::default() };
        let setup = Setup { limits, service: rates, ..Setup::default() };
        let service = setup.start_on(super::support::clocked::Clocked::new());
        let (mut wild, mut calm) = (from(&service, "192.0.2.7").await, from(&service, "192.0.2.8").await);
        let to = calm.subscribe().await;
        for _ in 0..3 {
            assert_eq!(post(&mut wild, &to).await.status(), 201);
        }
        for _ in 0..5 {
            is_blamed(&post(&mut wild, &to).await, "unsigned-rate-exceeded");
        }
        assert_eq!(post(&mut calm, &to).await.status(), 201, "of the receiver's four one was left");
    });
}

/// And a receiver that may not get more uses up nothing of its senders' address.
#[test]
fn what_a_receiver_has_no_room_for_does_not_count_for_the_address() {
    run(async {
        let limits = Limits { address_unsigned: SLOW, ..Limits::default() };
        let rates = ServiceLimits { messages: Rate::new(1, 1), ..ServiceLimits::default() };
        let setup = Setup { limits, service: rates, ..Setup::default() };
        let service = setup.start_on(super::support::clocked::Clocked::new());
        let mut peer = from(&service, "192.0.2.7").await;
        let (full, other, third) = (peer.subscribe().await, peer.subscribe().await, peer.subscribe().await);
        assert_eq!(post(&mut peer, &full).await.status(), 201);
        for _ in 0..9 {
            let over = post(&mut peer, &full).await;
            let problem = String::from_utf8(over.into_body()).unwrap();
            assert!(problem.contains("\"exceeded_by\":\"agent\""), "{problem}");
        }
        for to in [&other, &third] {
            assert_eq!(post(&mut peer, to).await.status(), 201);
        }
        is_blamed(&post(&mut peer, &other).await, "unsigned-rate-exceeded");
    });
}

/// G5: of an address that has as many connections as it may have the next is closed, those of others are not.
#[test]
fn connections_of_an_address() {
    run(async {
        let limits = Limits { address_connections: 2, ..Limits::default() };
        let service = Setup { limits, tls: true, ..Setup::default() }.start();
        let mut first = Peer::connect(&service).await;
        let mut second = Peer::connect(&service).await;
        first.subscribe().await;
        second.subscribe().await;
        let mut third = connect(service.address).await;
        assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)));
        from(&service, "192.0.2.7").await.subscribe().await;
        drop(first);
        // The one from elsewhere has gone as well: what is left is the second.
        while service.server.census().connections > 1 {
            super::support::yield_now().await;
        }
        Peer::connect(&service).await.subscribe().await;
    });
}

/// Without TLS an address is a proxy's: all its clients would share what is one client's.
#[test]
fn cleartext_has_no_address() {
    run(async {
        let limits = Limits { address_connections: 0, address_requests: SLOW, ..Limits::default() };
        let service = Setup { limits, ..Setup::default() }.start();
        for _ in 0..9 {
            Peer::connect(&service).await.subscribe().await;
        }
    });
}
