//! In which words a refusal is told, whatever carries it and whoever refuses.

use super::support::{Service, Setup, connect, peer::Peer, run};
use http::{Method, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn kind(response: &Response<Vec<u8>>) -> &str {
    response.headers()["content-type"].to_str().unwrap()
}

/// RFC 9110 §12.5.1: the connection's refusals and the service's, over HTTP/2.
#[test]
fn mozillas_words_come_to_who_accepts_them() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let gone = peer.request(Method::DELETE, &subscription.subscription, &[], b"").await;
        assert_eq!(gone.status(), 204);
        for (path, fields, status, errno) in [
            ("/p/guessed", &[("ttl", "60")][..], 404, 102),
            (subscription.push.as_str(), &[("ttl", "60")], 404, 102),
            (subscription.push.as_str(), &[], 400, 111),
            (subscription.push.as_str(), &[("ttl", "soon")], 400, 112),
            (subscription.push.as_str(), &[("ttl", "60"), ("authorization", "vapid t=x")], 403, 109),
        ] {
            let wanting = [fields, &[("accept", "application/json, text/plain, */*")]].concat();
            let told = peer.request(Method::POST, path, &wanting, b"x").await;
            assert_eq!((told.status().as_u16(), kind(&told)), (status, "application/json"));
            let body = String::from_utf8(told.into_body()).unwrap();
            assert!(body.starts_with(&format!("{{\"code\":{status},\"errno\":{errno},")), "{body}");
            for accept in [&[][..], &[("accept", "*/*")], &[("accept", "application/problem+json")]] {
                let told = peer.request(Method::POST, path, &[fields, accept].concat(), b"x").await;
                assert_eq!((told.status().as_u16(), kind(&told)), (status, "application/problem+json"));
            }
        }
    });
}

/// The same by HTTP/1.1, which most senders speak.
#[test]
fn mozillas_words_come_by_http1_too() {
    run(async {
        let service: Service = Setup::default().start();
        for (accept, told) in
            [("application/json", "{\"code\":404,\"errno\":102,"), ("*/*", "{\"type\":\"about:blank\",")]
        {
            let mut socket = connect(service.address).await;
            let head = format!(
                "POST /p/x HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 404") && answer.contains(told), "{accept}: {answer}");
        }
    });
}
