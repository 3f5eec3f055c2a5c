//! Vectors, providers, and a random source that repeats itself.

use std::string::String;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding};
use push_crypto::provider::{RandomError, SecureRandom};
use push_crypto::{AuthSecret, KeyPair, Provider, ReceiverKeys, SecretKey};
use serde_json::Value;

/// Every provider that this build has.
pub(crate) fn providers() -> Vec<Provider> {
    vec![
        #[cfg(feature = "aws-lc")]
        push_crypto::aws_lc::provider(),
        portable(),
    ]
}

pub(crate) fn portable() -> Provider {
    push_crypto::rustcrypto::provider_with(&TestRandom)
}

/// Different octets on every call. Not secure.
struct TestRandom;

static COUNTER: AtomicU64 = AtomicU64::new(0);

impl SecureRandom for TestRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        for chunk in out.chunks_mut(8) {
            let mut x = COUNTER.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.iter_mut().zip((x ^ (x >> 31)).to_le_bytes()).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

/// A random source that has none.
pub(crate) struct NoRandom;

impl SecureRandom for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member}"))
}

pub(crate) fn octets(value: &Value, member: &str) -> Vec<u8> {
    decode(text(value, member))
}

pub(crate) fn array<const N: usize>(value: &Value, member: &str) -> [u8; N] {
    octets(value, member).try_into().unwrap()
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub(crate) fn hmac(provider: &Provider, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    provider.hmac.hmac(key, parts, &mut out);
    out
}

pub(crate) fn key_pair(value: &Value, private: &str) -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes(&octets(value, private)).unwrap()).unwrap()
}

/// The receiver of an example.
pub(crate) fn receiver(b64: &Value) -> ReceiverKeys {
    ReceiverKeys::new(
        key_pair(b64, "ua_private"),
        AuthSecret::from_bytes(&octets(b64, "auth_secret")).unwrap(),
    )
}

/// The input keying material of an example, step by step.
pub(crate) fn ikm(provider: &Provider, b64: &Value) -> [u8; 32] {
    let peer = push_crypto::PublicKey::from_bytes(&octets(b64, "as_public")).unwrap();
    let shared = provider.agreement.agree_static(key_pair(b64, "ua_private").secret(), &peer).unwrap();
    let prk = hmac(provider, &octets(b64, "auth_secret"), &[shared.expose()]);
    let info = [&b"WebPush: info\0"[..], &octets(b64, "ua_public"), &octets(b64, "as_public"), &[1]];
    hmac(provider, &prk, &info)
}
