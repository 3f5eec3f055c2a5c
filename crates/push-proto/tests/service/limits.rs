//! G5: each limit of a shard is hit here.

use std::time::Duration;

use push_proto::{
    Party, Refusal, Ttl,
    service::{Input, Limits, ReceiptRequest, Request, Response, Send, Set, Subscribe, Target},
};
use push_store::Quotas;

use crate::world::{World, message, named, refusal};

#[test]
fn requests_in_flight() {
    let mut world = World::with(Limits { requests_in_flight: 2, ..Limits::default() }, Quotas::default());
    let to = world.subscribe(None);
    world.hold();
    // One place is taken by the sweep that is always on its way or due.
    let mut posts = Vec::new();
    for _ in 0..3 {
        posts.push(world.start(Request::Send(message(to, "x"))));
    }
    let over = refusal(&world.response(posts[2]).expect("refused at once"));
    assert_eq!((over.status(), over.reason()), (503, Refusal::OVERLOADED.reason()));
    assert!(over.retry_after().is_some());
    world.release();
    assert!(matches!(world.response(posts[0]), Some(Response::Accepted(_))), "the others are served");
    assert!(matches!(world.ask(Request::Send(message(to, "y"))), Response::Accepted(_)));
}

#[test]
fn monitors() {
    let mut world = World::with(Limits { monitors: 1, ..Limits::default() }, Quotas::default());
    let (first, second) = (world.subscribe(None), world.subscribe(None));
    let monitor = world.monitor(Target::Set(first.0), 8);
    let over = world.monitor(Target::Set(second.0), 8);
    assert_eq!(refusal(&world.response(over).expect("refused")).status(), 503);
    let again = world.monitor(Target::Set(first.0), 8);
    assert!(world.response(monitor).is_some() && world.response(again).is_none(), "replacing one is no more");
}

/// G5, 8030-6.1-1: one user agent cannot take up the monitors of a shard by monitoring each of its subscriptions.
#[test]
fn agent_monitors() {
    let mut world = World::with(Limits { agent_monitors: 2, ..Limits::default() }, Quotas::default());
    let first = world.subscribe(None);
    let members: Vec<_> = (0..2).map(|_| world.subscribe(Some(first.0))).collect();
    let whole = world.monitor(Target::Set(first.0), 8);
    let member = world.monitor(Target::Subscription(members[0].0, members[0].1), 8);
    let over = world.monitor(Target::Subscription(members[1].0, members[1].1), 8);
    let over = refusal(&world.response(over).expect("refused"));
    assert_eq!((over.status(), over.exceeded_by()), (429, Some(Party::Agent)));
    assert!(over.retry_after().is_some() && world.response(member).is_none());
    let again = world.monitor(Target::Set(first.0), 8);
    assert!(world.response(whole).is_some() && world.response(again).is_none(), "replacing one is no more");
    let other = world.subscribe(None);
    let other = world.monitor(Target::Set(other.0), 8);
    assert!(world.response(other).is_none(), "others are not affected");
}

/// G5: what waits in monitors for want of credit is counted, and is nothing when they have gone.
#[test]
fn waiting_octets() {
    let mut world = World::with(Limits { transient: 3, ..Limits::default() }, Quotas::default());
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 1);
    let fleeting = |body: &str| Send { ttl: Ttl::from_secs(0), ..message(to, body) };
    for (body, waiting) in [("12345", 0), ("123", 3), ("12", 5), ("1", 6), ("1234", 6)] {
        world.send(fleeting(body));
        assert_eq!(world.service.census().waiting_octets, waiting, "{body}");
    }
    world.write_all(monitor);
    assert_eq!(world.service.census().waiting_octets, 3, "credit takes one out");
    world.handle(Input::Cancelled(monitor));
    assert_eq!(world.service.census().waiting_octets, 0);
}

#[test]
fn unacknowledged() {
    let mut world = World::with(Limits { unacknowledged: 3, ..Limits::default() }, Quotas::default());
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 100);
    let sent: Vec<_> = (0..5).map(|number| world.send(message(to, &number.to_string())).handle).collect();
    assert_eq!(world.write_all(monitor), sent[..3]);
    world.acknowledge(sent[0]);
    assert_eq!(world.write_all(monitor), sent[3..4], "an acknowledgement makes room for one");
    world.acknowledge(sent[1]);
    world.acknowledge(sent[2]);
    assert_eq!(world.write_all(monitor), sent[4..]);
}

#[test]
fn page_entries() {
    let mut world = World::with(Limits { page_entries: 2, ..Limits::default() }, Quotas::default());
    let to = world.subscribe(None);
    for number in 0..7 {
        world.send(message(to, &number.to_string()));
    }
    let monitor = world.monitor(Target::Set(to.0), 100);
    assert_eq!(world.take_bodies(monitor).len(), 7, "in four pages");
}

#[test]
fn how_long_a_monitor_stays() {
    let limits = Limits { monitor: Duration::from_secs(100), ..Limits::default() };
    let mut world = World::with(limits, Quotas::default());
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.pass(99);
    assert!(world.response(monitor).is_none());
    world.pass(1);
    assert!(matches!(world.response(monitor), Some(Response::MonitorEnded { empty: false, .. })), "A-11");
}

#[test]
fn a_full_queue() {
    let mut world = World::with(Limits::default(), Quotas { entries: 2, ..Quotas::default() });
    let to = world.subscribe(None);
    let first = world.send(message(to, "1"));
    world.send(message(to, "2"));
    let over = refusal(&world.ask(Request::Send(message(to, "3"))));
    assert_eq!((over.status(), over.reason()), (429, Refusal::QUEUE_FULL.reason()));
    assert!(over.retry_after().is_some(), "8030-8.4-3");
    world.acknowledge(first.handle);
    world.send(message(to, "4"));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.take_bodies(monitor), ["2", "4"], "nothing that was accepted is lost");
}

#[test]
fn a_full_set() {
    let mut world = World::with(Limits::default(), Quotas { subscriptions: 1, ..Quotas::default() });
    let to = world.subscribe(None);
    let join = Subscribe { set: Set::Joined(named(to.0)), ..Subscribe::default() };
    assert_eq!(refusal(&world.ask(Request::Subscribe(join))), Refusal::SET_FULL);
}

#[test]
fn a_drain_ends_monitors_and_finishes_what_is_in_flight() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let sent = world.send(message(to, "x"));
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.hold();
    let post = world.start(Request::Send(message(to, "y")));
    let deadline = world.now().mono.after(Duration::from_secs(10));
    world.handle(Input::Drain(deadline));
    assert!(matches!(world.response(monitor), Some(Response::MonitorEnded { empty: false, .. })));
    assert!(!world.service.is_drained());
    assert_eq!(refusal(&world.ask(Request::Read(sent.handle))).reason(), Refusal::DRAINING.reason());
    let acknowledge = world.start(Request::Acknowledge(sent.handle));
    world.release();
    assert!(matches!(world.response(post), Some(Response::Accepted(_))));
    assert!(matches!(world.response(acknowledge), Some(Response::Done)), "acknowledgements are still taken");
    assert!(world.service.is_drained());
}

#[test]
fn a_drain_has_a_deadline() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.hold();
    let post = world.start(Request::Send(message(to, "y")));
    let deadline = world.now().mono.after(Duration::from_secs(10));
    world.handle(Input::Drain(deadline));
    world.pass(9);
    assert!(world.response(post).is_none());
    world.pass(1);
    assert_eq!(refusal(&world.response(post).expect("given up")).status(), 503);
    assert!(world.service.is_drained());
}

/// A store that holds as many agents as it may says so to who wants a new one, and serves the others.
#[test]
fn a_crowded_store() {
    let quotas = Quotas { agents: 1, receipt_subscriptions: 1, ..Quotas::default() };
    let mut world = World::with(Limits::default(), quotas);
    let to = world.subscribe(None);
    let asking = Send { receipt: ReceiptRequest::New, ..message(to, "x") };
    let receipts = world.send(asking.clone()).receipt.expect("asked");
    for request in [Request::Subscribe(Subscribe::default()), Request::Send(asking.clone())] {
        let over = refusal(&world.ask(request));
        assert_eq!((over.status(), over.reason()), (503, Refusal::CROWDED.reason()));
        assert!(over.retry_after().is_some());
    }
    world.subscribe(Some(to.0));
    world.send(Send { receipt: ReceiptRequest::On(named(receipts)), ..asking });
    world.ask(Request::Unsubscribe(Target::Set(to.0)));
    world.pass(3);
    world.subscribe(None);
}

/// G5: what is there beyond a lower bound stays, and counts.
#[test]
fn a_lower_bound_ends_nothing() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let sent: Vec<_> = (0..3).map(|number| world.send(message(to, &number.to_string())).handle).collect();
    assert_eq!(world.write_all(monitor), sent);
    let lower = Limits { monitors: 0, agent_monitors: 1, unacknowledged: 1, ..Limits::default() };
    world.handle(Input::Limits(Box::new(lower)));
    assert!(world.response(monitor).is_none());
    let later = world.send(message(to, "later")).handle;
    assert!(world.take_bodies(monitor).is_empty(), "three are unacknowledged, and there may be one");
    for handle in sent {
        world.acknowledge(handle);
    }
    assert_eq!(world.write_all(monitor), [later]);
    let other = world.subscribe(None);
    let over = world.monitor(Target::Set(other.0), 8);
    assert_eq!(refusal(&world.response(over).expect("refused")).status(), 503);
}
