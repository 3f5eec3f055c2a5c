//! Names of several addresses (RFC 8305).

use std::{net::SocketAddr, time::Duration};

use push_driver::{Resolver, Sender};
use push_proto::{
    Content, PushUrl,
    application_server::{Transient, Verdict},
};

use super::{
    clients::{accept, answer, listener, push, sender_options},
    support::{clocked::Clocked, run, spawn},
};

#[test]
fn an_address_that_never_answers_is_not_waited_for() {
    run(async {
        let (mut listener, base) = listener();
        let clock = Clocked::with_black_hole("192.0.2.1:9".parse().unwrap());
        let mut options = sender_options();
        options.limits.connect = Duration::from_secs(20);
        options.config.limits.attempts = 1;
        let next = options.limits.next_address;
        let (sender, driver) = Sender::new(clock.clone(), options).unwrap();
        spawn(driver);
        let to = PushUrl::parse_allow_http(&format!("{base}/p/1")).unwrap();
        let sending = sender.send_content(&to, Content::default(), push());
        let service = async {
            clock.swallows(1).await;
            clock.advance(next);
            let mut connection = accept(&mut listener).await;
            let (_, mut response) = connection.accept().await.unwrap().unwrap();
            answer(&mut response, 201, &[]);
            connection.accept().await.is_none()
        };
        let (sent, ended) = futures_util::future::join(
            async {
                let sent = sending.await.unwrap();
                sender.close().await;
                sent
            },
            service,
        )
        .await;
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
        assert!(ended);
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
        let next = options.limits.next_address;
        let all = move |_host: &str, port: u16| {
            Ok(vec![
                closed,
                hole,
                hole,
                hole,
                hole,
                ([127, 0, 0, 1], 1).into(),
                ([127, 0, 0, 1], port).into(),
            ])
        };
        options.resolver = Some(Resolver::new(all));
        let (sender, driver) = Sender::new(clock.clone(), options).unwrap();
        spawn(driver);
        let port = listener.address.port();
        let to = PushUrl::parse_allow_http(&format!("http://push.example:{port}/p/1")).unwrap();
        let sending = sender.send_content(&to, Content::default(), push());
        let service = async {
            // Two of IPv6, of which the first failed, and the first of IPv4, which failed; then the second.
            clock.swallows(1).await;
            clock.advance(next);
            let mut connection = accept(&mut listener).await;
            let (_, mut response) = connection.accept().await.unwrap().unwrap();
            answer(&mut response, 201, &[]);
            connection.accept().await.is_none()
        };
        let sent = futures_util::future::join(
            async {
                let sent = sending.await.unwrap();
                sender.close().await;
                sent
            },
            service,
        )
        .await
        .0;
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
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
