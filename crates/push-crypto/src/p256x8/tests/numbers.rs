//! The field against whole numbers, on lanes of every kind, up to the bounds that it states.

use std::vec::Vec;

use num_bigint::BigUint;
use proptest::prelude::*;

use crate::p256x8::field::{Element, Field, Loose, P, octets, set_octets};
use crate::p256x8::lanes::{Eight, Ifma, Lanes, Portable, Stored, Work};

type Limbs = [u64; 5];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_numbers(a in numbers(8), b in numbers(8), c in numbers(3), d in numbers(3)) {
        check([a, b, c, d]);
    }

    #[test]
    fn inverses(a in numbers(2)) {
        for [product] in everywhere(&Inverse(a)) {
            let wanted = if number(&a) % p() == BigUint::ZERO { 0u8 } else { 1 };
            assert_eq!(number(&product), wanted.into());
        }
    }
}

/// The largest and smallest limbs, in all places.
#[test]
fn extremes() {
    let largest = [LIMB, LIMB, LIMB, LIMB, (8 << 48) - 1];
    let patterns: Vec<Limbs> =
        (0..32).map(|bits| core::array::from_fn(|at| largest[at] * (bits >> at & 1))).collect();
    for &a in &patterns {
        for &b in &patterns {
            let (mut c, mut d) = (a, b);
            (c[4], d[4]) = (c[4].min((3 << 48) - 1), d[4].min((3 << 48) - 1));
            check([a, b, c, d]);
        }
    }
}

#[test]
fn zero_has_no_inverse() {
    for a in [[0; 5], P] {
        for [product] in everywhere(&Inverse(a)) {
            assert_eq!(product, [0; 5]);
        }
    }
}

#[test]
fn octets_go_in_and_out() {
    let mut limbs = [Eight::default(); 5];
    for lane in 0..8u8 {
        let wanted: [u8; 32] = core::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(lane));
        set_octets(&mut limbs, lane.into(), &wanted);
        assert_eq!(octets(&limbs, lane.into()), wanted);
        let limbs = limbs.each_ref().map(|limb| limb.lane(lane.into()));
        assert_eq!(number(&limbs), BigUint::from_bytes_be(&wanted));
    }
}

/// What the field makes of a and b below 8, and c and d below 3, against what it says.
fn check(numbers: [Limbs; 4]) {
    let [a, b, c, d] = numbers.map(|limbs| number(&limbs));
    let r: BigUint = BigUint::from(1u8) << 260u32;
    let multiple: BigUint = p() << 20u32;
    let over_r = |value: BigUint| value * r.modinv(&p()).unwrap() % p();
    for [product, square, less_product, less_squares, sum, difference, folded, negative, plain, whole] in
        everywhere(&Everything(numbers))
    {
        let product = number(&product);
        assert!(product < &a * &b / &r + p());
        assert_eq!(product % p(), over_r(&a * &b));
        assert_eq!(number(&square) % p(), over_r(&a * &a));
        // Enough of p to stay above zero.
        let multiple = &multiple * &multiple;
        assert_eq!(number(&less_product) % p(), over_r(&a * &b + &multiple - &c * &d));
        assert_eq!(number(&less_squares) % p(), over_r(&a * &b + &multiple - &c * &c * 2u8));
        assert_eq!(number(&sum), &c + &d);
        assert_eq!(number(&difference), &c + p() * 4u8 - &d);
        assert_eq!(number(&folded) % p(), (&c + &multiple - &d) % p());
        assert!(number(&folded) < p() * 21u8 / 10u8);
        assert_eq!(number(&negative) % p(), (&multiple - &c) % p());
        assert_eq!(number(&plain), over_r(a.clone()));
        assert_eq!(number(&whole), &a % p());
    }
}

struct Everything([Limbs; 4]);

impl<L: Lanes> Work<L> for &Everything {
    type Output = [Limbs; 10];

    #[inline(always)]
    fn work(self, lanes: L) -> Self::Output {
        let f = Field(lanes);
        let [a, b, c, d] = self.0.map(|limbs| f.constant(limbs));
        let cd = (c.into(), d.into());
        let mask = lanes.equal(lanes.splat(1), lanes.splat(1));
        let difference = f.subtract(c, d);
        [
            f.element(f.multiply(a, b)),
            f.element(f.square(a)),
            f.element(f.fold(f.multiply_less_product((a.into(), b.into()), cd))),
            f.element(f.fold(f.multiply_less_squares((a.into(), b.into()), c.into()))),
            f.element(f.add(c, d)),
            f.element(f.lift::<4>(difference)),
            f.element(f.fold(difference)),
            f.element(f.fold(f.negate_if(mask, Loose::from(c)))),
            f.leave(a),
            f.leave(f.enter(a)),
        ]
        .map(|element| limbs(f, element))
    }
}

/// `a/a`.
struct Inverse(Limbs);

impl<L: Lanes> Work<L> for &Inverse {
    type Output = [Limbs; 1];

    #[inline(always)]
    fn work(self, lanes: L) -> Self::Output {
        let f = Field(lanes);
        let a = f.constant(self.0);
        [limbs(f, f.leave(f.factor(f.multiply(a, f.invert(a)))))]
    }
}

/// On lanes of every kind that there are.
fn everywhere<'a, W, O>(work: &'a W) -> Vec<O>
where
    &'a W: Work<Portable, Output = O> + Work<Ifma, Output = O>,
{
    let mut outputs: Vec<O> = Vec::new();
    outputs.push(Portable.enter(work));
    outputs.extend(Ifma::detect().map(|lanes| lanes.enter(work)));
    outputs
}

/// The same in all lanes.
fn limbs<L: Lanes>(field: Field<L>, element: Element<L::Vector>) -> Limbs {
    field.store(element).map(|limb| {
        assert!((1..8).all(|lane| limb.lane(lane) == limb.lane(0)));
        limb.lane(0)
    })
}

fn numbers(times: u64) -> impl Strategy<Value = Limbs> {
    let limb = || prop_oneof![6 => 0..=LIMB, 1 => Just(0), 1 => Just(LIMB)];
    (limb(), limb(), limb(), limb(), 0..times << 48).prop_map(|(a, b, c, d, e)| [a, b, c, d, e])
}

fn number(limbs: &Limbs) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |number, limb| (number << 52u32) + *limb)
}

fn p() -> BigUint {
    number(&P)
}

const LIMB: u64 = (1 << 52) - 1;
