//! Delivery receipts (RFC 8030 §5.1, §6.3; ).

use std::time::Duration;

use push_proto::{
    Ttl, Via,
    application_server::{
        Accepted, Config, Input, Job, Limits, Output, ReceiptOutcome, ReceiptRequest, Request, Response,
        Verdict,
    },
    user_agent::{Failure, Reference, RequestId},
};

use crate::world::*;

const RECEIPTS: &str = "https://push.example.net/r/1";

/// Message 1 was accepted with a receipt, and its receipt subscription is monitored.
fn awaiting() -> (World, RequestId) {
    let mut world = World::new();
    let id = world.sending(job_with_receipt(1));
    let outputs = world.reply(id, promised(1, "/r/1"));
    let (monitor, _) = monitors(&outputs)[0];
    (world, monitor)
}

#[test]
fn a_receipt_is_asked_for_promised_monitored_and_told_once() {
    // 8030-5.1-1, 8030-5.1-4, 8030-5.1-5, 8030-6.3-1, 8030-6.3-3, 8030-6.3-4
    let mut world = World::new();
    let outputs = world.send(job_with_receipt(1));
    let (id, send) = sent(&outputs);
    assert_eq!(send.receipt, ReceiptRequest::New);
    let outputs = world.reply(id, promised(1, "/r/1"));
    let message = url("https://push.example.net/m/1");
    let accepted = Accepted { message: Some(message.clone()), ttl: Some(Ttl::from_secs(600)), receipt: true };
    assert_eq!(verdict(&outputs), Verdict::Accepted(accepted));
    let (monitor, watched) = monitors(&outputs)[0].clone();
    assert_eq!(watched, url(RECEIPTS));

    let outputs = world.receipt(monitor, "/m/1", 204);
    assert!(matches!(&outputs[..], [Output::Receipt(receipt)] if receipt.message == message));
    assert_eq!(outcomes(&outputs), [(1, ReceiptOutcome::Delivered)]);
    assert!(world.receipt(monitor, "/m/1", 410).is_empty(), "G4: never two");
}

#[test]
fn a_410_is_a_failure_and_nothing_else_is_a_receipt() {
    // 8030-6.3-5
    let (mut world, monitor) = awaiting();
    for noise in [200, 404, 500] {
        assert!(world.receipt(monitor, "/m/1", noise).is_empty());
    }
    assert!(world.receipt(monitor, "/m/999", 204).is_empty());
    assert!(world.receipt(monitor, "https://evil.example/m/1", 204).is_empty());
    assert!(world.receipt(RequestId(999), "/m/1", 204).is_empty());
    assert_eq!(outcomes(&world.receipt(monitor, "/m/1", 410)), [(1, ReceiptOutcome::Failed)]);
}

#[test]
fn with_ttl_zero_no_receipt_is_asked_for() {
    // 8030-5.2-10
    let mut world = World::new();
    let asking = world.sending(job_with_receipt(1));
    // It does not wait for the receipt subscription that is being made either.
    let (id, send) = sent(&world.send(Job { ttl: Ttl::ZERO, ..job_with_receipt(2) }));
    assert_eq!((send.ttl, send.receipt), (Ttl::ZERO, ReceiptRequest::No));
    let outputs = world.reply(id, promised(2, "/r/1"));
    assert!(matches!(verdict(&outputs), Verdict::Accepted(accepted) if !accepted.receipt));
    world.reply(asking, promised(1, "/r/1"));
    let (_, send) = sent(&world.send(Job { ttl: Ttl::ZERO, ..job_with_receipt(3) }));
    assert_eq!(send.receipt, ReceiptRequest::No);
}

#[test]
fn the_receipt_subscription_is_reused_and_monitored_once() {
    // 8030-5.1-6
    let mut world = World::new();
    let first = world.sending(job_with_receipt(1));
    // Who asks meanwhile waits for it; who wants no receipt does not.
    assert!(world.send(job_with_receipt(2)).is_empty());
    assert_eq!(sends(&world.send(job(3))).len(), 1);
    let outputs = world.reply(first, promised(1, "/r/1"));
    assert_eq!(monitors(&outputs).len(), 1);
    let (id, send) = sent(&outputs);
    assert_eq!(send.receipt, ReceiptRequest::On(url(RECEIPTS)));
    // Even if the 202 does not repeat it.
    let outputs = world.reply(id, Response { receipt: None, ..promised(2, "") });
    assert!(matches!(verdict(&outputs), Verdict::Accepted(accepted) if accepted.receipt));
    assert_eq!(monitors(&outputs).len(), 0);
}

#[test]
fn a_service_without_receipts_holds_nothing_up() {
    //
    let mut world = World::new();
    let first = world.sending(job_with_receipt(1));
    let outputs = world.reply(first, created(1));
    assert!(matches!(verdict(&outputs), Verdict::Accepted(accepted) if !accepted.receipt));
    assert_eq!(sends(&world.send(job_with_receipt(2))).len(), 1);
    assert_eq!(sends(&world.send(job_with_receipt(3))).len(), 1, "they do not wait for one another any more");
    // A 202 that names none, one that is elsewhere, or no message, promises nothing.
    let reference = |text: &str| Some(Reference::new(text));
    for response in [
        Response { receipt: None, ..promised(1, "") },
        Response { receipt: reference("https://evil.example/r/1"), ..promised(1, "") },
        Response { location: None, ..promised(1, "/r/1") },
    ] {
        let mut world = World::new();
        let id = world.sending(job_with_receipt(1));
        let outputs = world.reply(id, response);
        assert!(matches!(verdict(&outputs), Verdict::Accepted(accepted) if !accepted.receipt));
        assert_eq!(monitors(&outputs).len(), 0);
    }
}

#[test]
fn a_receipt_that_overtakes_the_202_is_kept_for_it() {
    let (mut world, monitor) = awaiting();
    let id = world.sending(job_with_receipt(2));
    assert!(world.receipt(monitor, "/m/2", 204).is_empty());
    let outputs = world.reply(id, promised(2, "/r/1"));
    assert!(matches!(outputs[0], Output::Verdict(..)), "the verdict comes first");
    assert_eq!(outcomes(&outputs), [(2, ReceiptOutcome::Delivered)]);
    // Without a send in flight there is nothing to keep it for.
    assert!(world.receipt(monitor, "/m/3", 204).is_empty());
    let id = world.sending(job_with_receipt(3));
    assert_eq!(outcomes(&world.reply(id, promised(3, "/r/1"))), []);
}

#[test]
fn a_monitor_that_ends_is_reopened_while_something_is_awaited() {
    // A-11, 8030-6.3-1
    let (mut world, monitor) = awaiting();
    world.pass(Duration::from_secs(60));
    let outputs = world.reply(monitor, status(200));
    let (next, _) = monitors(&outputs)[0];
    // What was pushed before its end may be whole only now.
    assert_eq!(outcomes(&world.receipt(monitor, "/m/1", 204)), [(1, ReceiptOutcome::Delivered)]);
    world.pass(Duration::from_secs(60));
    assert!(world.reply(next, status(200)).is_empty(), "nothing is awaited");
    assert_eq!(world.deadline, None);
    let id = world.sending(job_with_receipt(2));
    assert_eq!(monitors(&world.reply(id, promised(2, "/r/1"))).len(), 1);
}

#[test]
fn a_monitor_that_keeps_ending_or_failing_is_no_hot_loop() {
    let (mut world, monitor) = awaiting();
    let (mut monitor, _) = monitors(&world.reply(monitor, status(200)))[0];
    let mut waits = Vec::new();
    for failure in 0..8 {
        let outputs = match failure % 3 {
            0 => world.reply(monitor, status(204)),
            1 => world.reply(monitor, status(503)),
            _ => world.fail(monitor, Failure::Lost),
        };
        assert!(outputs.is_empty());
        let (wait, outputs) = world.wake();
        waits.push(wait);
        monitor = monitors(&outputs)[0].0;
    }
    assert!(waits[7] > waits[0] * 16, "{waits:?}");
}

#[test]
fn a_receipt_subscription_that_is_gone_leaves_its_messages_unknown() {
    // 8030-7.3-2, 8030-2-2
    let (mut world, monitor) = awaiting();
    assert_eq!(outcomes(&world.reply(monitor, status(404))), [(1, ReceiptOutcome::Unknown)]);
    let (_, send) = sent(&world.send(job_with_receipt(2)));
    assert_eq!(send.receipt, ReceiptRequest::New);
}

#[test]
fn a_receipt_is_not_awaited_for_ever() {
    // 8030-5.4-6, 8030-5.2-10, A-14
    let (mut world, _) = awaiting();
    let (wait, outputs) = world.wake();
    assert_eq!(wait, Duration::from_secs(600) + Limits::default().receipt);
    assert_eq!(outcomes(&outputs), [(1, ReceiptOutcome::Unknown)]);
}

#[test]
fn a_receipt_subscription_that_the_service_refuses_is_left_out() {
    // 8030-5.1-9
    let (mut world, _) = awaiting();
    let outputs = world.send(job_with_receipt(2));
    let outputs = world.reply(sent(&outputs).0, status(400));
    let (id, send) = sent(&outputs);
    assert_eq!(send.receipt, ReceiptRequest::New);
    let outputs = world.reply(id, promised(2, "/r/2"));
    assert_eq!(monitors(&outputs)[0].1, url("https://push.example.net/r/2"));
    // The new one is for all from now on; another 400 is about something else.
    let outputs = world.send(job_with_receipt(3));
    let (id, send) = sent(&outputs);
    assert_eq!(send.receipt, ReceiptRequest::On(url("https://push.example.net/r/2")));
    let outputs = world.reply(id, status(400));
    assert!(matches!(verdict(&world.reply(sent(&outputs).0, status(400))), Verdict::Rejected(_)));
}

#[test]
fn a_429_to_a_request_without_a_subscription_uses_the_known_one() {
    // 8030-5.1-10
    let mut world = World::new();
    let first = world.sending(job_with_receipt(1));
    world.reply(first, created(1));
    let (two, three) = (world.sending(job_with_receipt(2)), world.sending(job_with_receipt(3)));
    world.reply(two, promised(2, "/r/1"));
    let (_, send) = sent(&world.reply(three, retry_after(429, 600)));
    assert_eq!(send.receipt, ReceiptRequest::On(url(RECEIPTS)));
}

#[test]
fn a_failed_first_request_passes_the_asking_on() {
    let mut world = World::new();
    let first = world.sending(job_with_receipt(1));
    assert!(world.send(job_with_receipt(2)).is_empty());
    let (_, send) = sent(&world.reply(first, status(410)));
    assert_eq!(send.receipt, ReceiptRequest::New);
}

#[test]
fn awaited_receipts_and_their_subscriptions_are_bounded() {
    let mut config = unsigned();
    (config.limits.receipts, config.limits.receipt_subscriptions) = (3, 2);
    let mut world = World::with(config);
    // A service that gives every message a receipt subscription of its own (8030-5.1-7 lets it).
    for (number, kept) in [(1, true), (2, true), (3, false)] {
        let id = world.sending(job_with_receipt(number));
        let outputs = world.reply(id, promised(number, &format!("/r/{number}")));
        assert!(matches!(verdict(&outputs), Verdict::Accepted(accepted) if accepted.receipt == kept));
    }
    let id = world.sending(job_with_receipt(4));
    world.reply(id, promised(4, "/r/2"));
    let (_, send) = sent(&world.send(job_with_receipt(5)));
    assert_eq!(send.receipt, ReceiptRequest::No, "there is no room to remember it");
}

#[test]
fn an_old_subscription_is_let_go_when_nothing_comes_on_it_any_more() {
    let (mut world, old) = awaiting();
    let id = world.sending(job_with_receipt(2));
    let outputs = world.reply(id, promised(2, "/r/2"));
    let (new, _) = monitors(&outputs)[0];
    assert_eq!(outcomes(&world.receipt(old, "/m/1", 204)).len(), 1);
    let id = world.sending(job_with_receipt(3));
    let outputs = world.reply(id, promised(3, "/r/2"));
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == old)));
    // 8030-7.3-5: and its service is told.
    assert_eq!(endings(&outputs)[0].1, url(RECEIPTS));
    assert_eq!(outcomes(&world.receipt(new, "/m/3", 204)).len(), 1);
}

#[test]
fn closing_settles_what_is_awaited() {
    let (mut world, monitor) = awaiting();
    let outputs = world.give(Input::Close);
    assert_eq!(outcomes(&outputs), [(1, ReceiptOutcome::Unknown)]);
    assert!(outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == monitor)));
    let _: Job = job(1);
}

/// The receipt subscription that is of no more use, being ended.
fn ending(limits: Limits) -> (World, RequestId) {
    let mut world = World::with(Config { limits, ..unsigned() });
    for (number, receipts) in [(1, "/r/1"), (2, "/r/2")] {
        let id = world.sending(job_with_receipt(number));
        let outputs = world.reply(id, promised(number, receipts));
        let (monitor, _) = monitors(&outputs)[0];
        world.receipt(monitor, &format!("/m/{number}"), 204);
    }
    let id = world.sending(job_with_receipt(3));
    let outputs = world.reply(id, promised(3, "/r/2"));
    let id = endings(&outputs).first().map_or(RequestId(u64::MAX), |(id, _)| *id);
    (world, id)
}

#[test]
fn ending_a_receipt_subscription_is_tried_a_few_times() {
    // 8030-7.3-5
    for answer in [200, 204, 404, 410, 403] {
        let (mut world, id) = ending(Limits::default());
        assert!(world.reply(id, status(answer)).is_empty());
        assert!(endings(&world.wake().1).is_empty(), "{answer} is an end");
    }
    let (mut world, mut id) = ending(Limits::default());
    for _ in 1..Limits::default().ending_attempts {
        assert!(world.reply(id, status(503)).is_empty());
        id = endings(&world.wake().1)[0].0;
    }
    world.fail(id, Failure::Lost);
    assert!(endings(&world.wake().1).is_empty());
}

/// 8030-7.3-5: a service may name a receipt subscription again that is being ended, and then it must not be.
#[test]
fn a_receipt_subscription_that_is_named_again_is_not_ended() {
    for answered in [false, true] {
        let (mut world, ending) = ending(Limits::default());
        if answered {
            // To be tried again later.
            assert!(world.reply(ending, status(503)).is_empty());
        }
        let id = world.sending(job_with_receipt(4));
        let outputs = world.reply(id, promised(4, "/r/1"));
        let cancelled = outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == ending));
        assert_eq!(cancelled, !answered);
        let (monitor, _) = monitors(&outputs)[0];
        assert_eq!(endings(&world.advance(Limits::default().response)), []);
        assert_eq!(outcomes(&world.receipt(monitor, "/m/4", 204)), [(4, ReceiptOutcome::Delivered)]);
    }
}

#[test]
fn an_ending_that_is_not_answered_is_cancelled_and_counts_as_lost() {
    let (mut world, id) = ending(Limits::default());
    let (wait, outputs) = world.wake();
    assert_eq!(wait, Limits::default().response);
    assert!(matches!(outputs[0], Output::Cancel(cancelled) if cancelled == id));
    assert_eq!(endings(&world.wake().1).len(), 1);
    assert!(!world.give(Input::Close).is_empty());
    assert_eq!(world.deadline, None);
}

#[test]
fn endings_are_bounded() {
    let (_, id) = ending(Limits { endings: 0, ..Limits::default() });
    assert_eq!(id, RequestId(u64::MAX), "it is left to its service");
}

#[test]
fn a_subscription_that_a_send_in_flight_names_is_not_ended() {
    let (mut world, _) = awaiting();
    let (naming, _) = sent(&world.send(job_with_receipt(2)));
    let (other, _) = sent(&world.send(job_with_receipt(3)));
    let outputs = world.reply(other, promised(3, "/r/2"));
    assert_eq!(endings(&outputs), []);
    assert_eq!(verdicts(&world.reply(naming, promised(2, "/r/1"))).len(), 1);
}

#[test]
fn receipts_may_be_kept_apart() {
    // 8030-5.1-8: nobody waits for anybody, and nothing links them.
    let mut world = World::with(Config { share_receipts: false, ..unsigned() });
    let (one, send) = sent(&world.send(job_with_receipt(1)));
    assert_eq!(send.receipt, ReceiptRequest::New);
    let (two, _) = sent(&world.send(job_with_receipt(2)));
    world.reply(one, promised(1, "/r/1"));
    let (_, send) = sent(&world.send(job_with_receipt(3)));
    assert_eq!(send.receipt, ReceiptRequest::New);
    // 8030-5.1-10: until the service says that there are enough.
    let (_, send) = sent(&world.reply(two, retry_after(429, 600)));
    assert_eq!(send.receipt, ReceiptRequest::On(url(RECEIPTS)));
}

#[test]
fn a_service_that_cannot_push_is_asked_for_an_event_stream() {
    // A-12, 8030-6.3-1
    let via = |outputs: &[Output]| match &requests(outputs)[..] {
        [(id, Request::MonitorReceipts { via, .. })] => (*id, *via),
        other => panic!("{other:?}"),
    };
    let mut world = World::with(unsigned());
    let id = world.sending(job_with_receipt(1));
    let (monitor, first) = via(&world.reply(id, promised(1, "/r/1")));
    assert_eq!(first, Via::Push);
    let (monitor, second) = via(&world.reply(monitor, status(406)));
    assert_eq!(second, Via::Stream);
    // It stays with what works.
    world.pass(Duration::from_secs(60));
    let (monitor, third) = via(&world.reply(monitor, status(200)));
    assert_eq!(third, Via::Stream);
    assert_eq!(outcomes(&world.receipt(monitor, "/m/1", 204)), [(1, ReceiptOutcome::Delivered)]);
    // Neither way: no hot loop.
    let id = world.sending(job_with_receipt(2));
    world.reply(id, promised(2, "/r/1"));
    assert!(world.reply(monitor, status(406)).is_empty());
    let (wait, outputs) = world.wake();
    assert!(!wait.is_zero());
    assert!(world.reply(via(&outputs).0, status(406)).is_empty());
}
