//! Credentials (RFC 8292).

use push_crypto::vapid::{Credentials, Signer, SigningKey, VapidError, Verified};
use push_proto::{
    Refusal, UnixTime,
    service::Request,
    wire::{Door, Limits, Unremembered, Verify},
};

use crate::fixture::{Knock, NOW, ORIGIN, PROVIDER, SIGNER, authorization, door, door_at};

/// `8292-2-5`, `8292-3-3`, `8292-3-4`, `8292-2.1-1`, A-23
#[test]
fn a_good_token_proves_its_key() {
    let plain = authorization();
    let (token, key) = plain.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    for value in [
        plain.clone(),
        format!("VAPID k={key},t={token}"),
        format!("vapid   t = \"{token}\" , , K=\"{key}\", zz=1, realm=\"x\""),
        format!("  {plain}  "),
    ] {
        let sender = Knock::send().header("authorization", &value).sent().sender.expect("verified");
        assert_eq!(sender.key(), SIGNER.public_key());
    }
}

/// `8292-4.2-2`, `8292-4.2-4` to `8292-4.2-8`, `8292-2-2` to `8292-2-6`, `8292-3.1-1`, A-20, A-21, A-23, A-24: the
/// subscription may be unrestricted, a bad token is refused all the same.
#[test]
fn a_bad_token_is_403_and_says_why() {
    let good = authorization();
    let (token, key) = good.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let stranger = Signer::new(SigningKey::generate(&PROVIDER).unwrap(), None);
    let sign = |audience: &str, expires: UnixTime, now: UnixTime| {
        SIGNER.sign(&PROVIDER, &audience.parse().unwrap(), expires, now).unwrap().authorization()
    };
    let hour = |count: u64| NOW.saturating_add_secs(count * 3600);
    let past = UnixTime::from_secs(NOW.as_secs() - 61);
    for (value, reason) in [
        ("vapid".to_owned(), "vapid-missing-token"),
        (format!("vapid k={key}"), "vapid-missing-token"),
        (format!("vapid t={token}"), "vapid-missing-key"),
        (format!("vapid t={token}, k={key}, t={token}"), "vapid-duplicate-parameter"),
        (format!("vapid t={token} k={key}"), "vapid-syntax"),
        (format!("vapid t={token}, k=\"{key}"), "vapid-syntax"),
        (format!("vapid;t={token}, k={key}"), "vapid-syntax"),
        (format!("vapid t={token}, k=BA1H"), "vapid-key"),
        (format!("vapid t={head}, k={key}"), "vapid-token"),
        (format!("vapid t=a.{token}, k={key}"), "vapid-token"),
        (format!("vapid t={head}.AAAA{}, k={key}", &signature[4..]), "vapid-signature"),
        (format!("vapid t={token}, k={}", stranger.public_key()), "vapid-signature"),
        (format!("vapid t={}.{signature}, k={key}", head.replacen("eyJ", "e30", 1)), "vapid-token"),
        (sign("https://other.example", hour(1), NOW), "vapid-audience"),
        (sign("http://push.example.net", hour(1), NOW), "vapid-audience"),
        (sign("https://push.example.net:8443", hour(1), NOW), "vapid-audience"),
        (sign(ORIGIN, past, UnixTime::from_secs(past.as_secs() - 1)), "vapid-expired"),
        (sign(ORIGIN, hour(24).saturating_add_secs(61), hour(1)), "vapid-lifetime"),
        (format!("vapid t={}, k={key}", "a".repeat(5000)), "vapid-too-long"),
    ] {
        let refused = Knock::send().header("authorization", &value).refused();
        assert_eq!((refused.status(), refused.reason()), (403, reason));
        assert!(refused.section().starts_with("RFC 8292"), "{}", refused.section());
    }
    let two = Knock::send().header("authorization", &good).header("authorization", &good).refused();
    assert_eq!(two, Refusal::CREDENTIALS_SEVERAL);
}

/// a service at a port of its own may be told to take an `aud` without it; scheme and host must be right.
#[test]
fn an_audience_without_its_port_is_a_switch() {
    let at_port = || door_at("https://push.example.net:8443", Limits::default());
    let go = |door: &Door, audience: &str| {
        let expires = NOW.saturating_add_secs(3600);
        let token = SIGNER.sign(&PROVIDER, &audience.parse().unwrap(), expires, NOW).unwrap();
        let url = door.push_url(crate::fixture::AGENT, crate::fixture::SUBSCRIPTION);
        let path = url.strip_prefix("https://push.example.net:8443").unwrap();
        let knock = Knock::new("POST", path).header("ttl", "60");
        knock
            .header("authorization", token.authorization())
            .at(door)
            .map(drop)
            .map_err(|refusal| refusal.reason())
    };
    let (strict, portless) = (at_port(), at_port().with_portless_audience());
    assert_eq!(go(&strict, "https://push.example.net"), Err("vapid-audience"));
    assert_eq!(go(&portless, "https://push.example.net"), Ok(()));
    for door in [&strict, &portless] {
        assert_eq!(go(door, "https://push.example.net:8443"), Ok(()));
        for audience in
            ["http://push.example.net", "https://push.example.net:9443", "https://push.example.org"]
        {
            assert_eq!(go(door, audience), Err("vapid-audience"), "{audience}");
        }
    }
}

/// `8292-4.2-7`, A-21: the leeway holds at both ends.
#[test]
fn clocks_may_differ_by_the_leeway() {
    let audience = ORIGIN.parse().unwrap();
    let long_ago = UnixTime::from_secs(NOW.as_secs() - 3600);
    for expires in [NOW.as_secs() - 60, NOW.as_secs() + 1, NOW.as_secs() + 24 * 3600 - 1] {
        let now = long_ago.max(UnixTime::from_secs(expires.saturating_sub(24 * 3600)));
        let token = SIGNER.sign(&PROVIDER, &audience, UnixTime::from_secs(expires), now).unwrap();
        assert!(Knock::send().header("authorization", token.authorization()).sent().sender.is_some());
    }
}

/// `8292-3-1`, `8292-4.2-3`, A-26: other schemes and fields are as absent.
#[test]
fn other_credentials_are_as_absent() {
    for (name, value) in [
        ("authorization", "Basic dTpw"),
        ("authorization", "Bearer x.y.z"),
        ("authorization", "WebPush x.y.z"),
        ("authorization", "vapidated t=x"),
        ("authorization", ""),
        ("authorization", "\u{e9}"),
        ("proxy-authorization", "vapid t=x, k=y"),
    ] {
        assert!(Knock::send().header(name, value).sent().sender.is_none(), "{name}: {value}");
    }
    let both = Knock::send().header("authorization", "Bearer x").header("authorization", authorization());
    assert!(both.sent().sender.is_some());
}

/// `8292-3.2-3`, `8292-3.2-4`, `vapid01-4-2`
#[test]
fn one_key_for_both_purposes_is_refused() {
    let mut body = vec![0; 20];
    body.push(65);
    body.extend_from_slice(SIGNER.public_key().as_bytes());
    let signed = || Knock::send().header("authorization", authorization());
    assert_eq!(signed().body(body.clone()).refused(), Refusal::KEYS_IDENTICAL);
    let legacy = format!("dh={};p256ecdsa={0}", SIGNER.public_key());
    assert_eq!(signed().header("crypto-key", legacy).refused(), Refusal::KEYS_IDENTICAL);
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    assert!(signed().body(body).sent().sender.is_some());
    assert!(signed().header("crypto-key", "dh=abc").sent().sender.is_some());
}

/// Credentials matter where messages are sent, and nowhere else.
#[test]
fn credentials_are_not_looked_at_elsewhere() {
    let refused = "vapid t=bad";
    assert!(Knock::subscribe().header("authorization", refused).go().is_ok());
    let set = door().set_url(crate::fixture::AGENT);
    assert!(Knock::new("GET", set).header("authorization", refused).go().is_ok());
}

/// `8292-5-3`: whoever owns a shard may remember verifications.
#[test]
fn a_verifier_may_remember() {
    #[derive(Default)]
    struct Remembering {
        seen: Option<([u8; 32], Verified)>,
        asked: u32,
    }

    impl Verify for Remembering {
        fn verify(
            &mut self,
            door: &Door,
            credentials: &Credentials,
            now: UnixTime,
        ) -> Result<Verified, VapidError> {
            self.asked += 1;
            match &self.seen {
                Some((digest, verified)) if *digest == credentials.digest() => Ok(verified.clone()),
                _ => {
                    let verified = Unremembered.verify(door, credentials, now)?;
                    self.seen = Some((credentials.digest(), verified.clone()));
                    Ok(verified)
                }
            }
        }
    }

    let door = door();
    let mut remembering = Remembering::default();
    for _ in 0..2 {
        let request = http::Request::post(door.push_url(crate::fixture::AGENT, crate::fixture::SUBSCRIPTION))
            .header("ttl", "1")
            .header("authorization", authorization())
            .body(bytes::Bytes::new())
            .unwrap();
        let (head, body) = request.into_parts();
        let admitted = door.admit(&head).unwrap();
        let request = http::Request::from_parts(head, body);
        let Ok(Request::Send(send)) = door.request(admitted, request, &mut remembering, NOW) else {
            panic!()
        };
        assert!(send.sender.is_some());
    }
    assert_eq!(remembering.asked, 2);
}
