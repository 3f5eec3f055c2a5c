//! Declarative Web Push.

use push_crypto::declarative::{
    Action, Direction, Link, MAX_APP_BADGE, MAX_PAYLOAD_LEN, Notification, NotificationError,
};
use push_crypto::message::{Padding, decrypt, encrypt};
use push_crypto::{ReceiverKeys, UnixMillis, UrlError};
use serde_json::{Value, json};

use crate::common::{portable, vectors};

const URL: &str = "https://example.com/a";

fn scope() -> Link {
    "https://app.example/dir/page?q=1#top".parse().unwrap()
}

fn parse(payload: &Value) -> Option<Notification> {
    Notification::parse(payload.to_string().as_bytes(), Some(&scope()))
}

/// A payload with these further members inside `notification`.
fn with(members: Value) -> Value {
    let mut inner = json!({ "title": "T", "navigate": URL });
    inner.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "web_push": 8030, "notification": inner })
}

fn minimal() -> Notification {
    Notification::builder("T", URL).build().unwrap()
}

/// `dwp-1`, `dwp-2`, `dwp-6`: what is declarative, and what is an ordinary message.
#[test]
fn what_is_declarative() {
    let vectors = vectors();
    let cases = &vectors["declarative"];
    for payload in cases["accept"].as_array().unwrap() {
        let read = parse(payload).unwrap();
        assert_eq!(read.title(), payload["notification"]["title"]);
        assert_eq!(read.navigate().as_str(), payload["notification"]["navigate"]);
    }
    for payload in cases["reject"].as_array().unwrap() {
        assert_eq!(parse(payload), None, "{payload}");
    }
    let payload = |web_push: &str| {
        format!(r#"{{"notification":{{"navigate":"{URL}","title":"T"}},"web_push":{web_push}}}"#)
    };
    for (web_push, declarative) in [
        ("8030", true),
        ("8030.0", true),
        ("8.03e3", true),
        ("-8030", false),
        ("8030.5", false),
        ("9001", false),
        ("null", false),
        ("[8030]", false),
    ] {
        let read = Notification::parse(payload(web_push).as_bytes(), None);
        assert_eq!(read.is_some(), declarative, "{web_push}");
    }
    let good = payload("8030");
    let bom = [&b"\xef\xbb\xbf"[..], good.as_bytes()].concat();
    assert_eq!(Notification::parse(&bom, None), Some(minimal()));
    let nested = "[".repeat(100_000);
    let long = format!("{good}{}", " ".repeat(MAX_PAYLOAD_LEN));
    for ordinary in
        [&b""[..], b"hello", b"\xff\xfe", &good.as_bytes()[1..], nested.as_bytes(), long.as_bytes()]
    {
        assert_eq!(Notification::parse(ordinary, None), None);
    }
    // What is not UTF-8 inside a text is replaced, as browsers do.
    let broken =
        [&b"{\"web_push\":8030,\"notification\":{\"title\":\"\xff\",\"navigate\":\"https://a/\"}}"[..]]
            .concat();
    assert_eq!(Notification::parse(&broken, None).unwrap().title(), "\u{fffd}");
}

/// `dwp-2`: URLs are resolved against the scope.
#[test]
fn urls_are_resolved_against_the_scope() {
    let navigate = |url: &str, scope: Option<&Link>| {
        let payload = json!({ "web_push": 8030, "notification": { "title": "T", "navigate": url } });
        let read = Notification::parse(payload.to_string().as_bytes(), scope)?;
        Some(read.navigate().as_str().to_owned())
    };
    for (url, resolved) in [
        ("https://b.example/x#y", "https://b.example/x#y"),
        ("HTTP://B.example:80?y#", "http://b.example/?y#"),
        ("//b.example/x", "https://b.example/x"),
        ("/x/./y/../z", "https://app.example/x/z"),
        ("x", "https://app.example/dir/x"),
        ("./", "https://app.example/dir/"),
        ("..", "https://app.example/"),
        ("../../../x?a=../b#../c", "https://app.example/x?a=../b#../c"),
        ("?a", "https://app.example/dir/page?a"),
        ("#b", "https://app.example/dir/page?q=1#b"),
        ("", "https://app.example/dir/page?q=1"),
        (" /\u{fc}b e\nr\n ", "https://app.example/%C3%BCb%20er"),
    ] {
        assert_eq!(navigate(url, Some(&scope())).as_deref(), Some(resolved), "{url:?}");
        let absolute = url.to_lowercase().starts_with("http");
        assert_eq!(navigate(url, None).is_some(), absolute, "{url:?}");
    }
    let bare: Link = "https://app.example".parse().unwrap();
    assert_eq!(navigate("x", Some(&bare)).unwrap(), "https://app.example/x");
    for nowhere in ["https://[bad", "https://", "javascript:alert(1)", "mailto:a@b.c", "//", "https://a#b#c"]
    {
        assert_eq!(navigate(nowhere, Some(&scope())), None, "{nowhere}");
    }
}

/// `dwp-3`: data is the application's own, to the last digit, however often it is read and written. Found by fuzzing.
#[test]
fn numbers_in_data_stay_as_they_are() {
    for number in ["0.1", "7.777777777777775e-10", "-0.0", "5e-324", "9007199254740993"] {
        let built = Notification::builder("T", URL).data(number).build().unwrap();
        assert_eq!(built.data(), Some(number));
        let read = Notification::parse(built.to_json().as_bytes(), None).unwrap();
        assert_eq!(read.data(), Some(number));
    }
}

/// `dwp-3`, `dwp-4`, `dwp-5`: every member, from the builder to the reader.
#[test]
fn every_member_comes_back() {
    let built = Notification::builder("Title \"\u{1f514}\"\n", "http://a.example/#x")
        .dir(Direction::Rtl)
        .lang("ar")
        .body("Body\\")
        .tag("tag")
        .image("https://a.example/image")
        .icon("https://a.example/icon")
        .badge("https://a.example/badge")
        .vibrate(&[200, 100, u32::MAX])
        .timestamp(UnixMillis::from_millis(1_700_000_000_000))
        .renotify(true)
        .silent(false)
        .require_interaction(true)
        .data(r#" {"b": [1, null], "a": "x"} "#)
        .action(Action::new("yes", "Yes", "https://a.example/yes").unwrap())
        .action(
            Action::new("", "", "https://a.example/no").unwrap().with_icon("https://a.example/i").unwrap(),
        )
        .mutable(true)
        .app_badge(7)
        .build()
        .unwrap();
    let json: Value = serde_json::from_str(&built.to_json()).unwrap();
    let expected = json!({
        "web_push": 8030,
        "notification": {
            "title": "Title \"\u{1f514}\"\n", "navigate": "http://a.example/#x", "dir": "rtl", "lang": "ar",
            "body": "Body\\", "tag": "tag", "image": "https://a.example/image", "icon": "https://a.example/icon",
            "badge": "https://a.example/badge", "vibrate": [200, 100, 4_294_967_295_u32],
            "timestamp": 1_700_000_000_000_u64, "renotify": true, "silent": false, "requireInteraction": true,
            "data": { "b": [1, null], "a": "x" },
            "actions": [
                { "action": "yes", "title": "Yes", "navigate": "https://a.example/yes" },
                { "action": "", "title": "", "navigate": "https://a.example/no", "icon": "https://a.example/i" },
            ],
            "mutable": true, "app_badge": 7,
        },
        "mutable": true, "app_badge": 7,
    });
    assert_eq!(json, expected);
    let read = Notification::parse(built.to_json().as_bytes(), None).unwrap();
    assert_eq!(read, built);
    assert_eq!((read.dir(), read.lang(), read.body()), (Some(Direction::Rtl), Some("ar"), Some("Body\\")));
    assert_eq!((read.tag(), read.renotify(), read.silent()), (Some("tag"), true, Some(false)));
    let links = [read.image(), read.icon(), read.badge()].map(|link| link.unwrap().as_str());
    assert_eq!(links, ["https://a.example/image", "https://a.example/icon", "https://a.example/badge"]);
    assert_eq!(read.vibrate(), Some(&[200, 100, u32::MAX][..]));
    assert_eq!(read.timestamp().map(UnixMillis::as_millis), Some(1_700_000_000_000));
    assert_eq!((read.require_interaction(), read.mutable(), read.app_badge()), (true, true, Some(7)));
    assert_eq!(read.data(), Some(r#"{"a":"x","b":[1,null]}"#));
    let [yes, no] = read.actions() else { panic!() };
    assert_eq!((yes.action(), yes.title(), yes.icon()), ("yes", "Yes", None));
    assert_eq!(no.navigate().origin().as_str(), "https://a.example");
    assert_eq!(no.icon().unwrap().as_str(), "https://a.example/i");

    let plain = format!(r#"{{"web_push":8030,"notification":{{"title":"T","navigate":"{URL}"}}}}"#);
    assert_eq!(minimal().to_json(), plain, "what is not set is not sent");
}

/// `dwp-3`: a wrong type is as if the member were missing, and what is unknown is ignored.
#[test]
fn optional_members_are_read_leniently() {
    for members in [
        json!({ "dir": "up", "lang": 1, "body": null, "tag": [], "unknown": { "x": 1 } }),
        json!({ "image": 1, "icon": "https://[bad", "badge": "javascript:x" }),
        json!({ "vibrate": [1, "x"], "timestamp": -1, "renotify": "true", "silent": 1 }),
        json!({ "vibrate": [4_294_967_296_u64], "timestamp": 1.5, "requireInteraction": null }),
        json!({ "actions": "x", "mutable": 1, "app_badge": true }),
        json!({ "actions": [1, {}, { "action": "a", "title": "A" }, { "action": 1, "title": "A", "navigate": URL }] }),
        json!({ "default_action_url": URL, "options": { "body": "x" }, "url": URL }),
    ] {
        assert_eq!(parse(&with(members.clone())), Some(minimal()), "{members}");
    }
    let read = |members| parse(&with(members)).unwrap();
    assert_eq!(read(json!({ "vibrate": 50 })).vibrate(), Some(&[50][..]));
    assert_eq!(read(json!({ "timestamp": 5.0 })).timestamp(), Some(UnixMillis::from_millis(5)));
    assert_eq!(read(json!({ "icon": "i.png" })).icon().unwrap().as_str(), "https://app.example/dir/i.png");
    assert_eq!(read(json!({ "data": null })).data(), Some("null"));
    let action = json!({ "action": "a", "title": "A", "navigate": "x", "icon": "https://[bad" });
    let read = read(json!({ "actions": [0, action] }));
    assert_eq!((read.actions().len(), read.actions()[0].icon()), (1, None));
    // A choice that leads nowhere is no choice.
    let bad = json!({ "action": "a", "title": "A", "navigate": "https://[bad" });
    assert_eq!(parse(&with(json!({ "actions": [bad] }))), None);
    assert_eq!(
        parse(&json!({ "web_push": 8030, "notification": { "title": "", "navigate": URL } }))
            .unwrap()
            .title(),
        ""
    );
}

/// `dwp-4`, `dwp-5`, A-31: in either place, in every form that was ever sent.
#[test]
fn members_that_moved_are_read_in_both_places() {
    for (top, inner, mutable) in [
        (json!(true), json!(null), true),
        (json!(null), json!(true), true),
        (json!(false), json!(true), true),
        (json!(false), json!(false), false),
        (json!("true"), json!(1), false),
    ] {
        let mut payload = with(json!({ "mutable": inner }));
        payload["mutable"] = top;
        assert_eq!(parse(&payload).unwrap().mutable(), mutable, "{payload}");
    }
    for (badge, number) in [
        (json!(0), Some(0)),
        (json!(3.0), Some(3)),
        (json!("12"), Some(12)),
        (json!(u64::MAX), Some(u64::MAX)),
        (json!("99999999999999999999"), None),
        (json!(""), None),
        (json!("+1"), None),
        (json!(-1), None),
        (json!(1.5), None),
        (json!(true), None),
        (json!([1]), None),
    ] {
        assert_eq!(parse(&with(json!({ "app_badge": badge }))).unwrap().app_badge(), number, "{badge}");
        let mut payload = with(json!({}));
        payload["app_badge"] = badge;
        assert_eq!(parse(&payload).unwrap().app_badge(), number, "{payload}");
    }
    let mut both = with(json!({ "app_badge": "1" }));
    both["app_badge"] = json!(2);
    assert_eq!(parse(&both).unwrap().app_badge(), Some(2));
    both["app_badge"] = json!(false);
    assert_eq!(parse(&both).unwrap().app_badge(), Some(1));
}

/// `dwp-8`: what cannot be created is not built, and what was built elsewhere is an ordinary message (`dwp-6`).
#[test]
fn what_cannot_be_created_is_refused() {
    let builder = || Notification::builder("T", URL);
    let url = |member, error| NotificationError::Url { member, error };
    for (refused, error) in [
        (builder().renotify(true).build(), NotificationError::RenotifyWithoutTag),
        (builder().renotify(true).tag("").build(), NotificationError::RenotifyWithoutTag),
        (builder().silent(true).vibrate(&[1]).build(), NotificationError::SilentWithVibrate),
        (builder().vibrate(&[]).silent(true).build(), NotificationError::SilentWithVibrate),
        (Notification::builder("", URL).build(), NotificationError::EmptyTitle),
        (builder().data("{").build(), NotificationError::Data),
        (builder().data("").build(), NotificationError::Data),
        (builder().app_badge(MAX_APP_BADGE + 1).build(), NotificationError::AppBadge),
        (Notification::builder("T", "/a").build(), url("navigate", UrlError::Scheme)),
        (Notification::builder("T", "javascript:x").body("x").build(), url("navigate", UrlError::Scheme)),
        (Notification::builder("T", "https://a b").build(), url("navigate", UrlError::Character)),
        (builder().icon("https://").build(), url("icon", UrlError::Host)),
        (builder().image("data:,x").build(), url("image", UrlError::Scheme)),
        (builder().badge("b.png").icon("https://").build(), url("badge", UrlError::Scheme)),
    ] {
        assert_eq!(refused, Err(error), "{error}");
    }
    assert_eq!(Action::new("a", "A", "x"), Err(url("actions.navigate", UrlError::Scheme)));
    let action = Action::new("a", "A", URL).unwrap();
    assert_eq!(action.with_icon("x"), Err(url("actions.icon", UrlError::Scheme)));
    assert_eq!(url("icon", UrlError::Host).to_string(), "icon: the URL has no valid host");

    assert!(builder().renotify(true).tag("t").build().is_ok());
    assert!(builder().silent(true).build().is_ok());
    assert!(builder().silent(false).vibrate(&[1]).build().is_ok());
    assert!(builder().app_badge(MAX_APP_BADGE).build().is_ok());

    for members in [
        json!({ "renotify": true }),
        json!({ "renotify": true, "tag": "" }),
        json!({ "renotify": true, "tag": 1 }),
        json!({ "silent": true, "vibrate": [1] }),
        json!({ "silent": true, "vibrate": [] }),
    ] {
        assert_eq!(parse(&with(members.clone())), None, "{members}");
    }
}

/// `dwp-7`: it is a payload like any other.
#[test]
fn it_travels_as_an_ordinary_payload() {
    let provider = portable();
    let keys = ReceiverKeys::generate(&provider).unwrap();
    let payload = minimal().to_json();
    let body = encrypt(&provider, &keys.recipient(), payload.as_bytes(), Padding::Buckets(256)).unwrap();
    let read = Notification::parse(&decrypt(&provider, &keys, &body).unwrap(), None);
    assert_eq!(read, Some(minimal()));
}

/// Links are those of the web, and nothing of them is printed.
#[test]
fn links_are_checked() {
    for good in ["https://a/", "http://a", "HTTPS://A.example:8443/x?y#z", "https://[::1]/#", "https://a/%20"]
    {
        assert_eq!(good.parse::<Link>().unwrap().as_str(), good);
    }
    for (bad, error) in [
        ("", UrlError::Scheme),
        ("ftp://a", UrlError::Scheme),
        ("https://u:p@a/", UrlError::UserInfo),
        ("https://a/#b#c", UrlError::Character),
        ("https://a/#\u{fc}", UrlError::Character),
        ("https://a/#b\"", UrlError::Character),
    ] {
        assert_eq!(bad.parse::<Link>(), Err(error), "{bad}");
    }
    assert_eq!(format!("https://a/#{}", "x".repeat(2048)).parse::<Link>(), Err(UrlError::TooLong));
}
