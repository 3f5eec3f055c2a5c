//! One receiver, in the form that each party likes.

use ece::EcKeyComponents;
use push_crypto::{AuthSecret, KeyPair, ReceiverKeys};
use web_push_native::p256;

pub(crate) struct Receiver {
    pub(crate) ours: ReceiverKeys,
    pub(crate) public: Vec<u8>,
    pub(crate) secret: [u8; 32],
    pub(crate) auth: [u8; 16],
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let provider = push_crypto::aws_lc::provider();
        let pair = KeyPair::generate(provider.random).expect("randomness");
        let auth = AuthSecret::generate(&provider).expect("randomness");
        Self {
            public: pair.public().as_bytes().to_vec(),
            secret: *pair.secret().expose(),
            auth: *auth.expose(),
            ours: ReceiverKeys::new(pair, auth),
        }
    }

    pub(crate) fn ece(&self) -> EcKeyComponents {
        EcKeyComponents::new(self.secret.to_vec(), self.public.clone())
    }

    pub(crate) fn native_secret(&self) -> p256::SecretKey {
        p256::SecretKey::from_slice(&self.secret).expect("a scalar")
    }

    pub(crate) fn native_public(&self) -> p256::PublicKey {
        p256::PublicKey::from_sec1_bytes(&self.public).expect("a point")
    }

    pub(crate) fn native_auth(&self) -> web_push_native::Auth {
        web_push_native::Auth::clone_from_slice(&self.auth)
    }
}

/// Text that does not compress to nothing.
pub(crate) fn plaintext(octets: usize) -> Vec<u8> {
    (0u32..).flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_be_bytes()).take(octets).collect()
}
