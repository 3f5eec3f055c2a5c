//! What is particular to one push service or another, as a sender meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpSocket},
};
use tokio_rustls::TlsAcceptor;
use webpush::{
    Addresses, Allowed, ClientTls, Message, Options, ReceiverKeys, Resolver, Sender, SigningKey,
    Subscription, Ttl, Vapid, Verdict, provider,
    testing::{Answer, PushService},
};

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

/// Quick to try again, and to give up.
fn start(mut options: Options) -> Sender {
    options.config.limits.attempts = 3;
    options.config.limits.backoff.first = Duration::from_millis(1);
    options.config.limits.backoff.longest = Duration::from_millis(5);
    webpush::tokio::sender(&me(), options).unwrap()
}

async fn verdict(sender: &Sender, to: &Subscription) -> Verdict {
    sender.send(Message::new(to.clone(), "hello").ttl(Ttl::hours(1))).await.unwrap().verdict
}

fn answer(status: u16, fields: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in fields {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    Answer::from(response)
}

/// WNS says with a success that it threw the message away: for good, or because there were too many.
#[tokio::test]
async fn a_success_of_wns_may_be_none() {
    let service = PushService::start().unwrap();
    let sender = start(service.options());
    for (status, field) in [(200, "x-wns-status"), (201, "x-wns-notificationstatus")] {
        service.answer_next(answer(status, &[(field, "Dropped")], ""));
        let Verdict::Rejected(said) = verdict(&sender, &service.subscribe(None)).await else { panic!() };
        assert_eq!(said.status, Some(status));
        assert_eq!(service.take_received().len(), 1, "what is final is not sent again");
        for throttled in ["channelthrottled", "appthrottled"] {
            let fields = [(field, throttled)];
            service.answer_next(answer(status, &fields, ""));
            let taken = verdict(&sender, &service.subscribe(None)).await;
            assert!(matches!(taken, Verdict::Accepted(_)), "{throttled}: {taken:?}");
            assert_eq!(service.take_received().len(), 2, "{throttled}: sent again, since it was thrown away");
            // For longer than the message is worth delivering.
            let wait = Duration::from_secs(7200);
            service.answer_next(answer(status, &fields, "").retry_after(wait));
            let fresh = start(service.options());
            let Verdict::Throttled(told) = verdict(&fresh, &service.subscribe(None)).await else { panic!() };
            assert_eq!((told.wait, service.take_received().len()), (wait, 1), "{throttled}");
            if throttled == "channelthrottled" {
                let other = verdict(&fresh, &service.subscribe(None)).await;
                assert!(matches!(other, Verdict::Accepted(_)), "it is about one push resource: {other:?}");
                assert_eq!(service.take_received().len(), 1);
            }
        }
        for received in ["received", "something new"] {
            service.answer_next(answer(status, &[(field, received)], ""));
            assert!(matches!(verdict(&sender, &service.subscribe(None)).await, Verdict::Accepted(_)));
        }
        drop(service.take_received());
    }
}

/// What is wrong with a message stays wrong: it is not sent again, and the service's words are told.
#[tokio::test]
async fn what_a_service_finds_wrong_with_a_message_is_final() {
    let service = PushService::start().unwrap();
    let sender = start(service.options());
    for (status, body, code, errno) in [
        (400, r#"{"reason":"BadTtl"}"#, "BadTtl", None),
        (400, r#"{"reason":"BadUrgency"}"#, "BadUrgency", None),
        (
            400,
            r#"{"code":400,"errno":111,"error":"Bad Request","message":"Missing TTL header","more_info":""}"#,
            "Bad Request",
            Some(111),
        ),
        (
            400,
            r#"{"code":400,"errno":112,"error":"Bad Request","message":"Invalid TTL header value","more_info":""}"#,
            "Bad Request",
            Some(112),
        ),
    ] {
        service.answer_next(answer(status, &[("content-type", "application/json")], body));
        let Verdict::Rejected(said) = verdict(&sender, &service.subscribe(None)).await else {
            panic!("{body}")
        };
        let explanation = said.explanation();
        assert_eq!((explanation.code.as_deref(), explanation.errno), (Some(code), errno));
        assert_eq!(service.take_received().len(), 1, "{body}");
    }
}

/// Mozilla: 503 with errno 202 wants it again, and 502 with errno 900 to 903 is about the services behind it.
#[tokio::test]
async fn troubles_of_mozilla_pass() {
    let service = PushService::start().unwrap();
    let sender = start(service.options());
    for (status, body, errno) in [
        (503, r#"{"code":503,"errno":202,"error":"Service Unavailable","message":"Retry"}"#, 202),
        (502, r#"{"code":502,"errno":900,"error":"Bad Gateway","message":"Bridge"}"#, 900),
        (502, r#"{"code":502,"errno":901,"error":"Bad Gateway","message":"Bridge"}"#, 901),
        (502, r#"{"code":502,"errno":902,"error":"Bad Gateway","message":"Bridge"}"#, 902),
        (502, r#"{"code":502,"errno":903,"error":"Bad Gateway","message":"Bridge"}"#, 903),
    ] {
        let again = || answer(status, &[("content-type", "application/json")], body);
        service.answer_next(again());
        let taken = verdict(&sender, &service.subscribe(None)).await;
        assert!(matches!(taken, Verdict::Accepted(_)), "{errno}: {taken:?}");
        assert_eq!(service.take_received().len(), 2, "{errno}");
        service.answer_all(Some(again()));
        let said = match verdict(&sender, &service.subscribe(None)).await {
            Verdict::Throttled(throttled) if status == 503 => throttled.said,
            Verdict::Transient(transient) if status == 502 => transient.said,
            other => panic!("{errno}: {other:?}"),
        };
        assert_eq!(said.unwrap().explanation().errno, Some(errno));
        assert_eq!(service.take_received().len(), 3, "{errno}: until the attempts run out");
        service.answer_all(None);
    }
}

/// FCM has three ways to say that a subscription is dead. One of them is the endpoint: nobody has to be asked.
#[tokio::test]
async fn dead_subscriptions_of_fcm_are_gone() {
    let service = PushService::start().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let resolver = Resolver::new(move |_: &str, port: u16| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let sender = start(Options { resolver: Some(resolver), addresses: Addresses::Any, ..service.options() });
    for endpoint in
        ["https://permanently-removed.invalid/fcm/send/abc", "https://permanently-removed.invalid"]
    {
        let mut dead = service.subscribe(None);
        dead.endpoint = endpoint.parse().unwrap();
        assert!(matches!(verdict(&sender, &dead).await, Verdict::Gone(_)), "{endpoint}");
    }
    assert_eq!((asked.load(Ordering::SeqCst), service.take_received().len()), (0, 0));
    for (status, body) in [
        (
            403,
            "A valid push subscription endpoint should be specified. Invalid push subscription endpoint.\n",
        ),
        (404, "A valid push subscription endpoint should be specified in the URL.\n"),
        (410, "push subscription has unsubscribed or expired.\n"),
    ] {
        service.answer_next(answer(status, &[("content-type", "text/plain")], body));
        let to = service.subscribe(None);
        assert!(matches!(verdict(&sender, &to).await, Verdict::Gone(_)), "{status}");
        assert!(matches!(verdict(&sender, &to).await, Verdict::Gone(_)), "{status}");
        assert_eq!(service.take_received().len(), 1, "{status}: asked once");
    }
}

/// WNS takes no chunks: over HTTP/1.1 the length is told.
#[tokio::test]
async fn over_http_1_1_a_message_has_a_length_and_no_chunks() {
    for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (io, _) = listener.accept().await.unwrap();
            let mut io = BufReader::new(acceptor.accept(io).await.unwrap());
            let mut requests = Vec::new();
            for _ in 0..2 {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(io.read_line(&mut head).await.unwrap() > 0);
                }
                let head = head.to_ascii_lowercase();
                let lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
                let [length] = lengths.collect::<Vec<_>>().try_into().unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                io.read_exact(&mut body).await.unwrap();
                io.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                io.flush().await.unwrap();
                requests.push((head, body));
            }
            requests
        });

        let keys = ReceiverKeys::generate(&provider()).unwrap();
        let to = Subscription {
            endpoint: format!("https://localhost:{port}/w/?token=a").parse().unwrap(),
            p256dh: *keys.public_key(),
            auth: keys.auth().clone(),
            expiration_time: None,
        };
        let here = Allowed::host("localhost").into_iter().collect();
        let tls = Some(ClientTls::from_pem(made.cert.pem().as_bytes()).unwrap());
        let sender = start(Options { tls, addresses: Addresses::PublicAnd(here), ..Options::default() });
        for _ in 0..2 {
            let taken = verdict(&sender, &to).await;
            assert!(matches!(taken, Verdict::Accepted(_)), "{taken:?}");
        }
        for (head, body) in serving.await.unwrap() {
            assert!(head.starts_with("post /w/?token=a http/1.1\r\n"), "{head}");
            assert!(!head.contains("\r\ntransfer-encoding:") && !head.contains("\r\nexpect:"), "{head}");
            assert_eq!(webpush::decrypt(&provider(), &keys, &body).unwrap(), b"hello");
        }
    }
}

/// FCM does so under load: nothing was sent, and it is tried again until the attempts run out.
#[tokio::test]
async fn a_service_that_refuses_connections_has_got_nothing() {
    let service = PushService::start().unwrap();
    // A port that is taken, and does not listen.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let nobody = taken.local_addr().unwrap();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let resolver = Resolver::new(move |_: &str, port: u16| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let sender = start(Options { resolver: Some(resolver), ..service.options() });
    let mut to = service.subscribe(None);
    to.endpoint = format!("https://localhost:{}/p/1", nobody.port()).parse().unwrap();
    let Verdict::Transient(transient) = verdict(&sender, &to).await else { panic!() };
    assert!(!transient.sent && transient.said.is_none());
    assert_eq!(dials.load(Ordering::SeqCst), 3);
    assert!(matches!(verdict(&sender, &service.subscribe(None)).await, Verdict::Accepted(_)));
}
