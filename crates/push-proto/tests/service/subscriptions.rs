//! RFC 8030 §4, §7.3: subscriptions and sets.

use std::collections::BTreeSet;

use push_proto::{
    AgentId, Refusal,
    service::{Request, Response, Set, Subscribe, Target},
};

use crate::world::{World, message, named, refusal};

#[test]
fn rfc8030_4_1_4_a_subscription_joins_the_set_it_names() {
    let mut world = World::new();
    let first = world.subscribe(None);
    let second = world.subscribe(Some(first.0));
    let alone = world.subscribe(None);
    assert_eq!(first.0, second.0);
    assert_ne!(first.0, alone.0);
    let ids: BTreeSet<_> = [first.1, second.1, alone.1].into();
    assert_eq!(ids.len(), 3, "8030-8.2-7: fresh ids");
}

#[test]
fn rfc8030_4_1_5_an_invalid_set_is_refused() {
    let mut world = World::new();
    let gone = world.subscribe(None);
    world.ask(Request::Unsubscribe(Target::Set(gone.0)));
    for set in [AgentId::from_octets([1; 16]), gone.0] {
        let request = Request::Subscribe(Subscribe { set: Set::Joined(named(set)), ..Subscribe::default() });
        assert_eq!(refusal(&world.ask(request)), Refusal::SET_INVALID);
    }
}

#[test]
fn a_subscription_added_while_its_set_is_monitored_is_pushed_to_early() {
    let mut world = World::new();
    let first = world.subscribe(None);
    let monitor = world.monitor(Target::Set(first.0), 8);
    let second = world.subscribe(Some(first.0));
    world.hold();
    world.start(Request::Send(message(second, "x")));
    assert_eq!(world.take_bodies(monitor), ["x"]);
}

/// 8030-7.3.1-4
#[test]
fn rfc8030_7_3_1_4_a_removed_member_leaves_the_set_and_the_others_go_on() {
    let mut world = World::new();
    let gone = world.subscribe(None);
    let stays = world.subscribe(Some(gone.0));
    world.send(message(gone, "never"));
    let member = world.monitor(Target::Subscription(gone.0, gone.1), 0);
    let set = world.monitor(Target::Set(gone.0), 0);
    assert!(matches!(world.ask(Request::Unsubscribe(Target::Subscription(gone.0, gone.1))), Response::Done));
    assert_eq!(refusal(&world.response(member).expect("ended")), Refusal::NOT_FOUND, "8030-7.3-2");
    assert!(world.response(set).is_none());
    assert_eq!(refusal(&world.ask(Request::Send(message(gone, "x")))), Refusal::NOT_FOUND, "8030-7.3-3");
    let again = Request::Unsubscribe(Target::Subscription(gone.0, gone.1));
    assert_eq!(refusal(&world.ask(again)), Refusal::NOT_FOUND, "A-09");
    world.handle(push_proto::service::Input::Credit(set, 8));
    world.send(message(stays, "comes"));
    assert_eq!(world.take_bodies(set), ["comes"]);
}

/// 8030-7.3.1-3
#[test]
fn rfc8030_7_3_1_3_deleting_a_set_ends_all_of_it() {
    let mut world = World::new();
    let first = world.subscribe(None);
    let second = world.subscribe(Some(first.0));
    let set = world.monitor(Target::Set(first.0), 8);
    world.ask(Request::Unsubscribe(Target::Set(first.0)));
    assert_eq!(refusal(&world.response(set).expect("8030-7.3.1-2")), Refusal::NOT_FOUND);
    for member in [first, second] {
        assert_eq!(refusal(&world.ask(Request::Send(message(member, "x")))), Refusal::NOT_FOUND);
        let monitor = world.monitor(Target::Subscription(member.0, member.1), 8);
        assert_eq!(refusal(&world.response(monitor).expect("404 at once")), Refusal::NOT_FOUND);
    }
    let monitor = world.monitor(Target::Set(first.0), 0);
    assert_eq!(refusal(&world.response(monitor).expect("404 without credit")), Refusal::NOT_FOUND);
}

#[test]
fn what_was_closed_is_swept_after_a_restart_too() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let stays = world.subscribe(Some(to.0));
    for _ in 0..3 {
        world.send(message(to, "x"));
    }
    world.hold();
    world.start(Request::Unsubscribe(Target::Subscription(to.0, to.1)));
    world.release();
    world.restart();
    world.pass(3);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(message(stays, "y"));
    assert_eq!(world.take_bodies(monitor), ["y"]);
}

#[test]
fn new_agents_belong_to_the_shard_that_made_them() {
    for count in [1, 2, 3, 7, 64] {
        for shard in 0..count {
            for octet in 0..=255 {
                assert_eq!(AgentId::on_shard([octet; 16], shard, count).shard(count), shard);
            }
        }
    }
}

/// 8030-2.1-2: each accepted message has a resource of its own, which its user agent can delete.
#[test]
fn rfc8030_2_1_2_each_message_is_a_resource_of_its_own() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let same = || message(to, "the same");
    let [first, second] = [world.send(same()), world.send(same())].map(|sent| sent.handle);
    assert_ne!(first, second);
    assert!(matches!(world.acknowledge(first), Response::Done));
    assert!(matches!(world.ask(Request::Read(second)), Response::Message(_)), "the other lives on");
    assert!(matches!(world.acknowledge(second), Response::Done));
}
