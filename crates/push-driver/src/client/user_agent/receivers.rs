//! Keys of subscriptions that have been set up to decrypt.

use std::collections::BTreeMap;

use push_crypto::{Provider, ReceiverKeys, message::Receiver};
use push_proto::user_agent::Tag;
use zeroize::Zeroizing;

/// The receivers of the subscriptions that messages have come for. Setting one up takes longer than decrypting.
pub(super) struct Receivers {
    provider: Provider,
    known: BTreeMap<Tag, Receiver>,
    most: usize,
}

impl Receivers {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, known: BTreeMap::new(), most: RECEIVERS }
    }

    /// What a body for this subscription says; nothing if it cannot be decrypted. `secret` is what the machine keeps for
    /// the subscription.
    pub(super) fn decrypt(&mut self, tag: Tag, secret: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if !self.known.contains_key(&tag) {
            let keys = ReceiverKeys::from_bytes(secret).ok()?;
            let receiver = Receiver::new(&self.provider, &keys).ok()?;
            if self.known.len() >= self.most {
                self.known.pop_first();
            }
            self.known.insert(tag, receiver);
        }
        self.known.get(&tag)?.decrypt(body).ok().map(Zeroizing::new)
    }

    /// The subscription is gone, or is another one now.
    pub(super) fn forget(&mut self, tag: Tag) {
        self.known.remove(&tag);
    }
}

/// Receivers that are kept: about a kilobyte each, and more than most applications have subscriptions. Beyond, some are
/// set up again.
const RECEIVERS: usize = 1024;

#[cfg(test)]
mod tests {
    use push_crypto::{
        message::{Padding, encrypt},
        rustcrypto,
    };

    use super::*;

    fn keys() -> ReceiverKeys {
        ReceiverKeys::generate(&rustcrypto::provider()).unwrap()
    }

    fn body(to: &ReceiverKeys, text: &str) -> Vec<u8> {
        encrypt(&rustcrypto::provider(), &to.recipient(), text.as_bytes(), Padding::None).unwrap()
    }

    #[test]
    fn receivers_are_kept_up_to_a_limit_and_all_can_be_read() {
        let mut receivers = Receivers { most: 2, ..Receivers::new(rustcrypto::provider()) };
        let all: Vec<_> = (0..4).map(|tag| (Tag(tag), keys())).collect();
        for text in ["one", "two"] {
            for (tag, keys) in &all {
                let secret = keys.to_bytes();
                let read = receivers.decrypt(*tag, secret.expose(), &body(keys, text));
                assert_eq!(read.unwrap().as_slice(), text.as_bytes());
                assert!(receivers.known.len() <= 2);
            }
        }
    }

    #[test]
    fn a_tag_that_is_used_again_has_other_keys() {
        let mut receivers = Receivers::new(rustcrypto::provider());
        let (old, new) = (keys(), keys());
        let read = |receivers: &mut Receivers, keys: &ReceiverKeys| {
            receivers.decrypt(Tag(1), keys.to_bytes().expose(), &body(keys, "text")).is_some()
        };
        assert!(read(&mut receivers, &old));
        receivers.forget(Tag(1));
        assert!(read(&mut receivers, &new));
        assert!(!read(&mut receivers, &old));
    }

    #[test]
    fn what_is_bad_is_not_read_and_spoils_nothing() {
        let mut receivers = Receivers::new(rustcrypto::provider());
        let keys = keys();
        assert!(receivers.decrypt(Tag(1), &[1, 2, 3], &body(&keys, "text")).is_none());
        assert!(receivers.decrypt(Tag(1), keys.to_bytes().expose(), b"nonsense").is_none());
        assert!(receivers.decrypt(Tag(1), keys.to_bytes().expose(), &body(&keys, "text")).is_some());
    }
}
