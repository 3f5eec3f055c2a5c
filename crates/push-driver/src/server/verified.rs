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
