//! RFC 8030 §8.4, §4.1: how fast messages and agents may come.

use std::time::Duration;

use push_crypto::vapid::{self, Credentials, Signer, SigningKey, Verified};
use push_proto::{
    AgentId, Party, Refusal, SubscriptionId, Ttl, UnixTime,
    service::{Input, Limits, Rate, ReceiptRequest, Request, Response, Send, Set, Subscribe, Target},
};
use push_store::Quotas;

use crate::world::{START, World, message, named, refusal};

fn world(limits: Limits) -> World {
    World::with(limits, Quotas::default())
}

fn is_accepted(world: &mut World, send: Send) -> bool {
    match world.ask(Request::Send(send)) {
        Response::Accepted(_) => true,
        response => {
            assert_eq!(refusal(&response).reason(), Refusal::RATE_EXCEEDED.reason());
            false
        }
    }
}

/// 8030-8.4-1, 8030-8.4-2, 8030-8.4-3: a burst, then 429 that says when the next may come.
#[test]
fn rfc8030_8_4_1_messages_to_a_user_agent_have_a_rate() {
    let mut world = world(Limits { messages: Rate::new(2, 3), ..Limits::default() });
    let first = world.subscribe(None);
    let second = world.subscribe(Some(first.0));
    let other = world.subscribe(None);
    for to in [first, second, first] {
        assert!(is_accepted(&mut world, message(to, "x")));
    }
    let over = refusal(&world.ask(Request::Send(message(second, "x"))));
    assert_eq!((over.status(), over.reason()), (429, "rate-exceeded"), "the whole set has one rate");
    assert_eq!(over.retry_after(), Some(Duration::from_millis(500)), "8030-8.4-3");
    assert!(is_accepted(&mut world, message(other, "x")), "another user agent has its own");
    world.pass(1);
    let accepted = (0..5).filter(|_| is_accepted(&mut world, message(first, "x"))).count();
    assert_eq!(accepted, 2, "two a second");
    world.pass(60);
    let accepted = (0..5).filter(|_| is_accepted(&mut world, message(first, "x"))).count();
    assert_eq!(accepted, 3, "never more than the burst");
}

/// A refused message is neither stored nor pushed, and what else peers ask has no rate.
#[test]
fn a_message_over_the_rate_goes_nowhere() {
    let mut world = world(Limits { messages: Rate::new(1, 1), ..Limits::default() });
    let to = world.subscribe(None);
    let monitor = world.monitor(Target::Set(to.0), 8);
    let sent = world.send(message(to, "first"));
    assert!(!is_accepted(&mut world, message(to, "second")));
    assert_eq!(world.take_bodies(monitor), ["first"]);
    assert!(matches!(world.ask(Request::Read(sent.handle)), Response::Message(_)));
    assert!(matches!(world.acknowledge(sent.handle), Response::Done));
    world.subscribe(Some(to.0));
    let monitor = world.monitor(Target::Set(to.0), 8);
    assert!(world.take_pushes(monitor).is_empty());
}

/// G5: the table is bounded. Full, it forgets who is nearest to the whole burst; whoever is far over stays in it.
#[test]
fn rated_agents() {
    let mut world = world(Limits { messages: Rate::new(1, 2), rated_agents: 2, ..Limits::default() });
    let agents: Vec<_> = (0..3).map(|_| world.subscribe(None)).collect();
    for to in [agents[0], agents[0], agents[1], agents[2]] {
        assert!(is_accepted(&mut world, message(to, "x")));
    }
    assert!(
        !is_accepted(&mut world, message(agents[0], "x")),
        "the one with the greatest debt is remembered"
    );
    for _ in 0..2 {
        assert!(is_accepted(&mut world, message(agents[1], "x")), "the one nearest to full was forgotten");
    }
}

/// 8030-4.1-6, 8030-8.4-3: new sets and new receipt subscriptions have a rate, of whoever makes them.
#[test]
fn rfc8030_4_1_6_new_agents_have_a_rate() {
    let mut world = world(Limits { new_agents: Rate::new(1, 2), ..Limits::default() });
    let to = world.subscribe(None);
    let asking = Send { receipt: ReceiptRequest::New, ..message(to, "x") };
    let receipts = world.send(asking.clone()).receipt.expect("asked");
    for request in [Request::Subscribe(Subscribe::default()), Request::Send(asking.clone())] {
        let over = refusal(&world.ask(request));
        assert_eq!((over.status(), over.reason()), (429, Refusal::AGENTS_EXCEEDED.reason()));
        assert_eq!(over.retry_after(), Some(Duration::from_secs(1)));
    }
    // 8030-4.1-7: who names a set, or a receipt subscription, is not kept out by the many who do not.
    world.subscribe(Some(to.0));
    world.send(Send { receipt: ReceiptRequest::On(named(receipts)), ..asking });
    world.send(message(to, "y"));
    world.pass(1);
    world.subscribe(None);
}

#[test]
fn without_a_rate_there_is_no_bound() {
    let mut world = world(Limits {
        messages: None,
        subscription_messages: None,
        new_agents: Rate::new(0, 5),
        ..Limits::default()
    });
    let to = world.subscribe(None);
    for _ in 0..9000 {
        assert!(is_accepted(&mut world, message(to, "x")));
        world.subscribe(None);
    }
}

/// A late clock, or one that stands still, gives nothing away.
#[test]
fn a_shard_that_slept_grants_one_burst() {
    let mut world = world(Limits { messages: Rate::new(10, 4), ..Limits::default() });
    let to = world.subscribe(None);
    for _ in 0..3 {
        let accepted = (0..9).filter(|_| is_accepted(&mut world, message(to, "x"))).count();
        assert_eq!(accepted, 4);
        world.leap(1_000_000);
    }
    world.handle(Input::Tick);
}

/// 8030-8.4-1, 8292-4.2-2: a stranger who knows the push URL of a restricted subscription cannot use up the rate.
#[test]
fn what_is_refused_does_not_count() {
    let mut world = world(Limits { messages: Rate::new(1, 2), ..Limits::default() });
    let first = world.subscribe(None);
    let provider = push_crypto::rustcrypto::provider();
    let key = *SigningKey::generate(&provider).unwrap().public_key();
    let restricted = Subscribe { set: Set::Joined(named(first.0)), id: None, restricted_to: Some(key) };
    let Response::Subscribed(made) = world.ask(Request::Subscribe(restricted)) else { panic!("subscribed") };
    let restricted = (made.agent, made.subscription);
    for _ in 0..10 {
        let stranger = refusal(&world.ask(Request::Send(message(restricted, "x"))));
        assert_eq!(stranger.status(), 401, "each is told why, and none that it was too many");
    }
    let accepted = (0..4).filter(|_| is_accepted(&mut world, message(first, "x"))).count();
    assert_eq!(accepted, 2, "the whole burst is there for those who may send");
}

/// A VAPID key that proved itself, as the carrier found.
fn verified(signer: &Signer) -> Verified {
    let (provider, audience) =
        (push_crypto::rustcrypto::provider(), "https://push.example.net".parse().expect("it is good"));
    let now = UnixTime::from_secs(START);
    let token = signer.sign(&provider, &audience, now.saturating_add_secs(60), now).expect("it is good");
    let credentials = Credentials::parse(token.authorization()).expect("it is good");
    vapid::verify(&provider, &credentials, &audience, now, 0).expect("it is good")
}

fn signer() -> Signer {
    Signer::new(SigningKey::generate(&push_crypto::rustcrypto::provider()).expect("it is good"), None)
}

fn signed(to: (AgentId, SubscriptionId), by: &Verified) -> Request {
    Request::Send(Send { sender: Some(by.clone()), ..message(to, "x") })
}

/// 429, by whom, and how long until the next.
#[track_caller]
fn is_blamed(response: &Response, party: Party, wait_millis: u64) {
    let over = refusal(response);
    assert_eq!((over.status(), over.exceeded_by()), (429, Some(party)), "{over:?}");
    assert_eq!(over.retry_after(), Some(Duration::from_millis(wait_millis)), "8030-8.4-3");
}

/// 8030-8.4-1: one application that floods its subscription leaves room for the others of its user agent.
#[test]
fn a_subscription_has_a_rate_of_its_own() {
    let limits =
        Limits { subscription_messages: Rate::new(1, 2), messages: Rate::new(1, 3), ..Limits::default() };
    let mut world = world(limits);
    let noisy = world.subscribe(None);
    let other = world.subscribe(Some(noisy.0));
    for _ in 0..2 {
        assert!(is_accepted(&mut world, message(noisy, "x")));
    }
    for _ in 0..10 {
        is_blamed(&world.ask(Request::Send(message(noisy, "x"))), Party::Subscription, 1000);
    }
    assert!(
        is_accepted(&mut world, message(other, "x")),
        "what was refused took nothing of the user agent's"
    );
    for _ in 0..10 {
        is_blamed(&world.ask(Request::Send(message(other, "x"))), Party::Agent, 1000);
    }
    world.pass(1);
    assert!(is_accepted(&mut world, message(other, "x")), "nor of the subscription's");
}

/// 8030-8.4-1: whoever sends too much is told so by name, and uses up nothing of those it sends to.
#[test]
fn a_sender_over_its_rate_does_not_use_up_its_receivers() {
    let limits = Limits { sender_messages: Rate::new(2, 2), messages: Rate::new(1, 3), ..Limits::default() };
    let mut world = world(limits);
    let (wild, calm) = (verified(&signer()), verified(&signer()));
    let (first, second) = (world.subscribe(None), world.subscribe(None));
    for to in [first, second] {
        assert!(matches!(world.ask(signed(to, &wild)), Response::Accepted(_)));
    }
    for _ in 0..10 {
        is_blamed(&world.ask(signed(first, &wild)), Party::Key, 500);
    }
    for _ in 0..2 {
        assert!(
            matches!(world.ask(signed(first, &calm)), Response::Accepted(_)),
            "the receiver's rate is whole"
        );
    }
    is_blamed(&world.ask(Request::Send(message(first, "x"))), Party::Agent, 1000);
}

/// 8030-8.4-1: and a receiver over its rate, or with a full queue, uses up nothing of who sends to it.
#[test]
fn a_receiver_over_its_rate_does_not_use_up_its_senders() {
    let limits = Limits { sender_messages: Rate::new(1, 4), messages: Rate::new(1, 2), ..Limits::default() };
    let quotas = Quotas { entries: 1, dropped: 0, ..Quotas::default() };
    let mut world = World::with(limits, quotas);
    let sender = verified(&signer());
    let (full, other, third) = (world.subscribe(None), world.subscribe(None), world.subscribe(None));
    assert!(matches!(world.ask(signed(full, &sender)), Response::Accepted(_)));
    for _ in 0..10 {
        let over = refusal(&world.ask(signed(full, &sender)));
        assert_eq!((over.reason(), over.exceeded_by()), ("queue-full", Some(Party::Agent)));
    }
    let fleeting = |to| Request::Send(Send { ttl: Ttl::from_secs(0), sender: None, ..message(to, "x") });
    for _ in 0..2 {
        assert!(matches!(world.ask(fleeting(other)), Response::Accepted(_)));
    }
    for _ in 0..10 {
        is_blamed(&world.ask(signed(other, &sender)), Party::Agent, 1000);
    }
    // Its own mistakes are its own: nobody's subscription was asked for.
    let unknown = (third.0, SubscriptionId::from_octets([9; 16]));
    for to in [unknown, unknown] {
        assert_eq!(refusal(&world.ask(signed(to, &sender))).status(), 404);
    }
    assert!(matches!(world.ask(signed(third, &sender)), Response::Accepted(_)));
    is_blamed(&world.ask(signed(third, &sender)), Party::Key, 1000);
}

/// G5: keys can be made up without end, but that neither fills the table nor makes it forget who is far over.
#[test]
fn rated_senders() {
    let limits = Limits { sender_messages: Rate::new(1, 2), rated_senders: 2, ..Limits::default() };
    let mut world = world(limits);
    let to = world.subscribe(None);
    let wild = verified(&signer());
    for _ in 0..2 {
        assert!(matches!(world.ask(signed(to, &wild)), Response::Accepted(_)));
    }
    for _ in 0..8 {
        assert!(matches!(world.ask(signed(to, &verified(&signer()))), Response::Accepted(_)));
    }
    is_blamed(&world.ask(signed(to, &wild)), Party::Key, 1000);
}

/// 8030-4.1-6: a message that is refused because its receipt subscription may not be made uses up nothing of its
/// receiver's.
#[test]
fn a_receipt_subscription_too_many_does_not_use_up_the_receiver() {
    let limits = Limits { new_agents: Rate::new(1, 1), messages: Rate::new(1, 1), ..Limits::default() };
    let mut world = world(limits);
    let to = world.subscribe(None);
    let asking = Send { receipt: ReceiptRequest::New, ..message(to, "x") };
    for _ in 0..3 {
        let over = refusal(&world.ask(Request::Send(asking.clone())));
        assert_eq!((over.status(), over.reason()), (429, Refusal::AGENTS_EXCEEDED.reason()));
    }
    assert!(is_accepted(&mut world, message(to, "x")));
}

/// G5, 8030-8.4-1: rates change while they are used. What was sent too fast is not forgotten by that, unless there is no
/// rate any more.
#[test]
fn rates_change_while_they_are_used() {
    let slow = Limits { messages: Rate::new(1, 2), new_agents: Rate::new(1, 2), ..Limits::default() };
    let mut world = world(Limits::default());
    let to = world.subscribe(None);
    world.handle(Input::Limits(Box::new(slow)));
    assert!(is_accepted(&mut world, message(to, "x")) && is_accepted(&mut world, message(to, "x")));
    assert!(!is_accepted(&mut world, message(to, "x")));
    world.handle(Input::Limits(Box::new(Limits { messages: Rate::new(1, 4), ..slow })));
    assert!(is_accepted(&mut world, message(to, "x")) && is_accepted(&mut world, message(to, "x")));
    assert!(!is_accepted(&mut world, message(to, "x")), "two of the four were taken before");
    world.handle(Input::Limits(Box::new(Limits { rated_agents: 0, ..slow })));
    for _ in 0..5 {
        assert!(is_accepted(&mut world, message(to, "x")), "nobody is kept in mind");
    }
    world.handle(Input::Limits(Box::new(slow)));
    assert!(is_accepted(&mut world, message(to, "x")) && is_accepted(&mut world, message(to, "x")));
    world.handle(Input::Limits(Box::new(Limits { messages: None, ..slow })));
    assert!(is_accepted(&mut world, message(to, "x")));
    world.handle(Input::Limits(Box::new(slow)));
    assert!(is_accepted(&mut world, message(to, "x")), "without a rate there is no debt");
}
