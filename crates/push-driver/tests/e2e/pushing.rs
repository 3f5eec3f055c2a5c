//! Server push to peers that do not make it easy (`docs/design.md` §3.4): each is a fact about h2 that was measured.

use std::time::Duration;

use http::Method;

use super::support::{
    Service, Setup,
    clocked::Clocked,
    peer::{Peer, Subscription},
    raw::{
        ENABLE_PUSH, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, PUSH_PROMISE,
        RST_STREAM, Raw,
    },
    run,
};

const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

async fn stored(service: &Service, count: u8) -> (Peer, Subscription, Vec<String>) {
    let mut sender = Peer::connect(service).await;
    let subscription = sender.subscribe().await;
    let mut urls = Vec::new();
    for number in 0..count {
        urls.push(sender.send(&subscription.push, &[number]).await);
    }
    (sender, subscription, urls)
}

/// What is still to be delivered, in order.
async fn left(sender: &mut Peer, subscription: &Subscription) -> Vec<String> {
    let monitor = sender.monitor(&subscription.set, &[("prefer", "wait=0")]).await;
    let (response, pushed) = monitor.all().await;
    assert_eq!(response.status(), if pushed.is_empty() { 204 } else { 200 });
    pushed.into_iter().map(|pushed| pushed.url).collect()
}

#[test]
fn one_stream_at_a_time() {
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 5).await;
        let mut raw = Raw::connect(&service, &[(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        for number in 0..5 {
            let stream = raw.promise().await;
            // While one is open there is no other, however long we look.
            raw.settle().await;
            assert!(!raw.has_read(PUSH_PROMISE));
            raw.window(stream, 100).await;
            assert_eq!(raw.body(stream).await, [number]);
        }
        for url in &urls {
            sender.acknowledge(url).await;
        }
        assert!(left(&mut sender, &subscription).await.is_empty());
    });
}

/// G2, 8030-5.2-8: the service wakes up for an expiry by its monotonic clock, up to a second late.
#[test]
fn what_expires_while_it_waits_for_a_stream_is_not_promised() {
    run(async {
        let clock = Clocked::new();
        clock.advance(Duration::from_millis(900));
        let service = Setup { shards: 1, ..Setup::default() }.start_on(clock.clone());
        let mut sender = Peer::connect(&service).await;
        let subscription = sender.subscribe().await;
        for (body, ttl) in [(b"0", "60"), (b"1", "1"), (b"2", "60")] {
            let answer = sender.request(Method::POST, &subscription.push, &[("ttl", ttl)], body).await;
            assert_eq!(answer.status(), 201);
        }
        let mut raw = Raw::connect(&service, &[(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        let first = raw.promise().await;
        raw.settle().await;
        // Its second is over, and the service has not woken up for it.
        clock.advance(Duration::from_millis(200));
        raw.window(first, 100).await;
        assert_eq!(raw.body(first).await, b"0");
        let next = raw.promise().await;
        raw.window(next, 100).await;
        assert_eq!(raw.body(next).await, b"2");
    });
}

#[test]
fn a_refused_push_costs_neither_the_connection_nor_the_message() {
    // h2 kills the connection if the push that is refused is one that it holds back.
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 5).await;
        let mut raw = Raw::connect(&service, &[(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        for _ in 0..5 {
            let stream = raw.promise().await;
            raw.reset(stream, REFUSED_STREAM).await;
        }
        raw.settle().await;
        assert!(!raw.has_read(GOAWAY));
        drop(raw);
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_push_refused_while_its_body_waits_for_the_window_frees_its_stream() {
    // h2 does not tell: its state was closed when END_STREAM was queued.
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 5).await;
        let mut raw = Raw::connect(&service, &[(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        for _ in 0..5 {
            let stream = raw.promise().await;
            let head = raw.until(|frame| frame.stream == stream && frame.kind == HEADERS).await;
            assert!(!head.ends());
            raw.reset(stream, REFUSED_STREAM).await;
        }
        raw.settle().await;
        assert!(!raw.has_read(GOAWAY));
        drop(raw);
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_peer_that_refuses_every_push_is_served_otherwise() {
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 3).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        for _ in 0..3 {
            let stream = raw.promise().await;
            raw.reset(stream, CANCEL).await;
        }
        raw.request(3, "DELETE", &urls[0], &[]).await;
        assert_eq!(raw.status(3).await, 204);
        assert!(!raw.has_read(GOAWAY));
        drop(raw);
        assert_eq!(left(&mut sender, &subscription).await, urls[1..]);
    });
}

#[test]
fn push_disabled_from_the_start_is_406_and_no_promise() {
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 2).await;
        for settings in [(ENABLE_PUSH, 0), (MAX_CONCURRENT_STREAMS, 0)] {
            let mut raw = Raw::connect(&service, &[settings]).await;
            raw.get(1, &subscription.set).await;
            assert_eq!(raw.status(1).await, 406);
            // Even when there is nothing to push.
            let empty = sender.subscribe().await;
            raw.get(3, &empty.set).await;
            assert_eq!(raw.status(3).await, 406);
            raw.request(5, "DELETE", &urls[0], &[]).await;
            assert!(matches!(raw.status(5).await, 204 | 404));
            assert!(!raw.has_read(PUSH_PROMISE) && !raw.has_read(GOAWAY));
        }
        assert_eq!(left(&mut sender, &subscription).await, urls[1..]);
    });
}

#[test]
fn push_disabled_later_ends_the_monitor_with_406() {
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, _) = stored(&service, 0).await;
        for setting in [ENABLE_PUSH, MAX_CONCURRENT_STREAMS] {
            let mut raw = Raw::connect(&service, &[]).await;
            raw.get(1, &subscription.set).await;
            raw.settings(&[(setting, 0)]).await;
            raw.settle().await;
            let url = sender.send(&subscription.push, b"x").await;
            assert_eq!(raw.status(1).await, 406);
            assert!(!raw.has_read(PUSH_PROMISE) && !raw.has_read(GOAWAY));
            sender.acknowledge(&url).await;
        }
    });
}

#[test]
fn a_peer_that_does_not_read_holds_up_only_itself() {
    run(async {
        let mut setup = Setup { shards: 1, ..Setup::default() };
        setup.limits.pushes = 4;
        let credit = setup.limits.credit as usize;
        let service = setup.start();
        let (mut sender, subscription, urls) = stored(&service, 40).await;
        // It opens no window, so no body comes through.
        let mut raw = Raw::connect(&service, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(raw.promise().await);
        }
        // No more than the named limit of them, whatever the peer allows; others are served.
        let other = sender.subscribe().await;
        let mut monitor = sender.monitor(&other.set, &[]).await;
        let url = sender.send(&other.push, b"x").await;
        assert_eq!(monitor.next().await.unwrap().url, url);
        raw.settle().await;
        assert!(!raw.has_read(PUSH_PROMISE));
        assert!(credit < urls.len(), "the rest stays in the store");
        // It begins to read: nothing was lost.
        raw.settings(&[(INITIAL_WINDOW_SIZE, 65_535)]).await;
        for number in 0..40 {
            let stream = if streams.is_empty() { raw.promise().await } else { streams.remove(0) };
            assert_eq!(raw.body(stream).await, [number]);
        }
    });
}

#[test]
fn monitors_of_a_connection_are_limited() {
    run(async {
        let mut setup = Setup::default();
        setup.limits.monitors = 2;
        let service = setup.start();
        let mut peer = Peer::connect(&service).await;
        let mut monitors = Vec::new();
        for _ in 0..2 {
            let subscription = peer.subscribe().await;
            monitors.push(peer.monitor(&subscription.set, &[]).await);
        }
        let subscription = peer.subscribe().await;
        let refused = peer.monitor(&subscription.set, &[]).await.end().await;
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        // One that the peer resets makes room.
        drop(monitors.pop());
        let mut monitor = peer.monitor(&subscription.set, &[]).await;
        let url = peer.send(&subscription.push, b"x").await;
        assert_eq!(monitor.next().await.unwrap().url, url);
    });
}

#[test]
fn a_message_acknowledged_elsewhere_is_retracted() {
    run(async {
        let service = Setup::default().start();
        let (mut sender, subscription, urls) = stored(&service, 2).await;
        let mut raw = Raw::connect(&service, &[(MAX_CONCURRENT_STREAMS, 1), (INITIAL_WINDOW_SIZE, 0)]).await;
        raw.get(1, &subscription.set).await;
        let first = raw.promise().await;
        sender.acknowledge(&urls[0]).await;
        let reset = raw.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!((reset.stream, reset.error()), (first, CANCEL));
        let second = raw.promise().await;
        raw.window(second, 100).await;
        assert_eq!(raw.body(second).await, [1]);
        assert!(!raw.has_read(GOAWAY));
    });
}

/// A monitor of many large messages by a narrow pipe: its promises are with h2, and most of them are unwritten.
async fn congested(service: &Service) -> (Peer, Subscription, Vec<String>, Raw) {
    let mut sender = Peer::connect(service).await;
    let subscription = sender.subscribe().await;
    let mut urls = Vec::new();
    for _ in 0..CONGESTION {
        urls.push(sender.send(&subscription.push, &[b'x'; 4000]).await);
    }
    let mut raw = Raw::narrow(service, 1024, &[]).await;
    raw.get(1, &subscription.set).await;
    assert_eq!(raw.promise().await, 2);
    (sender, subscription, urls, raw)
}

const CONGESTION: u32 = 6;

fn congestible() -> Setup {
    let mut setup = Setup { shards: 1, ..Setup::default() };
    setup.limits.pushes = CONGESTION as usize;
    setup
}

/// Everything up to the end of the connection.
async fn rest(mut raw: Raw) -> Vec<Frame> {
    let mut frames: Vec<_> = std::mem::take(&mut raw.read).into();
    while let Some(frame) = raw.next().await {
        frames.push(frame);
    }
    frames
}

/// That it ended as it should, and did not just break off.
fn ended_well(frames: &[Frame]) -> bool {
    frames.iter().rfind(|frame| frame.kind == GOAWAY).is_some_and(|frame| frame.error() == 0)
}

/// RFC 9113 §5.1.1: whatever they are promised on, streams are promised in the order of their numbers. h2 writes the
/// promises of several requests in an order of its own.
#[test]
fn streams_are_promised_in_order_across_monitors() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let mut sender = Peer::connect(&service).await;
        let mut sets = Vec::new();
        for _ in 0..8 {
            let subscription = sender.subscribe().await;
            for _ in 0..4 {
                sender.send(&subscription.push, b"x").await;
            }
            sets.push(subscription.set);
        }
        let mut raw = Raw::connect(&service, &[]).await;
        let mut last = 0;
        for round in 0..20 {
            let streams = (1 + 16 * round..).step_by(2).take(sets.len());
            raw.hold();
            for (stream, set) in streams.clone().zip(&sets) {
                raw.get(stream, set).await;
            }
            raw.release().await;
            for _ in 0..4 * sets.len() {
                let promised = raw.promise().await;
                assert!(promised > last, "{promised} after {last}");
                last = promised;
            }
            for stream in streams {
                raw.reset(stream, CANCEL).await;
            }
        }
    });
}

#[test]
fn a_promise_may_be_reset_before_it_is_written() {
    run(async {
        let service = congestible().start();
        let (mut sender, subscription, urls, mut raw) = congested(&service).await;
        for stream in 2..=CONGESTION {
            raw.reset(2 * stream, CANCEL).await;
        }
        for stream in 2..=CONGESTION {
            assert_eq!(raw.promise().await, 2 * stream);
        }
        raw.settle().await;
        assert!(!raw.has_read(GOAWAY));
        // Every stream is free again.
        raw.reset(1, CANCEL).await;
        raw.get(3, &subscription.set).await;
        for _ in 0..CONGESTION {
            let promise = raw.until(|frame| frame.kind == PUSH_PROMISE).await;
            assert_eq!(promise.stream, 3);
        }
        drop(raw);
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_monitor_may_be_reset_before_its_promises_are_written() {
    run(async {
        let service = congestible().start();
        let (mut sender, subscription, urls, mut raw) = congested(&service).await;
        raw.reset(1, CANCEL).await;
        raw.settle().await;
        raw.get(3, &subscription.set).await;
        for _ in 0..CONGESTION {
            raw.until(|frame| frame.kind == PUSH_PROMISE && frame.stream == 3).await;
        }
        raw.settle().await;
        assert!(!raw.has_read(GOAWAY));
        drop(raw);
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_peer_may_go_away_before_promises_are_written() {
    run(async {
        let service = congestible().start();
        let (mut sender, subscription, urls, mut raw) = congested(&service).await;
        raw.write(GOAWAY, 0, 0, &[0; 8]).await;
        assert!(ended_well(&rest(raw).await));
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_peer_that_goes_away_is_promised_nothing_more() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let (mut sender, subscription, mut urls) = stored(&service, 1).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.get(1, &subscription.set).await;
        let stream = raw.promise().await;
        assert_eq!(raw.body(stream).await, [0]);
        // A request under way keeps the connection open.
        raw.head(3, ("POST", &subscription.push), &[("ttl", "60")], false).await;
        raw.write(GOAWAY, 0, 0, &[0, 0, 0, 2, 0, 0, 0, 0]).await;
        let reset = raw.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!((reset.stream, reset.error()), (1, CANCEL));
        urls.push(sender.send(&subscription.push, b"x").await);
        raw.get(5, &subscription.set).await;
        assert_eq!(raw.status(5).await, 406);
        raw.reset(3, CANCEL).await;
        let frames = rest(raw).await;
        assert!(ended_well(&frames) && frames.iter().all(|frame| frame.kind != PUSH_PROMISE));
        assert_eq!(left(&mut sender, &subscription).await, urls);
    });
}

#[test]
fn a_monitor_that_is_reset_at_once_leaves_nothing_behind() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let (mut sender, subscription, _) = stored(&service, 0).await;
        let mut raw = Raw::connect(&service, &[]).await;
        raw.settle().await;
        raw.hold();
        raw.get(1, &subscription.set).await;
        raw.reset(1, CANCEL).await;
        raw.release().await;
        raw.get(3, &subscription.set).await;
        for _ in 0..3 {
            sender.send(&subscription.push, b"x").await;
            let promise = raw.until(|frame| frame.kind == PUSH_PROMISE).await;
            assert_eq!(promise.stream, 3);
            assert_eq!(raw.body(promise.promised()).await, b"x");
        }
        assert!(!raw.has_read(GOAWAY) && !raw.has_read(PUSH_PROMISE));
    });
}
