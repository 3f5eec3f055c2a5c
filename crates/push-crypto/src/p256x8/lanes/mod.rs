//! Vectors of 64-bit lanes, as the arithmetic wants them.
//!
//! A value of a type that is [`Lanes`] is the proof that the processor can do it; all operations are methods on it, so
//! there is no way to an instruction that the processor does not know. Operations take all lanes at once and none of
//! them branches or addresses memory by what is in a lane.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[expect(unsafe_code, reason = "the instructions, which a processor may not have")]
mod ifma;
#[cfg(any(test, feature = "kernel-testing"))]
mod portable;

use zeroize::Zeroize;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(super) use ifma::Ifma;
#[cfg(any(test, feature = "kernel-testing"))]
pub(super) use portable::Portable;

/// How the arithmetic is done.
pub(super) trait Lanes: Copy {
    /// A number of 64 bits in each lane.
    type Vector: Copy;
    /// Yes or no for each lane.
    type Mask: Copy;
    /// A vector in memory: what outlives a computation is kept in this form, and wiped.
    type Stored: Stored;

    /// Does `work` where the processor's features are switched on for the compiler, so that all of it becomes one piece of
    /// vector code.
    fn enter<W: Work<Self>>(self, work: W) -> W::Output;

    fn load(self, stored: &Self::Stored) -> Self::Vector;
    fn store(self, vector: Self::Vector) -> Self::Stored;
    /// The same in all lanes.
    fn splat(self, value: u64) -> Self::Vector;

    /// Modulo 2^64.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Modulo 2^64.
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn and(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn or(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn shift_left<const BITS: u32>(self, a: Self::Vector) -> Self::Vector;
    /// Rounds towards minus infinity: the lanes have a sign.
    fn shift_right<const BITS: u32>(self, a: Self::Vector) -> Self::Vector;
    /// By a number that is no secret, from 0; zeros come in, from 64 on nothing is left.
    fn shift_right_by(self, a: Self::Vector, bits: u32) -> Self::Vector;
    /// As [`Lanes::shift_right_by`].
    fn shift_left_by(self, a: Self::Vector, bits: u32) -> Self::Vector;

    /// `sum` and the low 52 bits of the product of the low 52 bits of `a` and `b`.
    fn add_product_low(self, sum: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `sum` and the high 52 bits of that product of 104.
    fn add_product_high(self, sum: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The limb itself, which is known to be from 0 to 2^52 - 1: for lanes that can check it.
    #[inline(always)]
    fn whole(self, limb: Self::Vector) -> Self::Vector {
        limb
    }

    fn equal(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    fn and_mask(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// `yes` where the mask says so.
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// `-a` where the mask says so.
    fn negate_if(self, mask: Self::Mask, a: Self::Vector) -> Self::Vector;
    /// The entry of a table in each lane. All of the table is read, whatever the index, which is below 32.
    fn pick(self, table: &[Eight; 4], index: Self::Vector) -> Self::Vector;
}

/// What is to be done by some [`Lanes`]; see [`Lanes::enter`].
pub(super) trait Work<L> {
    type Output;

    /// To be inlined always, or it is compiled without the processor's features.
    fn work(self, lanes: L) -> Self::Output;
}

/// A vector in memory.
pub(super) trait Stored: Copy + Default + Zeroize {
    /// How many lanes there are.
    const LANES: usize;

    /// One lane's number; of a lane that is not there, 0.
    fn lane(&self, index: usize) -> u64;
    /// Sets one lane's number, if it is there.
    fn set_lane(&mut self, index: usize, value: u64);
}

/// Eight numbers, as a vector register of 512 bits has them.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Eight(pub(super) [u64; 8]);

impl Zeroize for Eight {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Stored for Eight {
    const LANES: usize = 8;

    fn lane(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or_default()
    }

    fn set_lane(&mut self, index: usize, value: u64) {
        if let Some(lane) = self.0.get_mut(index) {
            *lane = value;
        }
    }
}
