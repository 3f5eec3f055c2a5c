//! Credentials of draft-ietf-webpush-vapid-01, where they are taken (A-26, `vapid01-2-1`, `vapid01-4-1`).

use std::sync::Arc;

use push_crypto::{
    ReceiverKeys,
    aesgcm::{self, Fields},
    message::Padding,
    vapid::Signer,
};
use push_proto::{ContentField, Message, Refusal, service::Request, store::Item, wire::Limits};

use crate::fixture::{Knock, NOW, ORIGIN, PROVIDER, SIGNER, authorization, door, door_at, message};

fn token(audience: &str) -> String {
    let expires = NOW.saturating_add_secs(3600);
    SIGNER.sign(&PROVIDER, &audience.parse().unwrap(), expires, NOW).unwrap().jwt().to_owned()
}

fn go(authorization: &str, crypto_key: &str) -> Result<Request, Refusal> {
    let door = door_at(ORIGIN, Limits::default()).with_draft_vapid();
    Knock::send().header("authorization", authorization).header("crypto-key", crypto_key).at(&door)
}

/// The reason of a refusal that must be a 403.
fn refused(authorization: &str, crypto_key: &str) -> &'static str {
    let refusal = go(authorization, crypto_key).expect_err(authorization);
    assert_eq!(refusal.status(), 403, "{authorization} {crypto_key}");
    refusal.reason()
}

/// `vapid01-2-1`, `vapid01-4-1`, `legacy-1`: the key is proved, and the user agent sees `dh` only.
#[test]
fn the_older_credentials_prove_their_key() {
    let (token, key) = (token(ORIGIN), SIGNER.public_key());
    for (scheme, crypto_key) in [
        ("WebPush", format!("p256ecdsa={key}")),
        ("webpush", format!("dh=abc;p256ecdsa={key}")),
        ("Bearer", format!("keyid=p256dh;dh=abc, P256ECDSA = \"{key}\"")),
        ("bearer  ", format!("p256ecdsa={key} , dh=abc")),
    ] {
        let Ok(Request::Send(send)) = go(&format!("{scheme} {token}"), &crypto_key) else {
            panic!("{scheme} {crypto_key}")
        };
        assert_eq!(send.sender.unwrap().key(), key);
        for (field, value) in &send.content.fields {
            assert_eq!(*field, ContentField::CryptoKey);
            assert!(!value.windows(9).any(|window| window.eq_ignore_ascii_case(b"p256ecdsa")));
        }
    }
}

/// `legacy-1`, `ece03-3-2`, `8292-4.2-10`: a message of the old world is delivered with what decrypts it, whatever carries it:
/// the three fields that a `notification` of Mozilla's protocol has as `encoding`, `encryption` and `crypto_key`.
#[test]
fn a_legacy_message_comes_with_what_decrypts_it() {
    let keys = ReceiverKeys::generate(&PROVIDER).unwrap();
    let sealed = aesgcm::encrypt(&PROVIDER, &keys.recipient(), b"hello", Padding::None).unwrap();
    let expires = NOW.saturating_add_secs(3600);
    let token = SIGNER.sign(&PROVIDER, &ORIGIN.parse().unwrap(), expires, NOW).unwrap();
    let (encryption, crypto_key) = (sealed.fields.encryption(), sealed.fields.crypto_key_with(&token));
    let knock = Knock::send().body(sealed.body.clone()).headers(&[
        ("content-encoding", "aesgcm"),
        ("encryption", &encryption),
        ("crypto-key", &crypto_key),
        ("authorization", &token.draft_authorization()),
    ]);
    let door = door_at(ORIGIN, Limits::default()).with_draft_vapid();
    let Ok(Request::Send(send)) = knock.at(&door) else { panic!() };
    assert_eq!(send.sender.unwrap().key(), SIGNER.public_key());

    let item = Item::Message(Arc::new(Message { content: send.content, ..message() }));
    let Item::Message(carried) = &item else { panic!() };
    let field = |wanted| carried.content.fields.iter().find(|(field, _)| *field == wanted).unwrap().1.clone();
    let names = [
        (ContentField::Encoding, "content-encoding"),
        (ContentField::Encryption, "encryption"),
        (ContentField::CryptoKey, "crypto-key"),
    ];
    let (promise, event) = (door.promise(&item, NOW), door.event(&item));
    let data = event.split(|octet| *octet == b'\n').nth(1).unwrap().strip_prefix(b"data: ").unwrap();
    let event: serde_json::Value = serde_json::from_slice(data).unwrap();
    for (wanted, name) in names {
        assert_eq!(promise.response.headers()[name].as_bytes(), field(wanted));
        assert_eq!(event["headers"][name].as_str().unwrap().as_bytes(), field(wanted));
    }
    assert_eq!(field(ContentField::Encoding), "aesgcm");
    assert_eq!(field(ContentField::CryptoKey), sealed.fields.crypto_key());
    let fields = Fields::parse(field(ContentField::Encryption), field(ContentField::CryptoKey)).unwrap();
    assert_eq!(aesgcm::decrypt(&PROVIDER, &keys, &fields, &promise.body).unwrap(), b"hello");
}

/// `8292-4.2-2`, `8292-4.2-4`, A-24: the same rules, the same answers.
#[test]
fn bad_older_credentials_are_403() {
    let (good, key) = (token(ORIGIN), SIGNER.public_key());
    let field = format!("p256ecdsa={key}");
    let stranger: Signer = Signer::new(push_crypto::vapid::SigningKey::generate(&PROVIDER).unwrap(), None);
    assert_eq!(refused(&format!("WebPush {good}"), "dh=abc"), "vapid-missing-key");
    assert_eq!(refused("WebPush", &field), "vapid-missing-token");
    assert_eq!(refused(&format!("WebPush {good} x"), &field), "vapid-syntax");
    assert_eq!(refused(&format!("WebPush {good}"), "p256ecdsa=BA1H"), "vapid-key");
    assert_eq!(refused(&format!("WebPush {good}"), &format!("{field}=")), "vapid-key");
    assert_eq!(refused(&format!("WebPush {good}"), &format!("{field}, {field}")), "vapid-several");
    assert_eq!(refused("Bearer x.y.z", &field), "vapid-token");
    assert_eq!(refused(&format!("Bearer {}", "a".repeat(5000)), &field), "vapid-too-long");
    assert_eq!(refused(&format!("WebPush {}", token("https://other.example")), &field), "vapid-audience");
    let other = format!("p256ecdsa={}", stranger.public_key());
    assert_eq!(refused(&format!("WebPush {good}"), &other), "vapid-signature");
}

/// `vapid01-4-2`
#[test]
fn one_key_for_both_purposes_is_refused() {
    let key = SIGNER.public_key();
    let refusal =
        go(&format!("WebPush {}", token(ORIGIN)), &format!("dh={key};p256ecdsa={key}")).unwrap_err();
    assert_eq!((refusal, refusal.status()), (Refusal::KEYS_IDENTICAL, 400));
}

/// what is not meant for us is as absent, and so is all of it where it is not switched on.
#[test]
fn without_a_switch_or_a_key_they_are_as_absent() {
    let key = format!("p256ecdsa={}", SIGNER.public_key());
    let Ok(Request::Send(send)) = go("Bearer of.other.news", "dh=abc") else { panic!() };
    assert!(send.sender.is_none());
    let off = Knock::send().header("authorization", format!("WebPush {}", token(ORIGIN)));
    assert!(off.header("crypto-key", &key).sent().sender.is_none());
    // Those of RFC 8292 come first.
    let both =
        Knock::send().header("authorization", "WebPush x.y.z").header("authorization", authorization());
    let door = door().with_draft_vapid();
    let Ok(Request::Send(send)) = both.header("crypto-key", key).at(&door) else { panic!() };
    assert!(send.sender.is_some());
}

/// `vapid01-3-1`, `vapid01-5-1`, `8292-3-2`
#[test]
fn the_challenge_names_no_older_scheme() {
    let door = door().with_draft_vapid();
    let response = door.refuse(&Refusal::CREDENTIALS_MISSING, NOW);
    assert_eq!(
        (response.status().as_u16(), crate::fixture::field(response.headers(), "www-authenticate")),
        (401, "vapid")
    );
}
