//! Names of several addresses (RFC 8305).

use std::{net::SocketAddr, time::Duration};

use push_driver::{Resolver, Sender, SenderOptions};
use push_proto::{
    Content, PushUrl,
    application_server::{Transient, Verdict},
};

use super::{
    clients::{accept, answer, listener, push, sender_options},
    support::{Listener, clocked::Clocked, run, spawn},
};

/// A message arrives once the first connection that leads nowhere has had its time.
async fn gets_through(clock: &Clocked, options: SenderOptions, to: &str, listener: &mut Listener) {
    let next = options.limits.next_address;
    let (sender, driver) = Sender::new(clock.clone(), options).unwrap();
    spawn(driver);
    let to = PushUrl::parse_allow_http(to).unwrap();
    let sent = async {
        let sent = sender.send_content(&to, Content::default(), push()).await.unwrap();
        sender.close().await;
        sent
    };
    let service = async {
        clock.swallows(1).await;
        clock.advance(next);
        let mut connection = accept(listener).await;
        let (_, mut response) = connection.accept().await.unwrap().unwrap();
        answer(&mut response, 201, &[]);
        connection.accept().await.is_none()
    };
    let (sent, ended) = futures_util::future::join(sent, service).await;
    assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
    assert!(ended);
}

#[test]
fn an_address_that_never_answers_is_not_waited_for() {
    run(async {
        let (mut listener, base) = listener();
        let clock = Clocked::with_black_hole("192.0.2.1:9".parse().unwrap());
        let mut options = sender_options();
        options.limits.connect = Duration::from_secs(20);
        options.config.limits.attempts = 1;
        gets_through(&clock, options, &format!("{base}/p/1"), &mut listener).await;
    });
}

/// RFC 8305 §4: where IPv6 leads nowhere, IPv4 is not behind all of it. An address that fails takes no time at all.
#[test]
fn families_of_addresses_take_turns() {
    run(async {
        let (mut listener, _) = listener();
        let hole: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        let closed: SocketAddr = "[::1]:1".parse().unwrap();
        let clock = Clocked::with_black_hole(hole);
        let mut options = sender_options();
        // Two of IPv6, of which the first fails, and the first of IPv4, which fails; then the second.
        options.resolver = Some(Resolver::new(move |_: &str, port: u16| {
            let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
            Ok(vec![closed, hole, hole, hole, hole, local(1), local(port)])
        }));
        let to = format!("http://push.example:{}/p/1", listener.address.port());
        gets_through(&clock, options, &to, &mut listener).await;
        assert_eq!(clock.swallowed(), 1);
    });
}

/// G5: a name may have any number of addresses; so many are tried, and no more.
#[test]
fn addresses_of_a_name_that_are_tried_are_bounded() {
    run(async {
        let hole: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let clock = Clocked::with_black_hole(hole);
        let mut options = sender_options();
        options.config.limits.attempts = 1;
        options.limits.addresses = 3;
        let limits = options.limits;
        options.resolver = Some(Resolver::new(move |_: &str, _| Ok(vec![hole; 1000])));
        let (sender, driver) = Sender::new(clock.clone(), options).unwrap();
        spawn(driver);
        let to = PushUrl::parse_allow_http("http://push.example:9/p/1").unwrap();
        let sending = sender.send_content(&to, Content::default(), push());
        let time = async {
            for tried in 1..=limits.addresses {
                clock.swallows(tried).await;
                clock.advance(limits.next_address);
            }
            clock.advance(limits.connect);
        };
        let (sent, ()) = futures_util::future::join(sending, time).await;
        let verdict = sent.unwrap().verdict;
        assert!(matches!(verdict, Verdict::Transient(Transient { sent: false, .. })), "{verdict:?}");
        assert_eq!(clock.swallowed(), limits.addresses);
    });
}
