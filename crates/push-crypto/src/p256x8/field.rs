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
//! | [`Columns`] | with a sign, within ±2^60 | sums of products, before they are reduced |
//!
//! No limb ever comes near 2^63: `bounds` in the tests runs every formula on intervals in place of numbers and proves it,
//! and with it that no `Element` or `Factor` is negative or reaches 2^260.

use super::lanes::{Lanes, Stored};

/// Five limbs, carried.
#[derive(Clone, Copy)]
pub(super) struct Element<V>(pub(super) [V; 5]);

/// Five limbs, to be multiplied.
#[derive(Clone, Copy)]
pub(super) struct Factor<V>([V; 5]);

/// Five limbs, not carried.
#[derive(Clone, Copy)]
pub(super) struct Loose<V>([V; 5]);

/// A sum of products of ten limbs, not carried.
#[derive(Clone, Copy)]
pub(super) struct Columns<V>([V; 10]);

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
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn multiply(
        self,
        a: impl Into<Factor<L::Vector>>,
        b: impl Into<Factor<L::Vector>>,
    ) -> Loose<L::Vector> {
        self.reduce(self.product(a, b))
    }

    /// Of a number below a: below a²/16 + 1.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn square(self, a: impl Into<Factor<L::Vector>>) -> Loose<L::Vector> {
        self.reduce(self.square_columns(a))
    }

    /// All 25 products of limbs, by rows. A column has at most nine halves of 52 bits: below 2^56.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn product(
        self,
        a: impl Into<Factor<L::Vector>>,
        b: impl Into<Factor<L::Vector>>,
    ) -> Columns<L::Vector> {
        let Factor([a0, a1, a2, a3, a4]) = a.into();
        let Factor(b) = b.into();
        let zero = self.0.splat(0);
        let [t0, u1, u2, u3, u4, u5] = self.row([zero; 6], a0, b);
        let [t1, u2, u3, u4, u5, u6] = self.row([u1, u2, u3, u4, u5, zero], a1, b);
        let [t2, u3, u4, u5, u6, u7] = self.row([u2, u3, u4, u5, u6, zero], a2, b);
        let [t3, u4, u5, u6, u7, u8] = self.row([u3, u4, u5, u6, u7, zero], a3, b);
        let [t4, t5, t6, t7, t8, t9] = self.row([u4, u5, u6, u7, u8, zero], a4, b);
        Columns([t0, t1, t2, t3, t4, t5, t6, t7, t8, t9])
    }

    #[inline(always)]
    fn row(self, t: [L::Vector; 6], a: L::Vector, [b0, b1, b2, b3, b4]: [L::Vector; 5]) -> [L::Vector; 6] {
        let ([t0, t1, t2, t3, t4, t5], l) = (t, self.0);
        [
            l.add_product_low(t0, a, b0),
            l.add_product_high(l.add_product_low(t1, a, b1), a, b0),
            l.add_product_high(l.add_product_low(t2, a, b2), a, b1),
            l.add_product_high(l.add_product_low(t3, a, b3), a, b2),
            l.add_product_high(l.add_product_low(t4, a, b4), a, b3),
            l.add_product_high(t5, a, b4),
        ]
    }

    /// As [`Field::product`] of a number with itself: what occurs twice is computed once.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn square_columns(self, a: impl Into<Factor<L::Vector>>) -> Columns<L::Vector> {
        let Factor([a0, a1, a2, a3, a4]) = a.into();
        let (l, zero) = (self.0, self.0.splat(0));
        let low = |sum, a, b| l.add_product_low(sum, a, b);
        let high = |sum, a, b| l.add_product_high(sum, a, b);
        let twice = |a| l.add(a, a);
        let t1 = low(zero, a0, a1);
        let t2 = high(low(zero, a0, a2), a0, a1);
        let t3 = low(high(low(zero, a0, a3), a0, a2), a1, a2);
        let t4 = high(low(high(low(zero, a0, a4), a0, a3), a1, a3), a1, a2);
        let t5 = low(high(low(high(zero, a0, a4), a1, a4), a1, a3), a2, a3);
        let t6 = high(low(high(zero, a1, a4), a2, a4), a2, a3);
        let t7 = low(high(zero, a2, a4), a3, a4);
        let t8 = high(zero, a3, a4);
        Columns([
            low(zero, a0, a0),
            high(twice(t1), a0, a0),
            low(twice(t2), a1, a1),
            high(twice(t3), a1, a1),
            low(twice(t4), a2, a2),
            high(twice(t5), a2, a2),
            low(twice(t6), a3, a3),
            high(twice(t7), a3, a3),
            low(twice(t8), a4, a4),
            high(zero, a4, a4),
        ])
    }

    #[inline(always)]
    pub(super) fn subtract_columns(self, a: Columns<L::Vector>, b: Columns<L::Vector>) -> Columns<L::Vector> {
        let ([a0, a1, a2, a3, a4, a5, a6, a7, a8, a9], l) = (a.0, self.0);
        let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9] = b.0;
        Columns([
            l.sub(a0, b0),
            l.sub(a1, b1),
            l.sub(a2, b2),
            l.sub(a3, b3),
            l.sub(a4, b4),
            l.sub(a5, b5),
            l.sub(a6, b6),
            l.sub(a7, b7),
            l.sub(a8, b8),
            l.sub(a9, b9),
        ])
    }

    /// Montgomery's reduction: columns of value c, which may be negative, become c/R + q p/R with q < R. So a product below
    /// c p² becomes a number below c/16 + 1, and one above -c p² a number above -c/16.
    ///
    /// p is -1 modulo 2^52, so that each digit of q is the lowest limb itself.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn reduce(self, columns: Columns<L::Vector>) -> Loose<L::Vector> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9] = columns.0;
        let [t1, t2, t3, t4, t5] = self.reduce_digit([t0, t1, t2, t3, t4, t5]);
        let [t2, t3, t4, t5, t6] = self.reduce_digit([t1, t2, t3, t4, t5, t6]);
        let [t3, t4, t5, t6, t7] = self.reduce_digit([t2, t3, t4, t5, t6, t7]);
        let [t4, t5, t6, t7, t8] = self.reduce_digit([t3, t4, t5, t6, t7, t8]);
        Loose(self.reduce_digit([t4, t5, t6, t7, t8, t9]))
    }

    /// One digit q, the low 52 bits of the lowest column. Adding q p is to take q away and to add q (p + 1), in which
    /// p + 1 = 2^44·2^52 + 2^36·2^156 + (2^48 - 2^16)·2^208.
    #[inline(always)]
    fn reduce_digit(self, t: [L::Vector; 6]) -> [L::Vector; 5] {
        let ([t0, t1, t2, t3, t4, t5], l) = (t, self.0);
        let (first, third, fourth) = (l.splat(1 << 44), l.splat(1 << 36), l.splat((1 << 48) - (1 << 16)));
        let t1 = l.add(t1, l.shift_right::<52>(t0));
        [
            l.add_product_low(t1, t0, first),
            l.add_product_high(t2, t0, first),
            l.add_product_low(t3, t0, third),
            l.add_product_low(l.add_product_high(t4, t0, third), t0, fourth),
            l.add_product_high(t5, t0, fourth),
        ]
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

    /// Brings any number within ±2^12 p to between 1 and 2, by taking off as many p as its top bits say, less one.
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
        [a0, a1, a2, a3, l.add(a4, l.shift_right::<52>(a3))]
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

    /// `2 p - a` where the mask says so, of a number below 2.
    #[inline(always)]
    pub(super) fn negate_element_if(self, mask: L::Mask, a: Element<L::Vector>) -> Element<L::Vector> {
        let negative = self.lift::<2>(self.subtract(self.constant([0; 5]), a));
        self.select(mask, self.element(negative), a)
    }

    /// Into Montgomery's form: below 2, of any number below 2^260.
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
    /// 0 has 0. Of a number below 2, below 2.
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
