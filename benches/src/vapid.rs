//! RFC 8292: a whole Authorization field made, and a whole field checked.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use push_crypto::vapid::{Credentials, Signer, SigningKey, verify};
use push_crypto::{KeyPair, Origin, Provider, PublicKey, UnixTime};
use web_push_native::jwt_simple::algorithms::{ECDSAP256PublicKeyLike as _, ES256KeyPair};
use web_push_native::jwt_simple::claims::NoCustomClaims;
use web_push_native::vapid::VapidSignature;

use crate::{Clock, Contest, Kind, Party};

/// The application server's half, and the push service's.
pub const CONTESTS: &[fn() -> Contest] = &[sign, check];

const ORIGIN: &str = "https://push.example.net";
const CONTACT: &str = "mailto:push@example.com";
/// As long as what a token signs.
const SIGNED: [u8; 150] = [b'x'; 150];

fn sign() -> Contest {
    let limit = limit_key();
    let native = ES256KeyPair::generate();
    let parties = vec![
        our_prepared_sign("push-crypto, aws_lc, key set up once", push_crypto::aws_lc::provider()),
        our_sign("push-crypto, aws_lc", push_crypto::aws_lc::provider()),
        our_sign("push-crypto, rustcrypto", push_crypto::rustcrypto::provider()),
        Party::plain(Kind::Peer, "web-push-native 0.5", move || native_field(&native)),
        Party::plain(Kind::Limit, "aws-lc-rs, the signature alone", move || {
            limit.sign(&SystemRandom::new(), &SIGNED).expect("signs")
        }),
    ];
    Contest { name: "vapid sign", clock: Clock::Cpu, messages: 1, parties }
}

fn check() -> Contest {
    let limit = limit_key();
    let public = limit.public_key().as_ref().to_vec();
    let signature = limit.sign(&SystemRandom::new(), &SIGNED).expect("signs");
    let provider = push_crypto::aws_lc::provider();
    let key = PublicKey::from_bytes(&public).expect("a key");
    let kept = provider.signature.verifying_key(&key).expect("sets up");
    let once = signature.as_ref().try_into().expect("64 octets");
    let native = ES256KeyPair::generate();
    let field = native_field(&native);
    let token = field.trim_start_matches("vapid t=").split(',').next().expect("a token").to_owned();
    let native = native.public_key();
    let parties = vec![
        our_check("push-crypto, aws_lc", push_crypto::aws_lc::provider(), &field),
        our_check("push-crypto, rustcrypto", push_crypto::rustcrypto::provider(), &field),
        Party::plain(Kind::Peer, "jwt-simple 0.12, the token alone", move || {
            native.verify_token::<NoCustomClaims>(&token, None).expect("verifies")
        }),
        Party::plain(Kind::Ours, "push-crypto, the signature alone, key set up once", move || {
            kept.verify(&SIGNED, &once).expect("verifies");
        }),
        Party::plain(Kind::Limit, "aws-lc-rs, the signature alone", move || {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public);
            key.verify(&SIGNED, signature.as_ref()).expect("verifies");
        }),
    ];
    Contest { name: "vapid verify", clock: Clock::Cpu, messages: 1, parties }
}

fn our_prepared_sign(name: &'static str, provider: Provider) -> Party {
    let signer = our_signer(&provider).prepare(&provider).expect("sets up");
    let (audience, now) = (audience(), now());
    let expires = now.saturating_add_secs(3600);
    Party::plain(Kind::Ours, name, move || {
        signer.sign(&audience, expires, now).expect("signs").authorization()
    })
}

fn our_signer(provider: &Provider) -> Signer {
    let key = SigningKey::generate(provider).expect("randomness");
    Signer::new(key, Some(CONTACT.parse().expect("a contact")))
}

fn our_sign(name: &'static str, provider: Provider) -> Party {
    let signer = our_signer(&provider);
    let (audience, now) = (audience(), now());
    let expires = now.saturating_add_secs(3600);
    Party::plain(Kind::Ours, name, move || {
        signer.sign(&provider, &audience, expires, now).expect("signs").authorization()
    })
}

/// A peer's token, so that nobody checks only what it made itself.
fn our_check(name: &'static str, provider: Provider, field: &str) -> Party {
    let (audience, now, field) = (audience(), now(), field.to_owned());
    Party::plain(Kind::Ours, name, move || {
        let credentials = Credentials::parse(&field).expect("credentials");
        verify(&provider, &credentials, &audience, now, 60).expect("verifies")
    })
}

fn native_field(key: &ES256KeyPair) -> String {
    let lifetime = Duration::from_secs(3600);
    let origin = ORIGIN.parse().expect("an origin");
    VapidSignature::sign(&origin, lifetime, CONTACT, key).expect("signs").to_string()
}

fn limit_key() -> EcdsaKeyPair {
    let pair = KeyPair::generate(push_crypto::aws_lc::provider().random).expect("randomness");
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        pair.secret().expose(),
        pair.public().as_bytes(),
    )
    .expect("a key")
}

fn audience() -> Origin {
    ORIGIN.parse().expect("an origin")
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    UnixTime::from_secs(since.as_secs())
}
