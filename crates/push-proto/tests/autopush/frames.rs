//! What user agents say, and what of it means something.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;
use push_crypto::vapid::SigningKey;
use push_proto::{
    KeyError, Refusal, Urgency,
    autopush::{Broadcasts, ChannelId, Close, Frame, FrameError, Limits},
};
use serde_json::json;

use crate::{agent::channel, world::PROVIDER};

fn parse(text: impl ToString) -> Result<Frame, FrameError> {
    Frame::parse(&text.to_string(), &Limits::default())
}

fn broadcasts(of: &[(&str, &str)]) -> Broadcasts {
    of.iter().map(|(id, version)| ((*id).to_owned(), (*version).to_owned())).collect()
}

fn uaid(text: impl ToString) -> Option<String> {
    match parse(text) {
        Ok(Frame::Hello { uaid, .. }) => uaid.map(|uaid| uaid.expose().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn versions(text: impl ToString) -> Vec<String> {
    match parse(text) {
        Ok(Frame::Ack(versions)) => versions.iter().map(|version| version.expose().to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hello_says_who_it_is_and_what_it_has() {
    assert_eq!(uaid(json!({ "messageType": "hello" })), None);
    assert_eq!(uaid(json!({ "messageType": "hello", "uaid": null, "broadcasts": null })), None);
    assert_eq!(uaid(json!({ "messageType": "hello", "uaid": "" })).as_deref(), Some(""));
    assert_eq!(uaid(r#"{"messageType":"hello","uaid":"a\u0062\/c\n"}"#).as_deref(), Some("ab/c\n"));
    let firefox = json!({
        "messageType": "hello",
        "broadcasts": { "remote-settings/monitor_changes": "\"1\"", "b": "v" },
        "use_webpush": true,
        "channelIDs": [],
        "uaid": "u",
    });
    let Ok(Frame::Hello { uaid: Some(secret), broadcasts: has }) = parse(firefox) else { panic!() };
    assert_eq!(secret.expose(), "u");
    assert_eq!(has, broadcasts(&[("b", "v"), ("remote-settings/monitor_changes", "\"1\"")]));
}

#[test]
fn register_names_a_channel_and_perhaps_a_key() {
    let register = |key: serde_json::Value| {
        parse(json!({ "messageType": "register", "channelID": channel(1), "key": key }))
    };
    let key = *SigningKey::generate(&PROVIDER).unwrap().public_key();
    let unpadded = key.to_string();
    for text in [unpadded.clone(), format!("{unpadded}="), unpadded.replace('-', "+").replace('_', "/")] {
        let Ok(Frame::Register { channel: named, key: Some(Ok(read)) }) = register(text.into()) else {
            panic!()
        };
        assert_eq!((named.to_string(), read), (channel(1), key));
    }
    for none in [json!(null), json!("")] {
        assert!(matches!(register(none), Ok(Frame::Register { key: None, .. })));
    }
    let bad = |text: &str| match register(text.into()) {
        Ok(Frame::Register { key: Some(Err(error)), .. }) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(bad("*"), KeyError::Base64);
    assert_eq!(bad("AAAA"), KeyError::Length(3));
    assert_eq!(bad(&"AAAA".repeat(50)), KeyError::Length(150));
    assert_eq!(bad(&Base64UrlUnpadded::encode_string(&[4; 65])), KeyError::NotOnCurve);
}

#[test]
fn acknowledgements_are_their_versions() {
    let updates = json!([
        { "channelID": channel(1), "version": "a", "code": 100 },
        { "version": "b" },
        { "version": "\u{1f980}", "code": "no number", "channelID": 7 },
    ]);
    assert_eq!(versions(json!({ "messageType": "ack", "updates": updates })), ["a", "b", "\u{1f980}"]);
    assert!(versions(json!({ "messageType": "ack", "updates": [] })).is_empty());
}

#[test]
fn the_other_frames() {
    let unregister = json!({ "messageType": "unregister", "channelID": channel(9), "code": 200 });
    assert!(matches!(parse(unregister), Ok(Frame::Unregister(named)) if named.to_string() == channel(9)));
    for (code, read) in
        [(json!(301), Some(301)), (json!(null), None), (json!(-1), None), (json!(1_u64 << 40), None)]
    {
        let nack = json!({ "messageType": "nack", "version": "v", "code": code });
        assert_eq!(parse(nack), Ok(Frame::Nack { code: read }));
    }
    let wanted = json!({ "messageType": "broadcast_subscribe", "broadcasts": { "a": "1" } });
    assert_eq!(parse(wanted), Ok(Frame::BroadcastSubscribe(broadcasts(&[("a", "1")]))));
    for urgency in Urgency::ALL {
        let least = json!({ "messageType": "urgency", "min": urgency.as_str() });
        assert_eq!(parse(least), Ok(Frame::Urgency(urgency)));
    }
    for ping in ["{}", " {\n} ", r#"{"messageType":"ping"}"#, r#"{"messageType":null}"#] {
        assert_eq!(parse(ping), Ok(Frame::Ping), "{ping}");
    }
}

#[test]
fn what_nobody_knows_means_nothing() {
    assert_eq!(parse(r#"{"from":{"the":["future",1e999,{}]}}"#), Ok(Frame::Ping));
    assert_eq!(parse(r#"{"x":1,"x":2,"messageType":"ping"}"#), Ok(Frame::Ping));
    let deep = format!(r#"{{"x":{}{},"messageType":"ping"}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(parse(deep), Ok(Frame::Ping));
    let update = r#"{"messageType":"ack","updates":[{"version":"v","x":[[]]}]}"#;
    assert_eq!(versions(update), ["v"]);
}

/// Each error, and what user agents are told of it.
#[test]
fn each_error_says_what_is_wrong() {
    let typed = |kind: &str| format!(r#"{{"messageType":"{kind}"}}"#);
    let named = |id: &str| format!(r#"{{"messageType":"unregister","channelID":"{id}"}}"#);
    let table: &[(String, FrameError)] = &[
        (String::new(), FrameError::Json),
        ("hello".into(), FrameError::Json),
        ("{".into(), FrameError::Json),
        ("{}{}".into(), FrameError::Json),
        ("{'a':1}".into(), FrameError::Json),
        (r#"{"messageType":"ping",}"#.into(), FrameError::Json),
        (r#"{"uaid":"\ud800"}"#.into(), FrameError::Json),
        (r#"{"uaid":"\x"}"#.into(), FrameError::Json),
        ("{\"uaid\":\"\n\"}".into(), FrameError::Json),
        ("null".into(), FrameError::Members),
        ("1".into(), FrameError::Members),
        (r#""ping""#.into(), FrameError::Members),
        ("[]".into(), FrameError::Members),
        (r#"["ping"]"#.into(), FrameError::Members),
        (r#"{"messageType":1}"#.into(), FrameError::Members),
        (r#"{"messageType":["ping"]}"#.into(), FrameError::Members),
        (r#"{"messageType":"ping","messageType":"ping"}"#.into(), FrameError::Members),
        (r#"{"messageType":"hello","uaid":5}"#.into(), FrameError::Members),
        (r#"{"messageType":"hello","broadcasts":[]}"#.into(), FrameError::Members),
        (r#"{"messageType":"hello","broadcasts":{"a":1}}"#.into(), FrameError::Members),
        (r#"{"messageType":"nack","code":"301"}"#.into(), FrameError::Members),
        (r#"{"messageType":"nack","code":1.5}"#.into(), FrameError::Members),
        (r#"{"messageType":"nack","code":99999999999999999999}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":{}}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":["v"]}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":[["v"]]}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":[{}]}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":[{"version":null}]}"#.into(), FrameError::Members),
        (r#"{"messageType":"ack","updates":[{"version":"a","version":"a"}]}"#.into(), FrameError::Members),
        // What is known counts even where it has no business.
        (r#"{"messageType":"ping","channelID":7}"#.into(), FrameError::Members),
        (r#"{"uaid":"u"}"#.into(), FrameError::NoType),
        (r#"{"updates":[]}"#.into(), FrameError::NoType),
        (typed("HELLO"), FrameError::UnknownType),
        (typed("notification"), FrameError::UnknownType),
        (typed(""), FrameError::UnknownType),
        (typed("register"), FrameError::NoChannel),
        (typed("unregister"), FrameError::NoChannel),
        (named(""), FrameError::Channel),
        (named("d9b74644-4f97-46aa-b8fa-9393985cd6c"), FrameError::Channel),
        (typed("ack"), FrameError::NoUpdates),
        (typed("broadcast_subscribe"), FrameError::NoBroadcasts),
        (typed("urgency"), FrameError::NoUrgency),
        (r#"{"messageType":"urgency","min":"urgent"}"#.into(), FrameError::NoUrgency),
    ];
    for (text, error) in table {
        assert_eq!(parse(text), Err(*error), "{text}");
        assert_eq!(Close::Frame(*error).code(), 1008);
        assert_eq!(error.to_string(), Close::Frame(*error).reason());
    }
}

/// User agents look for the reply by the very text that they sent.
#[test]
fn a_channel_has_one_spelling() {
    let id = channel(7);
    assert_eq!(ChannelId::parse(&id).unwrap().to_string(), id);
    let upper = id.to_uppercase();
    let simple = id.replace('-', "");
    let others = [
        upper,
        simple,
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!(" {id}"),
        format!("{id}\n"),
        id.replacen('-', "", 1),
        id.replacen('d', "g", 1),
        id.replacen('d', "D", 1),
    ];
    for other in others {
        assert_eq!(ChannelId::parse(&other), None, "{other}");
    }
    let nil = "00000000-0000-0000-0000-000000000000";
    assert_eq!(
        ChannelId::parse(nil).map(|id| id.to_string()).as_deref(),
        Some(nil),
        "version and variant are free"
    );
}

#[test]
fn a_frame_has_a_size() {
    let limits = Limits { frame_octets: 40, ..Limits::default() };
    let frame = |octets: usize| format!("{{{}}}", " ".repeat(octets - 2));
    assert_eq!(Frame::parse(&frame(40), &limits), Ok(Frame::Ping));
    assert_eq!(Frame::parse(&frame(41), &limits), Err(FrameError::TooLarge));
    assert_eq!(Frame::parse(&"\u{20ac}".repeat(14), &limits), Err(FrameError::TooLarge), "in octets");
}

#[test]
fn updates_and_broadcasts_of_a_frame_are_limited() {
    let limits = Limits { updates: 3, broadcasts: 2, ..Limits::default() };
    let acknowledge = |count: usize| {
        let frame = json!({ "messageType": "ack", "updates": vec![json!({ "version": "v" }); count] });
        Frame::parse(&frame.to_string(), &limits)
    };
    assert!(matches!(acknowledge(3), Ok(Frame::Ack(versions)) if versions.len() == 3));
    assert_eq!(acknowledge(4), Err(FrameError::TooManyUpdates));
    for kind in ["hello", "broadcast_subscribe"] {
        let ask = |ids: &[&str]| {
            let wanted: Broadcasts = ids.iter().map(|id| ((*id).to_owned(), String::new())).collect();
            let frame = json!({ "messageType": kind, "broadcasts": wanted });
            Frame::parse(&frame.to_string(), &limits)
        };
        assert!(ask(&["a", "b"]).is_ok());
        assert_eq!(ask(&["a", "b", "c"]), Err(FrameError::TooManyBroadcasts));
    }
}

/// As many acknowledgements as a frame may have fit into it.
#[test]
fn the_defaults_fit_each_other() {
    let limits = Limits::default();
    let update = json!({ "channelID": channel(0), "version": "v".repeat(140), "code": 100 });
    let frame = json!({ "messageType": "ack", "updates": vec![update; limits.updates] });
    assert!(Frame::parse(&frame.to_string(), &limits).is_ok());
    assert!(limits.updates >= push_proto::service::Limits::default().unacknowledged);
}

/// RFC 6455 §5.5: a control frame has at most 125 octets, two of which are the status code.
#[test]
fn a_reason_fits_into_a_close_frame() {
    let refusals = [
        Refusal::STORE_UNAVAILABLE,
        Refusal::OVERLOADED,
        Refusal::MONITORS_EXCEEDED,
        Refusal::DRAINING,
        Refusal::PUSH_UNSUPPORTED,
        Refusal::CROWDED,
        Refusal::RATE_EXCEEDED,
    ];
    let later = refusals.map(|refusal| Close::TryAgainLater(refusal.reason()));
    let frames = [
        FrameError::Json,
        FrameError::Members,
        FrameError::TooLarge,
        FrameError::NoType,
        FrameError::UnknownType,
        FrameError::NoChannel,
        FrameError::Channel,
        FrameError::NoUpdates,
        FrameError::TooManyUpdates,
        FrameError::NoBroadcasts,
        FrameError::TooManyBroadcasts,
        FrameError::NoUrgency,
    ];
    let own = [
        (Close::TakenOver, 1000),
        (Close::Ended, 1000),
        (Close::Draining, 1001),
        (Close::Binary, 1003),
        (Close::NoHello, 1008),
        (Close::NotHello, 1008),
        (Close::SecondHello, 1008),
        (Close::TooManyFrames, 1008),
    ];
    let all = own.into_iter().chain(later.map(|close| (close, 1013)));
    for (close, code) in all.chain(frames.map(|error| (Close::Frame(error), 1008))) {
        assert_eq!(close.code(), code);
        assert!((1..=123).contains(&close.reason().len()), "{close:?}");
    }
}

/// Texts that look like frames.
fn likely() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\u00",
        "null",
        "1e9",
        "-0",
        "\"messageType\":",
        "\"hello\"",
        "\"register\"",
        "\"ack\"",
        "\"nack\"",
        "\"ping\"",
        "\"urgency\"",
        "\"min\":",
        "\"updates\":",
        "\"version\":",
        "\"channelID\":",
        "\"broadcasts\":",
        "\"code\":",
        "\"key\":",
        "\"low\"",
        "d9b74644-4f97-46aa-b8fa-9393985cd600",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![".{0,200}", likely()]) {
        let limits = Limits { frame_octets: 300, updates: 2, broadcasts: 2, ..Limits::default() };
        if let Err(error) = Frame::parse(&text, &limits) {
            prop_assert!(Close::Frame(error).reason().len() <= 123);
        }
    }

    #[test]
    fn a_channel_is_its_text(octets in any::<[u8; 16]>()) {
        let channel = ChannelId::from(push_proto::SubscriptionId::from_octets(octets));
        prop_assert_eq!(ChannelId::parse(&channel.to_string()), Some(channel));
        let subscription = channel.subscription();
        prop_assert_eq!(subscription.octets(), &octets);
    }
}
