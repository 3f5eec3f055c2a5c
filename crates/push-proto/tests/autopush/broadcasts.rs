//! Broadcasts: what has changed for all user agents.

use push_proto::autopush::Config;
use serde_json::{Value, json};

use crate::world::World;

fn world() -> World {
    let table = [("lists", "\"2\""), ("monitor/changes", "\"9\"")];
    let broadcasts = table.map(|(id, version)| (id.to_owned(), version.to_owned())).into();
    World::with(Config { broadcasts, ..Config::default() }, push_proto::service::Limits::default())
}

fn hello(world: &mut World, mut frame: Value) -> Value {
    let who = world.connect();
    frame["messageType"] = "hello".into();
    world.say(who, frame);
    world.reply(who)["broadcasts"].clone()
}

#[test]
fn hello_tells_what_is_newer_of_what_is_wanted() {
    let mut world = world();
    let wanted = json!({ "lists": "\"1\"", "monitor/changes": "\"9\"", "unknown": "v" });
    assert_eq!(hello(&mut world, json!({ "broadcasts": wanted })), json!({ "lists": "\"2\"" }));
    assert_eq!(hello(&mut world, json!({ "broadcasts": {} })), json!({}));
    assert_eq!(hello(&mut world, json!({})), json!({}));
}

/// Whoever is known gets the same answer, though it comes later.
#[test]
fn a_known_user_agent_is_told_as_well() {
    let mut world = world();
    let (_, uaid, _) = world.subscriber();
    let news = hello(&mut world, json!({ "uaid": uaid, "broadcasts": { "lists": "v0" } }));
    assert_eq!(news, json!({ "lists": "\"2\"" }));
}

#[test]
fn what_is_subscribed_later_is_told_with_what_is_unknown() {
    let mut world = world();
    let who = world.connect();
    world.hello(who, None);
    let mut subscribe = |wanted: Value| {
        world.say(who, json!({ "messageType": "broadcast_subscribe", "broadcasts": wanted }));
        world.told(who)
    };
    let told = subscribe(json!({ "lists": "", "monitor/changes": "\"9\"", "what": "v", "else": "" }));
    let errors = json!({ "what": "Broadcast not found", "else": "Broadcast not found" });
    let broadcasts = json!({ "lists": "\"2\"", "errors": errors });
    assert_eq!(told, [json!({ "messageType": "broadcast", "broadcasts": broadcasts })]);
    assert!(subscribe(json!({ "lists": "\"2\"" })).is_empty(), "no news is no frame");
    assert!(subscribe(json!({})).is_empty());
}
