//! Monitors that end, connections that fail (RFC 8030 §7.1, §7.3, §8.4; ).

use std::time::Duration;

use push_proto::Via;
use push_proto::user_agent::{
    Connection, ConnectionEvent, ConnectionId, Event, Failure, Input, MonitorFault, Order, Output, Reason,
    Response, RetryAfter, SubscriptionEvent, Tag,
};

use crate::world::*;

fn offline(outputs: &[Output]) -> Duration {
    let wait = events(outputs).into_iter().find_map(|event| match event {
        Event::Connection(_, ConnectionEvent::Offline(wait)) => Some(wait),
        _ => None,
    });
    wait.expect("it is told that the service is out of reach")
}

/// The first connection of a world, opened by its first subscribe.
fn established(world: &mut World) -> ConnectionId {
    let outputs = world.subscribe(1);
    let connection = connecting(&outputs).unwrap();
    world.give(Input::Connection(connection, Connection::Established));
    connection
}

#[test]
fn a_monitor_that_ends_in_peace_is_reopened_at_once() {
    //
    let (mut world, mut watch) = World::monitoring();
    for ended in [200, 204, 200] {
        world.pass(Duration::from_secs(3600));
        let (id, asked) = request(&world.reply(watch, status(ended)));
        assert_eq!((asked.method(), asked), ("GET", monitor("/a/1")));
        watch = id;
    }
}

#[test]
fn a_monitor_that_keeps_ending_is_no_hot_loop() {
    let (mut world, watch) = World::monitoring();
    let (mut watch, _) = request(&world.reply(watch, status(200)));
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(requests(&world.reply(watch, status(200))), []);
        let (wait, outputs) = world.wake();
        waits.push(wait);
        watch = request(&outputs).0;
    }
    assert!(waits[0] >= config().limits.backoff.first / 2);
    assert!(waits[7] > waits[0] * 16, "{waits:?}");
    // One that lives long makes it good.
    world.pass(config().limits.monitor);
    assert_eq!(requests(&world.reply(watch, status(200))).len(), 1);
}

#[test]
fn a_monitor_that_is_gone_takes_all_its_members_along() {
    // 8030-7.3-2, 8030-7.3.1-1, 8030-7.3.1-2, 8030-2-2, A-04
    for gone in [404, 410] {
        let (mut world, watch) = World::monitoring();
        world.subscribed(2, Some("/a/1"));
        let (lone, _) = request(&world.subscribed(3, Some("/a/2")));
        let outputs = world.reply(watch, status(gone));
        let event = |tag| Event::Subscription(Tag(tag), SubscriptionEvent::Gone);
        assert_eq!(events(&outputs), [event(1), event(2)]);
        assert_eq!(world.agent.subscriptions().collect::<Vec<_>>(), [Tag(3)]);
        assert_eq!(events(&world.reply(lone, status(gone)))[0], event(3));
        // The application can subscribe anew under the old names (8030-8.2-7).
        assert_eq!(events(&world.subscribed(1, Some("/a/9"))).len(), 1);
    }
}

#[test]
fn a_busy_service_says_when_to_come_again() {
    // 8030-8.4-3
    for busy in [429, 503] {
        let (mut world, watch) = World::monitoring();
        let retry_after = Some(RetryAfter::In(Duration::from_secs(90)));
        let outputs = world.reply(watch, Response { status: busy, retry_after, ..Response::default() });
        assert_eq!(events(&outputs), [Event::MonitorFailed(MonitorFault::Busy(busy))]);
        let (wait, outputs) = world.wake();
        assert_eq!(wait, Duration::from_secs(90));
        assert_eq!(request(&outputs).1, monitor("/a/1"));
    }
    // Not as long as it likes.
    let (mut world, watch) = World::monitoring();
    let retry_after = Some(RetryAfter::In(Duration::MAX));
    world.reply(watch, Response { status: 503, retry_after, ..Response::default() });
    assert_eq!(world.wake().0, config().limits.retry_after);
}

#[test]
fn it_reconnects_with_growing_jittered_waits() {
    let mut world = World::new();
    let mut outputs = world.subscribe(1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let connection = connecting(&outputs).unwrap();
        let lost = world.give(Input::Connection(connection, Connection::Lost));
        let (wait, next) = world.wake();
        assert_eq!(wait, offline(&lost));
        waits.push(wait);
        outputs = next;
    }
    let backoff = config().limits.backoff;
    assert!(waits[0] <= backoff.first && waits[0] >= backoff.first / 2);
    assert!(waits[11] <= backoff.longest && waits[11] >= backoff.longest / 2);
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0] / 2), "{waits:?}");
}

#[test]
fn a_connection_that_lived_long_is_replaced_soon() {
    let mut world = World::new();
    let mut connection = established(&mut world);
    for _ in 0..6 {
        world.give(Input::Connection(connection, Connection::Lost));
        let (_, outputs) = world.wake();
        connection = connecting(&outputs).unwrap();
        world.give(Input::Connection(connection, Connection::Established));
    }
    let quick = world.give(Input::Connection(connection, Connection::Lost));
    assert!(offline(&quick) > Duration::from_secs(10), "they all died young");
    let (_, outputs) = world.wake();
    let connection = connecting(&outputs).unwrap();
    let outputs = world.give(Input::Connection(connection, Connection::Established));
    world.reply(request(&outputs).0, created(1, None));
    world.pass(config().limits.stable);
    let lost = world.give(Input::Connection(connection, Connection::Lost));
    assert!(offline(&lost) <= Duration::from_secs(1));
}

#[test]
fn a_silent_peer_is_given_up() {
    // While it connects.
    let mut world = World::new();
    let outputs = world.subscribe(1);
    let connection = connecting(&outputs).unwrap();
    let (wait, outputs) = world.wake();
    assert_eq!(wait, config().limits.connect);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Connection(id, Order::Close) if *id == connection))
    );
    offline(&outputs);
    // It is too late now.
    assert!(world.give(Input::Connection(connection, Connection::Established)).is_empty());

    // While it should answer.
    let mut world = World::new();
    let connection = established(&mut world);
    let (wait, outputs) = world.wake();
    assert_eq!(wait, config().limits.response);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Connection(id, Order::Close) if *id == connection))
    );
    let (_, outputs) = world.wake();
    assert_ne!(connecting(&outputs).unwrap(), connection);
    // A monitor may be silent for as long as it likes.
    let (world, _) = World::monitoring();
    assert_eq!(world.reason, Reason::Keepalive);
}

#[test]
fn a_lost_connection_reopens_the_monitor_on_the_next() {
    // 8030-7.1-2
    let (mut world, watch) = World::monitoring();
    let connection = ConnectionId(0);
    let outputs = world.give(Input::Connection(connection, Connection::Lost));
    offline(&outputs);
    // What was in flight is lost with it: a late answer means nothing.
    assert!(world.reply(watch, status(404)).is_empty());
    let (_, outputs) = world.wake();
    let outputs = world.give(Input::Connection(connecting(&outputs).unwrap(), Connection::Established));
    assert!(matches!(events(&outputs)[0], Event::Connection(_, ConnectionEvent::Online)));
    assert_eq!(request(&outputs).1, monitor("/a/1"));
}

#[test]
fn a_reset_monitor_is_reopened_with_backoff() {
    let (mut world, watch) = World::monitoring();
    assert_eq!(requests(&world.give(Input::Reply(watch, Err(Failure::Lost)))), []);
    assert_eq!(request(&world.wake().1).1, monitor("/a/1"));
}

#[test]
fn the_lowest_urgency_wanted_is_sent() {
    // 8030-5.3-4
    let mut config = config();
    config.urgency = Some(push_proto::Urgency::High);
    let mut world = World::with(config, push_proto::user_agent::State::default());
    let (_, asked) = request(&world.subscribed(1, None));
    let urgency = Some(push_proto::Urgency::High);
    assert_eq!(asked, push_proto::user_agent::Request::Monitor { url: at("/s/1"), via: Via::Push, urgency });
}

#[test]
fn acknowledgements_in_flight_are_bounded() {
    let mut config = config();
    config.limits.requests_in_flight = 2;
    let mut world = World::with(config, push_proto::user_agent::State::default());
    let (watch, _) = request(&world.subscribed(1, Some("/a/1")));
    let mut asked = Vec::new();
    for number in 0..5 {
        let message = delivery(&world.push(watch, number, 1)).message;
        asked.extend(requests(&world.dispose(message, push_proto::user_agent::Disposition::Taken)));
    }
    assert_eq!(asked.len(), 2);
    assert_eq!(requests(&world.reply(asked[0].1, status(204))).len(), 1);
}
