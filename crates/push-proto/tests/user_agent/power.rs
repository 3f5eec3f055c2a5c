//! The device's condition, and what it is woken for (8030-5.3-4, RFC 8030 §5.3 table 1).

use std::time::Duration;

use push_proto::Via;
use push_proto::{
    Urgency,
    user_agent::{Control, Disposition, Input, Power, Request, Response, RetryAfter, State},
};

use crate::world::*;

fn filtered(urgency: Urgency) -> Request {
    Request::Monitor { url: at("/a/1"), via: Via::Push, urgency: Some(urgency) }
}

/// 8030-5.3-4: each condition of table 1, and a new monitor at once when it changes.
#[test]
fn monitors_are_opened_anew_with_the_urgency_that_fits() {
    let (mut world, mut watch) = World::monitoring();
    assert!(
        world.give(Input::Control(Control::Power(Power::PowerAndWifi))).is_empty(),
        "that is everything, as before"
    );
    for (power, urgency) in [
        (Power::PowerOrWifi, Urgency::Low),
        (Power::Neither, Urgency::Normal),
        (Power::LowBattery, Urgency::High),
        (Power::PowerAndWifi, Urgency::VeryLow),
    ] {
        let outputs = world.give(Input::Control(Control::Power(power)));
        assert_eq!(cancels(&outputs), [watch], "{power:?}");
        let (next, asked) = request(&outputs);
        assert_eq!((asked, power.urgency()), (filtered(urgency), urgency));
        assert!(world.give(Input::Control(Control::Power(power))).is_empty(), "no change");
        watch = next;
    }
}

#[test]
fn the_application_has_the_last_word() {
    let mut config = config();
    config.urgency = Some(Urgency::Normal);
    let mut world = World::with(config, State::default());
    let (watch, asked) = request(&world.subscribed(1, Some("/a/1")));
    assert_eq!(asked, filtered(Urgency::Normal));
    assert!(world.give(Input::Control(Control::Power(Power::PowerOrWifi))).is_empty());
    let outputs = world.give(Input::Control(Control::Power(Power::LowBattery)));
    assert_eq!((cancels(&outputs), request(&outputs).1), (vec![watch], filtered(Urgency::High)));
    assert_eq!(
        request(&world.give(Input::Control(Control::Power(Power::PowerAndWifi)))).1,
        filtered(Urgency::Normal)
    );
}

/// 8030-6.2-7: what was under way on the old monitor is welcome, and what comes on both is delivered once.
#[test]
fn nothing_is_lost_or_doubled_by_a_change() {
    let (mut world, old) = World::monitoring();
    let held = delivery(&world.push(old, 1, 1)).message;
    let (new, _) = request(&world.give(Input::Control(Control::Power(Power::LowBattery))));
    assert!(world.push(new, 1, 1).is_empty(), "held");
    assert_eq!(deliveries(&world.push(old, 2, 1)).len(), 1, "it was whole already");
    assert!(world.push(new, 2, 1).is_empty());
    let (id, asked) = request(&world.dispose(held, Disposition::Taken));
    assert_eq!(asked, acknowledge("/m/1"));
    world.reply(id, status(204));
    // The answer of the old one comes too late to mean anything.
    assert!(world.reply(old, status(404)).is_empty());
    assert_eq!(world.agent.subscriptions().count(), 1);
}

#[test]
fn a_change_hurries_nobody_who_was_told_to_wait() {
    // 8030-8.4-3
    let (mut world, watch) = World::monitoring();
    let retry_after = Some(RetryAfter::In(Duration::from_secs(90)));
    world.reply(watch, Response { status: 503, retry_after, ..Response::default() });
    assert!(world.give(Input::Control(Control::Power(Power::Neither))).is_empty());
    assert_eq!(requests(&world.advance(Duration::from_secs(89))), []);
    assert_eq!(request(&world.advance(Duration::from_secs(1))).1, filtered(Urgency::Normal));
}

#[test]
fn the_condition_is_known_before_there_is_a_monitor() {
    let mut world = World::new();
    assert!(world.give(Input::Control(Control::Power(Power::LowBattery))).is_empty());
    assert_eq!(request(&world.subscribed(1, Some("/a/1"))).1, filtered(Urgency::High));
}
