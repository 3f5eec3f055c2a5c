//! Proxies that are believed when they say for whom they ask (G5), and who tries to be one.

use super::support::{Service, Setup, clocked::Clocked, connect, peer::Peer, run};
use http::Method;
use push_driver::Limits;
use push_proto::service::Rate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A service that lets each address make two user agents.
fn behind(proxies: &str) -> Service {
    let limits = Limits { address_agents: Rate::new(1, 2), ..Limits::default() };
    let proxies = if proxies.is_empty() { Default::default() } else { proxies.parse().unwrap() };
    Setup { limits, proxies, ..Setup::default() }.start_on(Clocked::new())
}

/// Makes a user agent in a request with these fields; says whether that was allowed.
async fn may(peer: &mut Peer, fields: &[(&str, &str)]) -> bool {
    match peer.request(Method::POST, "/subscribe", fields, b"").await.status().as_u16() {
        201 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

/// As many user agents as one address may make.
async fn use_up(peer: &mut Peer, fields: &[(&str, &str)]) {
    assert!(may(peer, fields).await && may(peer, fields).await, "{fields:?} had made some already");
    assert!(!may(peer, fields).await, "{fields:?} may make as many as it likes");
}

/// One connection of a proxy carries many clients, and each has bounds of its own, whichever field tells it.
#[test]
fn clients_behind_a_proxy_have_bounds_of_their_own() {
    run(async {
        let service = behind("127.0.0.0/8");
        let mut proxy = Peer::connect(&service).await;
        use_up(&mut proxy, &[("x-forwarded-for", "192.0.2.1")]).await;
        use_up(&mut proxy, &[("x-forwarded-for", "192.0.2.2:4711")]).await;
        use_up(&mut proxy, &[("forwarded", "for=192.0.2.3;proto=https")]).await;
        use_up(&mut proxy, &[("forwarded", "for=\"[2001:db8:0:1::1]:80\"")]).await;
        let mut other = Peer::connect(&service).await;
        for fields in [
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2"),
            ("x-forwarded-for", "::ffff:192.0.2.3"),
            ("x-forwarded-for", "2001:db8:0:1:ffff::2"),
        ] {
            assert!(!may(&mut other, &[fields]).await, "{fields:?} is the same client by another connection");
        }
    });
}

/// As a listener on `[::]` would name them.
#[test]
fn proxies_of_ipv4_may_be_written_as_ipv6() {
    run(async {
        for proxies in ["::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "::ffff:0:0/96"] {
            let service = behind(proxies);
            let mut proxy = Peer::connect(&service).await;
            use_up(&mut proxy, &[("x-forwarded-for", "192.0.2.1")]).await;
            assert!(may(&mut proxy, &[("x-forwarded-for", "192.0.2.2")]).await, "{proxies} are no proxies");
        }
    });
    assert!("::ffff:127.0.0.1/95".parse::<push_driver::TrustedProxies>().is_err(), "it covers nobody");
}

/// The nearest that is no proxy of ours counts. What a client wrote itself is farther away, in either field.
#[test]
fn nobody_gets_another_address_by_writing_one() {
    run(async {
        let service = behind("127.0.0.1, 10.1.0.0/16");
        let mut proxy = Peer::connect(&service).await;
        use_up(&mut proxy, &[("x-forwarded-for", "192.0.2.1")]).await;
        for (number, line) in [
            "198.51.100.1, 192.0.2.1",
            "unknown, 192.0.2.1",
            "198.51.100.1, 192.0.2.1, 10.1.2.3",
            "10.1.9.9, 192.0.2.1, 10.1.2.3, 127.0.0.1",
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!may(&mut proxy, &[("x-forwarded-for", line)]).await, "{line}");
            let made_up = format!("198.51.100.{number}");
            let two = [("x-forwarded-for", made_up.as_str()), ("x-forwarded-for", "192.0.2.1")];
            assert!(!may(&mut proxy, &two).await, "a line before that of the proxy");
        }
        assert!(!may(&mut proxy, &[("forwarded", "for=198.51.100.1, for=192.0.2.1, for=10.1.2.3")]).await);
        let agreed = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=198.51.100.9, for=192.0.2.1")];
        assert!(!may(&mut proxy, &agreed).await);

        // What the proxy does not write is the client's: where the two differ nobody is believed, and all who try that
        // share what the proxy itself may make.
        let forged = |address: u8| format!("for=198.51.100.{address}");
        let [first, second, third] = [1, 2, 3].map(forged);
        let with = |forwarded| [("x-forwarded-for", "192.0.2.1"), ("forwarded", forwarded)];
        assert!(may(&mut proxy, &with(&first)).await && may(&mut proxy, &with(&second)).await);
        assert!(!may(&mut proxy, &with(&third)).await);
        let forged = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=192.0.2.1")];
        assert!(!may(&mut proxy, &forged).await);
    });
}

/// A proxy that does not say for whom it asks, or in a way that cannot be read, asks for itself.
#[test]
fn who_is_not_named_shares_what_the_proxy_has() {
    run(async {
        let service = behind("127.0.0.1");
        let mut proxy = Peer::connect(&service).await;
        use_up(&mut proxy, &[]).await;
        for fields in [
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "somebody"),
            ("x-forwarded-for", "192.0.2.1, unknown"),
            ("forwarded", "for=_hidden"),
            ("forwarded", "proto=https"),
            ("forwarded", "for=\"198.51.100.1, for=192.0.2.1"),
            ("x-forwarded-for", "127.0.0.1"),
        ] {
            assert!(!may(&mut proxy, &[fields]).await, "{fields:?}");
        }
        assert!(may(&mut proxy, &[("x-forwarded-for", "192.0.2.1")]).await);
    });
}

/// Where others are the proxies, who comes without TLS is a client like any other, and what it says of itself is nothing.
#[test]
fn who_is_no_proxy_is_not_believed() {
    run(async {
        let service = behind("10.0.0.0/8, unix");
        let mut peer = Peer::connect(&service).await;
        use_up(&mut peer, &[("x-forwarded-for", "10.0.0.1")]).await;
        for fields in [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")] {
            assert!(!may(&mut peer, &[fields]).await, "{fields:?}");
        }
        assert!(!may(&mut Peer::connect(&service).await, &[]).await);
    });
}

/// Without any proxy the fields mean nothing, as before: without TLS there is no address at all.
#[test]
fn without_proxies_the_fields_mean_nothing() {
    run(async {
        let service = behind("");
        let mut peer = Peer::connect(&service).await;
        for _ in 0..5 {
            assert!(
                may(&mut peer, &[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")]).await
            );
        }
    });
}

/// HTTP/1.1 is what most proxies speak: request by request on one connection.
#[test]
fn each_request_of_http1_counts_for_its_client() {
    run(async {
        let service = behind("127.0.0.1");
        let mut socket = connect(service.address).await;
        for (client, status) in
            [(1, 201), (1, 201), (1, 429), (2, 201), (2, 201), (2, 429), (1, 429), (3, 201)]
        {
            let head = format!(
                "POST /subscribe HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.{client}\r\ncontent-length: 0\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let mut body = vec![0; length.parse().unwrap()];
            socket.read_exact(&mut body).await.unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{client}: {head}");
        }
    });
}

/// A proxy may have as many connections as it needs; of everybody else the bound holds.
#[test]
fn connections_of_a_proxy_are_not_counted() {
    run(async {
        let limits = Limits { address_connections: 1, ..Limits::default() };
        for (proxies, taken) in [("127.0.0.1", true), ("192.0.2.1", false)] {
            let proxies = proxies.parse().unwrap();
            let service = Setup { limits, proxies, ..Setup::default() }.start();
            let mut first = Peer::connect(&service).await;
            first.subscribe().await;
            let mut second = connect(service.address).await;
            second.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.ok();
            assert_eq!(matches!(second.read(&mut [0]).await, Ok(1)), taken);
        }
    });
}
