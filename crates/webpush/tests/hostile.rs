//! Push services that want to keep others waiting, on purpose or not: what is for another is sent all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use http::Response;
use webpush::{
    ClientTls, Message, Options, Resolver, Sender, SigningKey, Subscription, Topic, Ttl, Vapid, Verdict,
    provider,
    testing::{Answer, PushService},
};

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

/// For a sender that trusts all of them.
fn options(services: &[&PushService]) -> Options {
    let pem: String = services.iter().map(|service| service.certificate()).collect();
    Options { tls: Some(ClientTls::from_pem(pem.as_bytes()).unwrap()), ..services[0].options() }
}

fn later(status: u16, secs: u32) -> Answer {
    let response = Response::builder().status(status).header("retry-after", secs);
    Answer::from(response.body(bytes::Bytes::new()).unwrap())
}

async fn send(sender: &Sender, to: &Subscription) -> Verdict {
    sender.send(Message::new(to.clone(), "hello")).await.unwrap().verdict
}

/// More rows than may be under way, for services that want a day: each is told, and the rest goes out.
#[tokio::test]
async fn who_wants_a_day_keeps_nobody_waiting() {
    let (many, one, good) =
        (PushService::start().unwrap(), PushService::start().unwrap(), PushService::start().unwrap());
    many.answer_all(Some(later(429, 86_400)));
    one.answer_all(Some(later(503, 86_400)));
    let options = Options { in_flight: Some(8), ..options(&[&many, &one, &good]) };
    let sender = webpush::tokio::sender(&me(), options).unwrap();
    let each: Vec<_> = (0..20).map(|_| many.subscribe(None)).collect();
    let (same, works) = (one.subscribe(None), good.subscribe(None));
    let rows = (0..60).map(|row: usize| {
        let to = match row {
            0..20 => &each[row],
            20..40 => &same,
            _ => &works,
        };
        (row, Message::new(to.clone(), "hello"))
    });
    let mut sent = sender.send_all(stream::iter(rows.collect::<Vec<_>>()));
    let mut told = BTreeMap::new();
    while let Some((row, sent)) = sent.next().await {
        match (row, sent.verdict) {
            (0..40, Verdict::Throttled(throttled)) => assert!(throttled.wait > Duration::from_secs(86_000)),
            (40.., Verdict::Accepted(_)) => {}
            (row, verdict) => panic!("{row}: {verdict:?}"),
        }
        assert!(told.insert(row, ()).is_none());
    }
    assert_eq!(told.len(), 60);
    assert_eq!(many.take_received().len(), 20, "each was asked once");
}

/// Services without an answer hold what is for them, and no more of the sender than that.
#[tokio::test]
async fn silent_services_leave_room_for_one_that_answers() {
    let silent: Vec<_> = (0..8).map(|_| PushService::start().unwrap()).collect();
    let good = PushService::start().unwrap();
    silent.iter().for_each(|service| service.answer_all(Some(Answer::Silence)));
    let all: Vec<_> = silent.iter().chain([&good]).collect();
    let mut options = options(&all);
    options.config.limits.requests = 64;
    let sender = webpush::tokio::sender(&me(), options).unwrap();
    let mut waiting = Vec::new();
    for service in &silent {
        let to = service.subscribe(None);
        for _ in 0..64 {
            let (sender, to) = (sender.clone(), to.clone());
            waiting.push(tokio::spawn(async move { send(&sender, &to).await }));
        }
    }
    // They have it, and say nothing.
    for service in &silent {
        service.received().await;
    }
    let to = good.subscribe(None);
    for _ in 0..100 {
        assert!(matches!(send(&sender, &to).await, Verdict::Accepted(_)));
    }
    sender.close().await;
    for waiting in waiting {
        assert!(matches!(waiting.await.unwrap(), Verdict::Transient(_)));
    }
}

/// There is room for one push service, and it has much to do: another still gets its turn, or its end in time.
#[tokio::test]
async fn a_busy_push_service_gives_way_to_one_that_waits() {
    let (busy, other) = (PushService::start().unwrap(), PushService::start().unwrap());
    let mut options = options(&[&busy, &other]);
    options.config.limits.origins = 1;
    let sender = webpush::tokio::sender(&me(), options).unwrap();
    let (to_busy, to_other) = (busy.subscribe(None), other.subscribe(None));
    let traffic: Vec<_> = (0..4)
        .map(|_| {
            let (sender, to) = (sender.clone(), to_busy.clone());
            tokio::spawn(async move {
                loop {
                    assert!(matches!(send(&sender, &to).await, Verdict::Accepted(_)));
                }
            })
        })
        .collect();
    busy.received().await;
    assert!(matches!(send(&sender, &to_other).await, Verdict::Accepted(_)));
    traffic.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_message_that_waits_for_room_expires_in_time_and_is_told_at_the_end() {
    let (silent, other) = (PushService::start().unwrap(), PushService::start().unwrap());
    silent.answer_all(Some(Answer::Silence));
    let mut options = options(&[&silent, &other]);
    options.config.limits.origins = 1;
    let sender = webpush::tokio::sender(&me(), options).unwrap();
    let (to_silent, to_other) = (silent.subscribe(None), other.subscribe(None));
    let first = sender.clone();
    let first = tokio::spawn(async move { send(&first, &to_silent).await });
    silent.received().await;
    let brief = Message::new(to_other.clone(), "hello").ttl(Ttl::from_secs(1));
    assert!(matches!(sender.send(brief).await.unwrap().verdict, Verdict::Expired));
    let (last, to) = (sender.clone(), to_other);
    let mut last = std::pin::pin!(async move { send(&last, &to).await });
    assert!(futures_util::FutureExt::now_or_never(last.as_mut()).is_none());
    tokio::join!(sender.close(), async {
        assert!(matches!(last.await, Verdict::Transient(transient) if !transient.sent));
    });
    assert!(matches!(first.await.unwrap(), Verdict::Transient(transient) if transient.sent));
    assert!(other.take_received().is_empty());
}

/// What counts of an answer is its head: one whose body never comes is understood, and in time.
#[tokio::test]
async fn an_answer_whose_body_hangs_is_understood_by_its_head() {
    for (protocol, service) in [("h2", PushService::start()), ("http/1.1", PushService::start_http1())] {
        let service = service.unwrap();
        let mut options = service.options();
        options.limits.answer_body = Duration::from_millis(20);
        let sender = webpush::tokio::sender(&me(), options).unwrap();
        for (status, body) in [(410, "no such"), (201, "thank "), (413, "")] {
            let response = Response::builder().status(status).body(bytes::Bytes::from(body)).unwrap();
            service.answer_next(Answer::Unfinished(Box::new(response)));
            match (status, send(&sender, &service.subscribe(None)).await) {
                (410, Verdict::Gone(_)) | (201, Verdict::Accepted(_)) | (413, Verdict::Rejected(_)) => {}
                (status, verdict) => panic!("{protocol}, {status}: {verdict:?}"),
            }
        }
        assert!(matches!(send(&sender, &service.subscribe(None)).await, Verdict::Accepted(_)), "{protocol}");
    }
}

/// A push service that speaks HTTP/2 from some day on is spoken to so, without an end to its traffic first.
#[tokio::test]
async fn a_service_may_learn_http_2() {
    let (before, after) = (PushService::start_http1().unwrap(), PushService::start().unwrap());
    let learnt = Arc::new(AtomicBool::new(false));
    let ports = [&before, &after].map(|service| service.url().rsplit(':').next().unwrap().parse().unwrap());
    let (seen, here) = (Arc::clone(&learnt), [127, 0, 0, 1]);
    let resolver = Resolver::new(move |_: &str, _: u16| {
        Ok(vec![SocketAddr::from((here, ports[usize::from(seen.load(Ordering::SeqCst))]))])
    });
    let mut options = Options { resolver: Some(resolver), ..options(&[&before, &after]) };
    options.config.limits.backoff.first = Duration::from_millis(1);
    options.config.limits.backoff.longest = Duration::from_millis(5);
    let sender = webpush::tokio::sender(&me(), options).unwrap();
    let (mut to, _same) = (before.subscribe(None), after.subscribe(None));
    to.endpoint = "https://localhost/p/1".parse().unwrap();
    assert!(matches!(send(&sender, &to).await, Verdict::Accepted(_)));
    learnt.store(true, Ordering::SeqCst);
    before.answer_all(Some(Answer::Close));
    let message = Message::new(to.clone(), "hello").topic(Topic::from_any("t"));
    assert!(matches!(sender.send(message).await.unwrap().verdict, Verdict::Accepted(_)));
    assert_eq!((before.take_received().len(), after.take_received().len()), (2, 1));
}
