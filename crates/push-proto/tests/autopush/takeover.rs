//! The ends of a session that the service brings about.

use push_proto::{
    autopush::{Close, Input},
    service::{Request, Target},
    store::Availability,
};
use serde_json::json;

use crate::{
    agent::channel,
    world::{Who, World},
};

fn code(world: &World, who: Who) -> Option<u16> {
    world.closed(who).map(|close| close.expect("a close frame").code())
}

#[test]
fn the_same_user_agent_on_another_connection_ends_the_older() {
    let mut world = World::new();
    let (first, uaid, endpoint) = world.subscriber();
    let second = world.reconnect(&uaid);
    assert_eq!(world.closed(first), Some(Some(Close::TakenOver)));
    world.send(&endpoint, "x");
    assert_eq!(world.bodies(second), ["x"]);
    assert!(world.told(first).is_empty());
    let third = world.reconnect(&uaid);
    assert_eq!(code(&world, second), Some(1000));
    assert_eq!(world.bodies(third), ["x"], "it was not acknowledged");
}

#[test]
fn a_takeover_leaves_other_user_agents_alone() {
    let mut world = World::new();
    let (_, uaid, _) = world.subscriber();
    let (other, _, endpoint) = world.subscriber();
    world.reconnect(&uaid);
    world.send(&endpoint, "x");
    assert_eq!(world.bodies(other), ["x"]);
    assert_eq!(world.closed(other), None);
}

/// Wherever the store is when the other connection comes, and whatever was written to the older one: all of it comes to
/// the newer one.
#[test]
fn a_takeover_with_pushes_under_way_loses_nothing() {
    for steps in 0..12 {
        for room in [false, true] {
            let mut world = World::new();
            let (first, uaid, endpoint) = world.subscriber();
            world.room(first, room);
            world.send(&endpoint, "before");
            world.hold();
            let during = world.post(&endpoint, &[("ttl", "600")], "during").unwrap();
            world.start(during);
            world.release_some(steps % 4);
            let second = world.connect();
            world.say(second, json!({ "messageType": "hello", "uaid": uaid }));
            let after = world.post(&endpoint, &[("ttl", "600")], "after").unwrap();
            world.start(after);
            world.release_some(steps / 4);
            world.release();
            world.room(first, true);
            assert_eq!(world.closed(first), Some(Some(Close::TakenOver)));
            let hello = world.lines[second].told.remove(0);
            assert!(hello.contains(&uaid));
            assert_eq!(world.bodies(second), ["before", "during", "after"], "{steps} {room}");
        }
    }
}

#[test]
fn an_acknowledgement_of_the_older_connection_still_counts() {
    let mut world = World::new();
    let (first, uaid, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = world.notification(first);
    world.hold();
    world.ack(first, &[notified]);
    let second = world.connect();
    world.say(second, json!({ "messageType": "hello", "uaid": uaid }));
    world.release();
    assert_eq!(world.told(second).len(), 1, "hello alone");
    assert_eq!(world.ended.len(), 1);
}

/// The older connection is still greeting.
#[test]
fn of_two_that_say_hello_at_once_one_stays() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.cut(who);
    world.send(&endpoint, "x");
    world.hold();
    let both = [world.connect(), world.connect()];
    for who in both {
        world.say(who, json!({ "messageType": "hello", "uaid": uaid }));
    }
    world.release();
    assert_eq!(world.closed(both[0]), Some(Some(Close::TakenOver)));
    assert!(world.told(both[0]).is_empty());
    assert_eq!(world.told(both[1]).len(), 2, "hello and the message");
}

#[test]
fn a_register_that_a_takeover_interrupts_can_be_repeated() {
    let mut world = World::new();
    let first = world.connect();
    let uaid = world.hello(first, None);
    world.hold();
    world.say(first, json!({ "messageType": "register", "channelID": channel(0) }));
    world.release_some(1);
    let second = world.connect();
    world.say(second, json!({ "messageType": "hello", "uaid": uaid }));
    world.release();
    assert_eq!(world.closed(first), Some(Some(Close::TakenOver)));
    assert!(world.told(first).is_empty());
    assert_eq!(world.reply(second)["uaid"], uaid);
    let endpoint = world.register(second, 0);
    world.send(&endpoint, "x");
    assert_eq!(world.bodies(second), ["x"]);
}

/// G7
#[test]
fn without_a_store_nobody_believes_to_be_monitoring() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    let unmade = world.connect();
    world.hello(unmade, None);
    world.available(Availability::Down);
    assert_eq!(world.closed(who), Some(Some(Close::TryAgainLater("store-unavailable"))));
    assert_eq!(code(&world, who), Some(1013));
    assert_eq!(world.closed(unmade), None, "it monitors nothing");
    assert_eq!(world.ask_to_register(unmade, 0, None), (503, String::new()));
    let claims = world.connect();
    world.say(claims, json!({ "messageType": "hello", "uaid": uaid }));
    assert_eq!(code(&world, claims), Some(1013));
    assert!(world.told(claims).is_empty(), "it is not told to forget what it has");
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60")], "x"), 503);
    world.available(Availability::Up);
    let again = world.reconnect(&uaid);
    world.send(&endpoint, "x");
    assert_eq!(world.bodies(again), ["x"]);
    assert_eq!(world.ask_to_register(unmade, 0, None).0, 200);
}

#[test]
fn a_store_that_fails_while_somebody_is_greeted() {
    let mut world = World::new();
    let (first, uaid, endpoint) = world.subscriber();
    world.cut(first);
    world.send(&endpoint, "x");
    world.hold();
    let who = world.connect();
    world.say(who, json!({ "messageType": "hello", "uaid": uaid }));
    world.available(Availability::Down);
    assert_eq!(code(&world, who), Some(1013));
    world.available(Availability::Up);
    world.release();
    let who = world.reconnect(&uaid);
    assert_eq!(world.bodies(who), ["x"]);
}

#[test]
fn a_drain_says_so_to_everybody() {
    let mut world = World::new();
    let (open, uaid, _) = world.subscriber();
    let silent = world.connect();
    let unmade = world.connect();
    world.hello(unmade, None);
    world.hold();
    let greeting = world.connect();
    world.say(greeting, json!({ "messageType": "hello", "uaid": uaid }));
    // The older connection would be taken over; whichever comes first.
    let was_open = world.closed(open);
    world.drain();
    for who in [silent, unmade, greeting] {
        assert_eq!(world.closed(who), Some(Some(Close::Draining)));
        assert_eq!(code(&world, who), Some(1001));
    }
    assert_eq!(was_open, Some(Some(Close::TakenOver)));
}

/// What has been answered is said first.
#[test]
fn what_was_to_be_said_is_said_before_the_end() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    world.room(who, false);
    world.say(who, "{}");
    world.say(who, json!({ "messageType": "register", "channelID": channel(1) }));
    world.drain();
    assert_eq!(world.closed(who), None);
    world.room(who, true);
    let told = world.told(who);
    assert_eq!((told[0].clone(), told[1]["status"].clone()), (json!({}), json!(200)));
    assert_eq!(world.closed(who), Some(Some(Close::Draining)));
}

#[test]
fn messages_that_wait_in_a_session_outlive_it() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.room(who, false);
    world.send(&endpoint, "x");
    world.say(who, "nonsense");
    world.room(who, true);
    assert!(world.told(who).is_empty(), "nothing more after the error");
    assert_eq!(code(&world, who), Some(1008));
    let who = world.reconnect(&uaid);
    assert_eq!(world.bodies(who), ["x"]);
}

#[test]
fn the_operator_ends_a_user_agent() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    let again = world.reconnect(&uaid);
    let agent = world.lines[again].identified.unwrap();
    world.ask(Request::Unsubscribe(Target::Set(agent)));
    assert_eq!(world.closed(again), Some(Some(Close::Ended)));
    assert_eq!(code(&world, again), Some(1000));
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60")], "x"), 404);
    assert_ne!(who, again);
    let fresh = world.connect();
    assert_ne!(world.hello(fresh, Some(&uaid)), uaid);
}

#[test]
fn what_comes_after_the_end_means_nothing() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    world.drain();
    assert!(world.closed(who).is_some());
    world.say(who, "{}");
    world.say(who, "nonsense");
    let World { lines, door, now, .. } = &mut world;
    for input in [Input::Drain, Input::Tick] {
        lines[who].session.handle(input, door, *now);
    }
    world.pong(who);
    world.pass_secs(10_000);
    assert!(world.told(who).is_empty());
}
