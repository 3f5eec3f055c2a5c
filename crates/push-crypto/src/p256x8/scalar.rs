//! Secret scalars, one in each lane, and their digits.
//!
//! A scalar k in 1..n is used as k or n - k, whichever is odd. An odd number below 2^256 is a sum of digits d times 2^(wj)
//! in which no d is even, so none is 0: with e the w bits of k from bit wj + 1 on, d = 2 e + 1 - 2^w, and 2 e + 1 for the
//! last, which has fewer bits. That the constants cancel out is plain: all but the last sum up to 1 - 2^(w times last),
//! and k = 1 + the sum of 2 e 2^(wj). So the digits need no carry, and each is a point ±P, ±3 P, ±5 P, …

use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::field::words;
use super::lanes::{Lanes, Stored};

/// The odd ones.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Scalars<S: Stored> {
    words: [S; 4],
    /// 1 where n - k stands for k.
    negated: S,
}

/// A digit, as an odd multiple and a sign.
pub(super) struct Digit<L: Lanes> {
    /// i of (2 i + 1) P.
    pub(super) index: L::Vector,
    pub(super) negative: L::Mask,
}

impl<S: Stored> Default for Scalars<S> {
    /// One in each lane.
    fn default() -> Self {
        let mut scalars = Self { words: [S::default(); 4], negated: S::default() };
        let [least, ..] = &mut scalars.words;
        (0..S::LANES).for_each(|lane| least.set_lane(lane, 1));
        scalars
    }
}

impl<S: Stored> Scalars<S> {
    /// Puts a scalar into a lane, if it is in 1..n; says whether it is.
    pub(super) fn set(&mut self, lane: usize, octets: &[u8; 32]) -> bool {
        let in_range = is_in_range(octets);
        if in_range {
            let mut scalar = words(octets);
            let (mut negative, _) = subtract(&ORDER, &scalar);
            let even = Choice::from((octets.last().copied().unwrap_or_default() & 1) ^ 1);
            for (stored, (word, other)) in self.words.iter_mut().zip(scalar.iter().zip(&negative)) {
                stored.set_lane(lane, u64::conditional_select(word, other, even));
            }
            self.negated.set_lane(lane, even.unwrap_u8().into());
            scalar.zeroize();
            negative.zeroize();
        }
        in_range
    }

    /// Lanes in which n - k stands for k.
    #[inline(always)]
    pub(super) fn negated<L: Lanes<Stored = S>>(&self, l: L) -> L::Mask {
        l.equal(l.load(&self.negated), l.splat(1))
    }

    /// The digit of 2^(WIDTH `window`).
    #[inline(always)]
    pub(super) fn digit<L: Lanes<Stored = S>, const WIDTH: u32>(&self, l: L, window: u32) -> Digit<L> {
        let start = window * WIDTH + 1;
        let mut words = self.words.iter().skip((start / 64) as usize).map(|word| l.load(word));
        let low = words.next().unwrap_or(l.splat(0));
        let high = words.next().unwrap_or(l.splat(0));
        let bits = l.or(l.shift_right_by(low, start % 64), l.shift_left_by(high, 64 - start % 64));
        let top = 1 << (WIDTH - 1);
        // The last window has no bits up there, and its digit is positive.
        let bits = if start + WIDTH > 256 { l.or(bits, l.splat(top)) } else { bits };
        let negative = l.equal(l.and(bits, l.splat(top)), l.splat(0));
        let index = l.select(negative, l.xor(bits, l.splat(u64::MAX)), bits);
        Digit { index: l.and(index, l.splat(top - 1)), negative }
    }
}

/// Whether a scalar is in 1..n. It says nothing else, and one that is not is thrown away.
pub(super) fn is_in_range(octets: &[u8; 32]) -> bool {
    let mut scalar = words(octets);
    let zero = scalar.iter().fold(0, |all, word| all | word) == 0;
    let (mut difference, below) = subtract(&scalar, &ORDER);
    difference.zeroize();
    scalar.zeroize();
    below & !zero
}

/// The difference modulo 2^256, and whether it is negative.
fn subtract(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], bool) {
    let (mut difference, mut borrow) = (*a, false);
    for (word, other) in difference.iter_mut().zip(b) {
        let (part, first) = word.overflowing_sub(*other);
        let (part, second) = part.overflowing_sub(u64::from(borrow));
        *word = part;
        borrow = first | second;
    }
    (difference, borrow)
}

/// n, the number of points.
const ORDER: [u64; 4] =
    [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000];
