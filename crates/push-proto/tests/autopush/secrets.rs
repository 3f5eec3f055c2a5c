//! G6: capabilities and payloads are in no `Debug`.

use push_proto::autopush::{Came, Frame, Input, Limits, Output};
use serde_json::json;

use crate::world::World;

#[test]
fn frames_hide_names_and_versions() {
    for frame in [
        json!({ "messageType": "hello", "uaid": "SECRET" }),
        json!({ "messageType": "ack", "updates": [{ "version": "SECRET" }] }),
    ] {
        let parsed = Frame::parse(&frame.to_string(), &Limits::default()).unwrap();
        assert!(!format!("{parsed:?}").contains("SECRET"));
    }
}

#[test]
fn what_is_said_and_told_is_hidden() {
    let said = Input::Came(Came::Text("SECRET"));
    let told = Output::Frame("SECRET".to_owned(), None);
    assert!(!format!("{said:?} {told:?}").contains("SECRET"));
}

/// In each stage, and with replies that were not written yet.
#[test]
fn a_session_hides_what_it_knows() {
    let mut world = World::new();
    let (who, uaid, endpoint) = world.subscriber();
    world.room(who, false);
    world.say(who, json!({ "messageType": "register", "channelID": crate::agent::channel(1) }));
    world.send(&endpoint, "payload");
    world.hold();
    let again = world.connect();
    world.say(again, json!({ "messageType": "hello", "uaid": uaid }));
    let debug = format!("{:?} {:?}", world.lines[who].session, world.lines[again].session);
    let token = endpoint.rsplit('/').next().unwrap();
    for secret in [uaid.as_str(), token, "cGF5bG9hZA"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}
