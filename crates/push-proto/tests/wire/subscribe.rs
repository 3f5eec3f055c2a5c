//! POST to the push service (RFC 8030 §4, RFC 8292 §4.1).

use push_proto::{
    Refusal,
    service::{Request, Set, Subscribe},
    wire::Limits,
};

use crate::fixture::{
    AGENT, HANDLE, KEY, Knock, ORIGIN, RECEIPTS, SIGNER, SUBSCRIPTION, door, door_at, named,
};

const OPTIONS: &str = "application/webpush-options+json";

fn subscribed(knock: Knock) -> Subscribe {
    match knock.go() {
        Ok(Request::Subscribe(subscribe)) => subscribe,
        other => panic!("{other:?}"),
    }
}

/// `8030-4-1`, `8030-4.1-3`
#[test]
fn nothing_is_needed() {
    let subscribe = subscribed(Knock::subscribe());
    assert!(subscribe.set == Set::New && subscribe.restricted_to.is_none());
}

/// `8030-4.1-2`, `8030-4.1-5`, A-17
#[test]
fn a_set_is_named_by_link() {
    let set = door().set_url(AGENT);
    let rel = "rel=\"urn:ietf:params:push:set\"";
    let path = set.strip_prefix(ORIGIN).unwrap();
    for link in [format!("<{set}>; {rel}"), format!("<{path}>; {rel}"), format!("<.{path}>; {rel}")] {
        assert_eq!(
            subscribed(Knock::subscribe().header("link", &link)).set,
            Set::Joined(named(AGENT)),
            "{link}"
        );
    }
    for target in [
        "/a/made-up".to_owned(),
        format!("https://evil.example{path}"),
        door().subscription_url(AGENT, SUBSCRIPTION),
        door().push_url(AGENT, SUBSCRIPTION),
        door().receipts_url(RECEIPTS),
        door().message_url(HANDLE, KEY),
    ] {
        let refused = Knock::subscribe().header("link", format!("<{target}>; {rel}")).refused();
        assert_eq!(refused, Refusal::SET_INVALID, "{target}");
    }
    let two = Knock::subscribe().header("link", format!("<{set}>; {rel}, <{set}>; {rel}"));
    assert_eq!(two.refused(), Refusal::SET_INVALID);
    assert_eq!(Knock::subscribe().header("link", "?").refused(), Refusal::LINK_MALFORMED);
    let receipt = Knock::subscribe().header("link", "</r/x>; rel=\"urn:ietf:params:push:receipt\"");
    assert_eq!(subscribed(receipt).set, Set::New);
}

/// Relative targets are relative to the public URL, not to the `Host` of the request.
#[test]
fn links_are_relative_to_the_public_url() {
    let door = door_at("https://example.net/push", Limits::default());
    let token = door.set_url(AGENT).rsplit('/').next().unwrap().to_owned();
    for (target, good) in [
        ("/push/a/T", true),
        ("a/T", true),
        ("./a/T", true),
        ("/a/T", false),
        ("../a/T", false),
        ("https://push.example.net/push/a/T", false),
    ] {
        let link = format!("<{}>; rel=\"urn:ietf:params:push:set\"", target.replace('T', &token));
        let knock =
            Knock::new("POST", "/push/subscribe").headers(&[("host", "push.example.net"), ("link", &link)]);
        assert_eq!(knock.at(&door).is_ok(), good, "{target}");
    }
}

/// `8292-4.1-1` to `8292-4.1-4`, `8292-6.3-1`, A-35
#[test]
fn a_restriction_is_a_body_of_its_type() {
    let key = SIGNER.public_key();
    let body = format!("{{\"vapid\":\"{key}\",\"x\":1}}");
    for (content_type, restricted) in [
        (OPTIONS, true),
        ("Application/WebPush-Options+JSON", true),
        ("application/webpush-options+json; charset=utf-8", true),
        ("application/webpush-options+json ;x", true),
        ("application/json", false),
        ("application/webpush-options", false),
        ("text/plain", false),
    ] {
        let subscribe =
            subscribed(Knock::subscribe().header("content-type", content_type).body(body.clone()));
        assert_eq!(subscribe.restricted_to.as_ref(), restricted.then_some(key), "{content_type}");
    }
    assert_eq!(subscribed(Knock::subscribe().body(body)).restricted_to, None);
}

/// `8292-4.1-4`, `8292-3.2-1`
#[test]
fn options_that_cannot_be_read_are_refused() {
    let subscribe = |body: &'static str| Knock::subscribe().header("content-type", OPTIONS).body(body);
    for body in ["{}", "{\"x\":1}", " {\"vapi\": null} "] {
        assert_eq!(subscribed(subscribe(body)).restricted_to, None, "{body}");
    }
    for body in [
        "",
        "{",
        "[]",
        "\"x\"",
        "{\"vapid\":1}",
        "{\"vapid\":null}",
        "{\"vapid\":\"\"}",
        "{\"vapid\":\"BA1H\"}",
    ] {
        assert_eq!(subscribe(body).refused(), Refusal::OPTIONS_MALFORMED, "{body}");
    }
    assert_eq!(subscribe("x").body(vec![b' '; 4097]).refused(), Refusal::BODY_TOO_LARGE);
    // A body of another type is ignored even if it is no JSON (8292-4.1-3).
    assert!(Knock::subscribe().header("content-type", "application/json").body("{").go().is_ok());
}

/// Two types: the body may be options, so it must be. An unrestricted subscription would be the wrong surprise.
#[test]
fn a_repeated_content_type_does_not_lose_the_restriction() {
    let key = SIGNER.public_key();
    let knock = Knock::subscribe()
        .headers(&[("content-type", "application/json"), ("content-type", OPTIONS)])
        .body(format!("{{\"vapid\":\"{key}\"}}"));
    assert_eq!(subscribed(knock).restricted_to.as_ref(), Some(key));
}
