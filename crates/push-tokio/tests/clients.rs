//! Our own user agent and sender, against our own service.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use push_crypto::vapid::{Signer, SigningKey};
use push_proto::{
    Content, PushUrl, Ttl,
    application_server::{ReceiptOutcome, Verdict},
    user_agent::{Discarded, Event, State, SubscribeFault, Tag},
};
use push_tokio::{
    Addresses, ClientTls, Push, Sender, SenderOptions, SubscribeError, UserAgent, UserAgentOptions, sender,
    user_agent,
};
use support::{Service, Setup, clocked::Clocked, provider, run};

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

fn push() -> Push {
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
    assert_eq!((message.tag(), message.payload()), (Tag(1), b"hello".as_slice()));
    message.acknowledge();
    assert_eq!(sent.receipt.unwrap().outcome().await, ReceiptOutcome::Delivered);

    // Another key may not.
    let other = from(service, Some(Signer::new(SigningKey::generate(&provider()).unwrap(), None)));
    let sent = other.send(&subscription, b"hello", push()).await.unwrap();
    assert!(matches!(sent.verdict, Verdict::KeyMismatch(_)), "{:?}", sent.verdict);

    // An empty message has no body.
    sender.send(&subscription, b"", push()).await.unwrap();
    let message = agent.next().await.unwrap();
    assert!(message.payload().is_empty());
    message.acknowledge();

    agent.unsubscribe(Tag(1)).await;
    assert!(agent.subscriptions().await.is_empty());
    let sent = sender.send(&subscription, b"hello", push()).await.unwrap();
    assert_eq!(sent.verdict, Verdict::Gone);
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
        let sending = tokio::task::spawn_local(async move {
            for number in 0..150_usize {
                let to = &subscriptions[number % 3];
                let sent = sender.send(to, number.to_string().as_bytes(), push()).await.unwrap();
                assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
            }
        });
        let mut numbers = Vec::new();
        while numbers.len() < 150 {
            let message = agent.next().await.unwrap();
            let number: u64 = std::str::from_utf8(message.payload()).unwrap().parse().unwrap();
            assert_eq!(message.tag(), Tag(number % 3));
            numbers.push(number);
            message.acknowledge();
        }
        sending.await.unwrap();
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
        assert_eq!(message.payload(), b"while away");
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
                () = tokio::task::yield_now() => clock.advance(Duration::from_secs(1)),
            }
        };
        assert_eq!(again.payload(), b"x");
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
        let mut options = SenderOptions::new(provider(), None, tls(&service));
        options.config.limits.attempts = 1;
        let sent = sender(options).unwrap().send(&subscription, b"x", push()).await.unwrap();
        let Verdict::Transient(transient) = sent.verdict else { panic!("{:?}", sent.verdict) };
        assert!(!transient.sent);
    });
}

#[test]
fn the_last_handle_ends_the_driver() {
    run(async {
        let service = Setup::default().start();
        let options = UserAgentOptions::new(url(&service), provider(), tls(&service));
        let (agent, driver) =
            UserAgent::connect(push_tokio::Tokio, options, State::default(), |_| ()).unwrap();
        let driver = tokio::spawn(driver);
        agent.subscribe(Tag(1), None).await.unwrap();
        drop(agent);
        driver.await.unwrap();
        let (sender, driver) =
            Sender::new(push_tokio::Tokio, SenderOptions::new(provider(), None, tls(&service))).unwrap();
        let driver = tokio::spawn(driver);
        drop(sender);
        driver.await.unwrap();
    });
}
