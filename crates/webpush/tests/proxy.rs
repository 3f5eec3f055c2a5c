//! A sender whose way out is a proxy: one that makes tunnels, and those that do not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "proxy/double.rs"]
mod double;

use std::time::Duration;

use double::{Double, Manner, Upstream};
use webpush::{
    Addresses, Allowed, ClientTls, Message, Options, Proxy, ProxyError, PushUrl, Resolver, Sender,
    SigningKey, Subscription, Vapid, Verdict, provider, testing::PushService,
};

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

/// By this proxy, and quick to give up. Only the limits under test end anything: no wait of a dial does.
fn options(service: &PushService, proxy: &str) -> Options {
    let mut options = Options { proxy: Some(proxy.parse().unwrap()), ..service.options() };
    options.config.limits.attempts = 2;
    options.config.limits.backoff.first = Duration::from_millis(1);
    options.config.limits.backoff.longest = Duration::from_millis(5);
    options.limits.connect = Duration::from_secs(3600);
    options
}

fn start(options: Options) -> Sender {
    webpush::tokio::sender(&me(), options).unwrap()
}

async fn verdict(sender: &Sender, to: &Subscription) -> Verdict {
    sender.send(Message::new(to.clone(), "hello")).await.unwrap().verdict
}

/// As for any connection that cannot be made.
fn assert_not_sent(verdict: &Verdict) {
    let Verdict::Transient(transient) = verdict else { panic!("{verdict:?}") };
    assert!(!transient.sent && transient.said.is_none());
}

/// As for any address that may not be connected to.
fn assert_forbidden(verdict: &Verdict) {
    let Verdict::Rejected(rejection) = verdict else { panic!("{verdict:?}") };
    assert_eq!(rejection.status, None);
}

/// What was asked of the proxy, and what it saw of what went through.
fn assert_tunnelled(double: &Double, service: &PushService, credentials: Option<&str>) {
    let authority = service.url().replace("https://", "");
    let credentials = credentials.map(|text| format!("Proxy-Authorization: Basic {text}\r\n"));
    let expected = format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n",
        credentials.unwrap_or_default()
    );
    assert_eq!(double.asked(), [expected]);
    let passed = double.passed();
    assert_eq!(passed.first(), Some(&0x16), "a TLS handshake, and nothing before it");
    for plain in ["/p/1", "hello", "vapid"] {
        assert!(!passed.windows(plain.len()).any(|octets| octets == plain.as_bytes()), "{plain}");
    }
}

/// Credentials go to the proxy, and TLS goes through it. One tunnel is enough for what follows.
#[tokio::test]
async fn what_is_sent_comes_by_the_proxy() {
    let service = PushService::start().unwrap();
    let double = Double::start(Manner::Tunnel("HTTP/1.1 200 OK\r\n\r\n"));
    let sender = start(options(&service, &double.url("Aladdin:open%20sesame@")));
    let to = service.subscribe(None);
    for _ in 0..3 {
        assert!(matches!(verdict(&sender, &to).await, Verdict::Accepted(_)));
        let received = service.received().await;
        assert_eq!(received.payload.as_deref(), Ok(b"hello".as_slice()));
        assert!(!received.headers.contains_key("proxy-authorization"));
    }
    assert_tunnelled(&double, &service, Some("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

/// The same on smol.
#[test]
fn what_is_sent_on_smol_comes_by_the_proxy_as_well() {
    webpush::smol::block_on(async {
        let service = PushService::start().unwrap();
        let double = Double::start(Manner::Tunnel("HTTP/1.0 200 Connection established\r\nVia: a\r\n\r\n"));
        let sender = webpush::smol::sender(&me(), options(&service, &double.url(""))).unwrap();
        assert!(matches!(verdict(&sender, &service.subscribe(None)).await, Verdict::Accepted(_)));
        assert_eq!(service.received().await.payload.as_deref(), Ok(b"hello".as_slice()));
        assert_tunnelled(&double, &service, None);
        for manner in [Manner::Say("HTTP/1.1 407 Authenticate\r\n\r\n"), Manner::Endless("A: b\r\n")] {
            let double = Double::start(manner);
            let sender = webpush::smol::sender(&me(), options(&service, &double.url(""))).unwrap();
            assert_not_sent(&verdict(&sender, &service.subscribe(None)).await);
        }
    });
}

/// TLS to the proxy, TLS through it, with the same trust.
#[tokio::test]
async fn a_proxy_may_be_spoken_to_by_tls() {
    let service = PushService::start().unwrap();
    let double = Double::start_tls(Manner::Tunnel("HTTP/1.1 200 OK\r\n\r\n"));
    let mut options = options(&service, &double.url("me:secret@"));
    // It does not trust the proxy.
    assert_not_sent(&verdict(&start(options.clone()), &service.subscribe(None)).await);
    assert!(double.asked().is_empty(), "nobody who is not trusted is asked, let alone told credentials");
    let both = format!("{}{}", service.certificate(), double.certificate());
    options.tls = Some(ClientTls::from_pem(both.as_bytes()).unwrap());
    assert!(matches!(verdict(&start(options), &service.subscribe(None)).await, Verdict::Accepted(_)));
    assert_tunnelled(&double, &service, Some("bWU6c2VjcmV0"));
}

/// RFC 9110 §15.2: interim answers before.
#[tokio::test]
async fn interim_answers_are_skipped() {
    let service = PushService::start().unwrap();
    let double = Double::start(Manner::Tunnel(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 226 IM Used\r\n\r\n",
    ));
    let sender = start(options(&service, &double.url("")));
    assert!(matches!(verdict(&sender, &service.subscribe(None)).await, Verdict::Accepted(_)));
}

/// It may say no, speak something else, say too much (`ClientLimits::header_octets`), or go: each attempt is one question.
#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_fails_the_dial() {
    let service = PushService::start().unwrap();
    for manner in [
        Manner::Say(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=a\r\n\r\n",
        ),
        Manner::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
        Manner::Say("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
        Manner::Say("HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\n\r\n"),
        Manner::Say("SSH-2.0-OpenSSH_9.2\r\n"),
        Manner::Say("HTTP/1.1 nonsense\r\n\r\n"),
        Manner::Say("HTTP/1.1 200 OK\r\nVia:"),
        Manner::Say(""),
        Manner::Endless("HTTP/1.1 200 OK\r\n"),
        Manner::Endless("HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let double = Double::start(manner);
        let sender = start(options(&service, &double.url("")));
        assert_not_sent(&verdict(&sender, &service.subscribe(None)).await);
        assert_eq!(double.asked().len(), 2, "{manner:?}");
    }
    assert!(service.take_received().is_empty());
}

/// `ClientLimits::connect`
#[tokio::test]
async fn a_proxy_that_says_nothing_is_given_up_in_time() {
    let service = PushService::start().unwrap();
    for manner in [Manner::Silence(""), Manner::Silence("HTTP/1.1 200 OK\r\n")] {
        let double = Double::start(manner);
        let mut options = options(&service, &double.url(""));
        options.limits.connect = Duration::from_millis(200);
        assert_not_sent(&verdict(&start(options), &service.subscribe(None)).await);
        assert_eq!(double.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_reached() {
    let service = PushService::start().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sender = start(options(&service, &format!("http://{nobody}")));
    assert_not_sent(&verdict(&sender, &service.subscribe(None)).await);
    assert!(service.take_received().is_empty(), "there is no way round it");
}

/// Cleartext, where the service may speak first: what comes with the proxy's answer is the service's.
#[tokio::test]
async fn what_comes_with_the_answer_is_not_lost() {
    let service = PushService::start().unwrap();
    let upstream = Upstream::http2();
    let double = Double::start(Manner::Together("HTTP/1.1 200 OK\r\n\r\n"));
    let mut to = service.subscribe(None);
    to.endpoint = PushUrl::parse_allow_http(&format!("http://{}/p/1", upstream.address)).unwrap();
    let options = Options { addresses: Addresses::Any, ..options(&service, &double.url("")) };
    assert!(matches!(verdict(&start(options), &to).await, Verdict::Accepted(_)));
    assert_eq!(double.asked().len(), 1);
}

/// Each of its connections is a tunnel.
#[tokio::test]
async fn a_service_that_speaks_http1_only_is_reached_as_well() {
    let upstream = Upstream::http1();
    let service = PushService::start().unwrap();
    let double = Double::start(Manner::Tunnel("HTTP/1.1 200 OK\r\n\r\n"));
    let mut to = service.subscribe(None);
    to.endpoint = format!("https://localhost:{}/p/1", upstream.address.port()).parse().unwrap();
    let mut options = options(&service, &double.url(""));
    options.tls = Some(ClientTls::from_pem(upstream.certificate.as_bytes()).unwrap());
    let sender = start(options);
    for _ in 0..3 {
        assert!(matches!(verdict(&sender, &to).await, Verdict::Accepted(_)));
    }
    let authority = format!("localhost:{}", upstream.address.port());
    assert!(!double.asked().is_empty());
    assert!(double.asked().iter().all(|head| head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n"))));
}

/// What a proxy would reach from inside, and can be told by the name alone, it is not asked for.
#[tokio::test]
async fn a_proxy_is_not_asked_for_what_is_inside() {
    let service = PushService::start().unwrap();
    let double = Double::start(Manner::Tunnel("HTTP/1.1 200 OK\r\n\r\n"));
    let guarded = Options { addresses: Addresses::Public, ..options(&service, &double.url("")) };
    let sender = start(guarded.clone());
    let port = service.url().rsplit(':').next().unwrap().to_owned();
    let mut to = service.subscribe(None);
    for host in [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "localhost",
        "a.localhost",
        "intranet",
        "a.internal",
    ] {
        to.endpoint = format!("https://{host}:{port}/p/1").parse().unwrap();
        assert_forbidden(&verdict(&sender, &to).await);
        assert!(double.asked().is_empty(), "{host}");
    }
    // One that is allowed is another matter; and what the proxy makes of a name is its own.
    let network = Options {
        addresses: Addresses::PublicAnd([Allowed::network([127, 0, 0, 1].into(), 32).unwrap()].into()),
        ..guarded
    };
    to.endpoint = format!("https://localhost:{port}/p/1").parse().unwrap();
    assert_forbidden(&verdict(&start(network), &to).await);
    assert!(double.asked().is_empty(), "where it leads nobody can know, so an address does not allow a name");
    to.endpoint = format!("https://push.example:{port}/p/1").parse().unwrap();
    let elsewhere = Double::start(Manner::Say("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    let public = Options { addresses: Addresses::Public, ..options(&service, &elsewhere.url("")) };
    assert_not_sent(&verdict(&start(public), &to).await);
    assert!(elsewhere.asked()[0].starts_with(&format!("CONNECT push.example:{port} ")));
}

/// The proxy is the operator's: it may be anywhere, and its name is resolved as the operator says. Those of push services
/// are not resolved at all.
#[tokio::test]
async fn the_proxys_own_name_is_resolved_here_and_no_other() {
    let service = PushService::start().unwrap();
    let double = Double::start(Manner::Tunnel("HTTP/1.1 200 OK\r\n\r\n"));
    let mut options = options(&service, &double.url("").replace("127.0.0.1", "proxy.example"));
    options.resolver = Some(Resolver::new(|host: &str, port: u16| {
        assert_eq!(host, "proxy.example");
        Ok(vec![([127, 0, 0, 1], port).into()])
    }));
    assert!(matches!(verdict(&start(options), &service.subscribe(None)).await, Verdict::Accepted(_)));
    assert_eq!(double.asked().len(), 1);
}

/// G6, and who erred.
#[test]
fn what_is_no_proxy_is_refused_with_the_reason() {
    for (url, error, words) in [
        ("planted.example:3128", ProxyError::Scheme, "http:// or https://"),
        ("http://planted.example/planted", ProxyError::Rest, "after its host and port"),
        ("http://planted:planted%@planted.example", ProxyError::Credentials, "percent-encoded"),
        ("http://planted_host:99999", ProxyError::Port, "port"),
        ("http://planted host", ProxyError::Host, "host"),
        (&format!("http://{}@p.example", "planted".repeat(300)), ProxyError::TooLong, "2048"),
    ] {
        let refused = url.parse::<Proxy>().unwrap_err();
        assert_eq!(refused, error, "{url}");
        assert!(refused.to_string().contains(words) && !refused.to_string().contains("planted"), "{refused}");
    }
    let options = Options {
        proxy: Some("https://planted:planted@planted.example".parse().unwrap()),
        ..Options::default()
    };
    assert!(!format!("{options:?}").contains("planted"));
}
