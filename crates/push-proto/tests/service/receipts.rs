//! RFC 8030 §5.1, §6.3: delivery confirmations.

use push_proto::{
    AgentId, Outcome, Refusal, Ttl,
    service::{Input, ReceiptRequest, Request, Response, Send, Target, Transfer},
};

use crate::world::{World, message, named, refusal};

#[test]
fn rfc8030_6_2_2_an_acknowledgement_reaches_the_receipt_monitor_once() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let sent = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "x") });
    let receipts = world.monitor(Target::Receipts(sent.receipt.expect("8030-5.1-5")), 8);
    assert!(world.take_receipts(receipts).is_empty());
    world.acknowledge(sent.handle);
    assert_eq!(world.take_receipts(receipts), [(sent.handle, Outcome::Delivered)]);
    let again = world.monitor(Target::Receipts(sent.receipt.expect("asked")), 8);
    assert!(world.take_receipts(again).is_empty());
}

#[test]
fn a_14_receipts_wait_for_a_monitor_and_survive_a_reset_push() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let sent = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "x") });
    let target = Target::Receipts(sent.receipt.expect("asked"));
    world.acknowledge(sent.handle);
    let receipts = world.monitor(target, 8);
    let [(delivery, _)] = world.take_pushes(receipts).try_into().expect("one receipt");
    world.handle(Input::Pushed(receipts, delivery, Transfer::Reset));
    world.restart();
    let receipts = world.monitor(target, 8);
    assert_eq!(world.take_receipts(receipts), [(sent.handle, Outcome::Delivered)]);
}

#[test]
fn rfc8030_5_1_7_a_receipt_subscription_is_reused() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let first = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "1") });
    let agent = first.receipt.expect("asked");
    let second = world.send(Send { receipt: ReceiptRequest::On(named(agent)), ..message(to, "2") });
    assert_eq!(second.receipt, Some(agent));
    let receipts = world.monitor(Target::Receipts(agent), 8);
    world.acknowledge(second.handle);
    world.acknowledge(first.handle);
    assert_eq!(world.take_receipts(receipts).len(), 2);
}

#[test]
fn rfc8030_5_1_9_an_invalid_receipt_subscription_is_refused_and_nothing_is_stored() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let made_up = AgentId::from_octets([9; 16]);
    for agent in [made_up, to.0] {
        let send = Send { receipt: ReceiptRequest::On(named(agent)), ..message(to, "x") };
        assert_eq!(refusal(&world.ask(Request::Send(send))), Refusal::RECEIPT_INVALID);
    }
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}

#[test]
fn rfc8030_6_3_5_expiry_and_unsubscribing_yield_410() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let asking = |secs| Send { receipt: ReceiptRequest::New, ttl: Ttl::from_secs(secs), ..message(to, "x") };
    let expiring = world.send(asking(5));
    let agent = expiring.receipt.expect("asked");
    let dropped = world.send(Send { receipt: ReceiptRequest::On(named(agent)), ..asking(500) });
    let receipts = world.monitor(Target::Receipts(agent), 8);
    world.pass(8);
    assert_eq!(world.take_receipts(receipts), [(expiring.handle, Outcome::Failed)]);
    world.ask(Request::Unsubscribe(Target::Subscription(to.0, to.1)));
    world.pass(2);
    assert_eq!(world.take_receipts(receipts), [(dropped.handle, Outcome::Failed)]);
    assert_eq!(refusal(&world.acknowledge(dropped.handle)), Refusal::NOT_FOUND, "one outcome");
}

#[test]
fn rfc8030_7_3_5_a_receipt_subscription_can_be_deleted() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let sent = world.send(Send { receipt: ReceiptRequest::New, ..message(to, "x") });
    let agent = sent.receipt.expect("asked");
    let monitor = world.monitor(Target::Receipts(agent), 8);
    assert!(matches!(world.ask(Request::Unsubscribe(Target::Receipts(agent))), Response::Done));
    assert_eq!(refusal(&world.response(monitor).expect("ended")), Refusal::NOT_FOUND, "8030-7.3-2");
    let reuse = Send { receipt: ReceiptRequest::On(named(agent)), ..message(to, "y") };
    assert_eq!(refusal(&world.ask(Request::Send(reuse))), Refusal::RECEIPT_INVALID);
    assert!(matches!(world.acknowledge(sent.handle), Response::Done), "the message itself lives on");
}

/// 8030-5.1-3: who asks for a receipt is told where it will be, so the answer is 202; who does not gets 201.
#[test]
fn rfc8030_5_1_3_an_accepted_request_for_a_receipt_names_its_receipt_subscription() {
    let mut world = World::new();
    let to = world.subscribe(None);
    assert_eq!(world.send(message(to, "201")).receipt, None);
    let asking = Send { receipt: ReceiptRequest::New, ..message(to, "202") };
    let first = world.send(asking.clone());
    let second = world.send(Send { ttl: Ttl::ZERO, ..asking });
    assert!(first.receipt.is_some() && second.receipt.is_some());
    assert_ne!(first.receipt, second.receipt, "8030-5.1-5: a new one each time");
}

/// 8030-6.3-2: the request stays open, and receipts come one by one as messages end.
#[test]
fn rfc8030_6_3_2_a_receipt_monitor_stays_open_for_more() {
    let mut world = World::new();
    let to = world.subscribe(None);
    let asking = |receipt| Send { receipt, ttl: Ttl::from_secs(100_000), ..message(to, "x") };
    let first = world.send(asking(ReceiptRequest::New));
    let agent = first.receipt.expect("asked");
    let monitor = world.monitor(Target::Receipts(agent), 8);
    let more = [0; 3].map(|_| world.send(asking(ReceiptRequest::On(named(agent)))));
    for sent in [&first].into_iter().chain(&more) {
        world.pass(3600);
        assert!(world.response(monitor).is_none(), "it is open");
        world.acknowledge(sent.handle);
        assert_eq!(world.take_receipts(monitor), [(sent.handle, Outcome::Delivered)]);
    }
}
