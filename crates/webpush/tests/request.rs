//! Requests for any client, and what their responses mean.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use push_crypto::{message::EncryptError, vapid};
use webpush::{
    MAX_PAYLOAD, Message, MessageError, Padding, ReceiverKeys, SigningKey, Subscription, Topic, Ttl,
    UnixTime, Urgency, Vapid, Verdict, decrypt, provider,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn me() -> Vapid {
    Vapid::new(SigningKey::generate(&provider()).unwrap(), "mailto:push@example.com").unwrap()
}

fn keys() -> ReceiverKeys {
    ReceiverKeys::generate(&provider()).unwrap()
}

fn subscription(keys: &ReceiverKeys, endpoint: &str) -> Subscription {
    Subscription {
        endpoint: endpoint.parse().unwrap(),
        p256dh: *keys.public_key(),
        auth: keys.auth().clone(),
        expiration_time: None,
    }
}

fn header<'a>(request: &'a http::Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap())
}

/// 8030-5-1, 8030-5.2-1, 8030-5.3-1, 8030-5.4-3, 8291-4-1, 8292-2-5
#[test]
fn a_message_is_a_signed_post_that_one_user_agent_can_read() {
    let (vapid, keys) = (me(), keys());
    let to = subscription(&keys, "https://push.example.net:8443/p/1?x=2");
    let message = Message::new(to, "Lunch?").ttl(Ttl::hours(1)).urgency(Urgency::High);
    let request = message.topic(Topic::parse(b"lunch").unwrap()).into_request(&vapid, NOW).unwrap();
    assert_eq!(
        (request.method(), request.uri().to_string()),
        (&http::Method::POST, "https://push.example.net:8443/p/1?x=2".to_owned())
    );
    assert_eq!(header(&request, "ttl"), Some("3600"));
    assert_eq!(header(&request, "urgency"), Some("high"));
    assert_eq!(header(&request, "topic"), Some("lunch"));
    assert_eq!(header(&request, "content-encoding"), Some("aes128gcm"));
    assert_eq!(header(&request, "prefer"), None);
    assert_eq!(decrypt(&provider(), &keys, request.body()).unwrap(), b"Lunch?");

    let authorization = &request.headers()["authorization"];
    assert!(authorization.is_sensitive());
    let credentials = vapid::Credentials::parse(authorization.as_bytes()).unwrap();
    // 8292-2-2: with its port.
    let origin = "https://push.example.net:8443/".parse::<webpush::PushUrl>().unwrap().origin();
    let verified = vapid::verify(&provider(), &credentials, &origin, NOW, 0).unwrap();
    assert_eq!(verified.contact(), Some("mailto:push@example.com"));
}

#[test]
fn nothing_that_can_be_left_out_is_there_and_the_least_is_safe() {
    let (vapid, keys) = (me(), keys());
    let request =
        Message::new(subscription(&keys, "https://a.example/p"), []).into_request(&vapid, NOW).unwrap();
    assert_eq!(header(&request, "ttl"), Some("2419200"));
    for name in ["urgency", "topic", "prefer", "link", "x-wns-cache-policy"] {
        assert_eq!(header(&request, name), None, "{name}");
    }
    // 8291-7-4: an empty payload looks like any other.
    assert_eq!(decrypt(&provider(), &keys, request.body()).unwrap(), b"");
    let receipt = Message::new(subscription(&keys, "https://a.example/p"), []).receipt();
    assert_eq!(header(&receipt.into_request(&vapid, NOW).unwrap(), "prefer"), Some("respond-async"));
    let now_or_never =
        Message::new(subscription(&keys, "https://db5p.notify.windows.com/w/?token=1"), []).ttl(Ttl::ZERO);
    assert_eq!(header(&now_or_never.into_request(&vapid, NOW).unwrap(), "x-wns-cache-policy"), Some("cache"));
}

/// 8030-7.2-5: what every service must take.
#[test]
fn the_largest_payload_is_3993_octets() {
    let (vapid, keys) = (me(), keys());
    assert_eq!(MAX_PAYLOAD, 3993);
    let of = |octets: usize, padding| {
        let message =
            Message::new(subscription(&keys, "https://a.example/p"), vec![7; octets]).padding(padding);
        message.into_request(&vapid, NOW)
    };
    for padding in [Padding::None, Padding::Buckets(128), Padding::Full] {
        let request = of(3993, padding).unwrap();
        assert_eq!(request.body().len(), 4096);
        assert_eq!(decrypt(&provider(), &keys, request.body()).unwrap().len(), 3993);
        let Err(MessageError::Encrypt(EncryptError::TooLong { length, limit })) = of(3994, padding) else {
            panic!()
        };
        assert_eq!((length, limit), (3994, 3993));
    }
}

/// 8292-5-3, 8292-2-4
#[test]
fn a_token_is_kept_for_its_push_service_and_made_anew_in_time() {
    let vapid = me();
    let origin = |text: &str| text.parse::<webpush::PushUrl>().unwrap().origin();
    let at = |secs| {
        vapid
            .authorization(&origin("https://a.example/1"), UnixTime::from_secs(NOW.as_secs() + secs))
            .unwrap()
    };
    let first = at(0);
    assert_eq!(first, vapid.authorization(&origin("https://a.example/2"), NOW).unwrap());
    assert_ne!(first, vapid.authorization(&origin("https://a.example:8443/1"), NOW).unwrap());
    assert_eq!(first, at(11 * 3600));
    let second = at(11 * 3600 + 1801);
    assert_ne!(first, second);
    assert_eq!(
        second,
        vapid
            .clone()
            .authorization(&origin("https://a.example/1"), UnixTime::from_secs(NOW.as_secs() + 12 * 3600))
            .unwrap()
    );
    // A clock that was set back: a token of the future would be refused.
    assert_ne!(second, at(0));
}

/// 8292-2.1-1, A-25: what Apple refuses.
#[test]
fn a_contact_that_nobody_can_reach_is_refused() {
    for subject in [
        "",
        "me@example.com",
        "mailto:",
        "mailto:<a@b.example>",
        "mailto:mailto:a@b.example",
        "mailto:a@localhost",
        "https://localhost",
        "mailto:a@printer.local",
        "mailto:a@intranet",
        "https://192.168.1.1/",
        "http://a.example",
    ] {
        let key = SigningKey::generate(&provider()).unwrap();
        assert!(Vapid::new(key, subject).is_err(), "{subject}");
    }
}

#[test]
fn a_response_is_a_verdict() {
    let response = |status, headers: &[(&str, &str)], body: &'static str| {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Verdict::from_response(&response.body(body).unwrap())
    };
    let location = "https://updates.push.services.mozilla.com/m/1";
    let Verdict::Accepted(accepted) = response(201, &[("location", location), ("ttl", "60")], "") else {
        panic!()
    };
    assert_eq!(
        (accepted.message.unwrap().as_str(), accepted.ttl, accepted.receipt),
        (location, Some(Ttl::from_secs(60)), false)
    );
    let Verdict::Accepted(accepted) = response(201, &[("location", "/m/1")], "") else { panic!() };
    assert_eq!((accepted.message, accepted.ttl), (None, None));
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (headers, wait) in [
        (vec![("retry-after", "120")], 120),
        (vec![("x-wns-continue-after", "30")], 30),
        (vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date], 30),
        (vec![("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], 0),
        (vec![], 0),
    ] {
        let Verdict::Throttled(throttled) = response(429, &headers, "slow") else { panic!() };
        assert_eq!(
            (throttled.wait, throttled.said.unwrap().explanation().text.as_str()),
            (Duration::from_secs(wait), "slow")
        );
    }
    let mozilla = r#"{"code":410,"errno":106,"error":"Gone","message":"The user has unsubscribed"}"#;
    let Verdict::Gone(webpush::Gone::Ended(Some(said))) = response(410, &[], mozilla) else { panic!() };
    assert_eq!((said.status, said.explanation().errno), (Some(410), Some(106)));
    let Verdict::Rejected(said) =
        response(200, &[("x-wns-status", "dropped"), ("x-wns-error-description", "muted")], "")
    else {
        panic!()
    };
    assert_eq!(said.explanation().text, "muted");
}

/// Whatever is printed, it is not whom it is for, nor what it says.
#[test]
fn no_secret_is_printed() {
    let (vapid, keys) = (me(), keys());
    let message = Message::new(subscription(&keys, "https://a.example/sesame"), "sesame");
    let printed = format!("{message:?} {vapid:?}");
    let request = message.into_request(&vapid, NOW).unwrap();
    let printed = format!("{printed} {:?}", request.headers());
    assert!(!printed.contains("sesame") && !printed.contains("vapid t="), "{printed}");
}

/// wp04-4-2, ece03-3.1-1: what an old browser reads.
#[test]
fn an_old_browser_can_be_written_to() {
    use webpush::{Coding, aesgcm};

    let (vapid, keys) = (me(), keys());
    let message = Message::new(subscription(&keys, "https://a.example/p"), "Lunch?").coding(Coding::Aesgcm);
    let request = message.into_request(&vapid, NOW).unwrap();
    assert_eq!(header(&request, "content-encoding"), Some("aesgcm"));
    let field = |name| header(&request, name).unwrap();
    let fields = aesgcm::Fields::parse(field("encryption"), field("crypto-key")).unwrap();
    assert_eq!(aesgcm::decrypt(&provider(), &keys, &fields, request.body()).unwrap(), b"Lunch?");
}
