//! VAPID tokens that have been verified: a sender uses one for hours, and checking its signature is most of the work of
//! taking a message (`8292-5-3`).

use std::collections::{BTreeMap, VecDeque};

use push_crypto::vapid::{self, Credentials, VapidError};
use push_proto::{
    UnixTime,
    wire::{Door, Verify},
};

/// The latest so many tokens, each until it expires. Only what is valid is remembered.
pub(super) struct Verified {
    tokens: BTreeMap<Digest, vapid::Verified>,
    /// In the order in which they came.
    order: VecDeque<Digest>,
    tokens_max: usize,
}

type Digest = [u8; 32];

impl Verified {
    /// Remembers this many.
    pub(super) const fn new(tokens_max: usize) -> Self {
        Self { tokens: BTreeMap::new(), order: VecDeque::new(), tokens_max }
    }

    fn remember(&mut self, digest: Digest, verified: vapid::Verified) {
        if self.tokens_max == 0 {
            return;
        }
        if self.order.len() >= self.tokens_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.tokens.remove(&oldest);
        }
        if self.tokens.insert(digest, verified).is_none() {
            self.order.push_back(digest);
        }
    }
}

impl Verify for Verified {
    fn verify(
        &mut self,
        door: &Door,
        credentials: &Credentials,
        now: UnixTime,
    ) -> Result<vapid::Verified, VapidError> {
        let digest = credentials.digest();
        match self.tokens.get(&digest) {
            Some(verified) if now <= verified.expires() => return Ok(verified.clone()),
            Some(_expired) => {}
            None => {}
        }
        let verified = door.verify(credentials, now)?;
        self.remember(digest, verified.clone());
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use push_crypto::{
        KeyPair, PublicKey,
        capability::Keyring,
        provider::{Es256, Es256SigningKey, Es256VerifyingKey, SignatureError},
        rustcrypto,
        vapid::{Signer, SigningKey},
    };
    use push_proto::wire::{Limits, PublicUrl};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// Counts what it verifies. One for each test, since tests run side by side.
    struct Counting(AtomicUsize);

    impl Es256 for Counting {
        fn signing_key(&self, key: &KeyPair) -> Result<Box<dyn Es256SigningKey>, SignatureError> {
            rustcrypto::provider().signature.signing_key(key)
        }

        fn verifying_key(&self, key: &PublicKey) -> Result<Box<dyn Es256VerifyingKey>, SignatureError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            rustcrypto::provider().signature.verifying_key(key)
        }
    }

    fn door(counting: &'static Counting) -> Door {
        let provider = push_crypto::Provider { signature: counting, ..rustcrypto::provider() };
        let keyring = Arc::new(Keyring::generate(&provider).unwrap());
        let url = PublicUrl::parse("https://push.example.net").unwrap();
        Door::new(keyring, url, provider, Limits { vapid_leeway_secs: 0, ..Limits::default() })
    }

    fn token(signer: &Signer, life: u64) -> Credentials {
        let audience = "https://push.example.net".parse().unwrap();
        let expires = NOW.saturating_add_secs(life);
        let token = signer.sign(&rustcrypto::provider(), &audience, expires, NOW).unwrap();
        Credentials::parse(token.authorization()).unwrap()
    }

    fn signer() -> Signer {
        Signer::new(SigningKey::generate(&rustcrypto::provider()).unwrap(), None)
    }

    /// 8292-5-3: a token is verified once, and never taken after its `exp`.
    #[test]
    fn a_token_is_remembered_until_it_expires_and_no_longer() {
        static COUNTING: Counting = Counting(AtomicUsize::new(0));
        let (door, signer) = (door(&COUNTING), signer());
        let mut verified = Verified::new(2);
        let credentials = token(&signer, 60);
        for _ in 0..3 {
            assert_eq!(verified.verify(&door, &credentials, NOW).unwrap().key(), signer.public_key());
        }
        assert_eq!(COUNTING.0.load(Ordering::Relaxed), 1);
        assert!(verified.verify(&door, &credentials, NOW.saturating_add_secs(60)).is_ok());
        assert_eq!(
            verified.verify(&door, &credentials, NOW.saturating_add_secs(61)),
            Err(VapidError::Expired)
        );
    }

    /// 8292-5-3: what is remembered is the whole of the credentials; 8292-2-7: of a bad one nothing is.
    #[test]
    fn the_same_token_with_another_key_is_another() {
        static COUNTING: Counting = Counting(AtomicUsize::new(0));
        let (door, stranger, signer) = (door(&COUNTING), signer(), signer());
        let mut verified = Verified::new(2);
        let good = token(&signer, 60);
        verified.verify(&door, &good, NOW).unwrap();
        let audience = "https://push.example.net".parse().unwrap();
        let jwt = signer.sign(&rustcrypto::provider(), &audience, NOW.saturating_add_secs(60), NOW).unwrap();
        let forged = format!("vapid t={}, k={}", jwt.jwt(), stranger.public_key());
        let forged = Credentials::parse(forged).unwrap();
        for _ in 0..2 {
            assert_eq!(verified.verify(&door, &forged, NOW), Err(VapidError::Signature));
        }
        assert_eq!((verified.tokens.len(), COUNTING.0.load(Ordering::Relaxed)), (1, 3));
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_is_forgotten() {
        static COUNTING: Counting = Counting(AtomicUsize::new(0));
        let door = door(&COUNTING);
        let tokens = [token(&signer(), 60), token(&signer(), 60), token(&signer(), 60)];
        let mut verified = Verified::new(2);
        for credentials in &tokens {
            verified.verify(&door, credentials, NOW).unwrap();
        }
        assert_eq!((verified.tokens.len(), verified.order.len()), (2, 2));
        verified.verify(&door, &tokens[2], NOW).unwrap();
        assert_eq!(COUNTING.0.load(Ordering::Relaxed), 3);
        verified.verify(&door, &tokens[0], NOW).unwrap();
        assert_eq!(COUNTING.0.load(Ordering::Relaxed), 4);
        let mut none = Verified::new(0);
        none.verify(&door, &tokens[0], NOW).unwrap();
        assert!(none.tokens.is_empty());
    }
}
