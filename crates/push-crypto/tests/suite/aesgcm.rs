//! draft-ietf-webpush-encryption-04 and draft-ietf-httpbis-encryption-encoding-03.

use push_crypto::aesgcm::{
    DecryptError, Fields, FieldsError, MAX_FIELD_LEN, MAX_PLAINTEXT, OVERHEAD, decrypt, encrypt,
    encrypt_with, is_content_coding,
};
use push_crypto::message::{EncryptError, MAX_BODY, MessageKeys, Options, Padding};
use push_crypto::vapid::{Credentials, Signer, SigningKey, verify};
use push_crypto::{AuthSecret, KeyError, KeyPair, PublicKey, ReceiverKeys, SecretKey, UnixTime};

use crate::common::{
    NoRandom, array, decode, encode, hmac, key_pair, octets, portable, providers, receiver, text, vectors,
};

/// draft-ietf-webpush-encryption-04 appendix A, step by step: `wp04-3.3-1`, `wp04-3.4-1`, `ece03-3.2-1`, `ece03-3.3-1`.
#[test]
fn wp04_a_intermediate_values() {
    let vectors = vectors();
    let b64 = &vectors["aesgcm_webpush04"]["b64"];
    for provider in providers() {
        let sender = PublicKey::from_bytes(&octets(b64, "as_public")).unwrap();
        let shared = provider.agreement.agree_static(key_pair(b64, "ua_private").secret(), &sender).unwrap();
        assert_eq!(shared.expose()[..], octets(b64, "ecdh_secret"));
        let prk = hmac(&provider, &octets(b64, "auth_secret"), &[shared.expose()]);
        let ikm = hmac(&provider, &prk, &[b"Content-Encoding: auth\0", &[1]]);
        assert_eq!(ikm[..], octets(b64, "ikm"));
        let prk = hmac(&provider, &octets(b64, "salt"), &[&ikm]);
        assert_eq!(hmac(&provider, &prk, &[&octets(b64, "cek_info"), &[1]])[..16], octets(b64, "cek"));
        assert_eq!(hmac(&provider, &prk, &[&octets(b64, "nonce_info"), &[1]])[..12], octets(b64, "nonce"));
    }
}

/// draft-ietf-webpush-encryption-04 section 5, both ways: `wp04-3.1-1`, `wp04-4-1`, `ece03-2-3`.
#[test]
fn wp04_5_example() {
    let vectors = vectors();
    let example = &vectors["aesgcm_webpush04"];
    let (b64, headers) = (&example["b64"], &example["request"]["headers"]);
    for provider in providers() {
        let keys = receiver(b64);
        let fixed = MessageKeys::fixed(key_pair(b64, "as_private"), array(b64, "salt"));
        let plaintext = octets(b64, "plaintext");
        let message = encrypt_with(&provider, &keys.recipient(), &plaintext, Padding::None, fixed).unwrap();
        assert_eq!(message.body, octets(b64, "ciphertext"));
        assert_eq!(message.body.len() as u64, example["content_length"].as_u64().unwrap());
        // The draft quotes the values; what is sent has no quotes, and is the same.
        let fields = Fields::parse(text(headers, "Encryption"), text(headers, "Crypto-Key")).unwrap();
        assert_eq!(fields, message.fields);
        assert_eq!(fields.encryption(), text(headers, "Encryption").replace('"', ""));
        assert_eq!(fields.crypto_key(), text(headers, "Crypto-Key").replace('"', ""));
        assert_eq!(decrypt(&provider, &keys, &fields, &message.body).unwrap(), plaintext);
    }
}

/// A message by someone else: receiver's secret key, auth secret, Encryption, Crypto-Key, body, plaintext.
type Foreign = [&'static str; 6];

/// By pywebpush, as mozilla/rust-ece has them (`src/legacy.rs`, commit 00adaac), "verified against the client"; the
/// second with padding. Then by ecec (`test/decrypt/aesgcm.c`, commit 09ebf7a), with a record size.
const FOREIGN: [Foreign; 3] = [
    [
        "yerDmA9uNFoaUnSt2TkWWLwPseG1qtzS2zdjUl8Z7tc",
        "LsuUOBKVQRY6-l7_Ajo-Ag",
        "salt=8qX1ZgkLD50LHgocZdPKZQ",
        "dh=BJvcyzf8ocm6F7lbFePebtXU7OHkmylXN9FL2g-yBHwUKqo6cD-FP1h5SHEQQ-xEgJl-F0xEEmSaEx2-qeJHYmk",
        "8Vyes671P_VDf3G2e6MgY6IaaydgR-vODZZ7L0ZHbpCJNVaf_2omEms2tiPJiU22L3BoECKJixiOxihcsxWMjTgAcplbvfu1g6LWeP4j8dMAz\
         JionWs7OOLif6jBKN6LGm4EUw9e26EBv9hNhi87-HaEGbfBMGcLvm1bql1F",
        "Amidst the mists and coldest frosts I thrust my fists against the\nposts and still demand to see the ghosts.\n",
    ],
    [
        "yerDmA9uNFoaUnSt2TkWWLwPseG1qtzS2zdjUl8Z7tc",
        "LsuUOBKVQRY6-l7_Ajo-Ag",
        "salt=x2I2OZpSCoe-Cc5UW36Nng",
        "dh=BCX7KJ_1Em-LjeB56E2KDoMjKDhTaDhjv8c6dwbvZQZ_Gsfp3AT54x2zYUPcBwd1GVyGsk55ProJ98cFrVxrPz4",
        "Ua3-WW5kTbt11dBTiXBP6_hLBYhBNOtDFfue5QHMTd2DicL0wutDnt5z9pjRJ76w562egPq5qro95YLnsX0NWGmDQbsQ0Azds6jcBGsxHPt0p\
         5GELAtR4AJj2OsB_LV7dTuGHN2SqsyXLARjTFN2wsF3xWhmuw",
        "Tabs are the real indent",
    ],
    [
        "4h23G_KkXC9TvBSK2v0Q7ImpS2YAuRd8hQyN0rFAwBg",
        "aTDc6JebzR6eScy2oLo4RQ",
        "salt=zCU18Rw3A5aB_Xi-vfixmA; rs=24",
        "dh=BCHFVrflyxibGLlgztLwKelsRZp4gqX3tNfAKFaxAcBhpvYeN1yIUMrxaDKiLh4LNKPtj0BOXGdr-IQ-QP82Wjo",
        "Oo34w2F9VVnTMFfKtdx48AZWQ9Li9M6DauWJVgXU",
        "Some message",
    ],
];

fn foreign_keys([secret, auth, ..]: Foreign) -> ReceiverKeys {
    let pair = KeyPair::from_secret(SecretKey::from_bytes(&decode(secret)).unwrap()).unwrap();
    ReceiverKeys::new(pair, AuthSecret::from_bytes(&decode(auth)).unwrap())
}

/// `wp04-4-5`, `ece03-2-3`, `ece03-3-1`.
#[test]
fn messages_of_other_senders_are_read() {
    for provider in providers() {
        for foreign @ [_, _, encryption, crypto_key, body, plaintext] in FOREIGN {
            let fields = Fields::parse(encryption, crypto_key).unwrap();
            let read = decrypt(&provider, &foreign_keys(foreign), &fields, &decode(body));
            assert_eq!(read.unwrap(), plaintext.as_bytes());
        }
    }
}

/// `ece03-2-1`: a full record is not the last. Its end was cut off; by ecec, as above.
#[test]
fn ece03_2_a_full_record_is_not_the_last() {
    let crypto_key =
        "dh=BD_bsTUpxBMvSv8eksith3vijMLj44D4jhJjO51y7wK1ytbUlsyYBBYYyB5AAe5bnREA_WipTgemDVz00LiWcfM";
    let fields = Fields::parse("salt=xKWvs_jWWeg4KOsot_uBhA; rs=7", crypto_key).unwrap();
    let keys = foreign_keys([
        "2bu4paOAZbL2ef1u-wTzONuTIcDPc00o0zUJgg46XTc",
        "QoDi0u6vcslIVJKiouXMXw",
        "",
        "",
        "",
        "",
    ]);
    let body = decode("YG4F-b06y590hRlnSsw_vuOw62V9Iz8");
    for provider in providers() {
        assert_eq!(decrypt(&provider, &keys, &fields, &body), Err(DecryptError::SeveralRecords));
    }
}

/// `wp04-4-1`, `wp04-4-5`, `ece03-2-3`: one record, what fits into 4096 octets, and the record size where it is needed.
#[test]
fn wp04_4_sizes() {
    assert_eq!((MAX_PLAINTEXT, OVERHEAD), (4077, 18));
    for provider in providers() {
        let keys = ReceiverKeys::generate(&provider).unwrap();
        for length in [0, 1, 100, MAX_PLAINTEXT - 1, MAX_PLAINTEXT] {
            let plaintext = vec![7; length];
            let message = encrypt(&provider, &keys.recipient(), &plaintext, Padding::None).unwrap();
            assert_eq!(message.body.len(), length + OVERHEAD);
            assert!(message.body.len() < MAX_BODY);
            assert!(!message.fields.encryption().contains("rs="));
            assert_eq!(decrypt(&provider, &keys, &message.fields, &message.body).unwrap(), plaintext);
        }
        let refused = encrypt(&provider, &keys.recipient(), &[0; 4078], Padding::None);
        assert_eq!(refused, Err(EncryptError::TooLong { length: 4078, limit: 4077 }));
        for length in [4078, 4079, 70_000] {
            let options = Options::new(Padding::None).limit(length);
            let plaintext = vec![7; length];
            let message = encrypt(&provider, &keys.recipient(), &plaintext, options).unwrap();
            let record_size = format!(";rs={}", length + OVERHEAD + 1);
            assert!(message.fields.encryption().ends_with(&record_size));
            let fields = Fields::parse(message.fields.encryption(), message.fields.crypto_key()).unwrap();
            assert_eq!(decrypt(&provider, &keys, &fields, &message.body).unwrap(), plaintext);
        }
        let options = Options::new(Padding::None).limit(4078);
        let largest = encrypt(&provider, &keys.recipient(), &[7; 4078], options).unwrap();
        assert_eq!(largest.body.len(), MAX_BODY);
    }
}

/// `ece03-2-3`: padding is what it is for the newer coding, in front of the data.
#[test]
fn padding_hides_lengths() {
    let provider = portable();
    let keys = ReceiverKeys::generate(&provider).unwrap();
    let length = |plaintext: usize, options: Options| {
        let message = encrypt(&provider, &keys.recipient(), &vec![9; plaintext], options)?;
        let read = decrypt(&provider, &keys, &message.fields, &message.body).unwrap();
        assert_eq!(read, vec![9; plaintext]);
        Ok(message.body.len() - OVERHEAD)
    };
    for (plaintext, padding, expected) in [
        (10, Padding::None, 10),
        (0, Padding::Buckets(128), 128),
        (129, Padding::Buckets(128), 256),
        (4070, Padding::Buckets(128), 4077),
        (0, Padding::Full, 4077),
        (4077, Padding::Full, 4077),
        (5, Padding::ToLength(64), 64),
    ] {
        assert_eq!(length(plaintext, padding.into()), Ok(expected), "{plaintext} {padding:?}");
    }
    let too_long = EncryptError::LongerThanPadding { length: 65, padding: 64 };
    assert_eq!(length(65, Padding::ToLength(64).into()), Err(too_long));
    // Two octets say how long the padding is.
    let full = |limit| Options::new(Padding::Full).limit(limit);
    assert_eq!(length(1, full(65_536)), Ok(65_536));
    assert_eq!(length(1, full(65_537)), Err(EncryptError::TooLong { length: 65_537, limit: 65_536 }));
}

/// `ece03-2-2`, `ece03-2-3`: what is damaged is refused, whoever damaged it.
#[test]
fn damaged_messages_are_refused() {
    for provider in providers() {
        let keys = ReceiverKeys::generate(&provider).unwrap();
        let message = encrypt(&provider, &keys.recipient(), b"hello", Padding::ToLength(8)).unwrap();
        let read = |body: &[u8]| decrypt(&provider, &keys, &message.fields, body);
        for at in 0..message.body.len() {
            let mut body = message.body.clone();
            body[at] ^= 1;
            assert_eq!(read(&body), Err(DecryptError::NotAuthentic), "{at}");
            let short = if at < OVERHEAD { DecryptError::ShortRecord } else { DecryptError::NotAuthentic };
            assert_eq!(read(&message.body[..at]), Err(short), "{at}");
        }
        assert_eq!(read(&[&message.body[..], &[0]].concat()), Err(DecryptError::NotAuthentic));
        assert_eq!(read(&[0; 4111]), Err(DecryptError::NotAuthentic));
        assert_eq!(read(&[0; 4112]), Err(DecryptError::SeveralRecords));

        let other = encrypt(&provider, &keys.recipient(), b"hello", Padding::None).unwrap();
        let swapped = decrypt(&provider, &keys, &other.fields, &message.body);
        assert_eq!(swapped, Err(DecryptError::NotAuthentic));
        let stranger = ReceiverKeys::generate(&provider).unwrap();
        let strange = decrypt(&provider, &stranger, &message.fields, &message.body);
        assert_eq!(strange, Err(DecryptError::NotAuthentic));
    }
}

/// `ece03-2-3`: authentic, but its padding is not of zeros or does not end.
#[test]
fn ece03_2_bad_padding_is_refused() {
    let vectors = vectors();
    let b64 = &vectors["aesgcm_webpush04"]["b64"];
    let headers = &vectors["aesgcm_webpush04"]["request"]["headers"];
    let fields = Fields::parse(text(headers, "Encryption"), text(headers, "Crypto-Key")).unwrap();
    for provider in providers() {
        let made_of = |padded: &[u8]| {
            let mut record = [padded, &[0; 16]].concat();
            let nonce = array(b64, "nonce");
            provider.aead.with_key(&array(b64, "cek"), &mut |key| key.seal(&nonce, &mut record).unwrap());
            decrypt(&provider, &receiver(b64), &fields, &record)
        };
        assert_eq!(made_of(&octets(b64, "padded_plaintext")).unwrap(), b"I am the walrus");
        assert_eq!(made_of(&[0, 2, 0, 0, 7]).unwrap(), b"\x07");
        assert_eq!(made_of(&[0, 2, 0, 0]).unwrap(), b"");
        assert_eq!(made_of(&[0, 0]).unwrap(), b"");
        for bad in [&[0, 1, 7][..], &[0, 3, 0, 0], &[0xff, 0xff, 0], &[0, 2, 0, 1, 0]] {
            assert_eq!(made_of(bad), Err(DecryptError::Padding), "{bad:?}");
        }
        for short in [&[][..], &[0]] {
            assert_eq!(made_of(short), Err(DecryptError::ShortRecord), "{short:?}");
        }
    }
}

const SALT: &str = "lngarbyKfMoi9Z75xYXmkg";
const DH: &str = "BNoRDbb84JGm8g5Z5CFxurSqsXWJ11ItfXEWYVLE85Y7CYkDjXsIEc4aqxYaQ1G8BqkXCJ6DPpDrWtdWj_mugHU";

/// `ece03-3-1`, `ece03-3-2`, `ece03-4-1`, `wp04-4-3`, A-22: all that senders send.
#[test]
fn fields_are_read_as_they_come() {
    let plain = Fields::parse(format!("salt={SALT}"), format!("dh={DH}")).unwrap();
    let standard = DH.replace('-', "+").replace('_', "/");
    for (encryption, crypto_key) in [
        (format!("salt=\"{SALT}\""), format!("dh=\"{DH}\"")),
        (format!("salt={SALT}=="), format!("dh={DH}=")),
        (format!("salt=\"{SALT}==\""), format!("dh={standard}=;p256ecdsa={DH}=")),
        (format!("keyid=p256dh;salt={SALT}"), format!("keyid=p256dh;dh={DH},p256ecdsa=x")),
        (format!("salt={SALT} ; rs=4096"), format!("p256ecdsa=\"a,b;dh=\" , dh={DH}")),
        (format!("rs=4096;x=\"\\\"\";Salt = {SALT}"), format!(" DH = {DH} ; y=1\t")),
        (format!(",;salt={SALT};,"), format!("a=b, , c=d;dh={DH};")),
        (format!("keyid=a;salt={SALT}"), format!("keyid=b;dh={DH}, keyid=a;aesgcm=xyz")),
    ] {
        assert_eq!(Fields::parse(&encryption, &crypto_key), Ok(plain), "{encryption} {crypto_key}");
    }
    assert_eq!(plain.record_size(), 4096);
    assert_eq!((encode(plain.salt()).as_str(), plain.sender_key().to_string().as_str()), (SALT, DH));
    for (digits, size) in [("2", 2), ("0010", 10), ("99999999999999999999999", u64::MAX)] {
        let fields = Fields::parse(format!("salt={SALT};rs={digits}"), format!("dh={DH}")).unwrap();
        assert_eq!(fields.record_size(), size);
    }
}

/// `ece03-3-1`, `ece03-3-2`, `wp04-3.1-1`, `wp04-4-3`, `wp04-4-4`: and what is wrong is named.
#[test]
fn bad_fields_are_refused() {
    let (good_salt, good_dh) = (format!("salt={SALT}"), format!("dh={DH}"));
    let of_salt = |encryption: &str| Fields::parse(encryption, &good_dh).unwrap_err();
    let of_key = |crypto_key: &str| Fields::parse(&good_salt, crypto_key).unwrap_err();
    for (encryption, error) in [
        (String::new(), FieldsError::MissingSalt),
        ("rs=10".into(), FieldsError::MissingSalt),
        (format!("{good_salt}, {good_salt}"), FieldsError::SeveralSalts),
        (format!("{good_salt};{good_salt}"), FieldsError::Duplicate("Encryption")),
        (format!("{good_salt};aesgcm=csPJEXBYA5U-Tal9EdJi-w"), FieldsError::ExplicitKey),
        ("salt=lngarbyKfMoi9Z75xYXm".into(), FieldsError::Salt),
        (format!("{good_salt}A"), FieldsError::Salt),
        ("salt=%%%%".into(), FieldsError::Salt),
        (format!("{good_salt};rs=1"), FieldsError::RecordSize),
        (format!("{good_salt};rs=0"), FieldsError::RecordSize),
        (format!("{good_salt};rs=+5"), FieldsError::RecordSize),
        (format!("{good_salt};rs=\"\""), FieldsError::RecordSize),
        ("salt=".into(), FieldsError::Syntax("Encryption")),
        ("salt".into(), FieldsError::Syntax("Encryption")),
        (format!("{good_salt} x"), FieldsError::Syntax("Encryption")),
        (format!("=x;{good_salt}"), FieldsError::Syntax("Encryption")),
        (format!("salt=\"{SALT}"), FieldsError::Syntax("Encryption")),
        (format!("\"salt\"={SALT}"), FieldsError::Syntax("Encryption")),
        (format!("salt=\"{SALT}\"!"), FieldsError::Syntax("Encryption")),
        ("x".repeat(MAX_FIELD_LEN + 1), FieldsError::TooLong("Encryption")),
    ] {
        assert_eq!(of_salt(&encryption), error, "{encryption}");
    }
    for (crypto_key, error) in [
        (String::new(), FieldsError::MissingKey),
        (format!("p256ecdsa={DH}"), FieldsError::MissingKey),
        (format!("{good_dh},keyid=a;{good_dh}"), FieldsError::SeveralKeys),
        (format!("{good_dh};{good_dh}"), FieldsError::Duplicate("Crypto-Key")),
        ("dh=****".into(), FieldsError::Key(KeyError::Base64)),
        ("dh=BNoRDbb8".into(), FieldsError::Key(KeyError::Length(6))),
        ("dh".into(), FieldsError::Syntax("Crypto-Key")),
        (format!("{good_dh};keyid"), FieldsError::Syntax("Crypto-Key")),
        ("x".repeat(MAX_FIELD_LEN + 1), FieldsError::TooLong("Crypto-Key")),
    ] {
        assert_eq!(of_key(&crypto_key), error, "{crypto_key}");
        assert!(error.section().starts_with("draft-ietf-"));
    }
    assert!(matches!(Fields::parse(b"salt=\xff", &good_dh), Err(FieldsError::Syntax("Encryption"))));
    for case in vectors()["bad_public_keys"].as_array().unwrap() {
        let refused = of_key(&format!("dh={}", text(case, "key")));
        assert!(matches!(refused, FieldsError::Key(_)), "{refused:?}");
    }
}

/// `vapid01-2-1`, `vapid01-4-1`, `vapid01-4-2`, `legacy-1`: the older credentials go along, and are checked like any.
#[test]
fn a_signed_message_has_both_keys_in_one_field() {
    let origin = "https://push.example.net".parse().unwrap();
    let (now, expires) = (UnixTime::from_secs(1000), UnixTime::from_secs(2000));
    for provider in providers() {
        let signer = Signer::new(SigningKey::generate(&provider).unwrap(), None);
        let token = signer.sign(&provider, &origin, expires, now).unwrap();
        let keys = ReceiverKeys::generate(&provider).unwrap();
        let message = encrypt(&provider, &keys.recipient(), b"hello", Padding::None).unwrap();
        let crypto_key = message.fields.crypto_key_with(&token);
        let expected = format!("dh={};p256ecdsa={}", message.fields.sender_key(), signer.public_key());
        assert_eq!(crypto_key, expected);
        assert_ne!(message.fields.sender_key(), signer.public_key());
        assert_eq!(Fields::parse(message.fields.encryption(), &crypto_key), Ok(message.fields));

        let key = signer.public_key().to_string();
        assert_eq!(token.draft_crypto_key(), format!("p256ecdsa={key}"));
        assert_eq!(token.draft_authorization(), format!("WebPush {}", token.jwt()));
        let credentials =
            Credentials::parse_draft(token.draft_authorization(), Some(key.as_bytes())).unwrap();
        assert_eq!(credentials, Credentials::parse(token.authorization()).unwrap());
        assert_eq!(verify(&provider, &credentials, &origin, now, 0).unwrap().key(), signer.public_key());
    }
}

/// Nothing is padded or quoted: FCM refuses padded keys.
#[test]
fn fields_are_sent_without_padding_and_quotes() {
    let provider = portable();
    let keys = ReceiverKeys::generate(&provider).unwrap();
    let one = encrypt(&provider, &keys.recipient(), b"same", Padding::None).unwrap();
    let two = encrypt(&provider, &keys.recipient(), b"same", Padding::None).unwrap();
    for field in [one.fields.encryption(), one.fields.crypto_key()] {
        assert!(!field.ends_with('=') && !field.contains('"'), "{field}");
    }
    // And nothing is used twice: `8291-3.1-2` was so before it had its number.
    assert_ne!(one.fields.sender_key(), two.fields.sender_key());
    assert_ne!(one.fields.salt(), two.fields.salt());
}

/// A failure of our own random source is reported as ours.
#[test]
fn no_randomness() {
    let keys = ReceiverKeys::generate(&portable()).unwrap();
    for mut provider in providers() {
        provider.random = &NoRandom;
        let failed = encrypt(&provider, &keys.recipient(), b"x", Padding::None);
        assert_eq!(failed, Err(EncryptError::Random));
    }
}

/// `wp04-4-2`.
#[test]
fn wp04_4_content_coding() {
    for good in ["aesgcm", "AESGCM", " aesgcm\t"] {
        assert!(is_content_coding(good), "{good:?}");
    }
    for bad in ["", "aes128gcm", "gzip, aesgcm", "aesgcm, aesgcm", "aesgcm,", "aesgcm;q=1", "aesgcm128"] {
        assert!(!is_content_coding(bad), "{bad:?}");
    }
}
