//! Names, sets and subscriptions.

use std::{sync::Arc, time::Duration};

use push_crypto::vapid::{Signer, SigningKey};
use push_proto::autopush::{Close, Config};
use push_proto::{
    AgentId, Refusal,
    service::{Input, Limits, Monitor, Rate, Request, Response, Set, Subscribe, Target},
    store::{Command, Completion, Hint, Operation, Ticket},
};
use serde_json::json;

use crate::{
    agent::{Notified, channel, registered},
    world::{ORIGIN, PROVIDER, World},
};

fn key() -> SigningKey {
    SigningKey::generate(&PROVIDER).unwrap()
}

/// The status of a monitor of this agent's set, if it is refused.
fn refused(world: &mut World, agent: AgentId) -> Option<Refusal> {
    let exchange = world.start(Request::Monitor(Monitor::of(Target::Set(agent))));
    match world.answer(exchange) {
        Some(Response::Refused(refusal)) => Some(*refusal),
        _ => None,
    }
}

#[test]
fn hello_alone_leaves_no_trace() {
    let mut world = World::new();
    world.hold();
    let fresh = AgentId::from_octets([0x77; 16]);
    let who = world.connect_as(fresh);
    world.hello(who, None);
    assert!(world.asked.is_empty() && world.lines[who].watches == 0, "nothing is asked of the service");
    world.release();
    assert_eq!(refused(&mut world, fresh), Some(Refusal::NOT_FOUND));
    let uaids = [world.connect(), world.connect()].map(|who| world.hello(who, None));
    assert_ne!(uaids[0], uaids[1]);
}

#[test]
fn the_first_channel_makes_the_set_and_the_others_join_it() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    let endpoints = [0, 1, 2].map(|number| world.register(who, number));
    assert!(endpoints.iter().all(|endpoint| endpoint.starts_with(&format!("{ORIGIN}/p/"))));
    let sets = world.asked.iter().map(|request| match request {
        Request::Subscribe(Subscribe { set, .. }) => *set,
        other => panic!("{other:?}"),
    });
    let sets: Vec<_> = sets.collect();
    assert!(matches!(sets.as_slice(), [Set::Drawn(_), Set::Joined(_), Set::Joined(_)]), "{sets:?}");
    for (number, endpoint) in (0..).zip(&endpoints) {
        world.send(endpoint, "x");
        assert_eq!(world.notification(who).channel, channel(number));
    }
    assert_eq!(world.lines[who].watches, 1, "one monitor for all of them");
}

/// G3: whoever has the endpoint can be sure that somebody listens.
#[test]
fn the_reply_comes_when_it_is_monitored() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    world.hold();
    world.say(who, json!({ "messageType": "register", "channelID": channel(0) }));
    // The subscription, then the hints about it, then its page.
    for _ in 0..3 {
        assert!(world.told(who).is_empty());
        assert!(!world.lines[who].session.wants_frames());
        world.release_some(1);
    }
    let (status, endpoint) = registered(&world.reply(who), 0);
    assert_eq!(status, 200);
    world.release();
    assert_eq!(world.send_with(&endpoint, &[("ttl", "0")], "now or never"), 201);
    assert_eq!(world.bodies(who), ["now or never"]);
}

#[test]
fn g3_a_message_without_a_ttl_reaches_a_channel_that_has_just_been_added() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    let second = world.register(who, 1);
    assert_eq!(world.send_with(&second, &[("ttl", "0")], "second"), 201);
    assert_eq!(world.bodies(who), ["second"]);
}

/// G3: not even a message that is not kept, which Firefox would drop.
#[test]
fn nothing_is_notified_before_hello_is_answered() {
    let mut world = World::new();
    let (first, uaid, _) = world.subscriber();
    world.cut(first);
    world.hold();
    let who = world.connect();
    world.say(who, json!({ "messageType": "hello", "uaid": uaid }));
    world.release_some(1);
    let agent = world.lines[who].identified.expect("it says so");
    let mut message = crate::alone::message();
    message.handle.agent = agent;
    (message.accepted, message.expires) = (world.now.wall, world.now.wall);
    let offer = Hint::Offered(Arc::new(message));
    world.service.handle(Input::Store(Completion::Hint(agent, offer)), world.now);
    world.pass(Duration::ZERO);
    assert!(world.told(who).is_empty(), "it is watched, and not open");
    world.release();
    let [hello, notification] = world.told(who).try_into().expect("two frames");
    assert_eq!(hello["messageType"], "hello");
    assert_eq!(Notified::of(&notification).body(), "x");
}

#[test]
fn a_channel_that_is_registered_again_is_the_same_subscription() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    let [ours, other] = [key(), key()].map(|key| key.public_key().to_string());
    let (status, endpoint) = world.ask_to_register(who, 0, Some(&ours));
    assert_eq!(status, 200);
    assert_eq!(world.ask_to_register(who, 0, Some(&format!("{ours}="))), (200, endpoint.clone()));
    let conflict = Refusal::SUBSCRIPTION_DIFFERS.status();
    for differs in [Some(other.as_str()), None] {
        assert_eq!(world.ask_to_register(who, 0, differs), (u64::from(conflict), String::new()));
    }
    assert_eq!(conflict, 409);
    assert_eq!(world.ask_to_register(who, 1, Some("no key")), (400, String::new()));
    // Nothing of it has changed what there is.
    assert_eq!(world.ask_to_register(who, 0, Some(&ours)), (200, endpoint));
}

/// RFC 8292 §4.
#[test]
fn a_channel_with_a_key_takes_messages_of_its_holder_only() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    let key = key();
    let (status, endpoint) = world.ask_to_register(who, 0, Some(&format!("{}=", key.public_key())));
    assert_eq!(status, 200);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60")], "unsigned"), 401);
    let audience = ORIGIN.parse().unwrap();
    let now = world.now.wall;
    let mut signed = |key: SigningKey, body: &str| {
        let token = Signer::new(key, None).sign(&PROVIDER, &audience, now.saturating_add_secs(3600), now);
        let authorization = token.unwrap().authorization();
        world.send_with(&endpoint, &[("ttl", "60"), ("authorization", &authorization)], body)
    };
    assert_eq!(signed(self::key(), "another's"), 403);
    assert_eq!(signed(key, "signed"), 201);
    assert_eq!(world.bodies(who), ["signed"]);
}

#[test]
fn a_bad_key_makes_nothing() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    assert_eq!(world.ask_to_register(who, 0, Some("AAAA")), (400, String::new()));
    assert!(world.asked.is_empty());
    assert_eq!(world.ask_to_register(who, 0, None).0, 200);
}

/// The second waits until the set of the first is there.
#[test]
fn two_registers_at_once() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    world.hold();
    for number in [0, 1] {
        world.say(who, json!({ "messageType": "register", "channelID": channel(number) }));
    }
    assert!(!world.is_heard(who));
    assert_eq!(world.asked.len(), 1);
    world.release();
    let told = world.told(who);
    let statuses: Vec<_> = (0..).zip(&told).map(|(number, reply)| registered(reply, number).0).collect();
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn registers_of_a_set_are_answered_in_their_order() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    world.hold();
    for number in 1..9 {
        world.say(who, json!({ "messageType": "register", "channelID": channel(number) }));
    }
    assert!(world.is_heard(who), "all at once");
    world.release();
    let told = world.told(who);
    assert_eq!(told.len(), 8);
    for (number, reply) in (1..).zip(&told) {
        assert_eq!(registered(reply, number).0, 200);
    }
}

#[test]
fn what_is_unregistered_is_gone() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    let stays = world.register(who, 1);
    world.send(&endpoint, "unread");
    assert_eq!(world.bodies(who), ["unread"]);
    assert_eq!(world.unregister(who, 0), 200);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60")], "x"), 404);
    assert_eq!(world.unregister(who, 0), 200, "again");
    assert_eq!(world.unregister(who, 5), 200, "it never was");
    world.send(&stays, "goes on");
    assert_eq!(world.bodies(who), ["goes on"]);
    world.pass_secs(200);
    world.pong(who);
    assert!(!world.bodies(who).contains(&"unread".to_owned()));
}

/// User agents draw a name for each subscription, so this is what becomes of one that does not.
#[test]
fn a_name_is_free_again_once_its_subscription_has_been_swept() {
    let mut world = World::new();
    let (who, ..) = world.subscriber();
    world.hold();
    world.say(who, json!({ "messageType": "unregister", "channelID": channel(0) }));
    world.say(who, json!({ "messageType": "register", "channelID": channel(0) }));
    world.release_some(2);
    let told = world.told(who);
    assert_eq!(told[0]["status"], 200);
    world.release();
    assert_eq!(registered(&world.reply(who), 0).0, 409, "it is just being ended");
    world.pass_secs(5);
    assert_eq!(world.ask_to_register(who, 0, None).0, 200);
}

#[test]
fn unregister_before_there_is_anything() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    assert_eq!(world.unregister(who, 3), 200);
    assert!(world.asked.is_empty());
}

#[test]
fn a_user_agent_that_comes_back_keeps_its_name_and_channels() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.cut(who);
    world.send(&endpoint, "missed");
    let again = world.reconnect(&uaid);
    assert!(world.lines[again].identified.is_some());
    assert_eq!(world.bodies(again), ["missed"]);
    assert_eq!(world.register(again, 0), endpoint);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "0")], "now"), 201);
    assert_eq!(world.bodies(again), ["now"]);
}

/// What opens here and names a user agent that has gone is as good as none.
#[test]
fn a_name_whose_set_has_gone_gives_way_to_another() {
    let mut world = World::new();
    let never = world.connect();
    let unmade = world.hello(never, None);
    let (who, ended, _) = world.subscriber();
    let agent = world.lines.len();
    world.cut(never);
    let claimed = world.reconnect(&ended);
    assert_eq!(world.closed(who).unwrap(), Some(Close::TakenOver));
    let set = world.lines[claimed].identified.unwrap();
    assert!(matches!(world.ask(Request::Unsubscribe(Target::Set(set))), Response::Done));
    assert_eq!(world.closed(claimed).unwrap(), Some(Close::Ended));
    for gone in [unmade, ended] {
        let who = world.connect();
        let other = world.hello(who, Some(&gone));
        assert_ne!(other, gone);
        let endpoint = world.register(who, 0);
        world.send(&endpoint, "x");
        assert_eq!(world.bodies(who), ["x"]);
        assert_eq!(world.reconnect(&other), who + 1);
    }
    assert_eq!(world.lines.len(), agent + 5);
}

/// Only a set's own capability of this service is a name, whatever else opens.
/// As when another node ended it and the hint was lost: what the user agent wants is not what is wrong.
#[test]
fn a_channel_for_a_set_that_has_gone_unheard_of_ends_the_session() {
    let mut world = World::new();
    let (who, uaid, _) = world.subscriber();
    let agent = world.lines[who].identified.unwrap();
    let elsewhere = world.memory.attach();
    let close = Command::Apply(Ticket(1), vec![Operation::Close(agent, None)]);
    world.memory.run(elsewhere, close, &mut |_, _| {});
    world.say(who, json!({ "messageType": "register", "channelID": channel(1) }));
    assert_eq!(world.closed(who), Some(Some(Close::Ended)));
    assert!(world.told(who).is_empty(), "it is not refused");

    let who = world.connect();
    assert_ne!(world.hello(who, Some(&uaid)), uaid, "it introduces itself again, and has none");
    world.register(who, 1);
}

#[test]
fn what_is_no_name_gives_way_to_one() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    let receipts = world.send_for_receipt(&endpoint, "x");
    let version = world.notification(who).version;
    let agent = match &world.asked[0] {
        Request::Subscribe(subscribe) => subscribe.set.agent().unwrap(),
        other => panic!("{other:?}"),
    };
    let subscription = match world.asked[0] {
        Request::Subscribe(Subscribe { id: Some(id), .. }) => world.door.subscription_url(agent, id),
        _ => panic!(),
    };
    let token = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let mut forged = uaid.clone();
    let last = if forged.ends_with('A') { "B" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    let foreign = token(&foreign_door().set_url(agent));
    let uuid = "9ee4bb4e-1c26-4c0c-b9c4-d36fb5ae3fd0".to_owned();
    let long = "A".repeat(10_000);
    let receipts = token(&world.door.receipts_url(receipts));
    let claims = [
        forged,
        foreign,
        uuid,
        long,
        String::new(),
        version,
        receipts,
        token(&endpoint),
        token(&subscription),
    ];
    for claim in claims {
        let claimant = world.connect();
        let got = world.hello(claimant, Some(&claim));
        assert!(got != claim && got != uaid);
        assert!(world.lines[claimant].identified.is_none());
        assert_eq!(world.lines[claimant].watches, 0, "nobody's messages");
    }
    assert_eq!(world.closed(who), None, "and the real one is left alone");
}

fn foreign_door() -> push_proto::wire::Door {
    let keyring = push_crypto::capability::Keyring::generate(&PROVIDER).unwrap();
    let url = push_proto::wire::PublicUrl::parse(ORIGIN).unwrap();
    push_proto::wire::Door::new(keyring.into(), url, *PROVIDER, push_proto::wire::Limits::default())
}

/// Design, section 3.3.
#[test]
fn names_versions_and_endpoints_outlive_a_rotation() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.send(&endpoint, "before");
    let before = world.notification(who);
    world.rotate();
    world.cut(who);
    let again = world.reconnect(&uaid);
    let redelivered = world.notification(again);
    assert_eq!(redelivered, before, "its version is the same");
    world.send(&endpoint, "after");
    let after = world.notification(again);
    world.ack(again, &[before, after]);
    assert_eq!(world.ended.len(), 2);
    let newer = world.register(again, 1);
    world.rotate();
    for (endpoint, body) in [(endpoint, "old key"), (newer, "newer key")] {
        world.send(&endpoint, body);
        let notified = world.notification(again);
        assert_eq!(notified.body(), body);
        world.ack(again, &[notified]);
    }
    assert_eq!(world.ended.len(), 4);
}

/// `8030-4.1-6`
#[test]
fn new_user_agents_are_paced() {
    let limits = Limits { new_agents: Rate::new(1, 1), ..Limits::default() };
    let mut world = World::with(Config::default(), limits);
    world.subscriber();
    let second = world.connect();
    world.hello(second, None);
    assert_eq!(world.ask_to_register(second, 0, None), (429, String::new()));
    world.pass_secs(2);
    assert_eq!(world.ask_to_register(second, 0, None).0, 200);
}

/// G7: nobody was told that the set is there, but it is.
#[test]
fn an_attempt_that_failed_late_does_not_bar_the_next() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    world.memory.faults().fail_late = 1;
    assert_eq!(world.ask_to_register(who, 0, None).0, 503);
    let endpoint = world.register(who, 1);
    assert_eq!(world.ask_to_register(who, 0, None).0, 200);
    world.send(&endpoint, "x");
    assert_eq!(world.bodies(who), ["x"]);
}

#[test]
fn an_attempt_that_failed_can_be_repeated() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    for late in [0, 1] {
        world.memory.faults().fail = 1 - late;
        world.memory.faults().fail_late = late;
        assert_eq!(world.ask_to_register(who, 0, None), (503, String::new()));
    }
    assert_eq!(world.ask_to_register(who, 0, None).0, 200);
}
