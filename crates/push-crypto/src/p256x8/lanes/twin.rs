//! Two vectors as one of twice the width, operation by operation: while one waits for a result the other works.

use super::{Eight, Lanes, Stored, Work};

/// Twice the lanes of `L`.
#[derive(Clone, Copy)]
pub(in super::super) struct Twin<L>(pub(in super::super) L);

impl<L: Lanes> Lanes for Twin<L> {
    type Vector = [L::Vector; 2];
    type Mask = [L::Mask; 2];
    type Stored = [L::Stored; 2];

    #[inline(always)]
    fn enter<W: Work<Self>>(self, work: W) -> W::Output {
        self.0.enter(Both(work))
    }

    #[inline(always)]
    fn load(self, [a, b]: &Self::Stored) -> Self::Vector {
        [self.0.load(a), self.0.load(b)]
    }

    #[inline(always)]
    fn store(self, [a, b]: Self::Vector) -> Self::Stored {
        [self.0.store(a), self.0.store(b)]
    }

    #[inline(always)]
    fn splat(self, value: u64) -> Self::Vector {
        [self.0.splat(value), self.0.splat(value)]
    }

    #[inline(always)]
    fn add(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.add(a, b), self.0.add(c, d)]
    }

    #[inline(always)]
    fn sub(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.sub(a, b), self.0.sub(c, d)]
    }

    #[inline(always)]
    fn and(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.and(a, b), self.0.and(c, d)]
    }

    #[inline(always)]
    fn or(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.or(a, b), self.0.or(c, d)]
    }

    #[inline(always)]
    fn xor(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.xor(a, b), self.0.xor(c, d)]
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self, [a, b]: Self::Vector) -> Self::Vector {
        [self.0.shift_left::<BITS>(a), self.0.shift_left::<BITS>(b)]
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self, [a, b]: Self::Vector) -> Self::Vector {
        [self.0.shift_right::<BITS>(a), self.0.shift_right::<BITS>(b)]
    }

    #[inline(always)]
    fn shift_right_by(self, [a, b]: Self::Vector, bits: u32) -> Self::Vector {
        [self.0.shift_right_by(a, bits), self.0.shift_right_by(b, bits)]
    }

    #[inline(always)]
    fn shift_left_by(self, [a, b]: Self::Vector, bits: u32) -> Self::Vector {
        [self.0.shift_left_by(a, bits), self.0.shift_left_by(b, bits)]
    }

    #[inline(always)]
    fn add_product_low(
        self,
        [s, t]: Self::Vector,
        [a, c]: Self::Vector,
        [b, d]: Self::Vector,
    ) -> Self::Vector {
        [self.0.add_product_low(s, a, b), self.0.add_product_low(t, c, d)]
    }

    #[inline(always)]
    fn add_product_high(
        self,
        [s, t]: Self::Vector,
        [a, c]: Self::Vector,
        [b, d]: Self::Vector,
    ) -> Self::Vector {
        [self.0.add_product_high(s, a, b), self.0.add_product_high(t, c, d)]
    }

    #[inline(always)]
    fn equal(self, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Mask {
        [self.0.equal(a, b), self.0.equal(c, d)]
    }

    #[inline(always)]
    fn and_mask(self, [a, c]: Self::Mask, [b, d]: Self::Mask) -> Self::Mask {
        [self.0.and_mask(a, b), self.0.and_mask(c, d)]
    }

    #[inline(always)]
    fn select(self, [m, n]: Self::Mask, [a, c]: Self::Vector, [b, d]: Self::Vector) -> Self::Vector {
        [self.0.select(m, a, b), self.0.select(n, c, d)]
    }

    #[inline(always)]
    fn negate_if(self, [m, n]: Self::Mask, [a, b]: Self::Vector) -> Self::Vector {
        [self.0.negate_if(m, a), self.0.negate_if(n, b)]
    }

    #[inline(always)]
    fn pick(self, table: &[Eight; 4], [a, b]: Self::Vector) -> Self::Vector {
        [self.0.pick(table, a), self.0.pick(table, b)]
    }
}

/// Work for two, handed in to where one would do its own.
struct Both<W>(W);

impl<L, W: Work<Twin<L>>> Work<L> for Both<W> {
    type Output = W::Output;

    #[inline(always)]
    fn work(self, lanes: L) -> W::Output {
        self.0.work(Twin(lanes))
    }
}

impl<S: Stored> Stored for [S; 2] {
    const LANES: usize = 2 * S::LANES;

    fn lane(&self, index: usize) -> u64 {
        let [first, second] = self;
        match index.checked_sub(S::LANES) {
            None => first.lane(index),
            Some(index) => second.lane(index),
        }
    }

    fn set_lane(&mut self, index: usize, value: u64) {
        let [first, second] = self;
        match index.checked_sub(S::LANES) {
            None => first.set_lane(index, value),
            Some(index) => second.set_lane(index, value),
        }
    }
}
