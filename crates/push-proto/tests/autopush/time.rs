//! Waits, pings and floods.

use std::time::Duration;

use push_proto::{
    AgentId,
    autopush::{Came, Close, Config, Keepalive, Limits},
    service::{self, Rate},
};
use serde_json::json;

use crate::{
    agent::channel,
    world::{Who, World},
};

fn with(limits: Limits) -> World {
    World::with(Config { limits, ..Config::default() }, service::Limits::default())
}

/// A user agent whose path cuts no connection: how long it was silent until it was asked, time after time.
fn silences(world: &mut World, who: Who, times: usize) -> Vec<u64> {
    let silences = (0..times).map(|_| {
        let pings = world.lines[who].pings;
        let from = world.now.mono;
        while world.lines[who].pings == pings {
            assert_eq!(world.closed(who), None);
            world.pass_secs(1);
        }
        let silence = world.now.mono.since(from).as_secs();
        world.pong(who);
        silence
    });
    silences.collect()
}

#[test]
fn hello_must_come_in_time() {
    let mut world = World::new();
    let limits = Limits::default();
    let (late, good) = (world.connect(), world.connect());
    world.pass(limits.hello - Duration::from_nanos(1));
    world.hello(good, None);
    world.pong(late);
    assert_eq!(world.closed(late), None, "a pong is no hello");
    world.pass(Duration::from_nanos(1));
    assert_eq!(world.closed(late), Some(Some(Close::NoHello)));
    assert_eq!(world.closed(good), None);
}

/// Nobody is asked again and again when to wake up.
#[test]
fn a_connection_without_room_is_no_busy_loop() {
    let mut world = World::new();
    let who = world.connect();
    world.room(who, false);
    world.pass_secs(60);
    assert_eq!(world.closed(who), None);
    world.room(who, true);
    assert_eq!(world.closed(who), Some(Some(Close::NoHello)));
}

#[test]
fn the_first_ping_comes_after_55_seconds_or_an_eighth_sooner() {
    for (octet, first) in [(0, 55_000), (0x80, 51_549), (0xff, 48_125)] {
        let mut world = World::new();
        let mut octets = [3; 16];
        octets[12..].fill(octet);
        let who = world.connect_as(AgentId::from_octets(octets));
        world.hello(who, None);
        world.pass(Duration::from_millis(first - 2));
        assert_eq!(world.lines[who].pings, 0);
        world.pass(Duration::from_millis(4));
        assert_eq!(world.lines[who].pings, 1);
    }
}

#[test]
fn whatever_comes_puts_a_ping_off() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    for _ in 0..20 {
        world.pass_secs(50);
        world.say(who, "{}");
    }
    assert_eq!(world.told(who), vec![json!({}); 20]);
    assert_eq!(world.lines[who].pings, 0);
}

/// Each silence that was survived makes the next one longer, up to the longest.
#[test]
fn pings_become_rare_where_nothing_cuts_connections() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    let longest = Keepalive::default().longest.as_secs();
    let silences = silences(&mut world, who, 14);
    assert_eq!(&silences[..3], &[55, 83, 124]);
    assert!(silences.is_sorted());
    assert_eq!(silences.last(), Some(&longest));
    assert_eq!(world.lines[who].session.learned(), Some(Duration::from_secs(longest)));
}

#[test]
fn who_does_not_answer_is_left() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    assert_eq!(silences(&mut world, who, 1), [55]);
    world.pass_secs(83 + 19);
    assert_eq!((world.lines[who].pings, world.closed(who)), (2, None));
    world.pass_secs(1);
    assert_eq!(world.closed(who), Some(None), "no frame: nobody is there");
    assert_eq!(world.lines[who].session.learned(), Some(Duration::from_secs(55)));
    world.send(&endpoint, "x");
    let who = world.reconnect(&uaid);
    assert_eq!(world.bodies(who), ["x"]);
}

/// A proxy that cuts connections after a minute of silence just does so. What survives it is not given up at once for
/// something longer, or each connection would be cut soon.
#[test]
fn what_is_recalled_is_kept_to() {
    let mut world = World::new();
    let (first, uaid, _) = world.subscriber();
    silences(&mut world, first, 1);
    let learned = world.lines[first].session.learned().unwrap();
    assert_eq!(learned.as_secs(), 55);
    // 82 s are too long for it.
    world.cut(first);
    let second = world.reconnect(&uaid);
    world.lines[second].session.recall(learned);
    world.say(second, "{}");
    let patience = usize::try_from(Keepalive::default().patience).unwrap();
    assert_eq!(silences(&mut world, second, patience), vec![55; patience]);
    assert_eq!(silences(&mut world, second, 1), [83], "networks change");
}

#[test]
fn what_is_recalled_is_within_the_bounds() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    for (learned, bounded) in [(0, 20), (100_000, 1800)] {
        world.lines[who].session.recall(Duration::from_secs(learned));
        assert_eq!(world.lines[who].session.learned(), Some(Duration::from_secs(bounded)));
    }
}

#[test]
fn a_ping_flood_is_ended() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    let burst = Limits::default().frames.unwrap().burst.get();
    // Hello and register were two of them.
    for _ in 2..burst {
        world.pong(who);
    }
    assert_eq!(world.closed(who), None);
    world.pong(who);
    assert_eq!(world.closed(who), Some(Some(Close::TooManyFrames)));
}

#[test]
fn a_frame_flood_is_ended() {
    let mut world = with(Limits { frames: Rate::new(2, 4), ..Limits::default() });
    let who = world.connect();
    world.hello(who, None);
    for _ in 0..3 {
        world.say(who, "{}");
    }
    assert_eq!(world.told(who).len(), 3);
    world.pass_secs(1);
    for _ in 0..2 {
        world.say(who, json!({ "messageType": "ping" }));
    }
    assert_eq!(world.told(who), vec![json!({}); 2], "two come back each second");
    world.say(who, "{}");
    assert_eq!(world.closed(who), Some(Some(Close::TooManyFrames)));
    assert!(world.told(who).is_empty());
}

#[test]
fn frames_without_a_bound() {
    let mut world = with(Limits { frames: None, ..Limits::default() });
    let who = world.connect();
    world.hello(who, None);
    for _ in 0..5000 {
        world.say(who, "{}");
    }
    assert_eq!(world.closed(who), None);
}

/// a monitor that has lasted as long as it may is followed by another on the same connection, and what was not
/// acknowledged comes again, by the same name.
#[test]
fn a_connection_outlives_the_longest_monitor() {
    let limits = service::Limits { monitor: Duration::from_secs(100), ..service::Limits::default() };
    let mut world = World::with(Config::default(), limits);
    let (who, _, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let first = world.notification(who);
    for _ in 0..2 {
        world.pass_secs(50);
        world.pong(who);
    }
    assert_eq!(world.closed(who), None);
    let again = world.notifications(who);
    assert!(!again.is_empty() && again.iter().all(|again| *again == first), "{again:?}");
    world.send(&endpoint, "y");
    assert_eq!(world.bodies(who), ["y"]);
}

/// One frame for each notification is owed.
#[test]
fn acknowledgements_of_what_was_delivered_are_no_flood() {
    let mut world = with(Limits { frames: Rate::new(1, 3), ..Limits::default() });
    let (who, _, endpoint) = world.subscriber();
    for number in 0..50 {
        world.send(&endpoint, &number.to_string());
        let notified = world.notification(who);
        world.ack(who, &[notified]);
    }
    assert_eq!((world.ended.len(), world.closed(who)), (50, None));
    // What was not delivered is nobody's debt.
    for _ in 0..2 {
        world.ack(who, &[]);
    }
    assert_eq!(world.closed(who), Some(Some(Close::TooManyFrames)));
}

/// However many were delivered, no more frames are owed than one window of messages takes.
#[test]
fn what_was_delivered_long_ago_lets_nobody_flood() {
    let mut world = with(Limits { frames: Rate::new(1, 3), updates: 256, ..Limits::default() });
    let (who, _, endpoint) = world.subscriber();
    for _ in 0..4 {
        let batch: Vec<_> = (0..250).map(|_| world.send(&endpoint, "x")).collect();
        assert_eq!(batch.len(), 250);
        let notified = world.notifications(who);
        world.ack(who, &notified);
    }
    for _ in 0..255 {
        world.ack(who, &[]);
    }
    assert_eq!(world.closed(who), None);
    for _ in 0..3 {
        world.ack(who, &[]);
    }
    assert_eq!(world.closed(who), Some(Some(Close::TooManyFrames)));
}

/// While the service has no answer nothing is read, so nothing could be heard.
#[test]
fn nobody_is_given_up_who_was_not_listened_to() {
    let mut world = with(Limits { requests: 1, ..Limits::default() });
    let (who, ..) = world.subscriber();
    silences(&mut world, who, 1);
    world.pass_secs(82);
    world.hold();
    world.say(who, json!({ "messageType": "register", "channelID": channel(1) }));
    assert!(!world.lines[who].session.wants_frames());
    world.pass_secs(600);
    assert_eq!((world.lines[who].pings, world.closed(who)), (1, None));
    world.release();
    world.told(who);
    assert_eq!(silences(&mut world, who, 1), [83]);
}

/// A path that cuts before anything was survived is not tried with the same again, connection after connection.
#[test]
fn what_was_too_long_from_the_start_is_remembered() {
    let mut world = World::new();
    let (who, uaid, _) = world.subscriber();
    world.pass_secs(55 + 20);
    assert_eq!(world.closed(who), Some(None));
    let learned = world.lines[who].session.learned().unwrap();
    let who = world.reconnect(&uaid);
    world.lines[who].session.recall(learned);
    world.say(who, "{}");
    world.told(who);
    assert_eq!(silences(&mut world, who, 1), [28]);
}

#[test]
fn a_binary_message_is_no_frame() {
    for hello in [false, true] {
        let mut world = World::new();
        let who = world.connect();
        if hello {
            world.hello(who, None);
        }
        world.come(who, Came::Binary);
        assert_eq!(world.closed(who), Some(Some(Close::Binary)));
    }
}

#[test]
fn an_overlong_frame_ends_the_session() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    let most = Limits::default().frame_octets;
    world.say(who, format!("{{{}}}", " ".repeat(most - 2)));
    assert_eq!(world.reply(who), json!({}));
    world.say(who, format!("{{{}}}", " ".repeat(most - 1)));
    assert_eq!(world.closed(who).unwrap().unwrap().reason(), "the frame is too large");
}

/// G5: nobody is listened to who asks more than is answered.
#[test]
fn requests_that_are_not_answered_are_limited() {
    let mut world = with(Limits { requests: 3, ..Limits::default() });
    let (who, ..) = world.subscriber();
    world.hold();
    let before = world.asked.len();
    for number in 1..6 {
        assert_eq!(world.lines[who].session.wants_frames(), number < 4);
        world.say(who, json!({ "messageType": "register", "channelID": channel(number) }));
    }
    assert_eq!(world.asked.len() - before, 3);
    world.release();
    assert_eq!(world.told(who).len(), 5, "the others are only later");
}

/// G5: and nobody who does not read what it is answered.
#[test]
fn replies_that_are_not_read_are_limited() {
    let mut world = with(Limits { requests: 3, ..Limits::default() });
    let (who, ..) = world.subscriber();
    world.room(who, false);
    for number in 1..6 {
        assert_eq!(world.lines[who].session.wants_frames(), number < 4);
        world.say(who, "{}");
    }
    world.room(who, true);
    assert_eq!(world.told(who).len(), 5);
}
