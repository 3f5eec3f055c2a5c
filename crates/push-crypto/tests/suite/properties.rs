//! What must hold for all inputs.

use proptest::collection::vec;
use proptest::prelude::*;
use push_crypto::capability::{Capability, Keyring};
use push_crypto::message::{
    MAX_PLAINTEXT, MessageKeys, Padding, Receiver, decrypt, decrypt_in_place, encrypt_with,
};
use push_crypto::record::{
    Encoder, Header, Params, decode, decode_in_place, encode, encode_in_place, encoded_len,
};
use push_crypto::vapid::{Credentials, Subject, restriction_from_json, verify};
use push_crypto::{
    AuthSecret, KeyPair, Origin, PublicKey, PushUrl, ReceiverKeys, SecretKey, Subscription, UnixTime,
};

use crate::common::{encode as base64url, portable, providers};
use crate::record::stream;

fn arrays<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|octets| octets.try_into().unwrap())
}

fn pairs() -> impl Strategy<Value = KeyPair> {
    arrays::<32>()
        .prop_filter_map("range", |octets| SecretKey::from_bytes(&octets).ok())
        .prop_map(|secret| KeyPair::from_secret(secret).unwrap())
}

fn paddings() -> impl Strategy<Value = Padding> {
    prop_oneof![
        Just(Padding::None),
        Just(Padding::Full),
        (0usize..600).prop_map(Padding::Buckets),
        (600usize..=MAX_PLAINTEXT).prop_map(Padding::ToLength),
    ]
}

fn capabilities() -> impl Strategy<Value = Capability> {
    (0..5, arrays(), arrays(), arrays(), arrays()).prop_map(
        |(kind, agent, subscription, slot, id)| match kind {
            0 => Capability::Subscription { agent, subscription },
            1 => Capability::Push { agent, subscription },
            2 => Capability::Message { agent, subscription, slot, id },
            3 => Capability::Receipts { agent },
            _ => Capability::Set { agent },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every provider makes the same body of the same keys, and reads the other's.
    #[test]
    fn providers_agree_on_messages(
        sender in pairs(), receiver in pairs(), salt in arrays(), auth in arrays(),
        plaintext in vec(any::<u8>(), 0..600), padding in paddings(),
    ) {
        let keys = ReceiverKeys::new(receiver, AuthSecret::new(auth));
        let bodies: Vec<_> = providers().iter().map(|provider| {
            let fixed = MessageKeys::fixed(sender.clone(), salt);
            encrypt_with(provider, &keys.recipient(), &plaintext, padding, fixed).unwrap()
        }).collect();
        prop_assert!(bodies.iter().all(|body| body == &bodies[0]));
        for provider in providers() {
            prop_assert_eq!(&decrypt(&provider, &keys, &bodies[0]).unwrap(), &plaintext);
            let mut body = bodies[0].clone();
            prop_assert_eq!(decrypt_in_place(&provider, &keys, &mut body).unwrap(), &plaintext[..]);
            let receiver = Receiver::new(&provider, &keys).unwrap();
            for _ in 0..2 {
                prop_assert_eq!(&receiver.decrypt(&bodies[0]).unwrap(), &plaintext);
                let mut body = bodies[0].clone();
                prop_assert_eq!(receiver.decrypt_in_place(&mut body).unwrap(), &plaintext[..]);
            }
        }
    }

    /// As above, for the older coding: one body and one pair of fields, which say all that a receiver needs.
    #[test]
    fn providers_agree_on_messages_of_the_drafts(
        sender in pairs(), receiver in pairs(), salt in arrays(), auth in arrays(),
        plaintext in vec(any::<u8>(), 0..600), padding in paddings(),
    ) {
        use push_crypto::aesgcm::{Fields, decrypt, encrypt_with};
        let keys = ReceiverKeys::new(receiver, AuthSecret::new(auth));
        let messages: Vec<_> = providers().iter().map(|provider| {
            let fixed = MessageKeys::fixed(sender.clone(), salt);
            encrypt_with(provider, &keys.recipient(), &plaintext, padding, fixed).unwrap()
        }).collect();
        prop_assert!(messages.iter().all(|message| message == &messages[0]));
        let fields = Fields::parse(messages[0].fields.encryption(), messages[0].fields.crypto_key()).unwrap();
        prop_assert_eq!(fields, messages[0].fields);
        for provider in providers() {
            prop_assert_eq!(&decrypt(&provider, &keys, &fields, &messages[0].body).unwrap(), &plaintext);
        }
    }

    /// Signatures of each provider hold for every other, whether its keys are set up once or each time.
    #[test]
    fn providers_agree_on_signatures(pair in pairs(), message in vec(any::<u8>(), 0..100)) {
        let mut other = message.clone();
        other.push(0);
        for signing in providers() {
            let key = signing.signature.signing_key(&pair).unwrap();
            let once = signing.signature.sign(&pair, &message).unwrap();
            for signature in [once, key.sign(&message).unwrap(), key.sign(&message).unwrap()] {
                for verifying in providers() {
                    prop_assert!(verifying.signature.verify(pair.public(), &message, &signature).is_ok());
                    prop_assert!(verifying.signature.verify(pair.public(), &other, &signature).is_err());
                    let key = verifying.signature.verifying_key(pair.public()).unwrap();
                    prop_assert!(key.verify(&message, &signature).is_ok());
                    prop_assert!(key.verify(&other, &signature).is_err());
                    prop_assert!(key.verify(&message, &signature).is_ok());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whole, in place and in pieces: one content, one data.
    #[test]
    fn all_ways_of_coding_are_one(
        ikm in vec(any::<u8>(), 0..40), key_id in vec(any::<u8>(), 0..=255), rs in 18u32..200,
        data in vec(any::<u8>(), 0..500), pieces in 1usize..70, salt in arrays(),
    ) {
        let params = Params::new(rs, &key_id).unwrap();
        for provider in providers() {
            let content = encode(&provider, &ikm, &params, &data).unwrap();
            prop_assert_eq!(&decode(&provider, &ikm, &content).unwrap(), &data);
            prop_assert_eq!(&stream(&provider, &ikm, &content, pieces).unwrap(), &data);

            let total = encoded_len(&params, data.len()).unwrap();
            let mut buffer = data.clone();
            buffer.resize(total + 3, 0xee);
            prop_assert_eq!(encode_in_place(&provider, &ikm, &params, &mut buffer, data.len()).unwrap(), total);
            prop_assert_eq!(&buffer[total..], &[0xee; 3]);
            let header = Header::parse(&buffer).unwrap();
            let length = decode_in_place(&provider, &header, &ikm, &mut buffer[header.len()..total]).unwrap();
            prop_assert_eq!(&buffer[header.len()..][..length], &data[..]);
        }
        let contents: Vec<_> = [1, pieces, usize::MAX].into_iter().flat_map(|size| {
            providers().into_iter().map(|provider| {
                let header = Header::with_salt(salt, params.clone());
                let mut out = Vec::new();
                let mut encoder = Encoder::with_header(&provider, &ikm, header);
                data.chunks(size).for_each(|piece| encoder.write(piece, &mut out).unwrap());
                encoder.finish(0, &mut out).unwrap();
                out
            }).collect::<Vec<_>>()
        }).collect();
        prop_assert!(contents.iter().all(|content| content == &contents[0]));
        prop_assert_eq!(contents[0].len(), encoded_len(&params, data.len()).unwrap());
    }

    /// Decoders take any octets and never panic; what is not ours does not decode.
    #[test]
    fn decoders_never_panic(octets in vec(any::<u8>(), 0..300), pieces in 1usize..50, head in any::<bool>()) {
        let provider = portable();
        let mut octets = octets;
        if head && octets.len() > 20 {
            // A plausible header, so that the records are looked at.
            octets[16..19].fill(0);
            octets[20] &= 7;
        }
        prop_assert!(decode(&provider, b"ikm", &octets).is_err());
        prop_assert!(stream(&provider, b"ikm", &octets, pieces).is_err());
        let keys = ReceiverKeys::from_bytes(&[1; 49]).unwrap();
        prop_assert!(decrypt(&provider, &keys, &octets).is_err());
        prop_assert!(Receiver::new(&provider, &keys).unwrap().decrypt(&octets).is_err());
        let _ = push_crypto::message::sender_key(&octets);
        let _ = ReceiverKeys::from_bytes(&octets);
        let _ = PublicKey::from_bytes(&octets);
        let _ = push_crypto::vapid::SigningKey::from_pkcs8_der(&octets);
    }

    /// Any fields and any body: refused, never a panic. What parses is written and read again the same.
    #[test]
    fn fields_and_bodies_of_the_drafts_never_panic(
        encryption in "(salt|rs|keyid|x)?=?\"?[A-Za-z0-9_=+/-]{0,24}\"?[;, ]{0,2}(salt|rs)?=?[0-9A-Z]{0,24}",
        crypto_key in vec(any::<u8>(), 0..100), salt in arrays::<16>(), rs in 2u64.., body in vec(any::<u8>(), 0..200),
        sender in pairs(),
    ) {
        use push_crypto::aesgcm::{Fields, decrypt};
        let _ = Fields::parse(&encryption, &crypto_key);
        let dh = format!("dh={}", sender.public());
        let _ = Fields::parse(&encryption, &dh);
        let fields = Fields::parse(format!("rs={rs}; salt={}", base64url(&salt)), &dh).unwrap();
        prop_assert_eq!((fields.salt(), fields.record_size(), fields.sender_key()), (&salt, rs, sender.public()));
        prop_assert_eq!(Fields::parse(fields.encryption(), fields.crypto_key()), Ok(fields));
        let keys = ReceiverKeys::from_bytes(&[1; 49]).unwrap();
        prop_assert!(decrypt(&portable(), &keys, &fields, &body).is_err());
    }

    /// Tokens open to what was sealed and to nothing else.
    #[test]
    fn capabilities_are_sealed(capability in capabilities(), other in capabilities(), at in any::<usize>(), bit in 0u32..8) {
        let keyring = Keyring::generate(&portable()).unwrap();
        let token = keyring.seal(&capability);
        prop_assert_eq!(keyring.open(&token), Ok(capability));
        prop_assert_eq!(keyring.seal(&other) == token, other == capability);
        let mut octets = crate::common::decode(&token);
        let index = at % octets.len();
        octets[index] ^= 1u8 << bit;
        prop_assert!(keyring.open(&base64url(&octets)).is_err());
    }

    #[test]
    fn opening_never_panics(token in any::<String>(), octets in vec(any::<u8>(), 0..100)) {
        let keyring = Keyring::generate(&portable()).unwrap();
        prop_assert!(keyring.open(&token).is_err());
        prop_assert!(keyring.open(&base64url(&octets)).is_err());
        let _ = token.parse::<Keyring>();
    }

    /// Text parsers take any text and never panic.
    #[test]
    fn parsers_never_panic(text in any::<String>(), octets in vec(any::<u8>(), 0..200)) {
        let _ = Credentials::parse(&octets);
        let _ = Credentials::parse(format!("vapid {text}"));
        let _ = Credentials::parse([b"vapid t=\"", &octets[..]].concat());
        let _ = restriction_from_json(&octets);
        let _ = text.parse::<Subscription>();
        let _ = text.parse::<PublicKey>();
        let _ = push_crypto::vapid::SigningKey::from_pem(&text);
        let _ = push_crypto::vapid::SigningKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{text}"));
        let _ = push_crypto::vapid::SigningKey::from_base64url(&text);
        let _ = push_crypto::message::content_coding(&text);
        for text in [text.clone(), format!("https://{text}"), format!("https://a{text}"), format!("mailto:{text}")] {
            let _ = text.parse::<Origin>();
            let _ = text.parse::<Subject>();
            if let Ok(url) = PushUrl::parse_allow_http(&text) {
                prop_assert_eq!(url.as_str(), &text);
                prop_assert_eq!(url.origin().as_str().parse::<Origin>().unwrap(), url.origin());
                let origin = url.origin();
                prop_assert_eq!(origin.host(), url.host());
                prop_assert!(!url.path_and_query().is_empty());
            }
        }
    }

    /// `dwp-6`: any payload is read without a panic. What is built is read again as it was.
    #[test]
    fn notifications_come_back(
        title in "\\PC{1,20}", body in any::<String>(), tag in any::<String>(), renotify in any::<bool>(),
        pattern in proptest::option::of(vec(any::<u32>(), 0..4)), silent in proptest::option::of(any::<bool>()),
        badge in 0u64..1 << 31, reference in any::<String>(),
    ) {
        use push_crypto::declarative::{Link, Notification};
        let mut builder = Notification::builder(title.clone(), "https://a.example/").body(body.clone())
            .tag(tag.clone()).renotify(renotify).app_badge(badge);
        if let Some(pattern) = &pattern {
            builder = builder.vibrate(pattern);
        }
        if let Some(silent) = silent {
            builder = builder.silent(silent);
        }
        let impossible = (renotify && tag.is_empty()) || (silent == Some(true) && pattern.is_some());
        let built = builder.build();
        prop_assert_eq!(built.is_err(), impossible);
        if let Ok(built) = built {
            let json = built.to_json();
            prop_assert_eq!(Notification::parse(json.as_bytes(), None), Some(built));
            let _ = Notification::parse(&json.as_bytes()[..json.len() / 2], None);
        }
        let scope: Link = "https://a.example/b/c".parse().unwrap();
        let payload = serde_json::json!({
            "web_push": 8030, "notification": { "title": title, "navigate": reference, "icon": body, "actions": [tag] },
        });
        if let Some(read) = Notification::parse(payload.to_string().as_bytes(), Some(&scope)) {
            prop_assert_eq!(&read.navigate().as_str().parse::<Link>().unwrap(), read.navigate());
        }
        let _ = Notification::parse(reference.as_bytes(), Some(&scope));
    }

    /// URLs of this grammar parse, and their parts are found.
    #[test]
    fn urls_parse(host in "[a-z][a-z0-9-]{0,20}(\\.[a-z]{1,10}){0,3}", port in 1u16.., path in "(/[A-Za-z0-9._~-]{0,30}){0,3}") {
        let url = PushUrl::parse(&format!("https://{host}:{port}{path}")).unwrap();
        prop_assert_eq!((url.host(), url.port()), (&host[..], port));
        prop_assert_eq!(url.path_and_query(), if path.is_empty() { "/" } else { &path });
        prop_assert_eq!(format!("{:?}", &url), format!("PushUrl({}/..)", url.origin()));
    }

    /// Credentials survive any legal layout; claims of any kind never panic the verifier.
    #[test]
    fn verification_never_panics(header in any::<String>(), claims in any::<String>(), pair in pairs()) {
        let provider = portable();
        let origin: Origin = "https://push.example.net".parse().unwrap();
        let token = format!("{}.{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()), base64url(&[1; 64]));
        let field = format!("vapid t={token},k={}", pair.public());
        let credentials = Credentials::parse(&field);
        if let Ok(credentials) = credentials {
            prop_assert!(verify(&provider, &credentials, &origin, UnixTime::from_secs(0), u64::MAX).is_err());
        }
    }

    /// Any surrounding members, any base64 form.
    #[test]
    fn subscriptions_are_read_leniently(
        pair in pairs(), auth in arrays::<16>(), standard in any::<bool>(), padded in any::<bool>(),
        extra in "[a-z]{3,8}", expiration in prop_oneof![Just("null".to_owned()), any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:?}"))],
    ) {
        let form = |bytes: &[u8], pad: &str| {
            let text = base64url(bytes);
            let text = if standard { text.replace('-', "+").replace('_', "/") } else { text };
            if padded { text + pad } else { text }
        };
        let json = format!(
            r#"{{"x{extra}":[1,{{}}],"expirationTime":{expiration},"endpoint":"https://a.example/{extra}",
               "keys":{{"{extra}x":0,"p256dh":"{}","auth":"{}"}}}}"#,
            form(pair.public().as_bytes(), "="), form(&auth, "=="),
        );
        let read: Subscription = json.parse().unwrap();
        prop_assert_eq!(&read.p256dh, pair.public());
        prop_assert_eq!(read.auth.expose(), &auth);
        prop_assert_eq!(read.to_json().parse::<Subscription>().unwrap(), read);
    }
}
