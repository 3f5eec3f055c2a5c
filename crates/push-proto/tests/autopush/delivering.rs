//! Messages: from a sender's POST to their end.

use push_proto::{
    Outcome,
    autopush::Config,
    service::{Limits, Request},
};
use serde_json::json;

use crate::world::World;

fn with(limits: Limits) -> World {
    World::with(Config::default(), limits)
}

/// G1, G4: whatever the code says, the message has ended.
#[test]
fn an_acknowledgement_ends_its_message_and_its_sender_is_told() {
    for code in [100, 101, 102, 999] {
        let mut world = World::new();
        let (who, uaid, endpoint) = world.subscriber();
        let receipts = world.send_for_receipt(&endpoint, "x");
        let notified = world.notification(who);
        assert!(world.receipts(receipts).is_empty());
        world.hold();
        world.ack_as(who, &[notified], code);
        assert!(world.ended.is_empty(), "not before it is durable");
        world.release();
        assert_eq!(world.receipts(receipts), [Outcome::Delivered], "code {code}");
        world.cut(who);
        let again = world.reconnect(&uaid);
        assert!(world.bodies(again).is_empty(), "G2");
    }
}

#[test]
fn an_acknowledgement_is_not_answered_and_may_come_twice() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = [world.notification(who)];
    world.ack(who, &notified);
    world.ack(who, &notified);
    world.ack(who, &[notified.clone(), notified].concat());
    assert!(world.told(who).is_empty());
    assert_eq!((world.ended.len(), world.closed(who)), (1, None));
}

/// G2
#[test]
fn nobody_acknowledges_for_another() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    let (other, other_uaid, other_endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = world.notification(who);
    let asked = world.asked.len();
    world.ack(other, std::slice::from_ref(&notified));
    let token = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    for version in
        [token(&endpoint), token(&other_endpoint), uaid.clone(), other_uaid, "x".into(), String::new()]
    {
        world.ack(other, &[crate::agent::Notified { version, ..notified.clone() }]);
    }
    assert_eq!(world.asked.len(), asked, "it is not even asked");
    assert_eq!(world.closed(other), None);
    let again = world.reconnect(&uaid);
    assert_eq!(world.notification(again), notified);
}

#[test]
fn a_nack_changes_nothing() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = world.notification(who);
    for code in [301, 302, 303] {
        world.say(who, json!({ "messageType": "nack", "version": notified.version, "code": code }));
    }
    assert!(world.told(who).is_empty() && world.ended.is_empty() && world.closed(who).is_none());
    world.ack(who, &[notified]);
    assert_eq!(world.ended.len(), 1);
}

#[test]
fn g3_messages_come_in_the_order_of_their_acceptance() {
    let mut world = World::new();
    let (who, uaid, first) = world.subscriber();
    let second = world.register(who, 1);
    world.cut(who);
    let bodies: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    for (number, body) in bodies.iter().enumerate() {
        world.send(if number % 3 == 0 { &second } else { &first }, body);
    }
    let who = world.reconnect(&uaid);
    assert_eq!(world.bodies(who), bodies, "stored ones, after hello");
    world.send(&first, "last");
    assert_eq!(world.bodies(who), ["last"]);
}

#[test]
fn who_does_not_read_is_sent_no_more_than_the_credit() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    world.room(who, false);
    for number in 0..40 {
        world.send(&endpoint, &number.to_string());
    }
    assert!(world.told(who).is_empty());
    world.room(who, true);
    let bodies: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(world.bodies(who), bodies, "all of it, a credit's worth at a time (see the world's `pushed`)");
}

#[test]
fn no_more_is_sent_than_may_be_unacknowledged() {
    let mut world = with(Limits { unacknowledged: 3, ..Limits::default() });
    let (who, _, endpoint) = world.subscriber();
    for body in ["a", "b", "c", "d", "e"] {
        world.send(&endpoint, body);
    }
    let notified = world.notifications(who);
    assert_eq!(notified.iter().map(|it| it.body()).collect::<Vec<_>>(), ["a", "b", "c"]);
    world.ack(who, &notified[1..2]);
    assert_eq!(world.bodies(who), ["d"]);
    world.ack(who, &[notified[0].clone(), notified[2].clone()]);
    assert_eq!(world.bodies(who), ["e"]);
}

/// `8030-6.2-4`; user agents know a message that they have seen by its version.
#[test]
fn what_is_not_acknowledged_comes_again_with_the_same_version() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let first = world.notification(who);
    for _ in 0..3 {
        world.pong(who);
        world.pass_secs(40);
    }
    let again = world.notifications(who);
    assert!(!again.is_empty() && again.iter().all(|it| *it == first), "{again:?}");
    world.cut(who);
    let who = world.reconnect(&uaid);
    assert_eq!(world.notification(who), first);
    world.ack(who, &[first]);
    world.pong(who);
    world.pass_secs(40);
    world.pong(who);
    world.pass_secs(40);
    assert!(world.bodies(who).is_empty());
}

/// G7: an acknowledgement that the store does not take is as none.
#[test]
fn an_acknowledgement_that_fails_loses_nothing() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = world.notification(who);
    world.memory.faults().fail = 1;
    world.ack(who, std::slice::from_ref(&notified));
    assert_eq!(world.closed(who), None);
    let who = world.reconnect(&uaid);
    assert_eq!(world.notification(who), notified);
}

/// G2: what its user agent is done with does not come again because the service was busy for a moment.
#[test]
fn an_acknowledgement_that_finds_no_room_is_made_up_for() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.send(&endpoint, "x");
    let notified = world.notification(who);
    world.memory.faults().fail = 2;
    world.ack(who, &[notified]);
    assert!(world.ended.is_empty());
    world.pass(Limits::default().retry_after);
    assert!(world.ended.is_empty(), "refused once more");
    world.pass(Limits::default().retry_after);
    assert_eq!(world.ended.len(), 1);
    world.pass_secs(120);
    assert!(world.bodies(who).is_empty());
    let who = world.reconnect(&uaid);
    assert!(world.bodies(who).is_empty());
}

/// As many as wait for it, in one frame.
#[test]
fn all_that_was_sent_may_be_acknowledged_at_once() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    let most = Limits::default().unacknowledged;
    for _ in 0..most {
        world.send(&endpoint, "x");
    }
    let all = world.notifications(who);
    world.ack(who, &all);
    assert_eq!((world.closed(who), world.ended.len()), (None, most));
}

/// RFC 8030 §5.4
#[test]
fn a_replaced_message_does_not_come() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    let topic = [("ttl", "60"), ("topic", "t")];
    world.room(who, false);
    for body in ["waits", "replaces it"] {
        assert_eq!(world.send_with(&endpoint, &topic, body), 201);
    }
    world.room(who, true);
    let replaced = world.notifications(who);
    assert_eq!(replaced.iter().map(|it| it.body()).collect::<Vec<_>>(), ["replaces it"]);
    world.cut(who);
    assert_eq!(world.send_with(&endpoint, &topic, "newest"), 201);
    let who = world.reconnect(&uaid);
    let newest = world.notification(who);
    assert_eq!(newest.body(), "newest");
    assert_ne!(newest.version, replaced[0].version);
    world.ack(who, &replaced);
    assert!(world.ended.is_empty(), "an old version ends nothing newer");
    world.ack(who, &[newest]);
    assert_eq!(world.ended.len(), 1);
}

/// `8030-5.2-8`
#[test]
fn what_expires_while_it_waits_does_not_come() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.room(who, false);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "5")], "short"), 201);
    world.send(&endpoint, "long");
    world.pass_secs(6);
    world.room(who, true);
    assert_eq!(world.bodies(who), ["long"], "in the session");
    world.cut(who);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "5")], "short"), 201);
    world.pass_secs(6);
    let who = world.reconnect(&uaid);
    assert_eq!(world.bodies(who), ["long"], "in the store");
}

/// G3: to whoever is there, or to nobody.
#[test]
fn a_message_without_a_ttl_is_not_kept() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    assert_eq!(world.send_with(&endpoint, &[("ttl", "0")], "here"), 201);
    let here = world.notification(who);
    world.ack(who, &[here]);
    world.cut(who);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "0")], "gone"), 201);
    let who = world.reconnect(&uaid);
    assert!(world.bodies(who).is_empty());
}

/// `8030-5.3-5`
#[test]
fn an_urgency_filters_until_it_is_lowered() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    let least = |world: &mut World, least: &str| {
        world.say(who, json!({ "messageType": "urgency", "min": least }));
        let mut told = world.told(who);
        assert_eq!(told.remove(0), json!({ "messageType": "urgency", "status": 200 }));
        world.lines[who].told = told.iter().map(ToString::to_string).collect();
    };
    least(&mut world, "high");
    for urgency in ["very-low", "low", "normal", "high"] {
        let fields = [("ttl", "600"), ("urgency", urgency)];
        assert_eq!(world.send_with(&endpoint, &fields, urgency), 201);
    }
    let high = world.notification(who);
    assert_eq!(high.body(), "high");
    world.ack(who, &[high]);
    least(&mut world, "low");
    let more = world.notifications(who);
    assert_eq!(more.iter().map(|it| it.body()).collect::<Vec<_>>(), ["low", "normal"]);
    world.ack(who, &more);
    least(&mut world, "very-low");
    assert_eq!(world.bodies(who), ["very-low"]);
    assert_eq!(world.closed(who), None, "its own monitors do not take it over");
}

#[test]
fn an_urgency_of_before_the_first_channel_counts() {
    let mut world = World::new();
    let who = world.connect();
    world.hello(who, None);
    world.say(who, json!({ "messageType": "urgency", "min": "normal" }));
    assert_eq!(world.reply(who)["status"], 200);
    let endpoint = world.register(who, 0);
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60"), ("urgency", "low")], "low"), 201);
    world.send(&endpoint, "normal");
    assert_eq!(world.bodies(who), ["normal"]);
}

/// What waits to be written comes again by the new monitor, once.
#[test]
fn a_change_of_urgency_loses_nothing() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    world.room(who, false);
    for number in 0..20 {
        world.send(&endpoint, &number.to_string());
    }
    world.hold();
    world.say(who, json!({ "messageType": "urgency", "min": "normal" }));
    let late = world.post(&endpoint, &[("ttl", "60")], "20").unwrap();
    world.start(late);
    world.release();
    world.room(who, true);
    let reply: serde_json::Value = serde_json::from_str(&world.lines[who].told.remove(0)).unwrap();
    assert_eq!(reply["messageType"], "urgency");
    assert_eq!(world.bodies(who), (0..21).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// User agents take an empty `data` for an error.
#[test]
fn a_message_without_a_body_has_neither_data_nor_headers() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    assert_eq!(world.send_with(&endpoint, &[("ttl", "60"), ("content-encoding", "aes128gcm")], ""), 201);
    let notified = world.reply(who);
    let members: Vec<_> = notified.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["channelID", "messageType", "version"]);
}

#[test]
fn a_message_has_what_it_takes_to_decrypt_it() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    let fields = [
        ("ttl", "60"),
        ("urgency", "high"),
        ("topic", "t"),
        ("content-encoding", "aes128gcm"),
        ("content-type", "application/octet-stream"),
    ];
    assert_eq!(world.send_with(&endpoint, &fields, "\u{ff}\u{fe}?>"), 201);
    let notified = world.reply(who);
    assert_eq!(notified["headers"], json!({ "encoding": "aes128gcm" }), "8030-5.3-2, 8030-5.4-9");
    assert_eq!(notified["data"], "w7_Dvj8-", "base64url without padding");
    let old = [
        ("ttl", "60"),
        ("content-encoding", "aesgcm"),
        ("encryption", "salt=c2FsdHNhbHRzYWx0c2FsdA"),
        (
            "crypto-key",
            "dh=BNoRDbb84JGm8g5Z5CFxurSqsXWJ11ItfXEWYVLE85Y7CYkDjXsIEc4aqxYaQ1G8BqkXCJ6DPpDrWtdWj_mugHU",
        ),
    ];
    assert_eq!(world.send_with(&endpoint, &old, "old"), 201);
    let headers = world.reply(who)["headers"].clone();
    assert_eq!(headers, json!({ "encoding": "aesgcm", "encryption": old[2].1, "crypto_key": old[3].1 }));
}

#[test]
fn what_the_operator_gives_up_does_not_come() {
    let mut world = World::new();
    let (who, _, endpoint) = world.subscriber();
    world.room(who, false);
    let request = world.post(&endpoint, &[("ttl", "60")], "x").unwrap();
    let push_proto::service::Response::Accepted(accepted) = world.ask(request) else { panic!() };
    world.ask(Request::Drop(accepted.handle));
    world.room(who, true);
    assert!(world.bodies(who).is_empty());
}
