//! Key pairs and agreements on P-256, eight at a time.
//!
//! | file | what it owns |
//! |---|---|
//! | `lanes` | vectors of numbers: AVX-512 IFMA, and plain ones |
//! | `field`, `limbs` | numbers modulo p, their limbs and the bounds of those; their products |
//! | `point` | the formulas of the curve |
//! | `scalar` | secret scalars and their digits |
//! | `multiples` | a peer's odd multiples; inverting many numbers at once |
//! | `generator` | the generator's multiples |
//! | `batch` | the course of many agreements |
//! | `agreement` | when the kernel is used, and where from it gets its scalars |
//!
//! # How
//!
//! A lane is an agreement, and no lane looks at another. A number modulo p is five limbs of 52 bits in Montgomery's form,
//! since IFMA multiplies 52 bits and p is -1 modulo 2^52 and even modulo 2^96, so that the digits of the quotient are the
//! limbs themselves. `field` has the bound of every limb.
//!
//! A peer's point is multiplied in 64 windows of four bits, from a table of its eight odd multiples in each lane: 252
//! doublings and 63 additions. The generator is multiplied in 43 windows of six bits without a doubling, from one table for
//! all lanes that is computed when it is first needed. All z of a batch are inverted together, twice: those of the tables, so
//! that additions are mixed ones, and those of the results.
//!
//! A vector is computed by itself: the multiplier has a latency of four cycles, but formulas have enough products that do
//! not wait for each other, and two vectors side by side were measured to be slower, for want of registers.
//!
//! # Why it is constant time
//!
//! - What is done depends on how many agreements there are, and on nothing in them. There is no branch, loop or early end by
//!   a scalar, a digit or a number computed from them; choices are made by masks.
//! - No address depends on a secret. A digit's multiple is taken from a table that is read as a whole; the choice is made in
//!   registers, by masks (a peer's multiples) or a permutation of registers (the generator's).
//! - The instructions are additions, shifts, logic, permutations and 52 bit products of vectors, whose time does not depend
//!   on their operands. A scalar is read and negated by plain additions.
//! - Digits are odd, so none is zero and nothing is left out. The additions are not complete; where they are used says why
//!   what they cannot do does not occur, for any scalar.
//! - Two things are told of a secret: that it is not in 1..n, and then it is thrown away and another drawn, which says
//!   nothing about that; and that a peer's point is not on the curve, which is no secret.
//!
//! What is stored of secrets is wiped: scalars, results and their z. Registers, and what the compiler kept on the stack, are
//! not. `docs/kernel.md` has what was measured.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod agreement;
mod batch;
mod field;
mod generator;
mod lanes;
mod limbs;
mod multiples;
mod point;
mod scalar;
#[cfg(feature = "kernel-testing")]
pub mod testing;
#[cfg(test)]
mod tests;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) use agreement::agree_many;
