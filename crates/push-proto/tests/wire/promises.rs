//! Server pushes (RFC 8030 §6).

use std::sync::Arc;

use bytes::Bytes;
use push_proto::{
    Content, ContentField, Message, Outcome, Receipt, UnixTime,
    service::Response,
    store::Item,
    wire::{Limits, Promise, Relation, link},
};

use crate::fixture::{
    ACCEPTED, AGENT, HANDLE, KEY, Knock, NOW, RECEIPTS, SUBSCRIPTION, authorization, door, door_at, field,
    message,
};

fn promise(message: Message) -> Promise {
    door().promise(&Item::Message(Arc::new(message)), NOW)
}

fn receipt(outcome: Outcome) -> Promise {
    let receipt = Receipt {
        agent: RECEIPTS,
        message: HANDLE,
        sealed_by: KEY,
        outcome,
        expires: UnixTime::from_secs(9),
    };
    door().promise(&Item::Receipt(receipt), NOW)
}

/// `8030-6-3`, `9113-8.4-2`, `9113-8.4-3`: the same URL as in the 201, from the public URL.
#[test]
fn the_promise_is_a_get_of_the_message_url() {
    let response = door().respond(&Response::Accepted(ACCEPTED), NOW);
    for promise in [promise(message()), receipt(Outcome::Delivered), receipt(Outcome::Failed)] {
        assert_eq!(promise.request.method(), http::Method::GET);
        assert_eq!(promise.request.uri().to_string(), field(response.headers(), "location"));
        assert_eq!(promise.request.uri().scheme_str(), Some("https"));
        assert_eq!(promise.request.uri().authority().unwrap(), "push.example.net");
    }
    let door = door_at("http://localhost:8080/a", Limits::default());
    let promise = door.promise(&Item::Message(Arc::new(message())), NOW);
    assert!(promise.request.uri().to_string().starts_with("http://localhost:8080/a/m/"));
}

/// `8030-6-4`, `8030-6.1-2`, A-10
#[test]
fn the_push_link_is_in_both() {
    let promise = promise(message());
    for headers in [promise.request.headers(), promise.response.headers()] {
        assert_eq!(link(headers, Relation::Push).unwrap().as_str(), door().push_url(AGENT, SUBSCRIPTION));
    }
}

/// `8030-6-5`, `8030-6-9`, `8030-7.2-2`, `8030-5-3`
#[test]
fn the_pushed_response_carries_the_content() {
    let promise = promise(message());
    let headers = promise.response.headers();
    assert_eq!(promise.response.status(), 200);
    assert_eq!(promise.body, "sealed");
    assert_eq!(field(headers, "content-encoding"), "aes128gcm");
    assert_eq!(field(headers, "content-length"), "6");
    assert_eq!(field(headers, "cache-control"), "private");
    assert_eq!(field(headers, "date"), "Fri, 15 Jan 2027 08:00:00 GMT");
    assert_eq!(field(headers, "last-modified"), "Fri, 15 Jan 2027 07:43:20 GMT");
}

/// `8030-5.3-2`, `8030-5.4-9`, `8292-4.2-10`: what the sender said about itself and the message stays here, from the
/// request to the push.
#[test]
fn urgency_topic_and_credentials_are_not_forwarded() {
    let send = Knock::send()
        .headers(&[
            ("urgency", "high"),
            ("topic", "secret-topic"),
            ("prefer", "respond-async"),
            ("x-own", "1"),
        ])
        .header("crypto-key", "dh=abc;p256ecdsa=KEY")
        .header("authorization", authorization())
        .sent();
    let promise = promise(Message { content: send.content, urgency: send.urgency, ..message() });
    let expected = ["cache-control", "content-length", "crypto-key", "date", "last-modified", "link"];
    let mut names: Vec<&str> = promise.response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(field(promise.response.headers(), "crypto-key"), "dh=abc");
    let names: Vec<&str> = promise.request.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["link"]);
}

/// `8030-6.3-3` to `8030-6.3-5`, `8030-6.2-2`, `8030-6.2-6`, `8030-7.2-8`
#[test]
fn a_receipt_is_a_status() {
    for (outcome, status) in [(Outcome::Delivered, 204), (Outcome::Failed, 410)] {
        let promise = receipt(outcome);
        assert_eq!(promise.response.status(), status);
        assert!(promise.body.is_empty());
        for name in ["content-length", "content-type", "link", "last-modified"] {
            assert!(!promise.response.headers().contains_key(name), "{name}");
        }
        assert!(promise.request.headers().is_empty());
    }
}

/// `w3c-recv-2`: a message may be empty.
#[test]
fn an_empty_message_has_a_length() {
    let promise = promise(Message { content: Content::default(), ..message() });
    assert_eq!(field(promise.response.headers(), "content-length"), "0");
}

/// What a store gives back may be damaged: what is no field value is left out.
#[test]
fn a_bad_field_value_is_not_sent() {
    let fields = [(ContentField::Type, Bytes::from_static(b"a\r\nurgency: high"))].into();
    let promise = promise(Message { content: Content { body: Bytes::new(), fields }, ..message() });
    assert!(!promise.response.headers().contains_key("content-type"));
}

/// G6
#[test]
fn a_promise_prints_nothing_secret() {
    let shown = format!("{:?}", promise(message()));
    assert!(!shown.contains("push.example.net") && !shown.contains("sealed"), "{shown}");
}
