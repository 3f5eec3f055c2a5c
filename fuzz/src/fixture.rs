//! Keys, doors and times that are the same in every run: what was found once is found again.

use std::sync::{Arc, LazyLock};

use push_crypto::{
    AuthSecret, KeyPair, Provider, ReceiverKeys, SecretKey, aws_lc,
    capability::Keyring,
    provider::{RandomError, SecureRandom},
    rustcrypto,
    vapid::{Signer, SigningKey},
};
use push_proto::{
    UnixTime,
    wire::{Door, Limits, PublicUrl},
};

/// 64 octets that look random, again and again.
struct Fixed;

impl SecureRandom for Fixed {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.iter_mut().zip((0_u8..64).cycle()).for_each(|(to, index)| *to = index.wrapping_mul(37) ^ 0x5a);
        Ok(())
    }
}

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const ORIGIN: &str = "https://push.example.net";

/// The portable provider, without randomness.
pub(crate) static PORTABLE: Provider = rustcrypto::provider_with(&Fixed);
/// The fast provider, without randomness.
pub(crate) static FAST: LazyLock<Provider> =
    LazyLock::new(|| Provider { random: &Fixed, ..aws_lc::provider() });

/// Two keys, the second newer.
pub(crate) static KEYRING: LazyLock<Arc<Keyring>> = LazyLock::new(|| {
    let mut keyring = Keyring::generate(&PORTABLE).unwrap();
    keyring.rotate(&PORTABLE).unwrap();
    Arc::new(keyring)
});

pub(crate) static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::new(SigningKey::generate(&PORTABLE).unwrap(), None));

pub(crate) fn pair(octet: u8) -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes(&[octet.clamp(1, 0xfe); 32]).unwrap()).unwrap()
}

pub(crate) static RECEIVER: LazyLock<ReceiverKeys> =
    LazyLock::new(|| ReceiverKeys::new(pair(3), AuthSecret::new([9; 16])));

/// As by default; with small limits below a prefix; and with the credentials of the older draft.
pub(crate) static DOORS: LazyLock<[Door; 3]> = LazyLock::new(|| {
    let door =
        |url: &str, limits| Door::new(Arc::clone(&KEYRING), PublicUrl::parse(url).unwrap(), *FAST, limits);
    let small = Limits { content_field_octets: 60, links: 2, prefer_lines: 2, ..Limits::default() };
    [
        door(ORIGIN, Limits::default()),
        door("https://push.example.net/a/b", small),
        door(ORIGIN, Limits::default()).with_draft_vapid(),
    ]
});

/// `Authorization` of a good token.
pub(crate) static AUTHORIZATION: LazyLock<String> = LazyLock::new(|| {
    let audience = ORIGIN.parse().unwrap();
    SIGNER.sign(&PORTABLE, &audience, NOW.saturating_add_secs(3600), NOW).unwrap().authorization()
});
