//! A sender against a push service that answers as each vendor does, and as none should.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use webpush::{
    Backoff, Change, Class, Config, Content, Message, MessageError, Notice, Options, Padding, Push, RULES,
    Refused, Rejection, Rule, Says, Scope, SendError, Sender, SenderLimits, SigningKey, Subscription,
    SubscriptionError, Topic, Ttl, Urgency, Vapid, Vendor, Verdict, provider,
    testing::{Answer, PushService, Situation},
};

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

/// Quick to try again.
fn options(service: &PushService) -> Options {
    let mut options = service.options();
    options.config.limits.backoff.first = Duration::from_millis(1);
    options.config.limits.backoff.longest = Duration::from_millis(5);
    options
}

fn start(service: &PushService, vapid: &Vapid) -> Sender {
    webpush::tokio::sender(vapid, options(service)).unwrap()
}

async fn verdict(sender: &Sender, to: &Subscription) -> Verdict {
    sender.send(Message::new(to.clone(), "hello")).await.unwrap().verdict
}

#[tokio::test]
async fn what_is_sent_is_what_comes() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let to = service.subscribe(Some(vapid.public_key()));
    let message = Message::new(to, "Lunch?").ttl(Ttl::hours(2)).urgency(Urgency::High);
    let sent = sender.send(message.topic(Topic::from_any("lunch today"))).await.unwrap();
    let Verdict::Accepted(accepted) = sent.verdict else { panic!("{:?}", sent.verdict) };
    assert_eq!(accepted.ttl, Some(Ttl::hours(2)));
    assert!(accepted.message.unwrap().as_str().starts_with(&service.url()));
    let received = service.received().await;
    assert_eq!(received.payload.as_deref(), Ok(b"Lunch?".as_slice()));
    assert_eq!((received.ttl, received.urgency), (Some(Ttl::hours(2)), Urgency::High));
    assert_eq!(received.topic, Some(Topic::from_any("lunch today")));
    assert_eq!(received.signed_by.as_ref(), Some(vapid.public_key()));
}

/// The same on smol.
#[test]
fn what_is_sent_on_smol_comes_as_well() {
    webpush::smol::block_on(async {
        let (service, vapid) = (PushService::start().unwrap(), me());
        let sender = webpush::smol::sender(&vapid, options(&service)).unwrap();
        let subscriptions: Vec<_> = (0..20).map(|_| service.subscribe(Some(vapid.public_key()))).collect();
        let messages = subscriptions.into_iter().map(|to| ((), Message::new(to, "Lunch?")));
        let mut sent = sender.send_all(stream::iter(messages));
        while let Some(((), sent)) = sent.next().await {
            assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
        }
        let received = service.take_received();
        assert!(received.len() == 20 && received.iter().all(|one| one.payload.as_deref() == Ok(b"Lunch?")));
    });
}

/// Every situation, as every vendor has it.
#[tokio::test]
async fn each_vendor_is_understood() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let name = |verdict: &Verdict| match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Gone(_) => "gone",
        Verdict::KeyMismatch(_) => "key mismatch",
        Verdict::Auth(_) => "auth",
        Verdict::Rejected(_) => "rejected",
        Verdict::Throttled(_) => "throttled",
        Verdict::Expired => "expired",
        Verdict::Transient(_) => "transient",
    };
    for vendor in [Vendor::Fcm, Vendor::Mozilla, Vendor::Apple, Vendor::Wns, Vendor::Other] {
        for (situation, expected) in [
            (Situation::Accepted, "accepted"),
            (Situation::Gone, "gone"),
            (Situation::Unknown, "gone"),
            // WNS has no words for it.
            (Situation::KeyMismatch, if vendor == Vendor::Wns { "auth" } else { "key mismatch" }),
            (Situation::BadToken, "auth"),
            (Situation::TooLarge, "rejected"),
            (Situation::BadTopic, "rejected"),
            (Situation::Dropped, if vendor == Vendor::Wns { "rejected" } else { "accepted" }),
        ] {
            service.answer_next(Answer::of(vendor, situation));
            let to = service.subscribe(None);
            let verdict = verdict(&sender, &to).await;
            assert_eq!(name(&verdict), expected, "{vendor:?} {situation:?}: {verdict:?}");
            assert_eq!(
                service.take_received().len(),
                1,
                "{vendor:?} {situation:?}: what is final is not sent again"
            );
        }
        for situation in [Situation::Throttled, Situation::Overloaded] {
            // Once: it is sent again, and then taken.
            service.answer_next(Answer::of(vendor, situation).retry_after(Duration::ZERO));
            let to = service.subscribe(None);
            let taken = verdict(&sender, &to).await;
            assert_eq!(name(&taken), "accepted", "{vendor:?} {situation:?}");
            assert_eq!(service.take_received().len(), 2, "{vendor:?} {situation:?}");
            // For longer than the message is worth delivering.
            service.answer_next(Answer::of(vendor, situation).retry_after(Duration::from_secs(7200)));
            let message = Message::new(service.subscribe(None), "hello").ttl(Ttl::hours(1));
            let fresh = start(&service, &vapid);
            let Verdict::Throttled(throttled) = fresh.send(message).await.unwrap().verdict else { panic!() };
            assert_eq!(throttled.wait, Duration::from_secs(7200), "{vendor:?} {situation:?}");
            drop(service.take_received());
        }
    }
}

/// The service's own words arrive.
#[tokio::test]
async fn reasons_are_decoded() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    for (vendor, code, errno, text) in [
        (Vendor::Apple, Some("BadJwtToken"), None, ""),
        (Vendor::Mozilla, Some("Unauthorized"), Some(109), "Missing or invalid VAPID header"),
        (Vendor::Fcm, None, None, "aud claim in the token MUST include the origin of the push resource URL."),
        (Vendor::Wns, None, None, "The token is invalid."),
    ] {
        service.answer_next(Answer::of(vendor, Situation::BadToken));
        let Verdict::Auth(said) = verdict(&sender, &service.subscribe(None)).await else { panic!() };
        let explanation = said.explanation();
        assert_eq!(
            (explanation.code.as_deref(), explanation.errno, explanation.text.as_str()),
            (code, errno, text),
            "{vendor:?}"
        );
    }
}

/// 8292-4.2-9, 8030-7.2-5, and a subscription that has ended: what the service finds out by itself.
#[tokio::test]
async fn the_double_is_strict() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let to = service.subscribe(Some(me().public_key()));
    assert!(matches!(verdict(&sender, &to).await, Verdict::KeyMismatch(_)));
    let to = service.subscribe(Some(vapid.public_key()));
    service.unsubscribe(&to);
    assert!(matches!(verdict(&sender, &to).await, Verdict::Gone(_)));
    let mut elsewhere = service.subscribe(None);
    elsewhere.endpoint = format!("{}/p/none", service.url()).parse().unwrap();
    assert!(matches!(verdict(&sender, &elsewhere).await, Verdict::Gone(_)));
}

/// A megabyte of an error: the beginning is enough, and nobody waits for the rest.
#[tokio::test]
async fn a_service_that_says_too_much_is_cut_short() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let mut response = http::Response::new(Bytes::from(vec![b'x'; 1 << 20]));
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    service.answer_next(Answer::from(response));
    let to = service.subscribe(None);
    let Verdict::Rejected(said) = verdict(&sender, &to).await else { panic!() };
    assert_eq!((said.status, said.reason.len()), (Some(400), 1024));
    assert!(matches!(verdict(&sender, &to).await, Verdict::Accepted(_)), "the next is served");
}

/// It may have arrived: without a topic it is not sent again, with one it is.
#[tokio::test]
async fn a_service_that_closes_or_never_answers_costs_its_message_only() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let mut options = options(&service);
    options.config.limits.response = Duration::from_millis(500);
    let sender = webpush::tokio::sender(&vapid, options).unwrap();
    let to = service.subscribe(None);
    for answer in [Answer::Close, Answer::Silence] {
        service.answer_next(answer.clone());
        let Verdict::Transient(transient) = verdict(&sender, &to).await else { panic!("{answer:?}") };
        assert!(transient.sent && transient.said.is_none());
        service.answer_next(answer);
        let message = Message::new(to.clone(), "hello").topic(Topic::from_any("t"));
        assert!(matches!(sender.send(message).await.unwrap().verdict, Verdict::Accepted(_)));
    }
}

fn subscribed(service: &PushService, count: usize) -> Vec<String> {
    (0..count).map(|_| service.subscribe(None).to_json()).collect()
}

/// One verdict for each item, whatever is in it; the others are not concerned.
#[tokio::test]
async fn what_cannot_be_sent_is_its_own_verdict_and_nothing_else() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let mut rows = subscribed(&service, 40);
    let good = rows[0].clone();
    rows.push("{}".to_owned());
    rows.push("not JSON".to_owned());
    rows.push(good.replace("https://", "ftp://"));
    rows.push(good.replace("\"auth\":\"", "\"auth\":\"AA"));
    rows.push(good.replace("\"p256dh\":\"B", "\"p256dh\":\"A"));
    // These are good.
    rows.push(good.replace("\"keys\"", "\"expirationTime\":1800000000000,\"more\":{\"a\":[1]},\"keys\""));
    rows.push(good.replace("\",\"", "\" , \""));
    let messages = rows.iter().enumerate().map(|(row, json)| {
        let payload = if row == 7 { vec![0; 3994] } else { b"hello".to_vec() };
        let to: Result<Subscription, SubscriptionError> = json.parse();
        (row, to.map(|to| Message::new(to, payload).padding(Padding::None)))
    });
    let mut sent = sender.send_all(stream::iter(messages));
    let (mut seen, mut bad) = (BTreeSet::new(), BTreeSet::new());
    while let Some((row, sent)) = sent.next().await {
        assert!(seen.insert(row), "{row} has two verdicts");
        match sent.verdict {
            Verdict::Accepted(_) => {}
            Verdict::Rejected(Rejection { status: None, reason }) => {
                assert!(!reason.is_empty());
                bad.insert(row);
            }
            other => panic!("{row}: {other:?}"),
        }
    }
    assert_eq!((seen.len(), bad), (47, BTreeSet::from([7, 40, 41, 42, 43, 44])));
    assert_eq!(service.take_received().len(), 41);
}

/// Whoever makes messages may say in words of their own why there is none.
#[tokio::test]
async fn why_there_is_no_message_is_said_by_whoever_knows() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = start(&service, &vapid);
    let good = Message::new(service.subscribe(None), "hello");
    let messages = [(0, Ok(good)), (1, Err(MessageError::Other("no row of that name".to_owned())))];
    let mut sent = sender.send_all(stream::iter(messages));
    while let Some((row, sent)) = sent.next().await {
        match (row, sent.verdict) {
            (0, Verdict::Accepted(_)) => {}
            (1, Verdict::Rejected(Rejection { status: None, reason })) => {
                assert_eq!(reason, "no row of that name");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(service.take_received().len(), 1);
}

/// It takes from the stream what it has room for, and nothing before it is polled.
#[tokio::test]
async fn a_stream_is_taken_as_there_is_room() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender =
        webpush::tokio::sender(&vapid, Options { in_flight: Some(10), ..options(&service) }).unwrap();
    let to = service.subscribe(None);
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let messages = (0..100).map(move |row| {
        counted.fetch_add(1, Ordering::SeqCst);
        (row, Message::new(to.clone(), "hello"))
    });
    let mut sent = sender.send_all(stream::iter(messages));
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    let mut told = 0;
    while let Some((_, sent)) = sent.next().await {
        assert!(matches!(sent.verdict, Verdict::Accepted(_)));
        told += 1;
        assert!(taken.load(Ordering::SeqCst) <= told + 10);
    }
    assert_eq!(told, 100);
}

/// What cannot be sent takes room as well, until it is told.
#[tokio::test]
async fn nonsense_takes_room_as_well() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let options = Options { in_flight: Some(10), ..options(&service) };
    let sender = webpush::tokio::sender(&vapid, options).unwrap();
    let to = service.subscribe(None);
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let messages = (0..200).map(move |row| {
        counted.fetch_add(1, Ordering::SeqCst);
        let good = row % 9 < 5;
        let to = if good { Ok(to.clone()) } else { "{}".parse::<Subscription>() };
        (good, to.map(|to| Message::new(to, "hello")))
    });
    let mut sent = sender.send_all(stream::iter(messages));
    let mut told = 0;
    while let Some((good, sent)) = sent.next().await {
        assert_eq!(matches!(sent.verdict, Verdict::Accepted(_)), good, "{:?}", sent.verdict);
        told += 1;
        assert!(taken.load(Ordering::SeqCst) <= told + 10);
    }
    assert_eq!(told, 200);
}

/// Messages may come one at a time, and their verdicts do not wait for more of them.
#[tokio::test]
async fn a_stream_that_takes_its_time_holds_nothing_up() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let sender = webpush::tokio::sender(&vapid, options(&service)).unwrap();
    let to = service.subscribe(None);
    let (give, rows) = tokio::sync::mpsc::channel(1);
    let rows = stream::unfold(rows, |mut rows| async move { Some((rows.recv().await?, rows)) });
    let mut sent = sender.send_all(rows);
    for row in 0..5 {
        give.send((row, Message::new(to.clone(), "hello"))).await.unwrap();
        let (told, sent) = sent.next().await.unwrap();
        assert!(told == row && matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
    }
    drop(give);
    assert!(sent.next().await.is_none() && sent.next().await.is_none());
}

/// All that it is set up with and given has a name in this crate.
#[tokio::test]
async fn what_is_not_here_goes_by_the_driver() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(5) };
    let config = Config { limits: SenderLimits { backoff, ..SenderLimits::default() }, ..Config::default() };
    let sender = webpush::tokio::sender(&vapid, Options { config, ..service.options() }).unwrap();
    let to = service.subscribe(None);
    // A message without a body: there is something.
    let push = Push { urgency: Urgency::High, ..Push::new(Ttl::hours(1)) };
    let sent = sender.driver().send_content(&to.endpoint, Content::default(), push).await.unwrap();
    assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{:?}", sent.verdict);
    let received = service.received().await;
    assert!(received.body.is_empty() && received.urgency == Urgency::High);
    sender.driver().push_resource(&to.endpoint, Change::Ended).await.unwrap();
    assert!(matches!(verdict(&sender, &to).await, Verdict::Gone(_)));
    assert!(service.take_received().is_empty());
    let full = |rule: &&Rule| matches!(rule.says, Says::Notice(Notice::SenderThrottled));
    assert_eq!(RULES.iter().find(full).unwrap().class, Class::Throttled(Scope::PushService));
    sender.close().await;
    let refused = sender.send(Message::new(to, "hello")).await.unwrap_err();
    assert!(matches!(refused, SendError::Fault(_) | SendError::Refused(Refused::Closed)), "{refused:?}");
}

/// More push services than it has room for take turns.
#[tokio::test]
async fn more_push_services_than_there_is_room_for_are_served_in_turns() {
    let vapid = me();
    let services: Vec<_> = (0..6).map(|_| PushService::start().unwrap()).collect();
    let pem: String = services.iter().map(PushService::certificate).collect();
    let mut options = options(&services[0]);
    options.tls = Some(webpush::ClientTls::from_pem(pem.as_bytes()).unwrap());
    options.config.limits.origins = 2;
    let sender = webpush::tokio::sender(&vapid, options).unwrap();
    let subscriptions: Vec<_> = services.iter().map(|service| service.subscribe(None)).collect();
    let messages = (0..60).map(|row| (row, Message::new(subscriptions[row % 6].clone(), "hello")));
    let mut sent = sender.send_all(stream::iter(messages));
    let mut accepted = 0;
    while let Some((row, sent)) = sent.next().await {
        assert!(matches!(sent.verdict, Verdict::Accepted(_)), "{row}: {:?}", sent.verdict);
        accepted += 1;
    }
    assert_eq!(accepted, 60);
    assert!(services.iter().all(|service| service.take_received().len() == 10));
}

/// Checked on the address that is connected to, whatever a name was resolved to before.
#[tokio::test]
async fn a_name_that_comes_to_lead_here_is_not_followed() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let resolver = webpush::Resolver::new(move |host: &str, port: u16| {
        assert_eq!(host, "localhost");
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec![std::net::SocketAddr::from(([127, 0, 0, 1], port))])
    });
    let mut followed = Options { resolver: Some(resolver), ..options(&service) };
    followed.config.limits.attempts = 2;
    let guarded = Options { addresses: webpush::Addresses::Public, ..followed.clone() };
    let to = service.subscribe(None);
    let sender = webpush::tokio::sender(&vapid, followed).unwrap();
    assert!(matches!(verdict(&sender, &to).await, Verdict::Accepted(_)));
    let sender = webpush::tokio::sender(&vapid, guarded).unwrap();
    assert!(matches!(verdict(&sender, &to).await, Verdict::Rejected(Rejection { status: None, .. })));
    assert!(asked.load(Ordering::SeqCst) >= 2);
    assert_eq!(service.take_received().len(), 1);
}

/// What a sender refuses to connect to, by default: everything of this machine.
#[tokio::test]
async fn an_endpoint_in_this_machine_is_not_connected_to() {
    let (service, vapid) = (PushService::start().unwrap(), me());
    let mut guarded = options(&service);
    guarded.addresses = webpush::Addresses::Public;
    let sender = webpush::tokio::sender(&vapid, guarded).unwrap();
    let Verdict::Rejected(rejection) = verdict(&sender, &service.subscribe(None)).await else { panic!() };
    assert_eq!(rejection.status, None);
    assert!(rejection.explanation().text.contains("may not be connected to"));
    assert!(service.take_received().is_empty());
}
