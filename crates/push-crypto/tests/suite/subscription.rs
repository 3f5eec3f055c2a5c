//! Subscriptions, URLs and origins.

use push_crypto::{KeyError, Origin, PushUrl, Subscription, SubscriptionError, UrlError};

use crate::common::{text, vectors};

fn json(endpoint: &str, p256dh: &str, auth: &str, expiration: &str) -> String {
    format!(r#"{{"endpoint":"{endpoint}"{expiration},"keys":{{"p256dh":"{p256dh}","auth":"{auth}"}}}}"#)
}

fn keys() -> (String, String) {
    let vectors = vectors();
    let b64 = &vectors["rfc8291"]["b64"];
    (text(b64, "ua_public").to_owned(), text(b64, "auth_secret").to_owned())
}

const ENDPOINT: &str = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";

#[test]
fn every_browser_is_read() {
    let (p256dh, auth) = keys();
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    for (p256dh, auth) in [
        (p256dh.clone(), auth.clone()),
        (format!("{p256dh}="), format!("{auth}==")),
        (standard(&p256dh), standard(&auth)),
        (format!("{}=", standard(&p256dh)), format!("{}==", standard(&auth))),
        (format!(" {p256dh}\\n"), auth.clone()),
    ] {
        for (expiration, millis) in [
            ("", None),
            (r#","expirationTime":null"#, None),
            (r#","expirationTime":1700000000000"#, Some(1_700_000_000_000)),
            (r#","expirationTime":1700000000000.5"#, Some(1_700_000_000_000)),
            (r#","expirationTime":1.8446744073709552e300"#, Some(u64::MAX)),
            (r#","expirationTime":"soon","more":[{}]"#, None),
        ] {
            let read: Subscription = json(ENDPOINT, &p256dh, &auth, expiration).parse().unwrap();
            assert_eq!(read.endpoint.as_str(), ENDPOINT);
            assert_eq!(read.p256dh.to_string(), keys().0);
            assert_eq!(read.expiration_time.map(|time| time.as_millis()), millis, "{expiration}");
            assert_eq!(read.to_json().parse::<Subscription>().unwrap(), read);
        }
    }
}

/// Every error names its member: `8291-3.2-1`, `8291-7-2`.
#[test]
fn what_cannot_be_read_is_named() {
    let (p256dh, auth) = keys();
    let case =
        |endpoint: &str, p256dh: &str, auth: &str| json(endpoint, p256dh, auth, "").parse::<Subscription>();
    let compressed = "A_4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg";
    for (result, error) in [
        (case("http://push.example.net/p", &p256dh, &auth), SubscriptionError::Endpoint(UrlError::Insecure)),
        (case("", &p256dh, &auth), SubscriptionError::Endpoint(UrlError::Scheme)),
        (case(ENDPOINT, "", &auth), SubscriptionError::P256dh(KeyError::Length(0))),
        (case(ENDPOINT, "*", &auth), SubscriptionError::P256dh(KeyError::Base64)),
        (case(ENDPOINT, compressed, &auth), SubscriptionError::P256dh(KeyError::Compressed)),
        (case(ENDPOINT, &p256dh, ""), SubscriptionError::AuthLength(0)),
        (case(ENDPOINT, &p256dh, "AAAA"), SubscriptionError::AuthLength(3)),
        (case(ENDPOINT, &p256dh, "*"), SubscriptionError::AuthBase64),
        ("".parse(), SubscriptionError::NotJson),
        ("[]".parse(), SubscriptionError::NotAnObject),
        ("{}".parse(), SubscriptionError::Missing("keys")),
        (r#"{"keys":7}"#.parse(), SubscriptionError::WrongType("keys")),
        (r#"{"keys":{}}"#.parse(), SubscriptionError::Missing("endpoint")),
        (r#"{"keys":{},"endpoint":7}"#.parse(), SubscriptionError::WrongType("endpoint")),
        (r#"{"keys":{},"endpoint":"x"}"#.parse(), SubscriptionError::Missing("keys.p256dh")),
        (r#"{"keys":{"p256dh":null},"endpoint":"x"}"#.parse(), SubscriptionError::Missing("keys.p256dh")),
        (
            format!(r#"{{"endpoint":"{ENDPOINT}","keys":{{"p256dh":"{p256dh}"}}}}"#).parse(),
            SubscriptionError::Missing("keys.auth"),
        ),
        (" ".repeat(20_000).parse(), SubscriptionError::TooLong),
        ("[".repeat(10_000).parse(), SubscriptionError::NotJson),
    ] {
        assert_eq!(result, Err(error), "{error}");
    }
}

#[cfg(feature = "serde")]
#[test]
fn serde_is_the_same_json() {
    let (p256dh, auth) = keys();
    let read: Subscription = json(ENDPOINT, &p256dh, &auth, "").parse().unwrap();
    let written = serde_json::to_string(&read).unwrap();
    assert_eq!(written.parse::<Subscription>().unwrap(), read);
    assert_eq!(serde_json::from_str::<Subscription>(&read.to_json()).unwrap(), read);
    let refused = serde_json::from_str::<Subscription>("{}").unwrap_err();
    assert!(refused.to_string().contains("keys: missing"));
}

#[test]
fn urls_that_push_services_have() {
    for (url, origin, host, port, path) in [
        (
            ENDPOINT,
            "https://push.example.net",
            "push.example.net",
            443,
            "/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        ),
        (
            "HTTPS://Push.Example.NET:443/P?q=1&r",
            "https://push.example.net",
            "push.example.net",
            443,
            "/P?q=1&r",
        ),
        ("https://a.b:8443", "https://a.b:8443", "a.b", 8443, "/"),
        ("https://[2001:DB8:0::1]:80/x", "https://[2001:db8::1]:80", "[2001:db8::1]", 80, "/x"),
        ("https://192.0.2.1/x", "https://192.0.2.1", "192.0.2.1", 443, "/x"),
        (
            "https://my_host-1/~a%20!$&'()*+,;=:@",
            "https://my_host-1",
            "my_host-1",
            443,
            "/~a%20!$&'()*+,;=:@",
        ),
    ] {
        let parsed = PushUrl::parse(url).unwrap();
        assert_eq!(parsed.as_str(), url);
        assert_eq!(parsed.origin().as_str(), origin);
        assert_eq!((parsed.host(), parsed.port(), parsed.path_and_query()), (host, port, path));
        assert_eq!(origin.parse::<Origin>().unwrap(), parsed.origin());
        assert!(parsed.is_https());
    }
    let plain = PushUrl::parse_allow_http("http://localhost:80/p").unwrap();
    assert_eq!((plain.origin().as_str(), plain.port()), ("http://localhost", 80));
    assert!(!plain.is_https());
}

#[test]
fn urls_that_are_refused() {
    for (url, error) in [
        ("", UrlError::Scheme),
        ("push.example.net/p", UrlError::Scheme),
        ("//push.example.net/p", UrlError::Scheme),
        ("ftp://push.example.net/p", UrlError::Scheme),
        ("https:/push.example.net/p", UrlError::Scheme),
        ("http://push.example.net/p", UrlError::Insecure),
        ("https://", UrlError::Host),
        ("https:///p", UrlError::Host),
        ("https://:443/p", UrlError::Host),
        ("https://a..b/p", UrlError::Host),
        ("https://a./p", UrlError::Host),
        ("https://%61/p", UrlError::Host),
        ("https://a,b/p", UrlError::Host),
        ("https://127.1/p", UrlError::Host),
        ("https://0x7f.1/p", UrlError::Host),
        ("https://2130706433/p", UrlError::Host),
        ("https://1.2.3.0x4/p", UrlError::Host),
        ("https://256.1.1.1/p", UrlError::Host),
        ("https://[::1/p", UrlError::Host),
        ("https://[fe80::1%25eth0]/p", UrlError::Host),
        ("https://[]/p", UrlError::Host),
        ("https://[::1]x/p", UrlError::Host),
        ("https://a:/p", UrlError::Port),
        ("https://a:0/p", UrlError::Port),
        ("https://a:65536/p", UrlError::Port),
        ("https://a:+1/p", UrlError::Port),
        ("https://a:1:2/p", UrlError::Port),
        ("https://u@a/p", UrlError::UserInfo),
        ("https://u:p@a/p", UrlError::UserInfo),
        ("https://good\\@evil/p", UrlError::Character),
        ("https://a/p#f", UrlError::Fragment),
        ("https://a/p q", UrlError::Character),
        ("https://a/p\n", UrlError::Character),
        ("https://a/\u{e9}", UrlError::Character),
        ("https://a/<", UrlError::Character),
    ] {
        assert_eq!(PushUrl::parse(url), Err(error), "{url}");
    }
    let long = |length: usize| PushUrl::parse(&format!("https://a/{}", "p".repeat(length - 10)));
    assert!(long(2048).is_ok());
    assert_eq!(long(2049), Err(UrlError::TooLong));
    assert_eq!(PushUrl::parse(&format!("https://{}/", "a".repeat(64))), Err(UrlError::Host));
    assert_eq!(PushUrl::parse(&format!("https://{}/", "a.".repeat(150))), Err(UrlError::Host));
    for text in ["https://a/", "https://a?", "https://a/p"] {
        assert_eq!(text.parse::<Origin>(), Err(UrlError::NotAnOrigin), "{text}");
    }
}

/// RFC 3986 section 5.4, as far as http has it.
#[test]
fn references_are_resolved() {
    let resolved = |base: &str, reference: &str| {
        let base = PushUrl::parse_allow_http(base).unwrap();
        base.resolve(reference).map(|url| url.as_str().to_owned())
    };
    let base = "https://a/b/c/d;p?q";
    for (reference, expected) in [
        ("g", "https://a/b/c/g"),
        ("./g", "https://a/b/c/g"),
        ("g/", "https://a/b/c/g/"),
        ("/g", "https://a/g"),
        ("//g", "https://g/"),
        ("?y", "https://a/b/c/d;p?y"),
        ("g?y", "https://a/b/c/g?y"),
        ("g?y/../x", "https://a/b/c/g?y/../x"),
        ("#s", "https://a/b/c/d;p?q"),
        ("g#s", "https://a/b/c/g"),
        ("", "https://a/b/c/d;p?q"),
        (".", "https://a/b/c/"),
        ("..", "https://a/b/"),
        ("../..", "https://a/"),
        ("../../../g", "https://a/g"),
        ("./g/.", "https://a/b/c/g/"),
        ("..g", "https://a/b/c/..g"),
        ("HTTPS://A:443/g", "https://a/g"),
    ] {
        assert_eq!(resolved(base, reference).as_deref(), Some(expected), "{reference}");
    }
    assert_eq!(resolved("http://a:81?q", "x").as_deref(), Some("http://a:81/x"));
    assert_eq!(resolved("http://a?q", "").as_deref(), Some("http://a/?q"));
    for nowhere in ["mailto:a@b", "https:g", "https://u@a/", "//", "/a b", "/\u{e9}", "javascript:x"] {
        assert_eq!(resolved(base, nowhere), None, "{nowhere}");
    }
}
