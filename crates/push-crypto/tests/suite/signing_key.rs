//! VAPID keys in all their forms: `8292-2-1`.

use push_crypto::KeyError;
use push_crypto::vapid::{SigningKey, SigningKeyError};

use crate::common::portable;

const SEC1: &str = include_str!("../keys/p256-sec1.pem");
const PKCS8: &str = include_str!("../keys/p256-pkcs8.pem");
const RAW: &str = "jCTn97LsLzIkawnSAQWLvZFPEPk8P-rJAYRWQosoYzI";

#[test]
fn openssl_keys_are_read_alike() {
    let raw = SigningKey::from_base64url(RAW).unwrap();
    for text in [SEC1, PKCS8, &SEC1.replace('\n', "\r\n"), &format!("some words\n{PKCS8}{SEC1}")] {
        let key = SigningKey::from_pem(text).unwrap();
        assert_eq!(key.public_key(), raw.public_key());
        assert_eq!(key.to_base64url().expose(), RAW);
    }
    let sec1_alone = SEC1.split_once("-----END EC PARAMETERS-----\n").unwrap().1;
    assert!(SigningKey::from_pem(sec1_alone).is_ok());
}

#[test]
fn own_keys_come_back() {
    let key = SigningKey::generate(&portable()).unwrap();
    let pem = key.to_pem().unwrap();
    assert!(pem.expose().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(SigningKey::from_pem(pem.expose()).unwrap().public_key(), key.public_key());
    let raw = key.to_base64url();
    assert_eq!(SigningKey::from_base64url(raw.expose()).unwrap().public_key(), key.public_key());
    let padded = format!("{}=", raw.expose().replace('-', "+").replace('_', "/"));
    assert_eq!(SigningKey::from_base64url(&padded).unwrap().public_key(), key.public_key());
    // OpenSSL's own bytes come out again.
    let fixed = SigningKey::from_pem(PKCS8).unwrap();
    assert_eq!(fixed.to_pem().unwrap().expose(), PKCS8);
}

/// `8292-2-1`: every other key is refused, and the error says why.
#[test]
fn rfc8292_2_other_keys_are_refused() {
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let old_style =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    for (text, error) in [
        (include_str!("../keys/p384-sec1.pem"), SigningKeyError::Curve),
        (include_str!("../keys/p384-pkcs8.pem"), SigningKeyError::Curve),
        (include_str!("../keys/ed25519.pem"), SigningKeyError::Algorithm),
        (include_str!("../keys/encrypted.pem"), SigningKeyError::Encrypted),
        (include_str!("../keys/public.pem"), SigningKeyError::NotPrivate),
        (rsa, SigningKeyError::Algorithm),
        (old_style, SigningKeyError::Encrypted),
        ("", SigningKeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----", SigningKeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", SigningKeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", SigningKeyError::Der),
    ] {
        assert_eq!(SigningKey::from_pem(text).unwrap_err(), error, "{text}");
    }
}

/// A file whose public key belongs to another private key.
#[test]
fn mismatched_halves_are_refused() {
    use base64ct::{Base64, Encoding};
    let line: String = PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = Base64::decode_vec(&line).unwrap();
    assert!(SigningKey::from_pkcs8_der(&der).is_ok());
    let last = der.len() - 1;
    der[last] ^= 1;
    assert_eq!(SigningKey::from_pkcs8_der(&der).unwrap_err(), SigningKeyError::Mismatch);
    for length in 0..der.len() {
        assert!(SigningKey::from_pkcs8_der(&der[..length]).is_err());
    }
}

#[test]
fn raw_keys_are_checked() {
    let error = |text: &str| SigningKey::from_base64url(text).unwrap_err();
    assert_eq!(error("!"), SigningKeyError::Base64);
    assert_eq!(error("AAAA"), SigningKeyError::Key(KeyError::SecretLength(3)));
    assert_eq!(error(&"A".repeat(43)), SigningKeyError::Key(KeyError::SecretRange));
    assert_eq!(error(&format!("{}8", "_".repeat(42))), SigningKeyError::Key(KeyError::SecretRange));
}
