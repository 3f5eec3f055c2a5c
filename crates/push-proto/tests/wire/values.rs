//! What each field takes and refuses, with status and reason, as it comes over the wire.

use std::time::Duration;

use push_proto::{
    Refusal, Ttl, Urgency,
    service::{ReceiptRequest, Request},
};

use crate::fixture::{AGENT, Knock, RECEIPTS, SIGNER, door};

/// What a refusal says to machines.
fn says(refusal: Refusal) -> (u16, &'static str) {
    (refusal.status(), refusal.reason())
}

/// `8030-5.2-2`, `8030-5.2-3`, A-01: digits, and nothing else; too many seconds count as the most there is.
#[test]
fn ttl() {
    for (value, secs) in [
        ("0", 0),
        ("15", 15),
        ("00015", 15),
        (" 15\t", 15),
        ("2147483647", 2_147_483_647),
        ("2147483648", 2_147_483_648),
        ("4294967295", u32::MAX),
    ] {
        assert_eq!(Knock::bare_send().header("ttl", value).sent().ttl, Ttl::from_secs(secs), "{value}");
    }
    for value in ["4294967296", "9223372036854775808", "999999999999999999999999999999"] {
        assert_eq!(Knock::bare_send().header("ttl", value).sent().ttl, Ttl::MAX, "{value}");
    }
    let odd: [&[u8]; 16] = [
        b"",
        b" ",
        b"-1",
        b"+5",
        b"1.5",
        b"1e3",
        b"15s",
        b"0x10",
        b"1, 2",
        b"1,",
        b"\"15\"",
        b"1 5",
        b"15;a=b",
        b"\xef\xbc\x91",
        b"1\xff",
        b"\t",
    ];
    for value in odd {
        let refused = Knock::bare_send().header("ttl", value).refused();
        assert_eq!(says(refused), says(Refusal::TTL_INVALID), "{value:?}");
        assert_eq!(refused.status(), 400);
    }
    let twice = Knock::send().header("ttl", "60").refused();
    assert_eq!(twice, Refusal::TTL_INVALID, "equal ones too");
    // `8030-5.2-4`
    assert_eq!(Knock::bare_send().refused(), Refusal::TTL_MISSING);
    assert_eq!(Refusal::TTL_MISSING.status(), 400);
}

/// `8030-5.3-3`, `8030-5.3-8`, A-05: on what is sent, and on what monitors.
#[test]
fn urgency() {
    for (value, urgency) in [
        ("very-low", Urgency::VeryLow),
        ("low", Urgency::Low),
        ("normal", Urgency::Normal),
        ("HIGH", Urgency::High),
        (" High ", Urgency::High),
    ] {
        assert_eq!(Knock::send().header("urgency", value).sent().urgency, urgency, "{value}");
    }
    let monitor = || Knock::new("GET", door().set_url(AGENT));
    let odd: [&[u8]; 11] = [
        b"",
        b"urgent",
        b"low, high",
        b"low,low",
        b"low;q=1",
        b"\"low\"",
        b"very low",
        b"verylow",
        b"l\xf6w",
        b"low\xff",
        b"0",
    ];
    for value in odd {
        for knock in [Knock::send(), monitor()] {
            let refused = knock.header("urgency", value).refused();
            assert_eq!((refused, refused.status()), (Refusal::URGENCY_INVALID, 400), "{value:?}");
        }
    }
    for knock in [Knock::send(), monitor()] {
        let twice = knock.header("urgency", "low").header("urgency", "low").refused();
        assert_eq!(twice, Refusal::URGENCY_INVALID);
    }
    assert_eq!(Knock::send().sent().urgency, Urgency::Normal);
}

/// `8030-5.4-3`, `8030-5.4-4`, A-06
#[test]
fn topic() {
    let slot = |value: &str| Knock::send().header("topic", value).sent().topic;
    for value in ["a", "-", "_", "Az09-_", &"x".repeat(32)] {
        assert!(slot(value).is_some(), "{value}");
    }
    assert_eq!(slot("  news\t"), slot("news"), "the space around a field is none of it");
    assert_ne!(slot("News"), slot("news"), "octet by octet");
    assert_eq!(Knock::send().sent().topic, None);
    let long = "x".repeat(33);
    let odd: [&[u8]; 12] = [
        b"",
        b" ",
        b"YQ==",
        b"a+b",
        b"a/b",
        b"a b",
        b"a, b",
        b"\"a\"",
        b"a.b",
        b"n\xe9",
        b"a;b",
        long.as_bytes(),
    ];
    for value in odd {
        let refused = Knock::send().header("topic", value).refused();
        assert_eq!((refused, refused.status()), (Refusal::TOPIC_INVALID, 400), "{value:?}");
    }
    assert_eq!(Knock::send().header("topic", "a").header("topic", "a").refused(), Refusal::TOPIC_INVALID);
}

/// `8030-5.1-1`, `7240-2-1`: what cannot be read is ignored, and never an error.
#[test]
fn prefer_respond_async() {
    for (value, wanted) in [
        ("respond-async", true),
        ("Respond-ASYNC", true),
        ("respond-async=\"\"", true),
        ("respond-async; x=\"a,b\"", true),
        (", ,foo=\"x,respond-async\", respond-async", true),
        ("wait=10, respond-async", true),
        ("", false),
        ("respond-async=1", false),
        ("respond-async x", false),
        ("\"respond-async\"", false),
        ("foo=\"respond-async", false),
        ("foo=\"x, respond-async\"", false),
        ("respond-async=1, respond-async", false),
        ("respond\u{2d}async\u{e9}", false),
    ] {
        let sent = Knock::send().header("prefer", value).sent();
        assert_eq!(sent.receipt != ReceiptRequest::No, wanted, "{value}");
    }
    let lines = Knock::send().header("prefer", "foo").header("prefer", "respond-async").sent();
    assert_eq!(lines.receipt, ReceiptRequest::New);
}

/// `8030-6-7`, `7240-4.3-1`
#[test]
fn prefer_wait() {
    let most = Some(Duration::from_secs(u32::MAX.into()));
    let wait = |secs| Some(Duration::from_secs(secs));
    for (value, expected) in [
        ("wait=0", wait(0)),
        ("wait=\"10\"", wait(10)),
        ("WAIT = 0010", wait(10)),
        ("wait=2147483648", wait(2_147_483_648)),
        ("wait=9223372036854775808", most),
        ("wait=999999999999999999999999999999", most),
        ("wait=10, wait=0", wait(10)),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=1s", None),
        ("wait=x, wait=0", None),
    ] {
        let knock = Knock::new("GET", door().set_url(AGENT)).header("prefer", value);
        let Ok(Request::Monitor(monitor)) = knock.go() else { panic!("{value}") };
        assert_eq!(monitor.wait, expected, "{value}");
    }
}

/// `8030-5.1-9`, A-17
#[test]
fn link() {
    let receipts = door().receipts_url(RECEIPTS);
    let set = door().set_url(AGENT);
    let asked = |link: &str| Knock::send().header("prefer", "respond-async").header("link", link).go();
    let rel = "urn:ietf:params:push:receipt";
    let path = receipts.strip_prefix(crate::fixture::ORIGIN).unwrap();
    for link in [
        format!("<{receipts}>; rel=\"{rel}\""),
        format!("<{path}>;rel={rel}"),
        format!("  <{receipts}> ; REL = \"other {}\"", rel.to_uppercase()),
        format!("<https://x.example/a,b>; rel=\"a\", , <{receipts}>; title=\"a,b;c\"; rel=\"{rel}\""),
        format!("<{receipts}>; rel=\"{rel}\"; rel=\"x\""),
    ] {
        let Ok(Request::Send(send)) = asked(&link) else { panic!("{link}") };
        assert!(matches!(send.receipt, ReceiptRequest::On(_)), "{link}");
    }
    for (link, refusal) in [
        (format!("<{set}>; rel=\"{rel}\""), Refusal::RECEIPT_INVALID),
        (format!("<https://other.example{path}>; rel=\"{rel}\""), Refusal::RECEIPT_INVALID),
        (format!("</r/guessed>; rel=\"{rel}\""), Refusal::RECEIPT_INVALID),
        (format!("<>; rel=\"{rel}\""), Refusal::RECEIPT_INVALID),
        (format!("<{receipts}>; rel=\"{rel}\", <{receipts}>; rel=\"{rel}\""), Refusal::RECEIPT_INVALID),
        (format!("{receipts}; rel=\"{rel}\""), Refusal::LINK_MALFORMED),
        (format!("<{receipts}; rel=\"{rel}\""), Refusal::LINK_MALFORMED),
        (format!("<{receipts}>; rel=\"{rel}"), Refusal::LINK_MALFORMED),
        (format!("<{receipts}> rel=\"{rel}\""), Refusal::LINK_MALFORMED),
        (["<a>"; 9].join(","), Refusal::FIELDS_TOO_LARGE),
    ] {
        assert_eq!(asked(&link).unwrap_err(), refusal, "{link}");
    }
}

/// `8292-4.1-2` to `8292-4.1-4`, `8292-6.3-1`, A-35
#[test]
fn subscription_options() {
    let key = SIGNER.public_key();
    let restricted = |types: &[&str], body: &str| {
        let knock = types.iter().fold(Knock::subscribe(), |knock, kind| knock.header("content-type", kind));
        knock.body(body.to_owned()).go().map(|request| {
            let Request::Subscribe(subscribe) = request else { panic!("{request:?}") };
            subscribe.restricted_to.is_some()
        })
    };
    let body = format!("{{\"vapid\":\"{key}\"}}");
    for (kind, expected) in [
        ("application/webpush-options+json", true),
        ("APPLICATION/WebPush-Options+JSON", true),
        (" application/webpush-options+json ; charset=utf-8", true),
        ("application/webpush-options+json;x", true),
        ("application/json", false),
        ("application/webpush-options+jsonx", false),
        ("application/webpush-options", false),
        ("\"application/webpush-options+json\"", false),
        ("", false),
    ] {
        assert_eq!(restricted(&[kind], &body), Ok(expected), "{kind}");
    }
    assert_eq!(restricted(&[], &body), Ok(false));
    let options = ["application/webpush-options+json"];
    assert_eq!(restricted(&options, "{}"), Ok(false));
    assert_eq!(restricted(&options, "{\"VAPID\":1,\"x\":[{\"vapid\":2}]}"), Ok(false));
    assert_eq!(restricted(&options, &format!(" {{\"x\":null,\"vapid\":\"{key}\"}}\n")), Ok(true));
    // Of a member that comes twice the last counts, as in the browsers that make these bodies.
    assert_eq!(restricted(&options, &format!("{{\"vapid\":1,\"vapid\":\"{key}\"}}")), Ok(true));
    for odd in [
        String::new(),
        format!("{{\"vapid\":\"{key}\",\"vapid\":1}}"),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("\"{key}\""),
        format!("{body}x"),
        "{\"vapid\":null}".to_owned(),
        "{\"vapid\":1}".to_owned(),
        format!("{{\"vapid\":[\"{key}\"]}}"),
        "{\"vapid\":\"\"}".to_owned(),
        format!("{{\"vapid\":\"{key}=\"}}"),
        format!("\u{feff}{body}"),
    ] {
        assert_eq!(restricted(&options, &odd), Err(Refusal::OPTIONS_MALFORMED), "{odd}");
    }
    assert_eq!(Refusal::OPTIONS_MALFORMED.status(), 400);
}

/// `8030-7.2-5`, A-15: before any of it is read. What is no number is the carrier's to refuse.
#[test]
fn content_length() {
    for value in ["0", "4096", "0004096", "x", ""] {
        assert!(Knock::send().header("content-length", value).go().is_ok(), "{value}");
    }
    for value in ["4097", "2147483648", "18446744073709551616", "999999999999999999999999999999"] {
        let refused = Knock::send().header("content-length", value).refused();
        assert_eq!((refused, refused.status()), (Refusal::BODY_TOO_LARGE, 413), "{value}");
    }
}

/// 8030-9.3-1
#[test]
fn the_port_is_the_registered_one() {
    assert_eq!(push_proto::wire::PORT, 1001);
}
