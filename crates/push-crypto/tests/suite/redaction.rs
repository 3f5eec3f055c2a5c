//! No secret is ever printed: guarantee G6.

use push_crypto::capability::Keyring;
use push_crypto::message::{MessageKeys, Receiver};
use push_crypto::record::{Decoder, Encoder, Header, Params, Part, Records, Spaced};
use push_crypto::vapid::{Credentials, Signer, SigningKey};
use push_crypto::{AuthSecret, KeyPair, Origin, PushUrl, ReceiverKeys, SecretKey, Subscription, UnixTime};

use crate::capability::one_of_each;
use crate::common::{encode, portable};

/// A scalar that shows itself in decimal, in hexadecimal and in base64url.
const SECRET: [u8; 32] = [0xa7; 32];

fn assert_hidden(printed: &str) {
    let in_hex: String = SECRET[..4].iter().map(|octet| format!("{octet:02x}")).collect();
    for trace in ["167", &in_hex, &encode(&SECRET)[..8], "sekret"] {
        assert!(!printed.to_lowercase().contains(&trace.to_lowercase()), "{trace} in {printed}");
    }
}

#[test]
fn debug_shows_no_keys() {
    let provider = portable();
    let secret = SecretKey::from_bytes(&SECRET).unwrap();
    let pair = KeyPair::from_secret(secret.clone()).unwrap();
    let auth = AuthSecret::new([0xa7; 16]);
    let keys = ReceiverKeys::new(pair.clone(), auth.clone());
    let signing = SigningKey::from_base64url(&encode(&SECRET)).unwrap();
    let shared = provider.agreement.agree_static(&secret, pair.public()).unwrap();
    let receiver = Receiver::new(&provider, &keys).unwrap();
    for printed in [
        format!("{secret:?}"),
        format!("{auth:?}"),
        format!("{:?}", keys.to_bytes()),
        format!("{:?} {:?}", signing.to_pem().unwrap(), signing.to_base64url()),
        format!("{:?}", MessageKeys::fixed(pair.clone(), [1; 16])).replace(&pair.public().to_string(), ""),
        format!("{pair:?} {keys:?} {signing:?} {receiver:?}").replace(&pair.public().to_string(), ""),
        format!("{:?}", keys.recipient()).replace(&pair.public().to_string(), ""),
        format!("{:?}", Signer::new(signing.clone(), None).prepare(&provider).unwrap())
            .replace(&pair.public().to_string(), ""),
        format!("{provider:?} {:?}", Signer::new(signing, None)).replace(&pair.public().to_string(), ""),
    ] {
        assert_hidden(&printed);
    }
    assert_eq!(format!("{shared:?}"), "SharedSecret(..)");
}

#[test]
fn debug_shows_no_capabilities() {
    let url = PushUrl::parse("https://push.example.net/p/sekret?sekret").unwrap();
    assert_eq!(format!("{url:?}"), "PushUrl(https://push.example.net/..)");
    let keys = ReceiverKeys::generate(&portable()).unwrap();
    let subscription = Subscription {
        endpoint: url,
        p256dh: *keys.public_key(),
        auth: AuthSecret::new([0xa7; 16]),
        expiration_time: None,
    };
    assert_hidden(&format!("{subscription:?}").replace(&keys.public_key().to_string(), ""));
    for bad in ["https://a/sekret#", "https://sekret@a/", "ftp://sekret", "https://a:sekret"] {
        let error = PushUrl::parse(bad).unwrap_err();
        assert_hidden(&format!("{error:?} {error}"));
    }
    for capability in one_of_each() {
        let printed = format!("{capability:?}");
        assert!(
            printed.starts_with("Capability::") && printed.ends_with("(..)") && printed.len() < 30,
            "{printed}"
        );
    }
    let keyring: Keyring =
        format!("webpush-keyring 1\nslot {0}\nseal 3 {0}\n", encode(&SECRET)).parse().unwrap();
    assert_hidden(&format!("{keyring:?} {:?}", keyring.to_text()));
}

#[test]
fn debug_shows_no_tokens() {
    let provider = portable();
    let signer = Signer::new(SigningKey::generate(&provider).unwrap(), None);
    let origin: Origin = "https://push.example.net".parse().unwrap();
    let token = signer.sign(&provider, &origin, UnixTime::from_secs(10), UnixTime::from_secs(0)).unwrap();
    let credentials = Credentials::parse(token.authorization()).unwrap();
    let printed = format!("{token:?} {credentials:?}");
    for part in token.jwt().split('.') {
        assert!(!printed.contains(part));
    }
}

#[test]
fn debug_shows_no_content() {
    let provider = portable();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&provider, &SECRET, Params::new(4096, b"").unwrap()).unwrap();
    encoder.write(b"sekret", &mut out).unwrap();
    assert_hidden(&format!("{encoder:?}"));
    let header = Header::parse(&out).unwrap();
    let mut decoder = Decoder::new(&provider, &header, &SECRET);
    decoder.push(&[0xa7; 20], &mut out).unwrap();
    assert_hidden(&format!("{decoder:?}"));
    let params = Params::new(18, b"").unwrap();
    let mut content = [0xa7; 57];
    let spaced = Spaced::new(&params, &mut content, 2).unwrap();
    assert_hidden(&format!("{spaced:?}"));
    let hide = |parts: Vec<Part<'_>>| {
        parts.into_iter().for_each(|part| {
            assert_hidden(&format!("{part:?}"));
            part.run();
        });
    };
    spaced.encode_in_parts(&provider, &SECRET, 1, hide).unwrap();
    let header = Header::parse(&content).unwrap();
    let records = Records::new(&header, &mut content[21..]);
    assert_hidden(&format!("{records:?}"));
    assert_hidden(&format!("{:?}", records.decode(&provider, &SECRET).unwrap()));
}

#[test]
fn debug_shows_no_notification() {
    use push_crypto::declarative::{Action, Link, Notification};
    let link: Link = "https://a.example/sekret?sekret#sekret".parse().unwrap();
    let action = Action::new("sekret", "sekret", link.as_str()).unwrap();
    let builder = Notification::builder("sekret", link.as_str()).body("sekret").action(action.clone());
    assert_hidden(&format!("{link:?} {action:?} {builder:?} {:?}", builder.clone().build().unwrap()));
    for error in
        [builder.clone().icon("sekret").build().unwrap_err(), builder.data("sekret").build().unwrap_err()]
    {
        assert_hidden(&format!("{error:?} {error}"));
    }
}
