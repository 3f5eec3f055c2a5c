//! RFC 8030 §5.4: topics.

use push_proto::{
    Outcome, Refusal, Slot, Ttl, Urgency,
    service::{Monitor, ReceiptRequest, Response, Send, Target},
};

use crate::world::{World, message, named, refusal, topic};

fn about(slot: Slot, send: Send) -> Send {
    Send { topic: Some(slot), ..send }
}

#[test]
fn rfc8030_5_4_1_a_newer_message_on_a_topic_replaces_the_stored_one() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let other = world.subscribe(Some(to.0));
    let old = world.send(about(topic(1), message(to, "old")));
    world.send(about(topic(1), message(other, "of another subscription")));
    world.send(about(topic(2), message(to, "of another topic")));
    world.send(message(to, "of none"));
    let new = world.send(about(topic(1), message(to, "new")));
    assert_ne!(old.handle, new.handle, "8030-5.4-5: a new resource");
    assert_eq!(refusal(&world.acknowledge(old.handle)), Refusal::NOT_FOUND, "A-07");
    let monitor = world.monitor(Target::Set(to.0), 8);
    let expected = ["of another subscription", "of another topic", "of none", "new"];
    assert_eq!(world.take_bodies(monitor), expected, "8030-5.4-2");
}

#[test]
fn a_replaced_message_that_is_still_being_written_is_retracted() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.send(about(topic(1), message(to, "old")));
    let [(delivery, _)] = world.take_pushes(monitor).try_into().expect("pushed");
    world.send(about(topic(1), message(to, "new")));
    assert!(world.retracted.contains(&(monitor, delivery)));
    assert_eq!(world.take_bodies(monitor), ["new"]);
}

#[test]
fn rfc8030_5_4_6_a_replaced_message_owes_no_receipt_even_if_acknowledged_late() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let asking = |body| Send { receipt: ReceiptRequest::New, ..about(topic(1), message(to, body)) };
    let old = world.send(asking("old"));
    let receipts = old.receipt.expect("asked for");
    let monitor = world.monitor(Target::Set(to.0), 8);
    world.write_all(monitor);
    let new = world.send(Send { receipt: ReceiptRequest::On(named(receipts)), ..asking("new") });
    assert_eq!(refusal(&world.acknowledge(old.handle)), Refusal::NOT_FOUND);
    assert!(matches!(world.acknowledge(new.handle), Response::Done));
    let receipts = world.monitor(Target::Receipts(receipts), 8);
    assert_eq!(world.take_receipts(receipts), [(new.handle, Outcome::Delivered)], "G4");
}

#[test]
fn rfc8030_5_4_7_replacement_takes_ttl_urgency_and_receipt_along() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let first = Send {
        ttl: Ttl::from_secs(600),
        urgency: Urgency::High,
        receipt: ReceiptRequest::New,
        ..about(topic(1), message(to, "first"))
    };
    let receipts = world.send(first).receipt.expect("asked for");
    let second =
        Send { ttl: Ttl::from_secs(1), urgency: Urgency::Low, ..about(topic(1), message(to, "second")) };
    world.send(second);
    let high = Monitor { target: Target::Set(to.0), urgency: Urgency::High, wait: None };
    let high = world.monitor_with(high, 8);
    assert!(world.take_pushes(high).is_empty());
    world.pass(2);
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
    let receipts = world.monitor(Target::Receipts(receipts), 8);
    assert!(world.take_receipts(receipts).is_empty());
}

#[test]
fn g3_a_transient_message_replaces_what_is_stored() {
    let mut world = World::new();
    let to = world.subscribe(None);
    world.send(about(topic(1), message(to, "stored")));
    world.send(Send { ttl: Ttl::ZERO, ..about(topic(1), message(to, "now or never")) });
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}
