//! RFC 8030 §5.4: topics.

use push_proto::{
    Outcome, Refusal, Slot, Ttl, Urgency,
    service::{Monitor, ReceiptRequest, Request, Response, Send, Target},
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

/// 8030-5.4-7
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

/// 8030-5.4-8: a topic that nothing uses is stored or pushed like any message.
#[test]
fn rfc8030_5_4_8_an_unused_topic_changes_nothing() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let stored = world.send(about(topic(1), message(to, "stored")));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert_eq!(world.write_all(monitor), [stored.handle]);
    let pushed = world.send(about(topic(2), message(to, "pushed")));
    assert_eq!(world.write_all(monitor), [pushed.handle]);
    assert!(world.retracted.is_empty());
    // A topic whose message has ended is unused again.
    world.acknowledge(stored.handle);
    let again = world.send(about(topic(1), message(to, "again")));
    assert_eq!(world.write_all(monitor), [again.handle]);
}

/// 8030-5.4-1, 8030-5.4-5, 8030-5.4-6: wherever the old message is when the new one comes, it ends there and then, owes
/// no receipt although it is acknowledged late, and only the new one is delivered.
#[test]
fn rfc8030_5_4_5_a_message_is_replaced_wherever_it_is() {
    enum Where {
        Stored,
        WaitingForCredit,
        BeingWritten,
        Written,
        Committing,
    }
    for place in
        [Where::Stored, Where::WaitingForCredit, Where::BeingWritten, Where::Written, Where::Committing]
    {
        let mut world = World::new();
        let to = world.subscribe(None);
        let asking = |receipt, body| Send { receipt, ..about(topic(1), message(to, body)) };
        // Something that takes the credit, and makes the receipt subscription.
        let first = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "first") });
        let receipts = ReceiptRequest::On(named(first.receipt.expect("asked")));
        let credit = if matches!(place, Where::WaitingForCredit) { 1 } else { 8 };
        let monitor = (!matches!(place, Where::Stored)).then(|| world.monitor(Target::Set(to.0), credit));
        if let (Where::Committing, Some(_)) = (&place, monitor) {
            world.hold();
        }
        let old = world.start(Request::Send(asking(receipts, "old")));
        if let (Where::Written, Some(monitor)) = (&place, monitor) {
            assert_eq!(world.write_all(monitor).len(), 2);
        }
        let new = world.start(Request::Send(asking(receipts, "new")));
        world.release();
        let handle = |exchange| match world.response(exchange) {
            Some(Response::Accepted(accepted)) => accepted.handle,
            other => panic!("{other:?}"),
        };
        let (old, new) = (handle(old), handle(new));
        assert_ne!(old, new, "8030-5.4-5");
        assert_eq!(refusal(&world.acknowledge(old)), Refusal::NOT_FOUND, "8030-5.4-6, A-07");
        assert_eq!(refusal(&world.ask(Request::Read(old))), Refusal::NOT_FOUND, "8030-5.4-5");
        let fresh = world.monitor(Target::Set(to.0), 8);
        assert_eq!(world.write_all(fresh), [first.handle, new]);
        assert!(matches!(world.acknowledge(new), Response::Done));
        let monitor = world.monitor(Target::Receipts(first.receipt.expect("asked")), 8);
        world.pass(4000);
        let told = world.take_receipts(monitor);
        assert_eq!(told, [(new, Outcome::Delivered), (first.handle, Outcome::Failed)], "8030-5.4-6, G4");
    }
}
