//! The pinned generator behind every id: ChaCha20 (RFC 8439 §2.3) keyed by a seed that is an input.
//!
//! It is in this crate, not a dependency, so that a recorded shard replays the same ids for ever.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Thirty-two octets from a good source, drawn by whoever owns the machine. Not printable, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed with these octets.
    #[must_use]
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A stream of octets that only the seed predicts.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy {
    key: [u32; 8],
    counter: u64,
    block: [u8; BLOCK_OCTETS],
    used: usize,
}

impl Entropy {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: &Seed) -> Self {
        let mut key = [0; 8];
        for (word, octets) in key.iter_mut().zip(seed.0.chunks_exact(4)) {
            *word = octets.iter().rev().fold(0, |word, octet| (word << 8) | u32::from(*octet));
        }
        Self { key, counter: 0, block: [0; BLOCK_OCTETS], used: BLOCK_OCTETS }
    }

    /// Fills `octets` with the next of the stream.
    pub fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            if self.used >= BLOCK_OCTETS {
                self.block = chacha20_block(&self.key, self.counter);
                self.counter += 1;
                self.used = 0;
            }
            if let Some(next) = self.block.get_mut(self.used) {
                *octet = *next;
                *next = 0;
            }
            self.used += 1;
        }
    }

    /// A seed for another machine.
    #[must_use]
    pub fn seed(&mut self) -> Seed {
        let mut octets = Zeroizing::new([0; 32]);
        self.fill(&mut *octets);
        Seed(*octets)
    }

    /// The next sixteen octets: one id.
    #[must_use]
    pub fn id(&mut self) -> [u8; crate::id::ID_OCTETS] {
        let mut octets = [0; crate::id::ID_OCTETS];
        self.fill(&mut octets);
        octets
    }

    /// A number below `bound` (0 for a `bound` of 0), for jitter: the bias of the modulo does not matter there.
    #[must_use]
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets).checked_rem(bound).unwrap_or(0)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// One block of ChaCha20 with a 64-bit counter and a zero nonce.
#[allow(clippy::indexing_slicing, reason = "constant indices into arrays of sixteen words")]
fn chacha20_block(key: &[u32; 8], counter: u64) -> [u8; BLOCK_OCTETS] {
    let mut state = [0_u32; 16];
    state[..4].copy_from_slice(&CONSTANTS);
    state[4..12].copy_from_slice(key);
    #[allow(clippy::cast_possible_truncation, reason = "the two halves of the counter")]
    state[12..14].copy_from_slice(&[counter as u32, (counter >> 32) as u32]);
    let mut mixed = state;
    for _ in 0..10 {
        for [a, b, c, d] in QUARTERS {
            for (target, source, turned, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                mixed[target] = mixed[target].wrapping_add(mixed[source]);
                mixed[turned] = (mixed[turned] ^ mixed[target]).rotate_left(by);
            }
        }
    }
    let mut block = [0; BLOCK_OCTETS];
    for ((octets, mixed), word) in block.chunks_exact_mut(4).zip(mixed).zip(state) {
        octets.copy_from_slice(&mixed.wrapping_add(word).to_le_bytes());
    }
    block
}

const BLOCK_OCTETS: usize = 64;
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const QUARTERS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_key_matches_rfc8439_a1() {
        // RFC 8439 appendix A.1, test vectors 1 and 2: zero key, zero nonce, counters 0 and 1.
        let mut entropy = Entropy::new(&Seed::from_octets([0; 32]));
        let mut stream = [0; 128];
        entropy.fill(&mut stream);
        assert_eq!(stream[..8], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        assert_eq!(stream[64..72], [0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a]);
    }

    #[test]
    fn draws_of_any_size_read_one_stream() {
        let seed = Seed::from_octets([7; 32]);
        let (mut whole, mut parts) = ([0; 200], [0; 200]);
        Entropy::new(&seed).fill(&mut whole);
        let mut entropy = Entropy::new(&seed);
        for part in parts.chunks_mut(13) {
            entropy.fill(part);
        }
        assert_eq!(whole, parts);
    }
}
