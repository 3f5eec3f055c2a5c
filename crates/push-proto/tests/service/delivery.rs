//! RFC 8030 §5, §6: from a POST to an acknowledged push.

use std::time::Duration;

use push_proto::{
    AgentId, Refusal, Ttl, Urgency,
    service::{Input, Limits, Monitor, Request, Response, Target, Transfer},
};
use push_store::Quotas;

use crate::world::{World, message, refusal};

#[test]
fn g1_the_answer_waits_for_the_commit_and_the_push_does_not() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.hold();
    let post = world.start(Request::Send(message(to, "early")));
    assert!(world.response(post).is_none(), "no 201 before it is durable");
    assert_eq!(world.take_bodies(monitor), ["early"], "pushed at once");
    world.release();
    assert!(matches!(world.response(post), Some(Response::Accepted(_))));
    assert!(world.take_bodies(monitor).is_empty(), "and not a second time");
}

#[test]
fn rfc8030_7_2_1_what_is_stored_comes_when_monitoring_resumes_in_acceptance_order() {
    let mut world = World::new();
    let to = world.subscribe(None);
    for body in ["a", "b", "c"] {
        world.send(message(to, body));
    }
    for target in [Target::Set(to.0), Target::Subscription(to.0, to.1)] {
        let monitor = world.monitor(target, 8);
        assert_eq!(world.take_bodies(monitor), ["a", "b", "c"]);
    }
}

#[test]
fn rfc8030_6_2_3_until_it_is_acknowledged_each_new_monitor_gets_it_again() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let accepted = world.send(message(to, "x"));
    for _ in 0..2 {
        let monitor = world.monitor(Target::Set(to.0), 8);
        assert_eq!(world.write_all(monitor), [accepted.handle]);
        world.handle(Input::Cancelled(monitor));
        assert!(world.is_retired(monitor));
    }
    assert!(matches!(world.acknowledge(accepted.handle), Response::Done));
    assert_eq!(refusal(&world.acknowledge(accepted.handle)), Refusal::NOT_FOUND, "A-09: 204, then 404");
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty(), "G2: never after its end");
}

#[test]
fn g1_a_restart_loses_nothing() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let (kept, ended) = (world.send(message(to, "kept")), world.send(message(to, "ended")));
    world.acknowledge(ended.handle);
    world.restart();
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.write_all(monitor), [kept.handle]);
}

#[test]
fn credit_bounds_the_pushes_and_comes_back_when_one_is_written_or_reset() {
    let mut world = World::new();
    let to = world.subscribe(None);
    for body in ["a", "b", "c", "d"] {
        world.send(message(to, body));
    }
    let monitor = world.monitor(Target::Set(to.0), 1);
    let mut seen = Vec::new();
    for transfer in [Transfer::Written, Transfer::Reset, Transfer::Written, Transfer::Written] {
        let [(delivery, item)] = world.take_pushes(monitor).try_into().expect("one at a time");
        seen.push(crate::world::body(&item));
        world.handle(Input::Pushed(monitor, delivery, transfer));
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
    assert!(world.take_pushes(monitor).is_empty(), "what was reset is not thrown at the peer again at once");
}

#[test]
fn rfc9113_8_4_6_a_reset_push_is_no_acknowledgement() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(message(to, "refused"));
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("one push");
    world.handle(Input::Pushed(monitor, delivery, Transfer::Reset));
    world.pass(59);
    assert!(world.take_pushes(monitor).is_empty());
    world.pass(2);
    assert_eq!(world.take_bodies(monitor), ["refused"], "the same monitor gets it again after a while");
    let newer = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.take_bodies(newer), ["refused"], "and a new one at once");
}

/// 8030-6.2-4
#[test]
fn rfc8030_6_2_4_what_stays_unacknowledged_is_pushed_again_while_its_ttl_lasts() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let send = push_proto::service::Send { ttl: Ttl::from_secs(200), ..message(to, "again") };
    world.send(send);
    let mut times = 0;
    for _ in 0..400 {
        times += world.write_all(monitor).len();
        world.pass(1);
    }
    assert!((2..=4).contains(&times), "{times} pushes in 200 s at one in 60 s or a little more");
}

#[test]
fn rfc9113_8_4_1_a_peer_without_push_is_told_so() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let accepted = world.send(message(to, "x"));
    let monitor = world.monitor(Target::Set(to.0), 8);
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("one push");
    world.handle(Input::Pushed(monitor, delivery, Transfer::Unsupported));
    assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::PUSH_UNSUPPORTED);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.write_all(monitor), [accepted.handle], "nothing was dequeued");
}

#[test]
fn rfc8030_6_7_wait_0_pushes_all_that_is_stored_and_ends_with_200() {
    let mut world = World::new();
    let first = world.subscribe(None);
    let second = world.subscribe(Some(first.0));
    for (to, body) in [(first, "a"), (second, "b"), (first, "c")] {
        world.send(message(to, body));
    }
    let wanted = |target| Monitor { target, urgency: Urgency::VeryLow, wait: Some(Duration::ZERO) };
    let monitor = world.monitor_with(wanted(Target::Set(first.0)), 2);
    assert_eq!(world.write_all(monitor).len(), 2, "8030-6.1-4, within its credit");
    assert!(world.response(monitor).is_none(), "9113-8.4-4: not before the last push is written");
    assert_eq!(world.write_all(monitor).len(), 1);
    assert!(matches!(world.response(monitor), Some(Response::MonitorEnded { empty: false, .. })));
}

#[test]
fn rfc8030_6_8_wait_0_with_nothing_to_push_ends_with_204() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let wanted = Monitor { target: Target::Set(to.0), urgency: Urgency::VeryLow, wait: Some(Duration::ZERO) };
    let monitor = world.start(Request::Monitor(wanted));
    assert!(
        matches!(world.response(monitor), Some(Response::MonitorEnded { empty: true, .. })),
        "without credit too"
    );
}

#[test]
fn rfc7240_4_3_1_a_bounded_wait_ends_in_time() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let wait = Some(Duration::from_secs(5));
    let wanted = Monitor { target: Target::Set(to.0), urgency: Urgency::VeryLow, wait };
    let (idle, mut busy) = (world.monitor_with(wanted, 8), None);
    world.pass(4);
    assert!(world.response(idle).is_none());
    world.pass(1);
    assert!(matches!(world.response(idle), Some(Response::MonitorEnded { empty: true, .. })));
    let exchange = *busy.insert(world.monitor_with(wanted, 8));
    world.send(message(to, "x"));
    world.write_all(exchange);
    world.pass(5);
    assert!(matches!(world.response(exchange), Some(Response::MonitorEnded { empty: false, .. })));
}

#[test]
fn a_newer_monitor_of_the_same_target_ends_the_older_and_inherits_what_is_unacknowledged() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let older = world.monitor(Target::Set(to.0), 8);
    let accepted = world.send(message(to, "x"));
    world.write_all(older);
    let member = world.monitor(Target::Subscription(to.0, to.1), 8);
    assert!(world.response(older).is_none(), "a member's monitor and a set's coexist");
    assert_eq!(world.write_all(member), [accepted.handle]);
    let newer = world.monitor(Target::Set(to.0), 8);
    assert!(matches!(world.response(older), Some(Response::MonitorEnded { empty: false, .. })));
    assert_eq!(world.write_all(newer), [accepted.handle]);
    assert!(matches!(world.acknowledge(accepted.handle), Response::Done));
    world.pass(200);
    assert!(world.take_pushes(newer).is_empty() && world.take_pushes(member).is_empty());
}

#[test]
fn a_page_that_an_ended_monitor_asked_for_is_not_its_successors() {
    let mut world = World::new();
    let to = world.subscribe(None);
    for number in 0..6 {
        world.send(message(to, &number.to_string()));
    }
    world.hold();
    world.monitor(Target::Set(to.0), 2);
    world.release();
    world.hold();
    let second = world.monitor(Target::Set(to.0), 1);
    let third = world.monitor(Target::Set(to.0), 8);
    world.release();
    assert!(world.take_pushes(second).is_empty());
    assert_eq!(world.take_bodies(third), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_13_a_message_can_be_read_by_whoever_holds_its_url_until_it_ends() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let accepted = world.send(message(to, "x"));
    assert!(matches!(world.ask(Request::Read(accepted.handle)), Response::Message(_)));
    world.acknowledge(accepted.handle);
    assert_eq!(refusal(&world.ask(Request::Read(accepted.handle))), Refusal::NOT_FOUND);
}

#[test]
fn an_early_push_that_the_store_then_refuses_is_taken_back() {
    let mut world = World::with(Limits::default(), Quotas { entries: 1, ..Quotas::default() });
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(message(to, "kept"));
    assert_eq!(world.take_bodies(monitor), ["kept"]);
    world.hold();
    let post = world.start(Request::Send(message(to, "late")));
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("pushed early");
    world.release();
    assert_eq!(refusal(&world.response(post).expect("answered")).reason(), Refusal::QUEUE_FULL.reason());
    assert!(world.retracted.contains(&(monitor, delivery)));
}

/// The end of its subscription is on its way, and will come before it.
#[test]
fn what_is_about_to_be_refused_is_not_pushed_early() {
    for whole in [false, true] {
        let mut world = World::new();
        let to = world.subscribe(None);
        let monitor = world.monitor(Target::Set(to.0), 8);
        world.hold();
        let target = if whole { Target::Set(to.0) } else { Target::Subscription(to.0, to.1) };
        let unsubscribe = world.start(Request::Unsubscribe(target));
        let post = world.start(Request::Send(message(to, "late")));
        world.release();
        assert!(world.take_pushes(monitor).is_empty());
        assert!(matches!(world.response(unsubscribe), Some(Response::Done)));
        assert_eq!(refusal(&world.response(post).expect("answered")), Refusal::NOT_FOUND);
    }
}

#[test]
fn a_sender_that_goes_away_leaves_its_message_behind() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.hold();
    let post = world.start(Request::Send(message(to, "x")));
    world.handle(Input::Cancelled(post));
    assert!(!world.is_retired(post), "the store has not answered yet");
    world.release();
    assert!(world.is_retired(post));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.take_bodies(monitor), ["x"]);
}

#[test]
fn a_page_that_is_on_its_way_does_not_undo_a_redelivery() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.send(message(to, "stored"));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.write_all(monitor).len(), 1);
    world.pass(59);
    world.hold();
    let load = world.held();
    let agent = to.0;
    let arrived = push_proto::store::Completion::Hint(agent, push_proto::store::Hint::Arrived);
    world.handle(Input::Store(arrived));
    assert_eq!(world.held(), load + 1, "a page is asked for");
    world.pass(2);
    assert!(world.take_pushes(monitor).is_empty());
    world.release();
    assert_eq!(world.take_bodies(monitor), ["stored"]);
}

#[test]
fn g2_pushes_under_way_are_retracted_when_their_monitor_ends() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let older = world.monitor(Target::Set(to.0), 8);
    world.send(message(to, "x"));
    let [(delivery, _)] = world.take_pushes(older).try_into().expect("pushed");
    world.monitor(Target::Set(to.0), 8);
    assert!(
        world.retracted.contains(&(older, delivery)),
        "it may end while nobody watches this push any more"
    );
}

/// a stream begins once it is known that there is something to monitor, and not for what is stored only
/// (8030-6-8).
#[test]
fn a_monitor_is_opened_once_if_its_target_exists_and_it_stays() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.send(message(to, "x"));
    let stays = world.monitor(Target::Set(to.0), 8);
    world.send(message(to, "y"));
    assert!(world.opened.contains(&stays));
    let stored = world.start(Request::Monitor(Monitor {
        wait: Some(Duration::ZERO),
        ..Monitor::of(Target::Subscription(to.0, to.1))
    }));
    let gone = world.monitor(Target::Set(AgentId::from_octets([9; 16])), 8);
    assert_eq!(refusal(&world.response(gone).expect("it ends")), Refusal::NOT_FOUND);
    assert!(!world.opened.contains(&stored) && !world.opened.contains(&gone));
}
