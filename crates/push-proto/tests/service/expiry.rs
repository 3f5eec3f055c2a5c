//! RFC 8030 §6.2, §7.2, §7.3: what the service ends by itself, early or because nobody is there any more.

use std::time::Duration;

use push_proto::{
    Outcome, Refusal, Urgency,
    service::{Input, Limits, Monitor, ReceiptRequest, Request, Response, Send, Set, Subscribe, Target},
};
use push_store::Quotas;

use crate::world::{World, message, named, refusal};

const HOUR: u64 = 3600;

/// User agents are idle after eight hours, receipt subscriptions after two.
const IDLE: (u64, u64) = (8 * HOUR, 2 * HOUR);

fn idling() -> World {
    let (agent_idle_secs, receipts_idle_secs) = IDLE;
    let quotas = Quotas { agent_idle_secs, receipts_idle_secs, receipt_secs: HOUR, ..Quotas::default() };
    World::with(Limits { sweep: Duration::from_secs(60), ..Limits::default() }, quotas)
}

/// 8030-7.2-7, 8030-7.2-8, 8030-6.2-6, 8030-6.3-5: a full queue gives up what matters less than what comes, its sender is
/// told 410, and whoever is being pushed it is not any more.
#[test]
fn rfc8030_7_2_8_a_full_queue_gives_up_what_matters_less_and_tells_its_sender() {
    let mut world = World::with(Limits::default(), Quotas { entries: 2, ..Quotas::default() });
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let send = |body, urgency| Send { urgency, receipt: ReceiptRequest::New, ..message(to, body) };
    let low = world.send(send("low", Urgency::Low));
    let normal = world.send(send("normal", Urgency::Normal));
    let pushes = world.take_pushes(monitor);
    let receipts = [low, normal].map(|sent| world.monitor(Target::Receipts(sent.receipt.expect("asked")), 8));
    let high = world.send(send("high", Urgency::High));
    assert!(world.retracted.contains(&(monitor, pushes[0].0)), "G2: never pushed after its end");
    assert!(!world.retracted.contains(&(monitor, pushes[1].0)));
    assert_eq!(world.take_bodies(monitor), ["high"]);
    assert_eq!(refusal(&world.acknowledge(low.handle)), Refusal::NOT_FOUND, "one end");
    assert_eq!(world.take_receipts(receipts[0]), [(low.handle, Outcome::Failed)], "8030-6.2-6");
    assert!(matches!(world.acknowledge(normal.handle), Response::Done));
    assert_eq!(world.take_receipts(receipts[1]), [(normal.handle, Outcome::Delivered)]);
    let newer = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.write_all(newer), [high.handle]);
}

/// 8030-7.2-6: the other way to bound what is stored is a shorter TTL.
#[test]
fn rfc8030_7_2_6_the_service_may_grant_less_than_was_asked_for() {
    let limits = Limits { ttl: push_proto::Ttl::from_secs(60), ..Limits::default() };
    let mut world = World::with(limits, Quotas::default());
    let to = world.subscribe(None);
    assert_eq!(world.send(message(to, "x")).ttl.as_secs(), 60, "8030-5.2-6: and says so");
    world.pass(61);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}

/// 8030-6.2-5, 8030-6.2-6: an operator gives a message up.
#[test]
fn rfc8030_6_2_5_an_operator_can_give_a_message_up() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let sent = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "x") });
    let receipts = world.monitor(Target::Receipts(sent.receipt.expect("asked")), 8);
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("pushed");
    assert!(matches!(world.ask(Request::Drop(sent.handle)), Response::Done));
    assert!(world.retracted.contains(&(monitor, delivery)));
    assert_eq!(world.take_receipts(receipts), [(sent.handle, Outcome::Failed)]);
    assert_eq!(refusal(&world.ask(Request::Drop(sent.handle))), Refusal::NOT_FOUND);
    assert_eq!(refusal(&world.acknowledge(sent.handle)), Refusal::NOT_FOUND, "G4: one outcome");
    assert!(world.take_receipts(receipts).is_empty());
}

/// 8030-6.2-5, 8030-6.2-6: a user agent that never comes back ends the retries, and the sender is told.
#[test]
fn rfc8030_7_3_1_a_user_agent_that_is_gone_ends_with_all_it_has() {
    let mut world = idling();
    let first = world.subscribe(None);
    let second = world.subscribe(Some(first.0));
    let asking = Send { receipt: ReceiptRequest::New, ..message(first, "x") };
    let sent = world.send(Send { ttl: push_proto::Ttl::from_secs(1_000_000), ..asking });
    let receipts = world.monitor(Target::Receipts(sent.receipt.expect("asked")), 8);
    world.pass(IDLE.0 - 61);
    world.send(message(second, "still there"));
    world.pass(200);
    for member in [first, second] {
        let post = refusal(&world.ask(Request::Send(message(member, "y"))));
        assert_eq!(post, Refusal::NOT_FOUND, "8030-7.3-3, 8030-7.3.1-1");
        let monitor = world.monitor(Target::Subscription(member.0, member.1), 8);
        assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::NOT_FOUND);
    }
    assert_eq!(world.take_receipts(receipts), [(sent.handle, Outcome::Failed)], "8030-6.2-6");
    let join = Subscribe { set: Set::Joined(named(first.0)), ..Subscribe::default() };
    assert_eq!(refusal(&world.ask(Request::Subscribe(join))), Refusal::SET_INVALID);
}

/// 8030-7.3-1: whoever monitors is there, however quiet it is.
#[test]
fn a_user_agent_that_monitors_stays() {
    let mut world = idling();
    let to = world.subscribe(None);
    let mut monitor = world.monitor(Target::Subscription(to.0, to.1), 8);
    for _ in 0..6 {
        world.pass(4 * HOUR);
        if world.response(monitor).is_some() {
            monitor = world.monitor(Target::Subscription(to.0, to.1), 8);
        }
    }
    assert!(world.response(monitor).is_none());
    world.send(message(to, "x"));
    assert_eq!(world.take_bodies(monitor), ["x"]);
}

/// 8030-7.3-1: receipt subscriptions end too, and a sender is told to ask for a new one (8030-5.1-9).
#[test]
fn a_receipt_subscription_that_nobody_wants_ends() {
    let mut world = idling();
    let to = world.subscribe(None);
    let asking = |receipt| Send { receipt, ..message(to, "x") };
    let sent = world.send(asking(ReceiptRequest::New));
    let agent = sent.receipt.expect("asked");
    // Its TTL of an hour, and the idle time from then on; a quarter of an hour is as exact as it gets.
    world.pass(HOUR + IDLE.1 - 300);
    let again = world.send(asking(ReceiptRequest::On(named(agent))));
    world.pass(HOUR + 600);
    let receipts = world.monitor(Target::Receipts(agent), 8);
    let told = world.take_receipts(receipts);
    assert_eq!(told, [(again.handle, Outcome::Failed)], "the first was kept an hour (A-14)");
    world.handle(Input::Cancelled(receipts));
    world.pass(IDLE.1 + HOUR);
    let refused = refusal(&world.ask(Request::Send(asking(ReceiptRequest::On(named(agent))))));
    assert_eq!(refused, Refusal::RECEIPT_INVALID);
    let monitor = world.monitor(Target::Receipts(agent), 8);
    assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::NOT_FOUND);
}

/// 8030-7.3-2, 8030-7.3.1-2: monitors that are open when their subscription, set or receipt subscription ends get 404.
#[test]
fn rfc8030_7_3_2_open_monitors_of_what_is_ended_get_404() {
    let mut world = World::new();
    let first = world.subscribe(None);
    let sent = world.send(Send { receipt: ReceiptRequest::New, ..message(first, "x") });
    let receipts = sent.receipt.expect("asked");
    let member = Target::Subscription(first.0, first.1);
    let targets = [member, Target::Set(first.0), Target::Receipts(receipts)];
    let monitors = targets.map(|target| world.monitor(target, 8));
    // As an operator ends them; a peer's DELETE is the same request.
    for (target, monitor) in targets.into_iter().zip(monitors) {
        assert!(world.response(monitor).is_none());
        assert!(matches!(world.ask(Request::Unsubscribe(target)), Response::Done));
        assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::NOT_FOUND);
    }
}

/// The same, when the store ends an agent by itself.
#[test]
fn rfc8030_7_3_1_2_a_hint_that_an_agent_ended_ends_its_monitors() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitors =
        [Target::Set(to.0), Target::Subscription(to.0, to.1)].map(|target| world.monitor(target, 8));
    let closed = push_proto::store::Hint::Closed(None);
    world.handle(Input::Store(push_proto::store::Completion::Hint(to.0, closed)));
    for monitor in monitors {
        assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::NOT_FOUND);
    }
}

/// 8030-7.2-3: only expired messages left is as though there never was one.
#[test]
fn rfc8030_7_2_3_expired_messages_leave_no_trace() {
    for target in [true, false] {
        let mut world = World::new();
        let to = world.subscribe(None);
        world.send(Send { ttl: push_proto::Ttl::from_secs(1), ..message(to, "x") });
        // With and without a sweep in between.
        if target {
            world.pass(3)
        } else {
            world.step_wall(crate::world::START + 1)
        }
        let wait = Some(Duration::ZERO);
        let monitor = Monitor { target: Target::Set(to.0), urgency: Urgency::VeryLow, wait };
        let monitor = world.monitor_with(monitor, 8);
        assert!(matches!(world.response(monitor), Some(Response::MonitorEnded { empty: true, .. })), "204");
    }
}
