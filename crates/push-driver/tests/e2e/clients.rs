//! Our own user agent and sender, against our own service.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::support::{
    Io, Listener, Service, Setup,
    clocked::Clocked,
    provider,
    raw::{HEADERS, Raw},
    run, spawn, yield_now,
};
use crate::adapter::{NATIVE, sender, user_agent};
use bytes::Bytes;
use push_crypto::{
    message::Padding,
    vapid::{Signer, SigningKey},
};
use push_driver::{
    Addresses, ClientTls, Push, Sender, SenderOptions, SubscribeError, UserAgent, UserAgentOptions,
};
use push_proto::{
    Content, PushUrl, Ttl,
    application_server::{Change, Gone, ReceiptOutcome, Verdict},
    user_agent::{Backoff, Discarded, Event, State, SubscribeFault, Tag},
};

/// Where a test keeps a user agent's state.
type Kept = Arc<Mutex<Vec<u8>>>;

fn tls(service: &Service) -> ClientTls {
    match &service.certificate {
        Some(certificate) => ClientTls::from_pem(certificate.as_bytes()).unwrap(),
        None => ClientTls::nobody().unwrap(),
    }
}

fn url(service: &Service) -> PushUrl {
    let scheme = if service.certificate.is_some() { "https" } else { "http" };
    PushUrl::parse_allow_http(&format!("{scheme}://localhost:{}/subscribe", service.address.port())).unwrap()
}

fn agent(service: &Service, kept: &Kept) -> UserAgent {
    let state = State::from_bytes(&kept.lock().unwrap()).unwrap_or_default();
    let options = UserAgentOptions::new(url(service), provider(), tls(service));
    let kept = Arc::clone(kept);
    user_agent(options, state, move |state| *kept.lock().unwrap() = state.to_bytes()).unwrap()
}

fn from(service: &Service, signer: Option<Signer>) -> Sender {
    let options =
        SenderOptions { addresses: Addresses::Any, ..SenderOptions::new(provider(), signer, tls(service)) };
    sender(options).unwrap()
}

pub(super) fn push() -> Push {
    Push::new(Ttl::from_secs(600))
}

async fn speaks(service: &Service) {
    let signer = Signer::new(SigningKey::generate(&provider()).unwrap(), None);
    let agent = agent(service, &Kept::default());
    let subscription = agent.subscribe(Tag(1), Some(*signer.public_key())).await.unwrap();
    let sender = from(service, Some(signer));

    let sent = sender.send(&subscription, b"hello", Push { receipt: true, ..push() }).await.unwrap();
    let Verdict::Accepted(accepted) = &sent.verdict else { panic!("{:?}", sent.verdict) };
    assert!(accepted.receipt);
    let message = agent.next().await.unwrap();
    assert_eq!((message.tag(), message.payload()), (Tag(1), Some(b"hello".as_slice())));
    assert!(!format!("{message:?}").contains("hello"), "G6");
    message.acknowledge();
    assert_eq!(sent.receipt.unwrap().outcome().await, ReceiptOutcome::Delivered);

    // Another key may not.
    let other = from(service, Some(Signer::new(SigningKey::generate(&provider()).unwrap(), None)));
    let sent = other.send(&subscription, b"hello", push()).await.unwrap();
    assert!(matches!(sent.verdict, Verdict::KeyMismatch(_)), "{:?}", sent.verdict);

    // 8188-4.1-1: an empty message is encrypted like any other. w3c-recv-2: one without a body has none.
    sender.send(&subscription, b"", push()).await.unwrap();
    let message = agent.next().await.unwrap();
    assert_eq!(message.payload(), Some(b"".as_slice()));
    message.acknowledge();
    sender.send_content(&subscription.endpoint, Content::default(), push()).await.unwrap();
    let message = agent.next().await.unwrap();
    assert_eq!(message.payload(), None);
    message.acknowledge();

    agent.unsubscribe(Tag(1)).await;
    assert!(agent.subscriptions().await.is_empty());
    let sent = sender.send(&subscription, b"hello", push()).await.unwrap();
    assert!(matches!(sent.verdict, Verdict::Gone(Gone::Ended(Some(_)))));
    agent.close().await;
    assert!(agent.next().await.is_none());
    sender.close().await;
}

#[test]
fn they_speak_over_cleartext() {
    run(async { speaks(&Setup::default().start()).await });
}

#[test]
fn they_speak_over_tls() {
    run(async { speaks(&Setup { tls: true, ..Setup::default() }.start()).await });
}

#[test]
fn many_messages_come_once_each() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(&service, &Kept::default());
        let sender = from(&service, None);
        let mut subscriptions = Vec::new();
        for tag in 0..3 {
            subscriptions.push(agent.subscribe(Tag(tag), None).await.unwrap());
        }
        let sending = spawn(async move {
            for number in 0..150_usize {
                let to = &subscriptions[number % 3];
                let sent = sender.send(to, number.to_string().as_bytes(), push()).await.unwrap();
                assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
            }
        });
        let mut numbers = Vec::new();
        while numbers.len() < 150 {
            let message = agent.next().await.unwrap();
            let number: u64 = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
            assert_eq!(message.tag(), Tag(number % 3));
            numbers.push(number);
            message.acknowledge();
        }
        sending.await;
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..150));
    });
}

#[test]
fn a_user_agent_goes_on_from_its_state() {
    run(async {
        let service = Setup::default().start();
        let kept = Kept::default();
        let first = agent(&service, &kept);
        let subscription = first.subscribe(Tag(7), None).await.unwrap();
        first.close().await;
        let sender = from(&service, None);
        sender.send(&subscription, b"while away", push()).await.unwrap();
        let second = agent(&service, &kept);
        assert_eq!(second.subscriptions().await, [(Tag(7), subscription)]);
        let message = second.next().await.unwrap();
        assert_eq!(message.payload(), Some(b"while away".as_slice()));
        message.acknowledge();
        let Err(SubscribeError::Refused(fault)) = second.subscribe(Tag(7), None).await else { panic!() };
        assert_eq!(fault, SubscribeFault::Exists);
    });
}

#[test]
fn a_message_that_is_dropped_comes_again() {
    run(async {
        let clock = Clocked::new();
        let mut setup = Setup::default();
        setup.limits.keepalive = Duration::from_secs(1 << 30);
        let service = setup.start_on(clock.clone());
        let agent = agent(&service, &Kept::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        from(&service, None).send(&subscription, b"x", Push::new(Ttl::MAX)).await.unwrap();
        drop(agent.next().await.unwrap());
        // The service waits for the acknowledgement, and then some.
        let again = loop {
            tokio::select! {
                again = agent.next() => break again.unwrap(),
                () = yield_now() => clock.advance(Duration::from_secs(1)),
            }
        };
        assert_eq!(again.payload(), Some(b"x".as_slice()));
        again.acknowledge();
    });
}

#[test]
fn what_nobody_can_decrypt_is_acknowledged_and_told() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(&service, &Kept::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        let content = Content { body: b"not encrypted".as_slice().into(), ..Content::default() };
        let receipt = Push { receipt: true, ..push() };
        let sent = from(&service, None).send_content(&subscription.endpoint, content, receipt).await.unwrap();
        assert_eq!(sent.receipt.unwrap().outcome().await, ReceiptOutcome::Delivered);
        let told = loop {
            if let Event::Discarded(discarded) = agent.event().await.unwrap() {
                break discarded;
            }
        };
        assert_eq!(told, Discarded::Undecryptable(Tag(1)));
    });
}

#[test]
fn private_addresses_are_not_connected_to() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(&service, &Kept::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        let options = SenderOptions::new(provider(), None, tls(&service));
        let sent = sender(options).unwrap().send(&subscription, b"x", push()).await.unwrap();
        let Verdict::Rejected(rejection) = sent.verdict else { panic!("{:?}", sent.verdict) };
        assert_eq!(rejection.status, None, "nobody was asked");
    });
}

#[test]
fn the_last_handle_ends_the_driver() {
    run(async {
        let service = Setup::default().start();
        let options = UserAgentOptions::new(url(&service), provider(), tls(&service));
        let (agent, driver) = UserAgent::connect(NATIVE, options, State::default(), |_| ()).unwrap();
        let driver = spawn(driver);
        agent.subscribe(Tag(1), None).await.unwrap();
        drop(agent);
        driver.await;
        let (sender, driver) =
            Sender::new(NATIVE, SenderOptions::new(provider(), None, tls(&service))).unwrap();
        let driver = spawn(driver);
        drop(sender);
        driver.await;
    });
}

/// A push service of the test's own.
pub(super) fn listener() -> (Listener, String) {
    let listener = Listener::bind();
    let base = format!("http://localhost:{}", listener.address.port());
    (listener, base)
}

/// What sends there, and is quick to send again.
pub(super) fn sender_options() -> SenderOptions {
    let options = SenderOptions::new(provider(), None, ClientTls::nobody().unwrap());
    let mut options = SenderOptions { addresses: Addresses::Any, ..options };
    options.config.limits.backoff =
        Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(1) };
    options
}

type Responding = h2::server::SendResponse<Bytes>;

/// The next connection to a push service made of the h2 crate.
pub(super) async fn accept(listener: &mut Listener) -> h2::server::Connection<Io, Bytes> {
    h2::server::handshake(listener.accept().await).await.unwrap()
}

pub(super) fn answer(response: &mut Responding, status: u16, headers: &[(&str, &str)]) {
    let mut head = http::Response::builder().status(status);
    for (name, value) in headers {
        head = head.header(*name, *value);
    }
    response.send_response(head.body(()).unwrap(), true).unwrap();
}

#[test]
fn what_a_goaway_left_out_is_sent_again() {
    // RFC 9113 §6.8: nobody has looked at a stream above the last one.
    run(async {
        let (mut listener, base) = listener();
        let to = PushUrl::parse_allow_http(&format!("{base}/p/1")).unwrap();
        let sender = sender(sender_options()).unwrap();
        let service = async {
            let mut first = Raw::accept(&mut listener).await;
            first.until(|frame| frame.kind == HEADERS).await;
            first.go_away(0).await;
            // The first connection stays open on this side.
            let mut second = accept(&mut listener).await;
            let (_, mut response) = second.accept().await.unwrap().unwrap();
            answer(&mut response, 201, &[("location", "/m/1")]);
            drop(first);
            second.accept().await.is_none()
        };
        let sending = async {
            let sent = sender.send_content(&to, Content::default(), push()).await.unwrap();
            sender.close().await;
            sent
        };
        let (sent, ended) = futures_util::future::join(sending, service).await;
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
        assert!(ended);
    });
}

#[test]
fn a_connection_that_takes_no_more_requests_is_replaced_while_it_still_answers_some() {
    // RFC 9113 §6.8
    run(async {
        let (mut listener, base) = listener();
        let to = |number| PushUrl::parse_allow_http(&format!("{base}/p/{number}")).unwrap();
        let sender = sender(sender_options()).unwrap();
        let early = sender.clone();
        let (one, two) = (to(1), to(2));
        let early = spawn(async move { early.send_content(&one, Content::default(), push()).await.unwrap() });
        let mut first = Raw::accept(&mut listener).await;
        let stream = first.until(|frame| frame.kind == HEADERS).await.stream;
        first.go_away(stream).await;
        // The client has seen it when it answers what came after it.
        first.settle().await;
        let service = async {
            let mut second = accept(&mut listener).await;
            let (_, mut response) = second.accept().await.unwrap().unwrap();
            answer(&mut response, 201, &[]);
            second.accept().await.is_none()
        };
        let sending = async {
            let sent = sender.send_content(&two, Content::default(), push()).await.unwrap();
            assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
            // `:status: 204`, and the end.
            first.write(HEADERS, 5, stream, &[0x89]).await;
            let sent = early.await;
            assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
            sender.close().await;
        };
        assert!(futures_util::future::join(sending, service).await.1);
    });
}

/// 8030-8.1-1: the API encrypts unless it is told that content is encrypted already.
#[test]
fn an_empty_payload_is_encrypted_and_padded_like_any_other() {
    // 8188-4.1-1, 8291-7-4
    run(async {
        let (mut listener, base) = listener();
        let keys = push_crypto::ReceiverKeys::generate(&provider()).unwrap();
        let to = push_crypto::Subscription {
            endpoint: PushUrl::parse_allow_http(&format!("{base}/p/1")).unwrap(),
            p256dh: *keys.public_key(),
            auth: keys.auth().clone(),
            expiration_time: None,
        };
        let sender = sender(sender_options()).unwrap();
        let service = async {
            let mut connection = accept(&mut listener).await;
            let mut bodies = Vec::new();
            while let Some(request) = connection.accept().await {
                let (request, mut response) = request.unwrap();
                assert_eq!(request.headers()["content-encoding"], "aes128gcm");
                bodies.push(spawn(async move {
                    let body = super::support::peer::collect_body(request.into_body()).await.unwrap();
                    answer(&mut response, 201, &[]);
                    body
                }));
            }
            futures_util::future::join_all(bodies).await
        };
        let sending = async {
            let push = Push { padding: Padding::Buckets(128), ..push() };
            for payload in [b"".as_slice(), b"yes"] {
                sender.send(&to, payload, push.clone()).await.unwrap();
            }
            sender.close().await;
        };
        let ((), bodies) = futures_util::future::join(sending, service).await;
        assert_eq!(bodies[0].len(), bodies[1].len());
        for (body, payload) in bodies.iter().zip([b"".as_slice(), b"yes"]) {
            assert_eq!(push_crypto::message::decrypt(&provider(), &keys, body).unwrap(), payload);
        }
    });
}

/// A user agent of a push service of the test's own, on a clock of the test's own.
fn agent_of(base: &str, clock: &Clocked) -> UserAgent {
    let service = PushUrl::parse_allow_http(&format!("{base}/subscribe")).unwrap();
    let mut options = UserAgentOptions::new(service, provider(), ClientTls::nobody().unwrap());
    let never = Duration::from_secs(1 << 30);
    let keepalive = &mut options.config.limits.keepalive;
    (keepalive.first, keepalive.longest) = (never, never);
    let (agent, driver) = UserAgent::connect(clock.clone(), options, State::default(), |_| ()).unwrap();
    spawn(driver);
    agent
}

#[test]
fn the_window_of_a_connection_holds_all_the_pushes_it_may_have() {
    let limits = push_driver::ClientLimits::default();
    let octets = limits.pushes as usize * limits.push_octets;
    assert!(limits.connection_window as usize >= octets);
}

#[test]
fn a_push_that_stops_coming_is_reset_and_those_behind_it_come() {
    run(async {
        let (mut listener, base) = listener();
        let clock = Clocked::new();
        let agent = agent_of(&base, &clock);
        let service = spawn(async move {
            let mut connection = accept(&mut listener).await;
            let (_, mut response) = connection.accept().await.unwrap().unwrap();
            let push = "</p/1>; rel=\"urn:ietf:params:push\"";
            answer(&mut response, 201, &[("location", "/s/1"), ("link", push)]);
            let (request, mut monitor) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri().path(), "/s/1");
            let promise = |path: &str| http::Request::get(format!("{base}{path}")).body(()).unwrap();
            let mut headless = monitor.push_request(promise("/m/0")).unwrap();
            let mut stuck = monitor.push_request(promise("/m/1")).unwrap();
            let mut begun = stuck.send_response(http::Response::new(()), false).unwrap();
            begun.send_data(Bytes::from_static(b"the first piece"), false).unwrap();
            let mut whole = monitor.push_request(promise("/m/2")).unwrap();
            whole.send_response(http::Response::new(()), true).unwrap();
            let resets = futures_util::future::join(
                std::future::poll_fn(|context| headless.poll_reset(context)),
                std::future::poll_fn(|context| begun.poll_reset(context)),
            );
            tokio::pin!(resets);
            let resets = loop {
                tokio::select! {
                    resets = &mut resets => break resets,
                    request = connection.accept() => drop(request),
                }
            };
            assert_eq!((resets.0.unwrap(), resets.1.unwrap()), (h2::Reason::CANCEL, h2::Reason::CANCEL));
            while connection.accept().await.is_some() {}
        });
        agent.subscribe(Tag(1), None).await.unwrap();
        let message = loop {
            tokio::select! {
                message = agent.next() => break message.unwrap(),
                () = yield_now() => clock.advance(Duration::from_secs(1)),
            }
        };
        assert_eq!((message.tag(), message.payload()), (Tag(1), None));
        drop((message, agent));
        service.await;
    });
}

#[test]
fn a_subscription_in_the_making_can_be_ended_and_all_who_wait_are_told() {
    run(async {
        // It takes connections and says nothing.
        let (_listener, base) = listener();
        let agent = agent_of(&base, &Clocked::new());
        let ended = futures_util::future::join4(
            agent.subscribe(Tag(1), None),
            agent.unsubscribe(Tag(1)),
            agent.unsubscribe(Tag(1)),
            agent.unsubscribe(Tag(2)),
        );
        assert!(matches!(ended.await.0, Err(SubscribeError::Unsubscribed)));

        let service = Setup::default().start();
        let agent = self::agent(&service, &Kept::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        futures_util::future::join3(
            agent.unsubscribe(Tag(1)),
            agent.unsubscribe(Tag(1)),
            agent.unsubscribe(Tag(1)),
        )
        .await;
        let sent = from(&service, None).send(&subscription, b"x", push()).await.unwrap();
        assert!(matches!(sent.verdict, Verdict::Gone(Gone::Ended(Some(_)))));
    });
}

/// A-04, 8030-2-2: what the application knows of a push resource needs no request to find out.
#[test]
fn what_the_application_knows_of_a_push_resource_counts() {
    run(async {
        let service = Setup::default().start();
        let agent = agent(&service, &Kept::default());
        let subscription = agent.subscribe(Tag(1), None).await.unwrap();
        let sender = from(&service, None);
        for (change, gone) in [(Change::Ended, Gone::Ended(None)), (Change::Replaced, Gone::Replaced)] {
            sender.push_resource(&subscription.endpoint, change).await.unwrap();
            let sent = sender.send(&subscription, b"x", push()).await.unwrap();
            assert_eq!(sent.verdict, Verdict::Gone(gone));
        }
        sender.push_resource(&subscription.endpoint, Change::Restored).await.unwrap();
        let sent = sender.send(&subscription, b"good after all", push()).await.unwrap();
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
        let message = agent.next().await.unwrap();
        assert_eq!(message.payload(), Some(b"good after all".as_slice()), "the others were never sent");
    });
}

/// 8030-7.3-5: a receipt subscription that is of no more use is ended where it is.
#[test]
fn a_receipt_subscription_of_no_more_use_is_ended() {
    run(async {
        let (mut listener, base) = listener();
        let mut options = sender_options();
        options.config.share_receipts = false;
        let sender = sender(options).unwrap();
        let to = PushUrl::parse_allow_http(&format!("{base}/p/1")).unwrap();
        let service = async {
            let mut connection = accept(&mut listener).await;
            let (mut sent, mut monitors) = (0, Vec::new());
            loop {
                let (asked, mut response) = connection.accept().await.unwrap().unwrap();
                match asked.method().as_str() {
                    // Each message gets a receipt subscription of its own.
                    "POST" => {
                        sent += 1;
                        let receipts = format!("</r/{sent}>; rel=\"urn:ietf:params:push:receipt\"");
                        answer(
                            &mut response,
                            202,
                            &[("location", &format!("/m/{sent}")), ("link", &receipts)],
                        );
                    }
                    "GET" => {
                        let message = asked.uri().path().replace("/r/", "/m/");
                        let promise = http::Request::get(format!("{base}{message}")).body(()).unwrap();
                        let receipt = http::Response::builder().status(204).body(()).unwrap();
                        response.push_request(promise).unwrap().send_response(receipt, true).unwrap();
                        monitors.push(response);
                    }
                    _ => {
                        answer(&mut response, 204, &[]);
                        return (connection, monitors, asked.uri().path().to_owned());
                    }
                }
            }
        };
        let sending = async {
            // What is of no use any more is found out when the next is accepted.
            for _ in 0..3 {
                let push = Push { receipt: true, ..push() };
                let sent = sender.send_content(&to, Content::default(), push).await.unwrap();
                assert_eq!(sent.receipt.unwrap().outcome().await, ReceiptOutcome::Delivered);
            }
        };
        let ((), (_connection, _monitors, ended)) = futures_util::future::join(sending, service).await;
        assert_eq!(ended, "/r/1");
    });
}
