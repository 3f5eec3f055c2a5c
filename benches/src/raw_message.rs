//! RFC 8291 by hand on aws-lc-rs: no parsed types, no streaming, no choice. What ours should cost a few per cent more
//! than.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{
    ECDH_P256, EphemeralPrivateKey, PrivateKey, UnparsedPublicKey, agree, agree_ephemeral,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand::{self, SystemRandom};

/// Octets before the record: salt, record size, length of the key id, key id.
const HEADER: usize = 86;

pub(crate) fn encrypt(public: &[u8], auth: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let sender = key.compute_public_key()?;
    let mut salt = [0; 16];
    rand::fill(&mut salt)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, public);
    let (key, nonce) = agree_ephemeral(key, peer, Unspecified, |shared| {
        keys(shared, auth, &salt, [public, sender.as_ref()])
    })?;
    let mut body = Vec::with_capacity(HEADER + plaintext.len() + 17);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&4096u32.to_be_bytes());
    body.push(65);
    body.extend_from_slice(sender.as_ref());
    body.extend_from_slice(plaintext);
    body.push(2);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut body[HEADER..])?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

pub(crate) fn secret(secret: &[u8]) -> Result<PrivateKey, Unspecified> {
    PrivateKey::from_private_key(&ECDH_P256, secret).map_err(|_| Unspecified)
}

pub(crate) fn decrypt(
    key: &PrivateKey,
    public: &[u8],
    auth: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let (header, record) = body.split_at_checked(HEADER).ok_or(Unspecified)?;
    let (salt, sender) = (&header[..16], &header[21..]);
    let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
    let (key, nonce) = agree(key, peer, Unspecified, |shared| keys(shared, auth, salt, [public, sender]))?;
    let mut record = record.to_vec();
    let data = key.open_in_place(nonce, Aad::empty(), &mut record)?;
    let length = data.iter().rposition(|&octet| octet == 2).ok_or(Unspecified)?;
    record.truncate(length);
    Ok(record)
}

fn keys(
    shared: &[u8],
    auth: &[u8],
    salt: &[u8],
    [receiver, sender]: [&[u8]; 2],
) -> Result<(LessSafeKey, Nonce), Unspecified> {
    let agreed = Salt::new(HKDF_SHA256, auth).extract(shared);
    let ikm: [u8; 32] = expand(&agreed, &[b"WebPush: info\0", receiver, sender])?;
    let content = Salt::new(HKDF_SHA256, salt).extract(&ikm);
    let key: [u8; 16] = expand(&content, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = expand(&content, &[b"Content-Encoding: nonce\0"])?;
    Ok((LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?), Nonce::assume_unique_for_key(nonce)))
}

fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    prk.expand(info, Octets(N))?.fill(&mut out)?;
    Ok(out)
}

struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}
