//! The vectors of Project Wycheproof for P-256 (`tests/wycheproof/README.md`), with every provider.

use push_crypto::{KeyError, PublicKey, SecretKey};
use serde_json::Value;

use crate::common::{providers, text};

fn vectors(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn hex(value: &Value, member: &str) -> Vec<u8> {
    let digits = text(value, member).as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

/// Wycheproof's integers have a leading zero where their first bit is set, and none where they are short.
fn scalar(vector: &Value) -> SecretKey {
    let octets = hex(vector, "private");
    let significant = octets.iter().position(|&octet| octet != 0).unwrap_or(octets.len());
    let mut padded = vec![0; 32 - (octets.len() - significant)];
    padded.extend_from_slice(&octets[significant..]);
    SecretKey::from_bytes(&padded).unwrap()
}

/// `8291-7-2`: what is good is agreed on, what is bad is no key: off the curve, of another curve, malformed. Compressed
/// points are good, but not in web push (`8291-4-4`).
#[test]
fn ecdh() {
    let (mut agreed, mut refused) = (0, 0);
    for vector in vectors(include_str!("../wycheproof/ecdh.json")) {
        let id = &vector["tcId"];
        let peer = PublicKey::from_bytes(&hex(&vector, "public"));
        match text(&vector, "result") {
            "valid" => {
                let (secret, peer) = (scalar(&vector), peer.unwrap());
                for provider in providers() {
                    let shared = provider.agreement.agree_static(&secret, &peer).unwrap();
                    assert_eq!(shared.expose()[..], hex(&vector, "shared"), "{id} {provider:?}");
                    let key = provider.agreement.static_key(&secret).unwrap();
                    for _ in 0..2 {
                        assert_eq!(key.agree(&peer).unwrap().expose(), shared.expose(), "{id} {provider:?}");
                    }
                }
                agreed += 1;
            }
            "acceptable" => {
                assert_eq!(peer, Err(KeyError::Compressed), "{id}");
                refused += 1;
            }
            _ => {
                assert!(peer.is_err(), "{id}");
                refused += 1;
            }
        }
    }
    assert_eq!((agreed, refused), (330, 25));
}

/// `8292-2-9`: signatures at the edges of the arithmetic, and such as a careless verifier takes.
#[test]
fn ecdsa() {
    let (mut good, mut bad) = (0, 0);
    for group in vectors(include_str!("../wycheproof/ecdsa.json")) {
        let key = PublicKey::from_bytes(&hex(&group, "key")).unwrap();
        for vector in group["tests"].as_array().unwrap() {
            let (id, message) = (&vector["tcId"], hex(vector, "msg"));
            let is_valid = text(vector, "result") == "valid";
            // Of another length it is refused before any provider sees it.
            let signature: Result<[u8; 64], _> = hex(vector, "sig").try_into();
            assert!(signature.is_ok() || !is_valid, "{id}");
            if let Ok(signature) = signature {
                for provider in providers() {
                    let verified = provider.signature.verify(&key, &message, &signature);
                    assert_eq!(verified.is_ok(), is_valid, "{id} {provider:?}");
                    let prepared = provider.signature.verifying_key(&key).unwrap();
                    for _ in 0..2 {
                        assert_eq!(prepared.verify(&message, &signature), verified, "{id} {provider:?}");
                    }
                }
            }
            if is_valid {
                good += 1;
            } else {
                bad += 1;
            }
        }
    }
    assert_eq!((good, bad), (173, 89));
}
