//! RFC 8291.

use push_crypto::message::{
    ContentCodingError, DecryptError, Draft, EncryptError, HEADER_LEN, MAX_BODY, MAX_PLAINTEXT, MessageKeys,
    OVERHEAD, Options, Padding, content_coding, decrypt, decrypt_in_place, encrypt, encrypt_batch,
    encrypt_into, encrypt_with, sender_key,
};
use push_crypto::provider::AgreementError;
use push_crypto::record::{self, Header, RecordError};
use push_crypto::{KeyError, PublicKey, ReceiverKeys, vapid::SigningKey};

use crate::common::{
    NoRandom, array, hmac, ikm, key_pair, octets, portable, providers, receiver, text, vectors,
};

/// RFC 8291 appendix A: `8291-3.1-3`, `8291-3.3-1` to `8291-3.3-3`, `8291-3.4-1`.
#[test]
fn rfc8291_a_intermediate_values() {
    let vectors = vectors();
    let b64 = &vectors["rfc8291"]["b64"];
    for provider in providers() {
        let ua_public = PublicKey::from_bytes(&octets(b64, "ua_public")).unwrap();
        let as_public = PublicKey::from_bytes(&octets(b64, "as_public")).unwrap();
        assert_eq!(key_pair(b64, "ua_private").public(), &ua_public);
        assert_eq!(key_pair(b64, "as_private").public(), &as_public);
        for (secret, peer) in [("ua_private", &as_public), ("as_private", &ua_public)] {
            let shared = provider.agreement.agree_static(key_pair(b64, secret).secret(), peer).unwrap();
            assert_eq!(shared.expose()[..], octets(b64, "ecdh_secret"));
        }
        let prk_key = hmac(&provider, &octets(b64, "auth_secret"), &[&octets(b64, "ecdh_secret")]);
        assert_eq!(prk_key[..], octets(b64, "prk_key"));
        let material = hmac(&provider, &prk_key, &[&octets(b64, "key_info"), &[1]]);
        assert_eq!(material[..], octets(b64, "ikm"));
        assert_eq!(material, ikm(&provider, b64));
        let prk = hmac(&provider, &octets(b64, "salt"), &[&material]);
        assert_eq!(prk[..], octets(b64, "prk"));
        assert_eq!(hmac(&provider, &prk, &[&octets(b64, "cek_info"), &[1]])[..16], octets(b64, "cek"));
        assert_eq!(hmac(&provider, &prk, &[&octets(b64, "nonce_info"), &[1]])[..12], octets(b64, "nonce"));

        let mut record = [octets(b64, "padded_plaintext"), vec![0; 16]].concat();
        let nonce = array(b64, "nonce");
        provider.aead.with_key(&array(b64, "cek"), &mut |key| key.seal(&nonce, &mut record).unwrap());
        assert_eq!(record, octets(b64, "ciphertext"));
    }
}

/// RFC 8291 section 5, both ways.
#[test]
fn rfc8291_5_example() {
    let vectors = vectors();
    let b64 = &vectors["rfc8291"]["b64"];
    for provider in providers() {
        let keys = receiver(b64);
        let fixed = MessageKeys::fixed(key_pair(b64, "as_private"), array(b64, "salt"));
        let plaintext = octets(b64, "plaintext");
        let body = encrypt_with(&provider, &keys.recipient(), &plaintext, Padding::None, fixed).unwrap();
        assert_eq!(body, octets(b64, "body"));
        assert_eq!(body.len(), 144, "the document says 145 (A-30)");
        assert_eq!(&body[..HEADER_LEN], octets(b64, "header"));
        assert_eq!(decrypt(&provider, &keys, &body).unwrap(), plaintext);
        let mut body = body;
        assert_eq!(decrypt_in_place(&provider, &keys, &mut body).unwrap(), plaintext);
    }
}

/// Every generated body, through the message decoder and the generic one: `8188-2-4` to `8188-2-8`, `8188-2.1-4`,
/// `8188-4.2-1`, `8291-4-1`, `8291-4-2`, `8291-4-8`, `8291-4-10`.
#[test]
fn generated_bodies() {
    for provider in providers() {
        for case in vectors()["generated"].as_array().unwrap() {
            let (id, b64) = (text(case, "id"), &case["b64"]);
            let (keys, body, plaintext) = (receiver(b64), octets(b64, "body"), octets(b64, "plaintext"));
            let message = decrypt(&provider, &keys, &body);
            let generic = record::decode(&provider, &ikm(&provider, b64), &body);
            match text(case, "expect") {
                "ok" => assert_eq!((message, generic), (Ok(plaintext), Ok(plaintext_of(b64))), "{id}"),
                "ok-generic-only" if id == "gen-rs-equals-record" => {
                    assert_eq!((message, generic), (Ok(plaintext), Ok(plaintext_of(b64))), "{id}");
                }
                "ok-generic-only" => {
                    assert_eq!(
                        (message, generic),
                        (Err(DecryptError::SeveralRecords), Ok(plaintext)),
                        "{id}"
                    );
                }
                _ => {
                    let expected = expected_error(id);
                    assert_eq!(generic, Err(expected), "{id}");
                    let several = Err(DecryptError::SeveralRecords);
                    assert!(
                        message == Err(DecryptError::Record(expected)) || message == several,
                        "{id}: {message:?}"
                    );
                    let mut body = body;
                    assert!(decrypt_in_place(&provider, &keys, &mut body).is_err());
                    assert!(!body.windows(5).any(|window| window == b"hello"), "{id}: partial output");
                }
            }
        }
    }
}

fn plaintext_of(b64: &serde_json::Value) -> Vec<u8> {
    octets(b64, "plaintext")
}

fn expected_error(id: &str) -> RecordError {
    match id {
        "gen-delim-01" | "gen-delim-03" | "gen-two-records-first-02" => RecordError::Delimiter,
        "gen-all-zero" => RecordError::NoDelimiter,
        "gen-rs-17" => RecordError::RecordSize(17),
        "gen-truncated" | "gen-bad-tag" | "gen-salt-flip" => RecordError::NotAuthentic,
        "gen-header-only" => RecordError::Truncated,
        other => panic!("a new case: {other}"),
    }
}

/// `8291-7-2`, `8291-4-4`: refused as `p256dh` and as key id, each for its own reason.
#[test]
fn rfc8291_7_bad_public_keys() {
    let vectors = vectors();
    for provider in providers() {
        let keys = receiver(&vectors["rfc8291"]["b64"]);
        for case in vectors["bad_public_keys"].as_array().unwrap() {
            let expected = match text(case, "id") {
                "badkey-off-curve" | "badkey-x-ge-p" => KeyError::NotOnCurve,
                "badkey-infinity" => KeyError::Infinity,
                "badkey-compressed" => KeyError::Compressed,
                "badkey-hybrid" => KeyError::Hybrid,
                "badkey-short" => KeyError::Length(64),
                other => panic!("a new case: {other}"),
            };
            assert_eq!(text(case, "key").parse::<PublicKey>(), Err(expected));
            assert_eq!(PublicKey::parse_strict(text(case, "key")), Err(expected));
            let key = octets(case, "key");
            let mut body = vec![7; 16];
            body.extend_from_slice(&[0, 0, 16, 0, u8::try_from(key.len()).unwrap()]);
            body.extend_from_slice(&key);
            body.extend_from_slice(&[0; 40]);
            assert_eq!(decrypt(&provider, &keys, &body), Err(DecryptError::SenderKey(expected)));
        }
    }
}

/// `8291-4-1` to `8291-4-5`: one record, 65-octet key id, rs greater than the record.
#[test]
fn rfc8291_4_shape_of_bodies() {
    for provider in providers() {
        let keys = ReceiverKeys::generate(&provider).unwrap();
        for length in [0, 1, 100, MAX_PLAINTEXT - 1, MAX_PLAINTEXT] {
            let plaintext = vec![0; length];
            let body = encrypt(&provider, &keys.recipient(), &plaintext, Padding::None).unwrap();
            assert_eq!(body.len(), length + OVERHEAD);
            let header = Header::parse(&body).unwrap();
            assert_eq!((header.record_size(), header.key_id().len()), (4096, 65));
            assert!(header.record_size() as usize > body.len() - header.len());
            assert_eq!(sender_key(&body), Some(header.key_id()));
            assert_eq!(decrypt(&provider, &keys, &body).unwrap(), plaintext);
        }
        assert_eq!((MAX_PLAINTEXT, MAX_BODY), (3993, 4096));
        let long = vec![1; 3994];
        let refused = encrypt(&provider, &keys.recipient(), &long, Padding::None);
        assert_eq!(refused, Err(EncryptError::TooLong { length: 3994, limit: 3993 }));
        for length in [3994, 4078, 4079, 4080, 100_000] {
            let options = Options::new(Padding::None).limit(100_000);
            let plaintext = vec![1; length];
            let body = encrypt(&provider, &keys.recipient(), &plaintext, options).unwrap();
            let rs = Header::parse(&body).unwrap().record_size() as usize;
            assert_eq!(rs, 4096.max(length + 17 + 1));
            assert_eq!(decrypt(&provider, &keys, &body).unwrap(), plaintext);
        }
    }
}

/// `8188-4.8-1`, `8291-7-4`: sizes fall into buckets.
#[test]
fn padding_hides_lengths() {
    let provider = portable();
    let keys = ReceiverKeys::generate(&provider).unwrap();
    let length = |plaintext: usize, padding| {
        let body = encrypt(&provider, &keys.recipient(), &vec![9; plaintext], padding)?;
        assert_eq!(decrypt(&provider, &keys, &body).unwrap(), vec![9; plaintext]);
        Ok(body.len() - OVERHEAD)
    };
    for (plaintext, padding, expected) in [
        (10, Padding::None, 10),
        (0, Padding::Buckets(128), 128),
        (0, Padding::Buckets(1), 0),
        (1, Padding::Buckets(128), 128),
        (128, Padding::Buckets(128), 128),
        (129, Padding::Buckets(128), 256),
        (3990, Padding::Buckets(128), 3993),
        (10, Padding::Buckets(0), 10),
        (10, Padding::Buckets(usize::MAX), 3993),
        (0, Padding::Full, 3993),
        (3993, Padding::Full, 3993),
        (5, Padding::ToLength(64), 64),
        (64, Padding::ToLength(64), 64),
    ] {
        assert_eq!(length(plaintext, padding), Ok(expected), "{plaintext} {padding:?}");
    }
    let too_long = EncryptError::LongerThanPadding { length: 65, padding: 64 };
    assert_eq!(length(65, Padding::ToLength(64)), Err(too_long));
    assert_eq!(length(5, Padding::ToLength(3994)), Err(EncryptError::TooLong { length: 3994, limit: 3993 }));
    for padding in [Padding::Full, Padding::Buckets(2)] {
        assert_eq!(
            length(3994, padding),
            Err(EncryptError::TooLong { length: 3994, limit: 3993 }),
            "{padding:?}"
        );
    }
}

/// `8291-3.1-2`, `8188-2.1-2`: key and salt are new every time.
#[test]
fn rfc8291_3_1_nothing_is_reused() {
    for provider in providers() {
        let keys = ReceiverKeys::generate(&provider).unwrap();
        let one = encrypt(&provider, &keys.recipient(), b"same", Padding::None).unwrap();
        let two = encrypt(&provider, &keys.recipient(), b"same", Padding::None).unwrap();
        assert_ne!(sender_key(&one), sender_key(&two));
        assert_ne!(one[..16], two[..16]);
    }
}

/// Any messages to any recipients, more lanes than messages, and a failure that stays in its lane.
#[test]
fn a_batch() {
    for provider in providers() {
        let keys: Vec<_> = (0..19).map(|_| ReceiverKeys::generate(&provider).unwrap()).collect();
        let plaintexts: Vec<_> = (0..19).map(|n: usize| vec![b'x'; n * 200]).collect();
        let pairs = keys.iter().zip(&plaintexts);
        let mut drafts: Vec<_> =
            pairs.map(|(keys, text)| Draft::new(keys.recipient(), text, Padding::None)).collect();
        drafts[5].options = Padding::Buckets(128).into();
        drafts[6].plaintext = &[0; 3994];
        drafts[7].options = Padding::ToLength(10).into();

        let mut out = vec![Err(EncryptError::Library); 21];
        encrypt_batch(&provider, &drafts, &mut out);
        for (lane, (keys, draft)) in keys.iter().zip(&drafts).enumerate() {
            match lane {
                6 => assert!(matches!(out[6], Err(EncryptError::TooLong { .. }))),
                7 => assert!(matches!(out[7], Err(EncryptError::LongerThanPadding { .. }))),
                lane => {
                    let body = out[lane].as_ref().unwrap();
                    assert_eq!(decrypt(&provider, keys, body).unwrap(), draft.plaintext);
                }
            }
        }
        assert_eq!(out[5].as_ref().unwrap().len(), 1024 + 103);
        assert_eq!(out[19..], [Err(EncryptError::NoDraft), Err(EncryptError::NoDraft)]);
        let senders: std::collections::BTreeSet<_> =
            out.iter().flatten().map(|body| sender_key(body).unwrap().to_vec()).collect();
        assert_eq!(senders.len(), 17);

        let peers = [*keys[0].public_key()];
        let mut lanes = [const { Err(AgreementError::Library) }; 2];
        provider.agree_many(&peers, &mut lanes);
        assert!(lanes[0].is_ok());
        assert!(matches!(lanes[1], Err(AgreementError::NoPeer)));
    }
}

/// What a lane brings along is room, and nothing of it stays.
#[test]
fn buffers_of_a_batch() {
    let provider = portable();
    let keys = ReceiverKeys::generate(&provider).unwrap();
    let mut out = vec![Ok(vec![b'o'; 5000]), Ok(b"old".to_vec())];
    let room = out[0].as_ref().unwrap().as_ptr();
    encrypt_batch(&provider, &[Draft::new(keys.recipient(), b"new", Padding::None)], &mut out);
    let body = out[0].as_ref().unwrap();
    assert_eq!(decrypt(&provider, &keys, body).unwrap(), b"new");
    assert_eq!(body.as_ptr(), room);
    assert_eq!(out[1], Err(EncryptError::NoDraft));
}

/// A failure of our own random source is reported as ours, and nothing is appended.
#[test]
fn no_randomness() {
    let keys = ReceiverKeys::generate(&portable()).unwrap();
    for mut provider in providers() {
        provider.random = &NoRandom;
        let mut out = b"before".to_vec();
        let failed = encrypt_into(&provider, &keys.recipient(), b"x", Padding::None, &mut out);
        assert_eq!(failed, Err(EncryptError::Random));
        assert_eq!(out, b"before");
        let mut lanes = vec![Err(EncryptError::Library)];
        encrypt_batch(&provider, &[Draft::new(keys.recipient(), b"x", Padding::None)], &mut lanes);
        assert_eq!(lanes, [Err(EncryptError::Random)]);
    }
}

/// `8291-4-6`, `8291-4-7`.
#[test]
fn rfc8291_4_content_coding() {
    for good in ["aes128gcm", "AES128GCM", "Aes128Gcm", " aes128gcm\t"] {
        assert_eq!(content_coding(good), Ok(()), "{good:?}");
    }
    for bad in ["", "gzip", "aesgcm", "aes128gcm;q=1", "aes128gcmx"] {
        assert_eq!(content_coding(bad), Err(ContentCodingError::Other), "{bad:?}");
    }
    for bad in ["aes128gcm, aes128gcm", "gzip, aes128gcm", "aes128gcm,"] {
        assert_eq!(content_coding(bad), Err(ContentCodingError::Several), "{bad:?}");
    }
}

/// A message for one subscription is nothing for another, by key or by secret.
#[test]
fn other_receivers() {
    for provider in providers() {
        let keys = ReceiverKeys::generate(&provider).unwrap();
        let other = ReceiverKeys::generate(&provider).unwrap();
        assert_ne!(keys.public_key(), other.public_key());
        assert_ne!(keys.auth(), other.auth());
        let body = encrypt(&provider, &keys.recipient(), b"x", Padding::None).unwrap();
        let refused = Err(DecryptError::Record(RecordError::NotAuthentic));
        assert_eq!(decrypt(&provider, &other, &body), refused);
        let mixed = ReceiverKeys::from_bytes(keys.to_bytes().expose()).unwrap();
        assert_eq!(decrypt(&provider, &mixed, &body).unwrap(), b"x");
    }
}

#[test]
fn receiver_keys_are_versioned() {
    use push_crypto::ReceiverKeysError as Error;
    let keys = ReceiverKeys::generate(&portable()).unwrap();
    let bytes = keys.to_bytes().expose().to_vec();
    assert_eq!(bytes.len(), push_crypto::RECEIVER_KEYS_LEN);
    let error = |bytes: &[u8]| ReceiverKeys::from_bytes(bytes).unwrap_err();
    assert_eq!(error(&[]), Error::Length(0));
    assert_eq!(error(&bytes[..48]), Error::Length(48));
    assert_eq!(error(&[2; 49]), Error::Version(2));
    assert_eq!(error(&[&[1][..], &[0; 48]].concat()), Error::Key(KeyError::SecretRange));
    assert_eq!(error(&[&[1][..], &[0xff; 48]].concat()), Error::Key(KeyError::SecretRange));
}

/// `8292-3.2-2`: the key that signs never encrypts. A message draws a key of its own, each time anew (`8291-3.1-2`).
#[test]
fn no_message_is_encrypted_with_the_key_that_signs() {
    for provider in providers() {
        let signing = SigningKey::generate(&provider).unwrap();
        let to = receiver(&vectors()["rfc8291"]["b64"]);
        let mut seen = vec![*signing.public_key()];
        for _ in 0..8 {
            let body = encrypt(&provider, &to.recipient(), b"x", Padding::None).unwrap();
            let key = PublicKey::from_bytes(sender_key(&body).unwrap()).unwrap();
            assert!(!seen.contains(&key));
            seen.push(key);
        }
    }
}
