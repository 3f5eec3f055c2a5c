//! Paths, methods and lengths: what is decided before a body is read.

use std::sync::Arc;

use http::Request as HttpRequest;
use push_crypto::capability::Keyring;
use push_proto::{
    Refusal,
    service::{Request, Target},
    wire::{Admitted, BodyLimit, Door, Limits, PublicUrl, PublicUrlError},
};

use crate::fixture::{
    AGENT, HANDLE, KEY, Knock, NOW, ORIGIN, PROVIDER, RECEIPTS, SUBSCRIPTION, door, door_at, field,
};

fn admit(door: &Door, method: &str, url: &str, length: Option<&str>) -> Result<Admitted, Refusal> {
    let mut builder = HttpRequest::builder().method(method).uri(url);
    if let Some(length) = length {
        builder = builder.header("content-length", length);
    }
    door.admit(&builder.body(()).unwrap().into_parts().0)
}

/// `8030-2-1`, `8030-6.2-1`, `8030-7.3-4`, `8030-7.3-5`, A-13: what each method does to each kind of resource.
#[test]
fn each_kind_has_its_methods() {
    let door = door();
    let (post, get_delete) = (Refusal::METHOD_POST_ONLY, Refusal::METHOD_GET_DELETE);
    let set = Target::Set(AGENT);
    let subscription = Target::Subscription(AGENT, SUBSCRIPTION);
    let receipts = Target::Receipts(RECEIPTS);
    let is = |expected: Target| move |target: Target| target == expected;
    for (url, target) in [
        (door.set_url(AGENT), set),
        (door.subscription_url(AGENT, SUBSCRIPTION), subscription),
        (door.receipts_url(RECEIPTS), receipts),
    ] {
        let same = is(target);
        assert!(
            matches!(Knock::new("GET", &url).go(), Ok(Request::Monitor(monitor)) if same(monitor.target))
        );
        assert!(matches!(Knock::new("DELETE", &url).go(), Ok(Request::Unsubscribe(target)) if same(target)));
        for method in ["POST", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            assert_eq!(Knock::new(method, &url).refused(), get_delete, "{method}");
        }
    }
    let message = door.message_url(HANDLE, KEY);
    assert!(matches!(Knock::new("GET", &message).go(), Ok(Request::Read(handle)) if handle == HANDLE));
    assert!(
        matches!(Knock::new("DELETE", &message).go(), Ok(Request::Acknowledge(handle)) if handle == HANDLE)
    );
    assert_eq!(Knock::new("POST", &message).refused(), get_delete);
    assert_eq!(Knock::new("HEAD", &message).refused(), get_delete);
    for url in [door.push_url(AGENT, SUBSCRIPTION), door.url().subscribe()] {
        for method in ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"] {
            assert_eq!(Knock::new(method, &url).refused(), post, "{method}");
        }
    }
}

/// RFC 9110 §15.5.6: a 405 says what is allowed.
#[test]
fn a_405_says_what_is_allowed() {
    for (refusal, allow) in [(Refusal::METHOD_POST_ONLY, "POST"), (Refusal::METHOD_GET_DELETE, "GET, DELETE")]
    {
        let response = door().refuse(&refusal, NOW);
        assert_eq!(response.status(), 405);
        assert_eq!(field(response.headers(), "allow"), allow);
    }
}

/// `8030-8.3-2`: without the capability there is nothing, and every way of not having it looks the same.
#[test]
fn what_does_not_open_is_not_found() {
    let door = door();
    let push = door.push_url(AGENT, SUBSCRIPTION);
    let path = push.strip_prefix(ORIGIN).unwrap();
    let token = path.rsplit('/').next().unwrap();
    let mut tampered = path.to_owned();
    tampered.pop();
    let paths = [
        "/".to_owned(),
        "*".to_owned(),
        "/p".to_owned(),
        "/p/".to_owned(),
        "/p/x".to_owned(),
        "/subscribe/".to_owned(),
        "/Subscribe".to_owned(),
        "/healthz".to_owned(),
        format!("/{token}"),
        format!("//{token}"),
        format!("/p//{token}"),
        format!("/a/b/c/{token}"),
        format!("/../p/{token}"),
        format!("/p/%2e%2e/{token}"),
        format!("/p/{token}/"),
        format!("/p/{token}="),
        format!("/p/%{token}"),
        format!("/p/{}", token.to_ascii_uppercase()),
        tampered,
        format!("{path}A"),
        format!("/p/{}", "A".repeat(token.len())),
        format!("/p/{}", "A".repeat(5000)),
    ];
    for path in paths {
        for method in ["GET", "POST", "DELETE", "HEAD"] {
            assert_eq!(admit(&door, method, &path, None).unwrap_err(), Refusal::NOT_FOUND, "{method} {path}");
        }
    }
}

/// Design §3.3: the kind is inside the token, so an alias path changes nothing; nor does a query.
#[test]
fn an_alias_path_changes_nothing() {
    let door = door();
    let push = door.push_url(AGENT, SUBSCRIPTION);
    let token = push.rsplit('/').next().unwrap();
    for path in ["/p/T", "/s/T", "/wpush/T", "/wpush/v2/T", "/p/T?x=/y"] {
        let path = path.replace('T', token);
        assert!(admit(&door, "POST", &path, None).is_ok(), "{path}");
    }
}

/// The public URL decides; a `Host` does not.
#[test]
fn the_prefix_of_the_public_url_counts_and_host_does_not() {
    let door = door_at("https://example.net/push", Limits::default());
    let token = door.push_url(AGENT, SUBSCRIPTION).rsplit('/').next().unwrap().to_owned();
    for (path, found) in [
        ("/push/subscribe", true),
        ("/push/p/T", true),
        ("https://elsewhere.example/push/p/T", true),
        ("/subscribe", false),
        ("/p/T", false),
        ("/pushed/p/T", false),
        ("/push", false),
        ("/push/", false),
    ] {
        assert_eq!(admit(&door, "POST", &path.replace('T', &token), None).is_ok(), found, "{path}");
    }
    assert!(door.push_url(AGENT, SUBSCRIPTION).starts_with("https://example.net/push/p/"));
}

/// `8030-7.2-4`, `8030-7.2-5`, A-15: 413 before the body is read, and never for 4096 octets or fewer.
#[test]
fn too_large_a_body_is_refused_by_its_announced_length() {
    let push = door().push_url(AGENT, SUBSCRIPTION);
    for (body_octets, limit) in [(0, 4096), (4096, 4096), (10_000, 10_000)] {
        let door = door_at(ORIGIN, Limits { body_octets, ..Limits::default() });
        let admitted = admit(&door, "POST", &push, Some("4096")).unwrap();
        assert_eq!(admitted.body_limit(), BodyLimit::AtMost(limit));
        let beyond = (limit + 1).to_string();
        for length in [beyond.as_str(), "99999999999999999999999999999999", " 99999 "] {
            let refused = admit(&door, "POST", &push, Some(length)).unwrap_err();
            assert_eq!(refused, Refusal::BODY_TOO_LARGE, "{length}");
        }
        let subscribe = door.url().subscribe();
        assert_eq!(admit(&door, "POST", &subscribe, Some(&beyond)).unwrap_err(), Refusal::BODY_TOO_LARGE);
    }
}

/// A body on GET and DELETE means nothing, however large.
#[test]
fn bodies_of_get_and_delete_are_ignored() {
    let door = door();
    for method in ["GET", "DELETE"] {
        for url in [door.set_url(AGENT), door.message_url(HANDLE, KEY)] {
            let admitted = admit(&door, method, &url, Some("999999")).unwrap();
            assert_eq!(admitted.body_limit(), BodyLimit::Ignored);
        }
    }
}

/// `8030-7.2-5` at the edges, and the same rule for a body that comes without a length.
#[test]
fn the_body_limit_is_exact() {
    for (octets, accepted) in [(0, true), (1, true), (4095, true), (4096, true), (4097, false)] {
        let result = Knock::send().body(vec![7; octets]).go();
        assert_eq!(result.is_ok(), accepted, "{octets}");
        if let Err(refusal) = result {
            assert_eq!(refusal, Refusal::BODY_TOO_LARGE);
        }
    }
}

/// A driver that reads too much does no harm.
#[test]
fn a_body_beyond_the_limit_is_refused_even_if_it_was_read() {
    let door = door();
    for url in [door.push_url(AGENT, SUBSCRIPTION), door.url().subscribe()] {
        let request =
            HttpRequest::post(url).header("ttl", "1").body(bytes::Bytes::from(vec![0; 4097])).unwrap();
        let (head, body) = request.into_parts();
        let admitted = door.admit(&head).unwrap();
        let request = HttpRequest::from_parts(head, body);
        let refused = door.request(admitted, request, &mut push_proto::wire::Unremembered, NOW).unwrap_err();
        assert_eq!(refused, Refusal::BODY_TOO_LARGE);
    }
}

#[test]
fn the_public_url_is_checked() {
    for (url, shown) in [
        ("https://push.example.net", "https://push.example.net"),
        ("https://push.example.net/", "https://push.example.net"),
        ("HTTPS://Push.Example.net:443/a/b/", "https://push.example.net/a/b"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
    ] {
        assert_eq!(PublicUrl::parse(url).unwrap().to_string(), shown);
    }
    let long = format!("https://a/{}", "x".repeat(300));
    for url in
        ["", "push.example.net", "ftp://a", "https://", "https://u@a", "https://a/#f", "https://a/\u{e9}"]
    {
        assert!(matches!(PublicUrl::parse(url), Err(PublicUrlError::Url(_))), "{url}");
    }
    for (url, error) in [
        ("https://a/?q", PublicUrlError::Query),
        ("https://a//", PublicUrlError::Path),
        ("https://a/b//c", PublicUrlError::Path),
        ("https://a/./c", PublicUrlError::Path),
        ("https://a/b/..", PublicUrlError::Path),
        (long.as_str(), PublicUrlError::TooLong),
    ] {
        assert_eq!(PublicUrl::parse(url), Err(error), "{url}");
    }
}

/// Design §3.3: keys rotate. Old URLs open until their key is retired.
#[test]
fn urls_outlive_a_rotation_until_their_key_is_retired() {
    let mut keyring = Keyring::generate(&PROVIDER).unwrap();
    let door = |keyring: &Keyring| {
        let url = PublicUrl::parse(ORIGIN).unwrap();
        Door::new(Arc::new(keyring.clone()), url, *PROVIDER, Limits::default())
    };
    let (first, push) = (keyring.newest(), door(&keyring).push_url(AGENT, SUBSCRIPTION));
    keyring.rotate(&PROVIDER).unwrap();
    assert_ne!(door(&keyring).push_url(AGENT, SUBSCRIPTION), push);
    assert!(admit(&door(&keyring), "POST", &push, None).is_ok());
    keyring.retire(first).unwrap();
    assert_eq!(admit(&door(&keyring), "POST", &push, None).unwrap_err(), Refusal::NOT_FOUND);
}
