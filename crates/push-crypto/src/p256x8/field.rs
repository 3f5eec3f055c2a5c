//! Numbers modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1, one in each lane.
//!
//! A number is five limbs of 52 bits, least first, times 2^260: Montgomery's form with R = 2^260. It is never brought
//! below p in between; each operation says for how many p its result is, given that of its arguments. "Below 2" means
//! below 2 p. There is room for 16, since 16 p < 2^260.
//!
//! | type | limbs | for |
//! |---|---|---|
//! | [`Element`] | 0 to 2^52 - 1 | everything |
//! | [`Factor`] | the low 52 bits count, the rest is no part of the number | multiplication, whose instruction reads no more |
//! | [`Loose`] | with a sign, within ±2^60 | sums, before carries are taken on |
//!
//! No limb ever comes near 2^63: `tests::bounds` runs every formula on intervals in place of numbers and proves it,
//! and with it that no `Element` or `Factor` is negative or reaches 2^260.

use super::lanes::{Lanes, Stored};
use super::limbs;

/// Five limbs, carried.
#[derive(Clone, Copy)]
pub(super) struct Element<V>(pub(super) [V; 5]);

/// Five limbs, to be multiplied.
#[derive(Clone, Copy)]
pub(super) struct Factor<V>([V; 5]);

/// Five limbs, not carried.
#[derive(Clone, Copy)]
pub(super) struct Loose<V>([V; 5]);

#[cfg(test)]
impl<V> From<[V; 5]> for Loose<V> {
    fn from(limbs: [V; 5]) -> Self {
        Self(limbs)
    }
}

impl<V> From<Element<V>> for Factor<V> {
    #[inline(always)]
    fn from(element: Element<V>) -> Self {
        Self(element.0)
    }
}

impl<V> From<Element<V>> for Loose<V> {
    #[inline(always)]
    fn from(element: Element<V>) -> Self {
        Self(element.0)
    }
}

/// The arithmetic.
#[derive(Clone, Copy)]
pub(super) struct Field<L>(pub(super) L);

impl<L: Lanes> Field<L> {
    /// The same number in all lanes, its limbs given.
    #[inline(always)]
    pub(super) fn constant(self, limbs: [u64; 5]) -> Element<L::Vector> {
        let ([a, b, c, d, e], l) = (limbs, self.0);
        Element([l.splat(a), l.splat(b), l.splat(c), l.splat(d), l.splat(e)])
    }

    #[inline(always)]
    pub(super) fn load(self, [a, b, c, d, e]: &[L::Stored; 5]) -> Element<L::Vector> {
        let l = self.0;
        Element([l.load(a), l.load(b), l.load(c), l.load(d), l.load(e)])
    }

    #[inline(always)]
    pub(super) fn store(self, element: Element<L::Vector>) -> [L::Stored; 5] {
        let ([a, b, c, d, e], l) = (element.0, self.0);
        [l.store(a), l.store(b), l.store(c), l.store(d), l.store(e)]
    }
}

/// Products.
impl<L: Lanes> Field<L> {
    /// Of numbers below a and b: below ab/16 + 1.
    #[inline(always)]
    pub(super) fn multiply(
        self,
        a: impl Into<Factor<L::Vector>>,
        b: impl Into<Factor<L::Vector>>,
    ) -> Loose<L::Vector> {
        Loose(limbs::multiply(self.0, a.into().0, b.into().0))
    }

    /// Of a number below a: below a²/16 + 1.
    #[inline(always)]
    pub(super) fn square(self, a: impl Into<Factor<L::Vector>>) -> Loose<L::Vector> {
        Loose(limbs::square(self.0, a.into().0))
    }

    /// `a b - c d`, reduced once: above -cd/16, below ab/16 + 1.
    #[inline(always)]
    pub(super) fn multiply_less_product(
        self,
        (a, b): (Factor<L::Vector>, Factor<L::Vector>),
        (c, d): (Factor<L::Vector>, Factor<L::Vector>),
    ) -> Loose<L::Vector> {
        Loose(limbs::multiply_less_product(self.0, (a.0, b.0), (c.0, d.0)))
    }

    /// `a b - 2 c²`, reduced once: above -c²/8, below ab/16 + 1.
    #[inline(always)]
    pub(super) fn multiply_less_squares(
        self,
        (a, b): (Factor<L::Vector>, Factor<L::Vector>),
        c: Factor<L::Vector>,
    ) -> Loose<L::Vector> {
        Loose(limbs::multiply_less_squares(self.0, (a.0, b.0), c.0))
    }
}

/// Sums.
impl<L: Lanes> Field<L> {
    #[inline(always)]
    pub(super) fn add(
        self,
        a: impl Into<Loose<L::Vector>>,
        b: impl Into<Loose<L::Vector>>,
    ) -> Loose<L::Vector> {
        let (Loose([a0, a1, a2, a3, a4]), Loose([b0, b1, b2, b3, b4]), l) = (a.into(), b.into(), self.0);
        Loose([l.add(a0, b0), l.add(a1, b1), l.add(a2, b2), l.add(a3, b3), l.add(a4, b4)])
    }

    /// May be negative.
    #[inline(always)]
    pub(super) fn subtract(
        self,
        a: impl Into<Loose<L::Vector>>,
        b: impl Into<Loose<L::Vector>>,
    ) -> Loose<L::Vector> {
        let (Loose([a0, a1, a2, a3, a4]), Loose([b0, b1, b2, b3, b4]), l) = (a.into(), b.into(), self.0);
        Loose([l.sub(a0, b0), l.sub(a1, b1), l.sub(a2, b2), l.sub(a3, b3), l.sub(a4, b4)])
    }

    #[inline(always)]
    pub(super) fn double(self, a: impl Into<Loose<L::Vector>>) -> Loose<L::Vector> {
        let a = a.into();
        self.add(a, a)
    }

    /// `a + TIMES p`, which makes no difference but to the sign.
    #[inline(always)]
    pub(super) fn lift<const TIMES: u64>(self, a: impl Into<Loose<L::Vector>>) -> Loose<L::Vector> {
        let (Loose([a0, a1, a2, a3, a4]), l) = (a.into(), self.0);
        let [p0, p1, _, p3, p4] = P;
        Loose([
            l.add(a0, l.splat(TIMES * p0)),
            l.add(a1, l.splat(TIMES * p1)),
            a2,
            l.add(a3, l.splat(TIMES * p3)),
            l.add(a4, l.splat(TIMES * p4)),
        ])
    }

    /// `-a` where the mask says so.
    #[inline(always)]
    pub(super) fn negate_if(self, mask: L::Mask, a: Loose<L::Vector>) -> Loose<L::Vector> {
        let (Loose([a0, a1, a2, a3, a4]), l) = (a, self.0);
        Loose([
            l.negate_if(mask, a0),
            l.negate_if(mask, a1),
            l.negate_if(mask, a2),
            l.negate_if(mask, a3),
            l.negate_if(mask, a4),
        ])
    }

    /// Brings any number within ±2^10 p to between 1 and 2.1, by taking off as many p as its top bits say, less one.
    #[inline(always)]
    pub(super) fn fold(self, a: Loose<L::Vector>) -> Loose<L::Vector> {
        let (Loose([a0, a1, a2, a3, a4]), l) = (a, self.0);
        let one = l.splat(1 << 48);
        let times = l.shift_right::<48>(a4);
        let times = l.sub(times, l.splat(1));
        Loose([
            l.add(a0, times),
            l.sub(a1, l.shift_left::<44>(times)),
            a2,
            l.sub(a3, l.shift_left::<36>(times)),
            l.add(l.or(l.and(a4, l.splat((1 << 48) - 1)), one), l.shift_left::<16>(times)),
        ])
    }

    #[inline(always)]
    fn carry(self, a: Loose<L::Vector>) -> [L::Vector; 5] {
        let (Loose([a0, a1, a2, a3, a4]), l) = (a, self.0);
        let a1 = l.add(a1, l.shift_right::<52>(a0));
        let a2 = l.add(a2, l.shift_right::<52>(a1));
        let a3 = l.add(a3, l.shift_right::<52>(a2));
        [a0, a1, a2, a3, l.whole(l.add(a4, l.shift_right::<52>(a3)))]
    }

    /// Of a number that is not negative and below 16.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn element(self, a: impl Into<Loose<L::Vector>>) -> Element<L::Vector> {
        let [a0, a1, a2, a3, a4] = self.carry(a.into());
        let (l, mask) = (self.0, self.0.splat(MASK));
        Element([l.and(a0, mask), l.and(a1, mask), l.and(a2, mask), l.and(a3, mask), a4])
    }

    /// As [`Field::element`].
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn factor(self, a: impl Into<Loose<L::Vector>>) -> Factor<L::Vector> {
        Factor(self.carry(a.into()))
    }
}

/// Choices, and whole numbers.
impl<L: Lanes> Field<L> {
    #[inline(always)]
    pub(super) fn select(
        self,
        mask: L::Mask,
        yes: Element<L::Vector>,
        no: Element<L::Vector>,
    ) -> Element<L::Vector> {
        Element(self.select_limbs(mask, yes.0, no.0))
    }

    #[inline(always)]
    pub(super) fn select_factor(
        self,
        mask: L::Mask,
        yes: Factor<L::Vector>,
        no: Factor<L::Vector>,
    ) -> Factor<L::Vector> {
        Factor(self.select_limbs(mask, yes.0, no.0))
    }

    #[inline(always)]
    fn select_limbs(self, mask: L::Mask, yes: [L::Vector; 5], no: [L::Vector; 5]) -> [L::Vector; 5] {
        let ([a0, a1, a2, a3, a4], [b0, b1, b2, b3, b4], l) = (yes, no, self.0);
        [
            l.select(mask, a0, b0),
            l.select(mask, a1, b1),
            l.select(mask, a2, b2),
            l.select(mask, a3, b3),
            l.select(mask, a4, b4),
        ]
    }

    /// With nothing in its limbs but what counts.
    #[inline(always)]
    pub(super) fn element_of(self, factor: Factor<L::Vector>) -> Element<L::Vector> {
        let (l, Factor([a, b, c, d, e])) = (self.0, factor);
        let mask = l.splat(MASK);
        Element([l.and(a, mask), l.and(b, mask), l.and(c, mask), l.and(d, mask), e])
    }

    /// `3 p - a` where the mask says so, of a number below 3.
    #[inline(always)]
    pub(super) fn negate_element_if(self, mask: L::Mask, a: Element<L::Vector>) -> Element<L::Vector> {
        let negative = self.lift::<3>(self.subtract(self.constant([0; 5]), a));
        self.select(mask, self.element(negative), a)
    }

    /// Into Montgomery's form: below 2, of any number below 16.
    #[inline(always)]
    pub(super) fn enter(self, plain: Element<L::Vector>) -> Element<L::Vector> {
        self.element(self.multiply(plain, self.constant(R_SQUARED)))
    }

    /// Out of Montgomery's form, and below p itself.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn leave(self, a: impl Into<Factor<L::Vector>>) -> Element<L::Vector> {
        let l = self.0;
        let zero = l.splat(0);
        // a/R + q p/R, of which a/R is below 1 and q is below R: not above p.
        let plain = self.element(self.multiply(a, Element([l.splat(1), zero, zero, zero, zero])));
        let is_p = self.equal(plain, self.constant(P));
        self.select(is_p, self.constant([0; 5]), plain)
    }

    /// Whether a number is 0 modulo p.
    #[inline(always)]
    pub(super) fn is_zero(self, a: impl Into<Factor<L::Vector>>) -> L::Mask {
        self.equal(self.leave(a), self.constant([0; 5]))
    }

    #[inline(always)]
    fn equal(self, a: Element<L::Vector>, b: Element<L::Vector>) -> L::Mask {
        let (Element([a0, a1, a2, a3, a4]), Element([b0, b1, b2, b3, b4]), l) = (a, b, self.0);
        let mask = l.and_mask(l.equal(a0, b0), l.equal(a1, b1));
        let mask = l.and_mask(mask, l.and_mask(l.equal(a2, b2), l.equal(a3, b3)));
        l.and_mask(mask, l.equal(a4, b4))
    }

    /// `1/a`, by Fermat: `a` to the power of p - 2 = ffffffff 00000001 00000000 00000000 00000000 ffffffff ffffffff fffffffd.
    /// 0 has 0. Of a number below 2.1, below 2.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn invert(self, a: Element<L::Vector>) -> Element<L::Vector> {
        let times = |a, b| self.element(self.multiply(a, b));
        // To the power of 2^n - 1.
        let x2 = times(self.square_times(a, 1), a);
        let x4 = times(self.square_times(x2, 2), x2);
        let x8 = times(self.square_times(x4, 4), x4);
        let x16 = times(self.square_times(x8, 8), x8);
        let x32 = times(self.square_times(x16, 16), x16);
        let x24 = times(self.square_times(x16, 8), x8);
        let x28 = times(self.square_times(x24, 4), x4);
        let x30 = times(self.square_times(x28, 2), x2);
        let power = times(self.square_times(x32, 32), a);
        let power = times(self.square_times(power, 128), x32);
        let power = times(self.square_times(power, 32), x32);
        let power = times(self.square_times(power, 30), x30);
        times(self.square_times(power, 2), a)
    }

    #[inline(always)]
    fn square_times(self, a: Element<L::Vector>, times: u32) -> Element<L::Vector> {
        let mut power = a;
        for _ in 0..times {
            power = self.element(self.square(power));
        }
        power
    }
}

/// Puts the number of 32 big-endian octets into a lane, as it is.
pub(super) fn set_octets<S: Stored>(limbs: &mut [S; 5], lane: usize, octets: &[u8; 32]) {
    let [w0, w1, w2, w3] = words(octets);
    let parts = [w0, w0 >> 52 | w1 << 12, w1 >> 40 | w2 << 24, w2 >> 28 | w3 << 36, w3 >> 16];
    for (limb, part) in limbs.iter_mut().zip(parts) {
        limb.set_lane(lane, part & MASK);
    }
}

/// The big-endian octets of a lane of what [`Field::leave`] made.
pub(super) fn octets<S: Stored>(limbs: &[S; 5], lane: usize) -> [u8; 32] {
    let [a, b, c, d, e] = limbs.each_ref().map(|limb| limb.lane(lane));
    let words = [a | b << 52, b >> 12 | c << 40, c >> 24 | d << 28, d >> 36 | e << 16];
    let mut octets = [0; 32];
    for (octets, word) in octets.as_chunks_mut().0.iter_mut().zip(words.iter().rev()) {
        *octets = word.to_be_bytes();
    }
    octets
}

/// The 64-bit words of a big-endian number, least first.
pub(super) fn words(octets: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, octets) in words.iter_mut().rev().zip(octets.as_chunks().0) {
        *word = u64::from_be_bytes(*octets);
    }
    words
}

/// A limb.
pub(super) const MASK: u64 = (1 << 52) - 1;

/// The prime.
pub(super) const P: [u64; 5] =
    [0xf_ffff_ffff_ffff, 0x0_0fff_ffff_ffff, 0, 0x0_0010_0000_0000, 0x0_ffff_ffff_0000];

/// 2^260 modulo p: one, in Montgomery's form.
pub(super) const ONE: [u64; 5] = [0x10, 0xf_0000_0000_0000, 0xf_ffff_ffff_ffff, 0xf_feff_ffff_ffff, 0xf_ffff];

/// 2^520 modulo p.
const R_SQUARED: [u64; 5] =
    [0x300, 0xf_ffff_fff0_0000, 0xf_fffe_ffff_fffb, 0xf_dfff_ffff_ffff, 0x0_0000_04ff_ffff];
