//! Every frame in every state of a session.

use push_proto::{autopush::Came, service::Request};
use serde_json::json;

use crate::{
    agent::channel,
    world::{Who, World},
};

/// Where the session stands when the frame comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing was said yet.
    Silent,
    /// It has said who it is, and the service has not answered.
    Greeting,
    /// Hello is answered; there is no set.
    Unmade,
    /// Its first channel is on its way.
    Making,
    /// It has a set and one channel.
    Made,
    /// It is over.
    Closed,
}

/// A session in that state; what it was told so far is taken.
fn session(state: State) -> (World, Who) {
    let mut world = World::new();
    let who = match state {
        State::Silent => world.connect(),
        State::Greeting => {
            let (older, uaid, _) = world.subscriber();
            world.cut(older);
            world.hold();
            let who = world.connect();
            world.say(who, json!({ "messageType": "hello", "uaid": uaid }));
            who
        }
        State::Unmade | State::Making | State::Closed => {
            let who = world.connect();
            world.hello(who, None);
            if state == State::Making {
                world.hold();
                world.say(who, json!({ "messageType": "register", "channelID": channel(0) }));
            }
            if state == State::Closed {
                world.say(who, "nonsense");
            }
            who
        }
        State::Made => world.subscriber().0,
    };
    assert!(world.told(who).is_empty());
    world.asked.clear();
    (world, who)
}

/// What is said.
#[derive(Clone, Copy)]
enum Said {
    Text(&'static str),
    Binary,
    Control,
}

/// What came of it: what was asked of the service, the frames that were told, and the end.
fn outcome(world: &mut World, who: Who) -> String {
    let asked = std::mem::take(&mut world.asked);
    let asked = asked.iter().map(|request| match request {
        Request::Subscribe(_) => "asks subscribe".to_owned(),
        Request::Unsubscribe(_) => "asks unsubscribe".to_owned(),
        Request::Acknowledge(_) => "asks acknowledge".to_owned(),
        other => panic!("{other:?}"),
    });
    let asked: Vec<_> = asked.collect();
    let told = world.told(who);
    let told = told.iter().map(|frame| match frame["messageType"].as_str() {
        Some(kind) => format!("{kind} {}", frame["status"]).replace(" null", ""),
        None => "{}".to_owned(),
    });
    let closed = world.closed(who).map(|close| close.unwrap());
    let closed = closed.map(|close| format!("{} {}", close.code(), close.reason()));
    let parts: Vec<_> = asked.into_iter().chain(told).chain(closed).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn happens(state: State, said: Said) -> String {
    let (mut world, who) = session(state);
    match said {
        Said::Text(text) => world.say(who, text),
        // As the driver does: a message waits as text does.
        Said::Binary if !world.lines[who].session.wants_frames() => {
            world.release();
            world.come(who, Came::Binary);
        }
        Said::Binary => world.come(who, Came::Binary),
        Said::Control => world.come(who, Came::Control),
    }
    if let (State::Greeting | State::Making, Said::Text(_)) = (state, said) {
        assert!(!world.is_heard(who), "it waits until it is clear who is there");
        assert_eq!(outcome(&mut world, who), "nothing");
    }
    world.release();
    outcome(&mut world, who)
}

const HELLO: &str = r#"{"messageType":"hello","use_webpush":true}"#;
const REGISTER: &str = r#"{"messageType":"register","channelID":"d9b74644-4f97-46aa-b8fa-9393985cd601"}"#;
const REGISTER_BAD_KEY: &str =
    r#"{"messageType":"register","channelID":"d9b74644-4f97-46aa-b8fa-9393985cd601","key":"AAAA"}"#;
const UNREGISTER: &str = r#"{"messageType":"unregister","channelID":"d9b74644-4f97-46aa-b8fa-9393985cd600"}"#;
const ACK: &str = r#"{"messageType":"ack","updates":[{"version":"nobody's"}]}"#;
const NACK: &str = r#"{"messageType":"nack","version":"v","code":301}"#;
const BROADCASTS: &str = r#"{"messageType":"broadcast_subscribe","broadcasts":{"a":"1"}}"#;
const URGENCY: &str = r#"{"messageType":"urgency","min":"high"}"#;
const PING: &str = r#"{"messageType":"ping"}"#;

const NOT_HELLO: &str = "1008 hello must come first";
const SECOND: &str = "1008 hello has been said already";

/// In the states Greeting and Making nothing is read until they are over; then the same comes of it as in Made, after
/// what they were about.
#[test]
fn every_frame_in_every_state() {
    let unknown = "1008 messageType is unknown";
    let not_json = "1008 the frame is not JSON";
    let binary = "1003 frames are text";
    // The frame, and what comes of it when Silent, Unmade and Made.
    let table: &[(Said, [&str; 3])] = &[
        (Said::Text(HELLO), ["hello 200", SECOND, SECOND]),
        (Said::Text(REGISTER), [NOT_HELLO, "asks subscribe, register 200", "asks subscribe, register 200"]),
        (Said::Text(REGISTER_BAD_KEY), [NOT_HELLO, "register 400", "register 400"]),
        (Said::Text(UNREGISTER), [NOT_HELLO, "unregister 200", "asks unsubscribe, unregister 200"]),
        (Said::Text(ACK), [NOT_HELLO, "nothing", "nothing"]),
        (Said::Text(NACK), [NOT_HELLO, "nothing", "nothing"]),
        (Said::Text(BROADCASTS), [NOT_HELLO, "broadcast", "broadcast"]),
        (Said::Text(URGENCY), [NOT_HELLO, "urgency 200", "urgency 200"]),
        (Said::Text(PING), [NOT_HELLO, "{}", "{}"]),
        (Said::Text("{}"), [NOT_HELLO, "{}", "{}"]),
        (Said::Text(r#"{"messageType":"notification"}"#), [unknown; 3]),
        (Said::Text("nonsense"), [not_json; 3]),
        (Said::Binary, [binary; 3]),
        (Said::Control, ["nothing"; 3]),
    ];
    let over = happens(State::Closed, Said::Control);
    assert_eq!(over, not_json);
    for (said, [silent, unmade, made]) in table {
        let name = if let Said::Text(text) = said { text } else { "" };
        assert_eq!(happens(State::Silent, *said), *silent, "silent: {name}");
        assert_eq!(happens(State::Unmade, *said), *unmade, "unmade: {name}");
        assert_eq!(happens(State::Made, *said), *made, "made: {name}");
        for (state, first) in [(State::Greeting, "hello 200"), (State::Making, "register 200")] {
            let then = match *made {
                "nothing" => first.to_owned(),
                // What is asked is listed first.
                made if made.starts_with("asks ") => {
                    made.split_once(", ").map(|(asks, told)| format!("{asks}, {first}, {told}")).unwrap()
                }
                made => format!("{first}, {made}"),
            };
            assert_eq!(happens(state, *said), then, "{state:?}: {name}");
        }
        assert_eq!(happens(State::Closed, *said), over, "closed: {name}");
    }
}
