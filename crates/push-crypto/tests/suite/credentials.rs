//! The grammar of the Authorization field, `8292-2-5`, `8292-3-3`, `8292-3-4`, `8292-4.2-5`.

use push_crypto::vapid::{Credentials, MAX_CREDENTIALS_LEN, VapidError, verify};
use push_crypto::{KeyError, UnixTime};

use crate::common::{providers, text, vectors};

fn token_and_key() -> (String, String) {
    let vectors = vectors();
    (text(&vectors["rfc8292"], "t").to_owned(), text(&vectors["rfc8292"], "k").to_owned())
}

#[test]
fn every_legal_form_reads_alike() {
    let (t, k) = token_and_key();
    let plain = Credentials::parse(format!("vapid t={t}, k={k}")).unwrap();
    assert_eq!(plain.claimed_key().to_string(), k);
    for field in [
        format!("vapid t={t},k={k}"),
        format!("VAPID k={k}, t={t}"),
        format!("Vapid   T={t} ,\tK={k}  "),
        format!("vapid t=\"{t}\", k=\"{k}\""),
        format!("vapid t = {t} , k\t=\t\"{k}\""),
        format!("vapid ,, t={t},, ,k={k},"),
        format!("vapid t={t}, k={k}, zz=1, realm=\"x, \\\"t=2\\\" \u{e9}\""),
        format!("  vapid t={t}, k=\"\\{k}\""),
    ] {
        let read = Credentials::parse(&field);
        assert_eq!(read.as_ref(), Ok(&plain), "{field}");
        assert_eq!(read.unwrap().digest(), plain.digest());
    }
}

/// `8292-4.2-5`: without `t` or `k` too.
#[test]
fn everything_else_is_refused() {
    let (t, k) = token_and_key();
    for (field, error) in [
        (String::new(), VapidError::Scheme),
        ("   ".to_owned(), VapidError::Scheme),
        (format!("Bearer {t}"), VapidError::Scheme),
        (format!("WebPush {t}"), VapidError::Scheme),
        (format!("vapids t={t}, k={k}"), VapidError::Scheme),
        (format!("vapid,t={t}, k={k}"), VapidError::Syntax),
        (format!("vapid\tt={t}, k={k}"), VapidError::Syntax),
        ("vapid".to_owned(), VapidError::MissingToken),
        ("vapid ".to_owned(), VapidError::MissingToken),
        (format!("vapid k={k}"), VapidError::MissingToken),
        (format!("vapid t={t}"), VapidError::MissingKey),
        (format!("vapid {t}"), VapidError::Syntax),
        (format!("vapid t={t} k={k}"), VapidError::Syntax),
        (format!("vapid t={t}; k={k}"), VapidError::Syntax),
        (format!("vapid t={t}, k"), VapidError::Syntax),
        (format!("vapid t={t}, k="), VapidError::Syntax),
        (format!("vapid t={t}, k=\"{k}"), VapidError::Syntax),
        (format!("vapid t={t}, k=\"{k}\\"), VapidError::Syntax),
        (format!("vapid t={t}, k=\"{k}\" x"), VapidError::Syntax),
        (format!("vapid t={t}, k={k}, =1"), VapidError::Syntax),
        (format!("vapid t={t}, k={k}, t={t}"), VapidError::DuplicateParameter),
        (format!("vapid t={t}, k={k}, K={k}"), VapidError::DuplicateParameter),
        (format!("vapid t={t}, k={k}, x=1, X=1"), VapidError::DuplicateParameter),
        (format!("vapid t={t}, k=\"\""), VapidError::Key(KeyError::Length(0))),
        (format!("vapid t={t}, k=AA"), VapidError::Key(KeyError::Infinity)),
        (format!("vapid t={t}, k=\"{k}=\""), VapidError::Key(KeyError::Base64)),
        (format!("vapid t={t}, k={}", k.replace('-', "+")), VapidError::Key(KeyError::Base64)),
        (format!("vapid t={t}, k={k}, x={}", "y".repeat(MAX_CREDENTIALS_LEN)), VapidError::TooLong),
    ] {
        assert_eq!(Credentials::parse(&field), Err(error), "{field}");
        let status = if error == VapidError::Scheme { 401 } else { 403 };
        assert_eq!(error.status(), status);
        assert!(error.section().starts_with("RFC 8292 §") && error.reason().starts_with("vapid-"));
    }
}

/// `8291-7-2`, `8292-3.2-1`: keys that are none.
#[test]
fn bad_keys_are_refused() {
    let (t, _) = token_and_key();
    for case in vectors()["bad_public_keys"].as_array().unwrap() {
        let field = format!("vapid t={t}, k={}", text(case, "key"));
        assert!(matches!(Credentials::parse(field), Err(VapidError::Key(_))), "{}", text(case, "id"));
    }
}

/// the lenient switch.
#[test]
fn lenient_about_base64_only() {
    let (t, k) = token_and_key();
    let strict = Credentials::parse(format!("vapid t={t}, k={k}")).unwrap();
    let standard = k.replace('-', "+").replace('_', "/");
    for field in [format!("vapid t={t}, k=\"{standard}=\""), format!("vapid t={t}, k=\"{k}=\"")] {
        assert!(Credentials::parse(&field).is_err());
        assert_eq!(Credentials::parse_lenient(&field), Ok(strict.clone()));
    }
    assert_eq!(Credentials::parse_lenient("vapid t=1, t=2"), Err(VapidError::DuplicateParameter));
}

/// `vapid01-2-1`, `vapid01-4-1`, A-26: the example of the draft, with an injected clock.
#[test]
fn credentials_of_the_draft_are_checked_like_any_others() {
    let vectors = vectors();
    let example = &vectors["vapid01"];
    let key = text(example, "k").as_bytes();
    let authorization = text(example, "authorization");
    let draft = Credentials::parse_draft(authorization, Some(key)).unwrap();
    let origin = "https://push.example.net".parse().unwrap();
    let expires = UnixTime::from_secs(example["jwt_claims"]["exp"].as_u64().unwrap());
    let late = expires.saturating_add_secs(1);
    for provider in providers() {
        assert_eq!(
            verify(&provider, &draft, &origin, expires, 0).unwrap().key().to_string(),
            text(example, "k")
        );
        assert_eq!(verify(&provider, &draft, &origin, late, 0), Err(VapidError::Expired));
    }
    // The same token and key are the same credentials, whichever way they come.
    let (t, k) = token_and_key();
    assert_eq!(t, text(example, "t"));
    assert_eq!(Credentials::parse(format!("vapid t={t}, k={k}")).unwrap(), draft);

    let parse = |field: &str, key: Option<&[u8]>| Credentials::parse_draft(field, key).unwrap_err();
    assert_eq!(parse(&format!("vapid t={t}, k={k}"), Some(key)), VapidError::Scheme);
    assert_eq!(parse("", Some(key)), VapidError::Scheme);
    assert_eq!(parse("WebPush", Some(key)), VapidError::MissingToken);
    assert_eq!(parse("WebPush,x", Some(key)), VapidError::Syntax);
    assert_eq!(parse("WebPush x,y", Some(key)), VapidError::Syntax);
    assert_eq!(parse(authorization, None), VapidError::MissingKey);
    assert!(matches!(parse(authorization, Some(b"BA1H")), VapidError::Key(_)));
    assert_eq!(parse(&"a".repeat(MAX_CREDENTIALS_LEN + 1), None), VapidError::TooLong);
}
