//! The bodies of refusals, as problem details or as Mozilla's senders know them.

use http::{HeaderMap, header::ACCEPT};
use push_proto::{
    Refusal,
    wire::{ErrorBody, reasons},
};
use serde_json::{Value, json};

use crate::{
    fixture::{NOW, door, field},
    responses::every_refusal,
};

fn accepted(lines: &[&str]) -> ErrorBody {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT, line.parse().unwrap());
    }
    ErrorBody::accepted(&headers)
}

fn mozilla(refusal: &Refusal) -> Value {
    let response = door().refuse_in(ErrorBody::Mozilla, refusal, NOW);
    assert_eq!(field(response.headers(), "content-type"), "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

/// RFC 9110 §12.5.1: by weight, then by how closely it is named; in doubt it stays as it is.
#[test]
fn what_is_wanted_more_is_what_comes() {
    for lines in [
        &["application/json"][..],
        &["APPLICATION/JSON"],
        &["application/json, */*"],
        &["application/json, text/plain, */*"],
        &["text/html", "application/json;q=0.1"],
        &["application/json;charset=utf-8"],
        &["application/json, application/problem+json;q=0.9"],
        &["application/problem+json;q=0, application/*"],
        &["application/problem+json;q=0.5, */*;q=0.6"],
        &["application/json;q=0.001, application/problem+json;q=0"],
        &["application/json;q=0, application/json"],
    ] {
        assert_eq!(accepted(lines), ErrorBody::Mozilla, "{lines:?}");
    }
    for lines in [
        &[][..],
        &[""],
        &["*/*"],
        &["application/*"],
        &["text/html"],
        &["application/problem+json"],
        &["application/json, application/problem+json"],
        &["application/json;q=0.5, application/problem+json;q=0.6"],
        &["application/json;q=0.5, */*"],
        &["application/json;q=0"],
        &["application/json;q=0, */*"],
        &["application/json;q=2"],
        &["application/json;q=0.1234"],
        &["application/json;q=0.1x"],
        &["application/json;q"],
        &["application/jsonx", "xapplication/json", "application/json x"],
        &["\"application/json"],
        &["text/html;x=\"application/json"],
        &["json", "/", "*", "*/json"],
    ] {
        assert_eq!(accepted(lines), ErrorBody::Problem, "{lines:?}");
    }
}

/// Whatever a sender is told, it gets a number for; only those that Mozilla has no number for are 999, and they are these.
#[test]
fn every_refusal_has_its_number() {
    let unnumbered = [
        "body-slow",
        "fields-too-large",
        "link-malformed",
        "method-not-allowed",
        "push-unsupported",
        "receipt-subscription-invalid",
        "set-invalid",
        "subscription-options-malformed",
        "urgency-invalid",
    ];
    for refusal in every_refusal() {
        let body = mozilla(&refusal);
        assert!(reasons().any(|reason| reason == refusal.reason()), "{refusal}");
        assert_eq!(body["code"], refusal.status());
        assert_eq!(body["message"], refusal.detail());
        assert_eq!(body["errno"] == 999, unnumbered.contains(&refusal.reason()), "{refusal}");
        let expected = match refusal.status() {
            429 | 503 => 201,
            404 => 102,
            413 => 104,
            401 | 403 => 109,
            _ => continue,
        };
        assert_eq!(body["errno"], expected, "{refusal}");
    }
    for (refusal, errno) in [
        (Refusal::TTL_MISSING, 111),
        (Refusal::TTL_INVALID, 112),
        (Refusal::TOPIC_INVALID, 113),
        (Refusal::KEYS_IDENTICAL, 110),
        (Refusal::CRYPTO_KEY_MALFORMED, 110),
    ] {
        assert_eq!(mozilla(&refusal)["errno"], errno, "{refusal}");
    }
}

/// No reason is made anywhere that has no row, and no row is of something else. The sources are read, so that one more
/// refusal cannot be forgotten.
#[test]
fn the_table_has_every_reason_and_no_other() {
    let refusals = include_str!("../../src/refusal.rs");
    let vapid = include_str!("../../../push-crypto/src/vapid/error.rs");
    let quoted = |text: &'static str| text.split('"').skip(1).step_by(2);
    let constants = refusals.split("Self::new(").skip(1).filter_map(|made| quoted(made).next());
    let mut made: Vec<&str> = constants.collect();
    let told = vapid.split("pub const fn reason").nth(1).unwrap().split("impl fmt").next().unwrap();
    made.extend(quoted(told));
    made.sort_unstable();
    made.dedup();
    let mut known: Vec<&str> = reasons().collect();
    known.sort_unstable();
    assert_eq!(made, known);
}

/// The shape that Mozilla documents, and where to read on.
#[test]
fn a_body_for_mozillas_senders() {
    assert_eq!(
        mozilla(&Refusal::NOT_FOUND),
        json!({
            "code": 404,
            "errno": 102,
            "error": "Not Found",
            "message": Refusal::NOT_FOUND.detail(),
            "more_info": "https://www.rfc-editor.org/rfc/rfc8030#section-7.3",
        })
    );
    assert_eq!(mozilla(&Refusal::CRYPTO_KEY_MALFORMED).get("more_info"), None, "a draft has no such place");
}

/// The status, and what else says what to do, is the same in both.
#[test]
fn only_the_body_differs() {
    for refusal in every_refusal() {
        let refusal = refusal.retry_in(std::time::Duration::from_secs(3));
        let [problem, mozilla] =
            [ErrorBody::Problem, ErrorBody::Mozilla].map(|body| door().refuse_in(body, &refusal, NOW));
        assert_eq!(problem.status(), mozilla.status());
        for (name, value) in problem.headers() {
            if name != "content-type" && name != "content-length" {
                assert_eq!(mozilla.headers().get(name), Some(value), "{name}");
            }
        }
        assert_eq!(field(mozilla.headers(), "content-length"), mozilla.body().len().to_string());
    }
}
