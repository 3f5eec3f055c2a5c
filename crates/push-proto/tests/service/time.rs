//! RFC 8030 §5.2, §7.2: TTLs, and messages that are never stored.

use std::sync::Arc;

use push_proto::{
    Refusal, Ttl,
    service::{Input, Limits, Request, Response, Send, Target, Transfer},
    store::{Completion, Hint, Item},
};
use push_store::Quotas;

use crate::world::{START, World, message, refusal};

fn lasting(secs: u32, send: Send) -> Send {
    Send { ttl: Ttl::from_secs(secs), ..send }
}

#[test]
fn rfc8030_5_2_8_nothing_is_pushed_or_read_once_its_ttl_has_elapsed() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let sent = world.send(lasting(5, message(to, "x")));
    world.step_wall(START + 4);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.take_bodies(monitor), ["x"]);
    world.step_wall(START + 5);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
    assert_eq!(refusal(&world.ask(Request::Read(sent.handle))), Refusal::NOT_FOUND);
}

#[test]
fn a_clock_that_steps_back_revives_nothing() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.send(lasting(5, message(to, "x")));
    world.step_wall(START + 100);
    world.handle(Input::Tick);
    world.step_wall(START);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}

#[test]
fn a_push_that_expires_while_it_waits_for_the_connection_is_retracted() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(lasting(5, message(to, "x")));
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("pushed");
    world.pass(4);
    assert!(world.retracted.is_empty());
    world.pass(1);
    assert!(world.retracted.contains(&(monitor, delivery)));
    world.handle(Input::Pushed(monitor, delivery, Transfer::Reset));
    world.pass(200);
    assert!(world.take_pushes(monitor).is_empty());
}

/// 8030-5.2-8: a deadline that was reckoned by the clock before it was set forward comes too late.
#[test]
fn a_push_that_expires_because_the_clock_is_set_forward_is_retracted() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(lasting(5, message(to, "x")));
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("pushed");
    world.step_wall(START + 4);
    world.handle(Input::Tick);
    assert!(world.retracted.is_empty());
    // Back, and forth again: what was reckoned meanwhile is wrong by as much.
    world.step_wall(START - 100);
    world.handle(Input::Tick);
    world.step_wall(START + 5);
    world.handle(Input::Tick);
    assert!(world.retracted.contains(&(monitor, delivery)));
}

/// G3: hints may be repeated, and a message with TTL 0 comes once to each monitor.
#[test]
fn a_transient_message_that_is_offered_twice_is_pushed_once() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let first = world.monitor(Target::Set(to.0), 8);
    world.send(lasting(0, message(to, "x")));
    let pushes = world.take_pushes(first);
    let [(_, Item::Message(offered))] = pushes.as_slice() else { panic!("pushed") };
    for credit in [8, 0] {
        let monitor = world.monitor(Target::Set(to.0), credit);
        for _ in 0..2 {
            let hint = Hint::Offered(Arc::clone(offered));
            world.handle(Input::Store(Completion::Hint(to.0, hint)));
        }
        world.handle(Input::Credit(monitor, 8));
        assert_eq!(world.take_bodies(monitor), ["x"], "with a credit of {credit}");
    }
}

#[test]
fn rfc8030_5_2_6_a_long_ttl_is_cut_and_the_sender_told() {
    let mut world = World::with(Limits { ttl: Ttl::from_secs(100), ..Limits::default() }, Quotas::default());
    let to = world.subscribe(None);
    for (asked, granted) in [(0, 0), (100, 100), (101, 100), (1 << 31, 100)] {
        assert_eq!(world.send(lasting(asked, message(to, "x"))).ttl, Ttl::from_secs(granted));
    }
}

#[test]
fn g3_a_transient_message_goes_to_who_monitors_now_and_to_nobody_later() {
    let mut world = World::new();
    let to = world.subscribe(None);
    assert!(matches!(world.ask(Request::Send(lasting(0, message(to, "missed")))), Response::Accepted(_)));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
    let sent = world.send(lasting(0, message(to, "seen")));
    assert_eq!(world.write_all(monitor), [sent.handle]);
    assert!(matches!(world.acknowledge(sent.handle), Response::Done));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}

#[test]
fn a_transient_message_waits_a_little_for_credit() {
    let limits = Limits { transient: 2, ..Limits::default() };
    let mut world = World::with(limits, Quotas::default());
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 0);
    for body in ["1", "2", "over the limit"] {
        world.send(lasting(0, message(to, body)));
    }
    world.handle(Input::Credit(monitor, 8));
    assert_eq!(world.take_bodies(monitor), ["1", "2"]);
}

#[test]
fn a_transient_message_for_a_subscription_that_is_gone_reaches_nobody() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let stays = world.subscribe(Some(to.0));
    let monitor = world.monitor(Target::Set(stays.0), 8);
    world.ask(Request::Unsubscribe(Target::Subscription(to.0, to.1)));
    assert_eq!(refusal(&world.ask(Request::Send(lasting(0, message(to, "x"))))), Refusal::NOT_FOUND);
    assert!(world.take_pushes(monitor).is_empty());
}

#[test]
fn transient_messages_do_not_use_up_the_unacknowledged_window() {
    let limits = Limits { unacknowledged: 3, ..Limits::default() };
    let mut world = World::with(limits, Quotas::default());
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(world.send(lasting(0, message(to, "now"))).handle);
        assert_eq!(world.write_all(monitor).len(), 1);
    }
    world.send(message(to, "durable"));
    assert_eq!(world.take_bodies(monitor), ["durable"]);
    assert!(matches!(world.ask(Request::Acknowledge(sent[9])), Response::Done), "the latest are remembered");
    assert_eq!(refusal(&world.ask(Request::Acknowledge(sent[0]))), Refusal::NOT_FOUND, "the oldest are not");
}

#[test]
fn a_transient_message_does_not_wait_for_credit_for_long() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 0);
    world.send(lasting(0, message(to, "too late")));
    world.pass(30);
    world.handle(Input::Credit(monitor, 8));
    assert!(world.take_pushes(monitor).is_empty());
}
