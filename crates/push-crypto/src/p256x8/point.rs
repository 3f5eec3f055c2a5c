//! Points of y² = x³ - 3 x + b, one in each lane.
//!
//! Bounds, in p, as in [`super::field`]: x and y of a [`Jacobian`] are below 2.1, z below 2.75; x and y of an [`Affine`]
//! below 2.1, of those of a [`Pair`] below 2.75. Each formula keeps them, as `tests::bounds` proves, and says beside a step
//! what it is below where that is not plain.
//!
//! The additions are not complete. Who calls them proves that what they cannot do does not occur.

use super::field::{Element, Factor, Field, ONE};
use super::lanes::Lanes;

/// x and y.
#[derive(Clone, Copy)]
pub(super) struct Affine<V> {
    pub(super) x: Element<V>,
    pub(super) y: Element<V>,
}

/// x/z² and y/z³.
#[derive(Clone, Copy)]
pub(super) struct Jacobian<V> {
    pub(super) x: Element<V>,
    pub(super) y: Element<V>,
    pub(super) z: Factor<V>,
}

/// Two points with one z, of which only the ratio to the z before is known.
pub(super) struct Pair<V> {
    pub(super) first: Affine<V>,
    pub(super) second: Affine<V>,
    pub(super) ratio: Element<V>,
}

impl<L: Lanes> Field<L> {
    /// Lanes in which the point is on the curve.
    #[inline(always)]
    pub(super) fn on_curve(self, point: Affine<L::Vector>) -> L::Mask {
        let Affine { x, y } = point;
        let xx = self.square(x);
        // x (x² - 3) + b - y².
        let minus_three = self.element(self.lift::<1>(self.subtract(xx, self.constant(THREE))));
        let right = self.add(self.multiply(x, minus_three), self.constant(B));
        self.is_zero(self.factor(self.lift::<3>(self.subtract(right, self.square(y)))))
    }

    #[inline(always)]
    pub(super) fn jacobian(self, point: Affine<L::Vector>) -> Jacobian<L::Vector> {
        Jacobian { x: point.x, y: point.y, z: self.constant(ONE).into() }
    }

    /// The point that is given by `inverse`, 1/z below 2.1: below 1.4.
    #[inline(always)]
    pub(super) fn affine(
        self,
        x: Element<L::Vector>,
        y: Element<L::Vector>,
        inverse: Element<L::Vector>,
    ) -> Affine<L::Vector> {
        let inverse_squared = self.factor(self.square(inverse));
        let inverse_cubed = self.factor(self.multiply(inverse_squared, inverse));
        Affine {
            x: self.element(self.multiply(x, inverse_squared)),
            y: self.element(self.multiply(y, inverse_cubed)),
        }
    }

    /// 2 P. No point of the curve has y = 0, since their number is odd: z is never 0.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn double_point(self, p: Jacobian<L::Vector>) -> Jacobian<L::Vector> {
        // Below 1.5 and 2.5.
        let zz = self.element(self.square(p.z));
        let yy2 = self.factor(self.double(self.square(p.y)));
        // Below 2.75, as z was.
        let z = self.factor(self.double(self.multiply(p.y, p.z)));
        // 4 x y², below 2.75.
        let s = self.element(self.double(self.multiply(p.x, yy2)));
        // 3 (x - z²) (x + z²): below 4, 3.5 and then 5.7.
        let less = self.factor(self.lift::<2>(self.subtract(p.x, zz)));
        let m = self.multiply(less, self.factor(self.add(p.x, zz)));
        let m = self.factor(self.add(self.double(m), m));
        let x = self.element(self.fold(self.subtract(self.subtract(self.square(m), s), s)));
        // Below 5.7.
        let w = self.factor(self.lift::<3>(self.subtract(s, x)));
        let y = self.element(self.fold(self.multiply_less_squares((m, w), yy2)));
        Jacobian { x, y, z }
    }

    /// P + Q, or P - Q where `negative`: for P other than Q, -Q and the point at infinity. Also tells x of Q less x of P,
    /// times z² of P, which is 0 if the point was one of those.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn add_point(
        self,
        p: Jacobian<L::Vector>,
        q: Affine<L::Vector>,
        negative: L::Mask,
    ) -> (Jacobian<L::Vector>, Factor<L::Vector>) {
        let zz = self.factor(self.square(p.z));
        let zzz = self.factor(self.multiply(zz, p.z));
        // Both of x and y below 1.3 before P is taken away, and below 5.
        let h = self.factor(self.lift::<3>(self.subtract(self.multiply(q.x, zz), p.x)));
        let s = self.negate_if(negative, self.multiply(q.y, zzz));
        let r = self.factor(self.lift::<4>(self.subtract(s, p.y)));
        let z = self.factor(self.multiply(p.z, h));
        let hh = self.factor(self.square(h));
        let hhh = self.element(self.multiply(h, hh));
        let v = self.element(self.multiply(p.x, hh));
        let x = self.subtract(self.subtract(self.square(r), hhh), self.double(v));
        let x = self.element(self.fold(x));
        let w = self.factor(self.lift::<3>(self.subtract(v, x)));
        let y = self.multiply_less_product((r, w), (p.y.into(), hhh.into()));
        let y = self.element(self.fold(y));
        (Jacobian { x, y, z }, h)
    }

    /// As [`Field::add_point`], and P may be the point that is added.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn add_any_point(
        self,
        p: Jacobian<L::Vector>,
        q: Affine<L::Vector>,
        negative: L::Mask,
    ) -> Jacobian<L::Vector> {
        let (sum, h) = self.add_point(p, q, negative);
        let same = self.is_zero(h);
        let double = self.double_point(p);
        Jacobian {
            x: self.select(same, double.x, sum.x),
            y: self.select(same, double.y, sum.y),
            z: self.select_factor(same, double.z, sum.z),
        }
    }

    /// P and 2 P, with 2 y of P for z.
    #[inline(always)]
    pub(super) fn double_pair(self, p: Affine<L::Vector>) -> Pair<L::Vector> {
        let yy2 = self.factor(self.double(self.square(p.y)));
        let z = self.element(self.double(p.y));
        let s = self.element(self.double(self.multiply(p.x, yy2)));
        let m = self.subtract(self.square(p.x), self.constant(ONE));
        let m = self.factor(self.lift::<3>(self.add(self.double(m), m)));
        let x = self.element(self.fold(self.subtract(self.square(m), self.double(s))));
        let w = self.factor(self.lift::<3>(self.subtract(s, x)));
        let yyyy8 = self.element(self.fold(self.double(self.square(yy2))));
        let y = self.element(self.fold(self.subtract(self.multiply(m, w), yyyy8)));
        Pair { first: Affine { x: s, y: yyyy8 }, second: Affine { x, y }, ratio: z }
    }

    /// P + Q, and P once more with the same z as that sum: for P other than Q and -Q.
    #[inline(always)]
    pub(super) fn add_pair(self, p: Affine<L::Vector>, q: Affine<L::Vector>) -> Pair<L::Vector> {
        let ratio = self.element(self.lift::<3>(self.subtract(p.x, q.x)));
        let c = self.factor(self.square(ratio));
        let (px, qx) = (self.element(self.multiply(p.x, c)), self.element(self.multiply(q.x, c)));
        let dy = self.factor(self.lift::<3>(self.subtract(p.y, q.y)));
        let py = self.multiply(p.y, self.factor(self.lift::<3>(self.subtract(px, qx))));
        let py = self.element(py);
        let x = self.element(self.fold(self.subtract(self.subtract(self.square(dy), px), qx)));
        let w = self.factor(self.lift::<3>(self.subtract(px, x)));
        let y = self.element(self.fold(self.subtract(self.multiply(dy, w), py)));
        Pair { first: Affine { x: px, y: py }, second: Affine { x, y }, ratio }
    }
}

/// b, in Montgomery's form.
const B: [u64; 5] =
    [0xd_f622_9c4b_ddfd, 0xc_a884_3090_d89c, 0x2_12ed_6acf_005c, 0x8_3415_a220_abf7, 0x0_c300_61dd_4874];

/// 3, in Montgomery's form.
const THREE: [u64; 5] =
    [0x30, 0xd_0000_0000_0000, 0xf_ffff_ffff_ffff, 0xf_fcff_ffff_ffff, 0x0_0000_002f_ffff];

/// The generator, in Montgomery's form.
pub(super) const GENERATOR: [[u64; 5]; 2] = [
    [0x3_0d41_8a91_43c1, 0xc_4fed_b601_79e7, 0x6_2251_075b_a95f, 0x5_c669_fb73_2b77, 0x0_8905_f76b_5375],
    [0x5_357c_e955_60a8, 0x4_3a19_e45c_ddf2, 0x2_1f32_58b4_ab8e, 0xd_8552_e886_88dd, 0x0_571f_f18a_5885],
];
