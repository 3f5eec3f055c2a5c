//! The push service for tests is what it says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use webpush::{
    Coding, Message, Padding, SigningKey, Ttl, Urgency, Vapid, Verdict, aesgcm, provider,
    testing::{Answer, PushService, Situation, Unreadable},
};

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

/// Both codings, as browsers of both ages read them.
#[tokio::test]
async fn each_coding_is_read() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = webpush::tokio::sender(&vapid, service.options()).unwrap();
    let to = service.subscribe(Some(vapid.public_key()));
    for (coding, name) in [(Coding::Aes128gcm, "aes128gcm"), (Coding::Aesgcm, "aesgcm")] {
        for (payload, padding) in
            [("Lunch?", Padding::None), ("", Padding::None), ("", Padding::Buckets(128))]
        {
            let message = Message::new(to.clone(), payload).coding(coding).padding(padding);
            let sent = sender.send(message.urgency(Urgency::High)).await.unwrap();
            assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{name}: {:?}", sent.verdict);
            let received = service.received().await;
            assert_eq!(received.payload.as_deref(), Ok(payload.as_bytes()), "{name}");
            assert_eq!(received.headers.get("content-encoding").unwrap(), name);
            assert_eq!(received.signed_by.as_ref(), Some(vapid.public_key()), "{name}");
        }
    }
}

/// Nobody could, and it says why.
#[tokio::test]
async fn what_cannot_be_read_in_the_old_coding_is_told() {
    let service = PushService::start().unwrap();
    let (to, other) = (service.subscribe(None), service.subscribe(None));
    let message = |to| {
        let message = Message::new(to, "Lunch?").coding(Coding::Aesgcm).ttl(Ttl::hours(1));
        message.into_request(None, webpush::UnixTime::from_secs(1_800_000_000)).unwrap()
    };
    let good = message(to.clone());
    let mut keyless = good.clone();
    keyless.headers_mut().remove("crypto-key");
    let mut twice = good.clone();
    twice.headers_mut().append("encryption", good.headers().get("encryption").unwrap().clone());
    let mut elsewhere = message(other);
    *elsewhere.uri_mut() = good.uri().clone();
    let mut damaged = good.clone();
    *damaged.body_mut() = damaged.body().slice(1..);
    let mut split = good.clone();
    split.headers_mut().insert("content-encoding", "AESGCM".parse().unwrap());
    split.headers_mut().append("crypto-key", "p256ecdsa=x".parse().unwrap());
    let tag = Err(Unreadable::Aesgcm(aesgcm::DecryptError::NotAuthentic));
    for (request, expected) in [
        (good, Ok(b"Lunch?".to_vec())),
        (split, Ok(b"Lunch?".to_vec())),
        (keyless, Err(Unreadable::Fields(aesgcm::FieldsError::MissingKey))),
        (twice, Err(Unreadable::Fields(aesgcm::FieldsError::SeveralSalts))),
        (elsewhere, tag.clone()),
        (damaged, tag),
    ] {
        let (mut sending, connection) = http2(&service).await;
        let driven = tokio::spawn(connection);
        let answer = sending.send_request(request.map(Full::new)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(service.received().await.payload, expected);
        driven.abort();
    }
}

/// The connection ends, by either protocol, and not the message alone.
#[tokio::test]
async fn a_service_told_to_close_ends_the_connection() {
    let service = PushService::start().unwrap();
    let request = || Request::post(format!("{}/p/1", service.url())).body(Full::<Bytes>::default()).unwrap();

    let (mut sending, connection) = http2(&service).await;
    let driven = tokio::spawn(connection);
    assert_eq!(sending.send_request(request()).await.unwrap().status(), StatusCode::NOT_FOUND);
    service.answer_next(Answer::Silence);
    service.answer_next(Answer::Close);
    let waits = sending.send_request(request());
    assert!(sending.send_request(request()).await.is_err());
    assert!(sending.send_request(request()).await.is_err(), "nothing more goes by this connection");
    assert!(waits.await.is_err(), "and what was under way is lost");
    driven.await.unwrap().ok();

    let (mut sending, connection) =
        http1::handshake(TokioIo::new(connect(&service, b"http/1.1").await)).await.unwrap();
    let driven = tokio::spawn(connection);
    assert_eq!(sending.send_request(request()).await.unwrap().status(), StatusCode::NOT_FOUND);
    service.answer_next(Answer::Close);
    assert!(sending.send_request(request()).await.is_err());
    driven.await.unwrap().ok();
    assert!(sending.send_request(request()).await.is_err());

    // The next connection is served.
    service.answer_next(Answer::of(webpush::Vendor::Other, Situation::Accepted));
    let (mut sending, connection) = http2(&service).await;
    let _driven = tokio::spawn(connection);
    assert_eq!(sending.send_request(request()).await.unwrap().status(), StatusCode::CREATED);
}

type Io = TokioIo<TlsStream<TcpStream>>;

async fn http2(
    service: &PushService,
) -> (http2::SendRequest<Full<Bytes>>, http2::Connection<Io, Full<Bytes>, TokioExecutor>) {
    let io = TokioIo::new(connect(service, b"h2").await);
    http2::handshake(TokioExecutor::new(), io).await.unwrap()
}

async fn connect(service: &PushService, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(service.certificate().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let authority = service.url().replace("https://", "");
    let port = authority.rsplit(':').next().unwrap().parse().unwrap();
    let io = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let io = TlsConnector::from(Arc::new(config)).connect(name, io).await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(protocol));
    io
}
