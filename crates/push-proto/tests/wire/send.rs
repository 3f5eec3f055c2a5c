//! POST to a push resource (RFC 8030 §5).

use push_proto::{ContentField, Refusal, Ttl, Urgency, service::ReceiptRequest, wire::Limits};

use crate::fixture::{AGENT, HANDLE, KEY, Knock, ORIGIN, RECEIPTS, SUBSCRIPTION, door, door_at, named};

/// `8030-5-1`, `8030-5-3`, `8030-5.3-3`
#[test]
fn a_send_says_all_it_needs_to() {
    let send = Knock::send().sent();
    assert_eq!((send.agent, send.subscription, send.sealed_by), (AGENT, SUBSCRIPTION, KEY));
    assert_eq!(send.ttl, Ttl::from_secs(60));
    assert_eq!(send.urgency, Urgency::Normal);
    assert_eq!(send.receipt, ReceiptRequest::No);
    assert!(send.topic.is_none() && send.sender.is_none() && send.content.fields.is_empty());
    assert_eq!(send.content.body, "hello");
}

/// `8030-5.2-2` to `8030-5.2-5`, A-01, A-02, `8030-9.1-1`
#[test]
fn ttl() {
    let max = 2_147_483_648;
    for (value, seconds) in [
        ("0", 0),
        ("15", 15),
        ("00015", 15),
        (" 15 ", 15),
        ("2147483647", max - 1),
        ("2147483648", max),
        ("2147483649", max),
        ("4294967296", max),
        ("9223372036854775808", max),
        ("999999999999999999999999999999", max),
    ] {
        let send = Knock::bare_send().header("TtL", value).sent();
        assert_eq!(send.ttl, Ttl::from_secs(seconds), "{value}");
    }
    for value in ["-1", "1.5", "+5", "", " ", "15s", "1, 2", "1,", "abc", "0x10", "1 2", "\u{661}"] {
        assert_eq!(Knock::bare_send().header("ttl", value).refused(), Refusal::TTL_INVALID, "{value:?}");
    }
    assert_eq!(Knock::send().header("ttl", "60").refused(), Refusal::TTL_INVALID);
    assert_eq!(Knock::bare_send().refused(), Refusal::TTL_MISSING);
}

/// `8030-5.3-1`, `8030-5.3-8`, A-05
#[test]
fn urgency() {
    for (value, urgency) in [
        ("very-low", Urgency::VeryLow),
        ("low", Urgency::Low),
        ("normal", Urgency::Normal),
        ("high", Urgency::High),
        ("HiGh", Urgency::High),
        ("\tlow ", Urgency::Low),
    ] {
        assert_eq!(Knock::send().header("urgency", value).sent().urgency, urgency, "{value}");
    }
    for value in ["low, high", "low,", "", "urgent", "\"low\"", "low;q=1", "very low"] {
        assert_eq!(Knock::send().header("urgency", value).refused(), Refusal::URGENCY_INVALID, "{value}");
    }
    let twice = Knock::send().headers(&[("urgency", "low"), ("urgency", "low")]);
    assert_eq!(twice.refused(), Refusal::URGENCY_INVALID);
}

/// `8030-5.4-3`, `8030-5.4-4`, A-06
#[test]
fn topic_values() {
    for value in ["A", "-_", "upd", "0123456789abcdefghijklmnopqrstuv", " upd "] {
        assert!(Knock::send().header("topic", value).sent().topic.is_some(), "{value}");
    }
    let long = "A".repeat(33);
    for value in ["", "a b", "a=", "a/b", "a+b", "\u{e9}", "a,b", "a, b", "\"a\"", "a;b", "a.b", &long] {
        assert_eq!(Knock::send().header("topic", value).refused(), Refusal::TOPIC_INVALID, "{value}");
    }
    let twice = Knock::send().headers(&[("topic", "a"), ("topic", "a")]);
    assert_eq!(twice.refused(), Refusal::TOPIC_INVALID);
}

/// `8030-5.4-1`, `8030-5.4-2`, A-06: the same slot for the same topic of the same subscription, and only then.
#[test]
fn a_topic_is_a_slot_of_its_subscription() {
    let other = push_proto::SubscriptionId::from_octets([9; 16]);
    let elsewhere =
        Knock::new("POST", door().push_url(AGENT, other)).headers(&[("ttl", "1"), ("topic", "t")]);
    let slots = [
        Knock::send().header("topic", "t").sent().topic,
        Knock::send().header("topic", "T").sent().topic,
        Knock::send().header("topic", "t-").sent().topic,
        elsewhere.sent().topic,
    ];
    assert_eq!(slots[0], Knock::send().headers(&[("topic", "t"), ("urgency", "high")]).sent().topic);
    for (index, slot) in slots.iter().enumerate() {
        assert!(!slots[..index].contains(slot));
    }
}

/// `8030-5.1-1`, `7240-2-1`
#[test]
fn respond_async_asks_for_a_receipt() {
    let asks = Knock::send().header("prefer", "foo, Respond-Async;x=1").sent().receipt;
    assert_eq!(asks, ReceiptRequest::New);
    let not = Knock::send().header("prefer", "wait=10, handling=lenient").sent().receipt;
    assert_eq!(not, ReceiptRequest::No);
}

/// `8030-5.1-6`, `8030-5.1-9`, `8030-9.2-1`, A-17
#[test]
fn a_receipt_subscription_is_named_by_link() {
    let url = door().receipts_url(RECEIPTS);
    let path = url.strip_prefix(ORIGIN).unwrap().to_owned();
    let below = path.strip_prefix('/').unwrap().to_owned();
    let rel = "rel=\"urn:ietf:params:push:receipt\"";
    let send = |link: &str| Knock::send().header("prefer", "respond-async").header("link", link);
    for link in [
        format!("<{url}>; {rel}"),
        format!("<{path}>;{rel}"),
        format!("<../{below}>; {rel}"),
        format!("<//push.example.net:443{path}>; {rel}"),
        format!("<HTTPS://PUSH.example.net{path}>; {rel}"),
        format!("<{url}>; rel=urn:ietf:params:push:receipt"),
        format!("<{url}>; REL=\"next URN:IETF:params:push:RECEIPT\""),
        format!("<{url}>; title=\"a, \\\"b; c\"; {rel}"),
        format!("<https://a.example/;,>; rel=next, <{url}>; {rel}"),
        format!(",, <{url}>; {rel} ,"),
    ] {
        assert_eq!(send(&link).sent().receipt, ReceiptRequest::On(named(RECEIPTS)), "{link}");
    }
    for target in [
        "https://push.example.net/r/made-up".to_owned(),
        format!("https://evil.example{path}"),
        format!("http://push.example.net{path}"),
        format!("https://push.example.net:8443{path}"),
        format!("https://user@push.example.net{path}"),
        String::new(),
        "mailto:a@b".to_owned(),
        "/subscribe".to_owned(),
        door().set_url(AGENT),
        door().push_url(AGENT, SUBSCRIPTION),
        door().subscription_url(AGENT, SUBSCRIPTION),
        door().message_url(HANDLE, KEY),
        format!("{url}x"),
    ] {
        let refused = send(&format!("<{target}>; {rel}")).refused();
        assert_eq!(refused, Refusal::RECEIPT_INVALID, "{target}");
    }
    let link = format!("<{url}>; {rel}");
    assert_eq!(send(&link).header("link", &link).refused(), Refusal::RECEIPT_INVALID);
    assert_eq!(send(&format!("{link}, {link}")).refused(), Refusal::RECEIPT_INVALID);
}

/// Without the preference there is no receipt, but a bad link is still bad (`8030-5.1-9`).
#[test]
fn a_link_alone_asks_for_nothing() {
    let link = |target: &str| format!("<{target}>; rel=\"urn:ietf:params:push:receipt\"");
    let good = Knock::send().header("link", link(&door().receipts_url(RECEIPTS)));
    assert_eq!(good.sent().receipt, ReceiptRequest::No);
    assert_eq!(Knock::send().header("link", link("/r/x")).refused(), Refusal::RECEIPT_INVALID);
}

/// Other relations and anchored links are not about this; what cannot be read is refused, since it may have been.
#[test]
fn other_links_are_left_alone() {
    for link in [
        "</x>; rel=next".to_owned(),
        "</x>".to_owned(),
        "</x>; rel=\"urn:ietf:params:push:set\"".to_owned(),
        "</x>; rel=next; rel=\"urn:ietf:params:push:receipt\"".to_owned(),
        "</x>; rel=\"urn:ietf:params:push:receipt\"; anchor=\"#a\"".to_owned(),
        ",".to_owned(),
        String::new(),
    ] {
        let receipt = Knock::send().header("link", &link).header("prefer", "respond-async").sent().receipt;
        assert_eq!(receipt, ReceiptRequest::New, "{link}");
    }
    for link in ["x", "<x", "<x> y", "<x>; rel=\"", "<x>; rel=a b", "<x>; rel=\"a\"b"] {
        assert_eq!(Knock::send().header("link", link).refused(), Refusal::LINK_MALFORMED, "{link}");
    }
}

/// `8030-5-3`, `legacy-1`: fields that describe the body travel, others do not.
#[test]
fn content_fields_travel() {
    let content = Knock::send()
        .headers(&[
            ("content-type", "text/plain;charset=utf8"),
            ("content-encoding", " aes128gcm "),
            ("content-language", "de"),
            ("content-language", "en"),
            ("encryption", "salt=abc"),
            ("crypto-key", "dh=xyz"),
            ("x-other", "1"),
            ("urgency", "low"),
            ("topic", "t"),
            ("authorization", "Bearer secret"),
        ])
        .sent()
        .content;
    let fields: Vec<(ContentField, &[u8])> =
        content.fields.iter().map(|(field, value)| (*field, value.as_ref())).collect();
    let expected: [(ContentField, &[u8]); 5] = [
        (ContentField::Encoding, b"aes128gcm"),
        (ContentField::Language, b"de, en"),
        (ContentField::Type, b"text/plain;charset=utf8"),
        (ContentField::CryptoKey, b"dh=xyz"),
        (ContentField::Encryption, b"salt=abc"),
    ];
    assert_eq!(fields, expected);
}

/// `8292-4.2-10`, `legacy-1`, `ece03-3-2`: the VAPID part of Crypto-Key stays here.
#[test]
fn the_vapid_part_of_crypto_key_is_removed() {
    for (value, kept) in [
        ("dh=abc", Some("dh=abc")),
        ("dh=abc;p256ecdsa=KEY", Some("dh=abc")),
        ("p256ecdsa=KEY;dh=abc", Some("dh=abc")),
        ("keyid=\"a\"; dh=abc ;P256ECDSA=\"KEY\"", Some("keyid=\"a\";dh=abc")),
        ("dh=abc, p256ecdsa=KEY", Some("dh=abc")),
        ("p256ecdsa = KEY,dh=abc", Some("dh=abc")),
        ("dh=abc, keyid=b;dh=def;p256ecdsa=KEY", Some("dh=abc, keyid=b;dh=def")),
        ("p256ecdsa=KEY", None),
        ("p256ecdsa=KEY;p256ecdsa=KEY,,;", None),
    ] {
        let content = Knock::send().header("crypto-key", value).sent().content;
        let found = content.fields.iter().find(|(field, _)| *field == ContentField::CryptoKey);
        assert_eq!(found.map(|(_, value)| value.as_ref()), kept.map(str::as_bytes), "{value}");
    }
    for value in ["dh=\"abc;p256ecdsa=KEY", "dh=\"x;p256ecdsa=KEY\"", "dh=a p256ecdsa=KEY", "x\"p256ecdsa"] {
        assert_eq!(
            Knock::send().header("crypto-key", value).refused(),
            Refusal::CRYPTO_KEY_MALFORMED,
            "{value}"
        );
    }
    let lines = Knock::send().headers(&[("crypto-key", "dh=abc"), ("crypto-key", "p256ecdsa=KEY")]).sent();
    assert_eq!(lines.content.fields[0].1, "dh=abc");
}

/// G5: each limit, hit.
#[test]
fn limits_are_hit_precisely() {
    let limits = Limits {
        content_field_octets: 10,
        links: 2,
        prefer_lines: 2,
        path_octets: 1000,
        ..Limits::default()
    };
    let door = door_at(ORIGIN, limits);
    let fits = Knock::send().headers(&[("content-type", "12345"), ("content-encoding", "67890")]);
    assert!(fits.clone().at(&door).is_ok());
    let refused = fits.header("encryption", "x").at(&door).unwrap_err();
    assert_eq!((refused, refused.status()), (Refusal::FIELDS_TOO_LARGE, 431));
    let links = Knock::send().headers(&[("link", "<a>, <b>")]);
    assert!(links.clone().at(&door).is_ok());
    assert_eq!(links.header("link", "<c>").at(&door).unwrap_err(), Refusal::FIELDS_TOO_LARGE);
    let prefer = Knock::send().headers(&[("prefer", "a"), ("prefer", "b")]);
    assert!(prefer.clone().at(&door).is_ok());
    assert_eq!(prefer.header("prefer", "c").at(&door).unwrap_err(), Refusal::FIELDS_TOO_LARGE);
    let short = door_at(ORIGIN, Limits { path_octets: 20, ..limits });
    assert_eq!(Knock::send().at(&short).unwrap_err(), Refusal::NOT_FOUND);
}
