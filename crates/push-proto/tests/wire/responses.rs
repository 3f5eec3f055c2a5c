//! What the service answers, as HTTP.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response as HttpResponse};
use push_proto::{
    Party, Refusal, Ttl, UnixTime,
    service::{Accepted, Response},
    wire::{Limits, Relation, link},
};

use crate::fixture::{
    ACCEPTED, AGENT, HANDLE, KEY, Knock, NOW, ORIGIN, RECEIPTS, SUBSCRIBED, SUBSCRIPTION, authorization,
    door, door_at, field, message,
};

fn respond(response: &Response) -> HttpResponse<Bytes> {
    door().respond(response, NOW)
}

fn target(headers: &HeaderMap, relation: Relation) -> Option<String> {
    link(headers, relation).map(|target| target.as_str().to_owned())
}

fn absent(headers: &HeaderMap, names: &[&str]) {
    for name in names {
        assert!(!headers.contains_key(*name), "{name}");
    }
}

/// `8030-4-2`, `8030-4-3`, `8030-4.1-1`, `8030-2.1-1`, `8030-3-1`
#[test]
fn subscribed() {
    let response = respond(&Response::Subscribed(SUBSCRIBED));
    let headers = response.headers();
    assert_eq!(response.status(), 201);
    assert_eq!(field(headers, "location"), door().subscription_url(AGENT, SUBSCRIPTION));
    assert_eq!(target(headers, Relation::Push), Some(door().push_url(AGENT, SUBSCRIPTION)));
    assert_eq!(target(headers, Relation::Set), Some(door().set_url(AGENT)));
    assert_eq!(headers.get_all("link").iter().count(), 2);
    assert_eq!(field(headers, "cache-control"), "no-store");
    assert_eq!(field(headers, "content-length"), "0");
    assert_eq!(field(headers, "date"), "Fri, 15 Jan 2027 08:00:00 GMT");
    assert!(field(headers, "location").starts_with("https://push.example.net/s/"));
}

/// `8030-5-2`, A-03
#[test]
fn accepted() {
    let accepted = Accepted { ttl: Ttl::from_secs(7), ..ACCEPTED };
    let response = respond(&Response::Accepted(accepted));
    assert_eq!(response.status(), 201);
    assert_eq!(field(response.headers(), "location"), door().message_url(HANDLE, KEY));
    assert_eq!(field(response.headers(), "ttl"), "7");
    absent(response.headers(), &["link", "urgency", "topic"]);
}

/// `8030-5.1-2` to `8030-5.1-5`, `8030-5.1-7`
#[test]
fn accepted_with_a_receipt() {
    let accepted = Accepted { receipt: Some(RECEIPTS), ..ACCEPTED };
    let response = respond(&Response::Accepted(accepted));
    assert_eq!(response.status(), 202);
    assert_eq!(field(response.headers(), "location"), door().message_url(HANDLE, KEY));
    assert_eq!(field(response.headers(), "ttl"), "0");
    assert_eq!(target(response.headers(), Relation::Receipt), Some(door().receipts_url(RECEIPTS)));
}

/// A-13, `8030-5-3`, `8030-5.3-2`, `8030-5.4-9`, `8030-7.2-2`
#[test]
fn a_message_by_itself() {
    let response = respond(&Response::Message(Arc::new(message())));
    let headers = response.headers();
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "sealed");
    assert_eq!(field(headers, "content-length"), "6");
    assert_eq!(field(headers, "content-encoding"), "aes128gcm");
    assert_eq!(field(headers, "last-modified"), "Fri, 15 Jan 2027 07:43:20 GMT");
    assert_eq!(field(headers, "cache-control"), "private");
    assert_eq!(target(headers, Relation::Push), Some(door().push_url(AGENT, SUBSCRIPTION)));
    // A stranger's octets are no page of this origin.
    assert_eq!(field(headers, "x-content-type-options"), "nosniff");
    assert!(field(headers, "content-security-policy").starts_with("sandbox"));
    absent(headers, &["urgency", "topic", "ttl", "authorization", "location"]);
}

/// `8030-6-8`, `8030-6.1-5`, A-09, A-11
#[test]
fn endings_without_a_body() {
    for (response, status) in [
        (Response::Done, 204),
        (Response::MonitorEnded { empty: true, taken_over: false }, 204),
        (Response::MonitorEnded { empty: false, taken_over: false }, 200),
    ] {
        let response = respond(&response);
        assert_eq!(response.status(), status);
        assert!(response.body().is_empty());
        assert_eq!(response.headers().contains_key("content-length"), status != 204);
        assert_eq!(field(response.headers(), "date"), "Fri, 15 Jan 2027 08:00:00 GMT");
    }
}

pub(crate) fn every_refusal() -> Vec<Refusal> {
    vec![
        Refusal::NOT_FOUND,
        Refusal::SET_INVALID,
        Refusal::RECEIPT_INVALID,
        Refusal::CREDENTIALS_MISSING,
        Refusal::CREDENTIALS_DIFFERENT,
        Refusal::PUSH_UNSUPPORTED,
        Refusal::QUEUE_FULL,
        Refusal::RATE_EXCEEDED,
        Refusal::SUBSCRIPTION_RATE_EXCEEDED,
        Refusal::SENDER_RATE_EXCEEDED,
        Refusal::ADDRESS_RATE_EXCEEDED,
        Refusal::UNSIGNED_RATE_EXCEEDED,
        Refusal::ADDRESS_AGENTS_EXCEEDED,
        Refusal::AGENTS_EXCEEDED,
        Refusal::SET_FULL,
        Refusal::CROWDED,
        Refusal::MONITORS_EXCEEDED,
        Refusal::MEMORY_SHORT,
        Refusal::OVERLOADED,
        Refusal::STORE_UNAVAILABLE,
        Refusal::DRAINING,
        Refusal::TTL_MISSING,
        Refusal::TTL_INVALID,
        Refusal::URGENCY_INVALID,
        Refusal::TOPIC_INVALID,
        Refusal::LINK_MALFORMED,
        Refusal::OPTIONS_MALFORMED,
        Refusal::KEYS_IDENTICAL,
        Refusal::CRYPTO_KEY_MALFORMED,
        Refusal::CREDENTIALS_SEVERAL,
        Refusal::METHOD_POST_ONLY,
        Refusal::METHOD_GET_DELETE,
        Refusal::METHOD_GET_ONLY,
        Refusal::BODY_TOO_LARGE,
        Refusal::BODY_SLOW,
        Refusal::FIELDS_TOO_LARGE,
    ]
}

/// RFC 9457: status, reason and section, for every refusal, whichever way it comes.
#[test]
fn refusals_are_problem_details() {
    for refusal in every_refusal() {
        let response = respond(&Response::Refused(refusal));
        assert_eq!(response.status(), refusal.status());
        assert_eq!(field(response.headers(), "content-type"), "application/problem+json");
        assert_eq!(field(response.headers(), "cache-control"), "no-store");
        assert_eq!(field(response.headers(), "content-length"), response.body().len().to_string());
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["title"], response.status().canonical_reason().unwrap());
        assert_eq!(problem["status"], refusal.status());
        assert_eq!(problem["detail"], refusal.detail());
        assert_eq!(problem["reason"], refusal.reason());
        assert_eq!(problem["section"], refusal.section());
        assert_eq!(
            problem.get("exceeded_by").and_then(|party| party.as_str()),
            refusal.exceeded_by().map(Party::name)
        );
        assert!(refusal.exceeded_by().is_none() || refusal.status() == 429, "blame is for excess: {refusal}");
        let again = door().refuse(&refusal, NOW);
        assert_eq!((again.headers(), again.body()), (response.headers(), response.body()));
    }
}

/// `8292-3-2`, `8292-4.2-3`, `8292-6.2-1`, `vapid01-3-1`
#[test]
fn only_a_401_challenges_with_the_bare_scheme() {
    for refusal in every_refusal() {
        let response = respond(&Response::Refused(refusal));
        if refusal.status() == 401 {
            assert_eq!(field(response.headers(), "www-authenticate"), "vapid");
        } else {
            absent(response.headers(), &["www-authenticate"]);
        }
    }
}

/// `8030-8.4-3`, `8030-4.1-6`
#[test]
fn retry_after_is_in_whole_seconds_and_never_too_soon() {
    for (wait, seconds) in [
        (Duration::from_secs(5), "5"),
        (Duration::from_millis(1), "1"),
        (Duration::from_millis(5001), "6"),
        (Duration::ZERO, "0"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let response = respond(&Response::Refused(Refusal::QUEUE_FULL.retry_in(wait)));
        assert_eq!(field(response.headers(), "retry-after"), seconds);
    }
    absent(respond(&Response::Refused(Refusal::QUEUE_FULL)).headers(), &["retry-after"]);
}

/// `8030-8.3-3`, `up-2`: long enough to be secret, short enough for everyone.
#[test]
fn urls_are_of_the_right_length() {
    let door = door_at(&format!("https://push.example.net/{}", "x".repeat(250)), Limits::default());
    for url in [
        door.push_url(AGENT, SUBSCRIPTION),
        door.subscription_url(AGENT, SUBSCRIPTION),
        door.message_url(HANDLE, KEY),
        door.receipts_url(RECEIPTS),
        door.set_url(AGENT),
    ] {
        let token = url.rsplit('/').next().unwrap();
        assert!(token.len() >= 20 && url.len() <= 1000, "{}", url.len());
        assert!(token.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')));
    }
}

/// A clock may say anything; dates stay dates.
#[test]
fn dates_never_panic() {
    for (secs, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let response = door().respond(&Response::Done, UnixTime::from_secs(secs));
        assert_eq!(field(response.headers(), "date"), date);
    }
}

/// G6: no refusal says anything of the request.
#[test]
fn refusals_never_echo() {
    let secret = "SECRETSECRETSECRETSECRET";
    let token = authorization();
    let push = door().push_url(AGENT, SUBSCRIPTION);
    let knocks = [
        Knock::new("POST", format!("{ORIGIN}/p/{secret}")),
        Knock::new(secret, push.clone()),
        Knock::new("GET", push).header("x", secret),
        Knock::send().header("topic", format!("{secret}=")),
        Knock::send().header("urgency", secret),
        Knock::bare_send().header("ttl", secret),
        Knock::send().header("link", secret),
        Knock::send().header("link", format!("</r/{secret}>; rel=\"urn:ietf:params:push:receipt\"")),
        Knock::subscribe().header("link", format!("</a/{secret}>; rel=\"urn:ietf:params:push:set\"")),
        Knock::subscribe().header("content-type", "application/webpush-options+json").body(secret),
        Knock::send().header("authorization", format!("vapid t={secret}, k={secret}")),
        Knock::send().header("authorization", format!("vapid {secret}")),
        Knock::send().header("authorization", format!("{token}x")),
        Knock::send().header("authorization", format!("{}x{}", &token[..40], &token[40..])),
        Knock::send().header("crypto-key", format!("\"p256ecdsa={secret}")),
        Knock::send().header("content-type", secret.repeat(100)),
        Knock::send().body(secret.repeat(1000)),
    ];
    for knock in knocks {
        let url = knock.url.clone();
        let refusal = knock.refused();
        let response = door().refuse(&refusal, NOW);
        let path_token = url.rsplit('/').next().unwrap();
        let shown = format!(
            "{:?} {} {refusal:?} {refusal}",
            response.headers(),
            String::from_utf8_lossy(response.body())
        );
        for hidden in [secret, &token[9..60], path_token] {
            assert!(hidden == "subscribe" || !shown.contains(hidden), "{shown}");
        }
    }
}

/// G6: what is printed of a response has no capability in it.
#[test]
fn locations_are_not_printed() {
    let accepted = Accepted { receipt: Some(RECEIPTS), ..ACCEPTED };
    for response in [Response::Subscribed(SUBSCRIBED), Response::Accepted(accepted)] {
        let shown = format!("{:?}", respond(&response));
        assert!(!shown.contains("push.example.net"), "{shown}");
    }
    assert!(!format!("{:?}", door()).contains("webpush-keyring"));
}
