//! Eight lanes in plain numbers: for processors without the instructions, for Miri and for Valgrind. Slow, and the same
//! steps whatever is in the lanes.

use super::{Eight, Lanes, Work};

/// Any processor.
#[derive(Clone, Copy)]
pub(in super::super) struct Portable;

/// Yes is all ones.
#[derive(Clone, Copy)]
pub(in super::super) struct Mask(Eight);

impl Lanes for Portable {
    type Vector = Eight;
    type Mask = Mask;
    type Stored = Eight;

    #[inline(never)]
    fn enter<W: Work<Self>>(self, work: W) -> W::Output {
        work.work(self)
    }

    #[inline(never)]
    fn load(self, stored: &Eight) -> Eight {
        *stored
    }

    #[inline(never)]
    fn store(self, vector: Eight) -> Eight {
        vector
    }

    #[inline(never)]
    fn splat(self, value: u64) -> Eight {
        Eight([value; 8])
    }

    #[inline(never)]
    fn add(self, a: Eight, b: Eight) -> Eight {
        both(a, b, u64::wrapping_add)
    }

    #[inline(never)]
    fn sub(self, a: Eight, b: Eight) -> Eight {
        both(a, b, u64::wrapping_sub)
    }

    #[inline(never)]
    fn and(self, a: Eight, b: Eight) -> Eight {
        both(a, b, |a, b| a & b)
    }

    #[inline(never)]
    fn or(self, a: Eight, b: Eight) -> Eight {
        both(a, b, |a, b| a | b)
    }

    #[inline(never)]
    fn xor(self, a: Eight, b: Eight) -> Eight {
        both(a, b, |a, b| a ^ b)
    }

    #[inline(never)]
    fn shift_left<const BITS: u32>(self, a: Eight) -> Eight {
        each(a, |a| a << BITS)
    }

    #[inline(never)]
    fn shift_right<const BITS: u32>(self, a: Eight) -> Eight {
        each(a, |a| (a.cast_signed() >> BITS).cast_unsigned())
    }

    #[inline(never)]
    fn shift_right_by(self, a: Eight, bits: u32) -> Eight {
        each(a, |a| a.checked_shr(bits).unwrap_or_default())
    }

    #[inline(never)]
    fn shift_left_by(self, a: Eight, bits: u32) -> Eight {
        each(a, |a| a.checked_shl(bits).unwrap_or_default())
    }

    #[inline(never)]
    fn add_product_low(self, sum: Eight, a: Eight, b: Eight) -> Eight {
        both(sum, both(a, b, |a, b| product(a, b) as u64 & MASK), u64::wrapping_add)
    }

    #[inline(never)]
    fn add_product_high(self, sum: Eight, a: Eight, b: Eight) -> Eight {
        both(sum, both(a, b, |a, b| (product(a, b) >> 52) as u64), u64::wrapping_add)
    }

    #[inline(never)]
    fn equal(self, a: Eight, b: Eight) -> Mask {
        Mask(both(a, b, equal))
    }

    #[inline(never)]
    fn and_mask(self, a: Mask, b: Mask) -> Mask {
        Mask(self.and(a.0, b.0))
    }

    #[inline(never)]
    fn select(self, mask: Mask, yes: Eight, no: Eight) -> Eight {
        self.xor(no, self.and(mask.0, self.xor(yes, no)))
    }

    #[inline(never)]
    fn negate_if(self, mask: Mask, a: Eight) -> Eight {
        self.sub(self.xor(a, mask.0), mask.0)
    }

    #[inline(never)]
    fn pick(self, table: &[Eight; 4], index: Eight) -> Eight {
        each(index, |index| {
            let mut picked = 0;
            for (at, entry) in (0u64..).zip(table.iter().flat_map(|eight| &eight.0)) {
                picked |= entry & equal(index, at);
            }
            picked
        })
    }
}

/// Written out, since builds without optimisation and Miri take a loop as it stands.
fn each(a: Eight, operation: impl Fn(u64) -> u64) -> Eight {
    let [a, b, c, d, e, f, g, h] = a.0;
    let o = operation;
    Eight([o(a), o(b), o(c), o(d), o(e), o(f), o(g), o(h)])
}

fn both(a: Eight, b: Eight, operation: impl Fn(u64, u64) -> u64) -> Eight {
    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, p, q]) = (a.0, b.0);
    let o = operation;
    Eight([o(a, i), o(b, j), o(c, k), o(d, l), o(e, m), o(f, n), o(g, p), o(h, q)])
}

/// All ones or none. The compiler must not see which, or it makes a branch of what is chosen by it.
fn equal(a: u64, b: u64) -> u64 {
    let differ = a ^ b;
    // The highest bit is set if and only if they differ.
    core::hint::black_box(((differ | differ.wrapping_neg()) >> 63).wrapping_sub(1))
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a & MASK) * u128::from(b & MASK)
}

/// What a multiplier of 52 bits sees of a lane.
const MASK: u64 = (1 << 52) - 1;
