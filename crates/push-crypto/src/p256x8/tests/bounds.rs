//! The bound of every limb, proved: each formula is run on intervals in place of numbers.
//!
//! A limb is what it may be at least and at most. Whatever leaves what 64 bits can hold, or is no whole limb where the formula
//! counts on one, is a panic. The highest limb tells how many p a number is below.

use std::vec::Vec;

use crate::p256x8::field::{Element, Field, Loose};
use crate::p256x8::lanes::{Eight, Lanes, Work};
use crate::p256x8::point::{Affine, Jacobian};

#[test]
fn doubling() {
    let double = FIELD.double_point(any_jacobian());
    assert_jacobian(double);
}

#[test]
fn additions() {
    let (sum, h) = FIELD.add_point(any_jacobian(), any_affine(), Unknown);
    assert_jacobian(sum);
    FIELD.leave(h);
    assert_jacobian(FIELD.add_any_point(any_jacobian(), any_affine(), Unknown));
}

#[test]
fn pairs() {
    let of_one = FIELD.double_pair(any_affine());
    let any = Affine { x: below(2.75), y: below(2.75) };
    for pair in [of_one, FIELD.add_pair(any, any)] {
        for coordinate in [pair.first.x, pair.first.y] {
            assert_below(coordinate, 2.75);
        }
        for coordinate in [pair.second.x, pair.second.y] {
            assert_below(coordinate, 2.1);
        }
        // z is a product of ratios.
        assert_below(FIELD.element(FIELD.multiply(below(5.75), pair.ratio)), 5.75);
    }
}

#[test]
fn into_and_out_of_it() {
    assert_below(FIELD.enter(below(1.0)), 2.0);
    FIELD.on_curve(Affine { x: below(2.0), y: below(2.0) });
    let affine = FIELD.affine(below(2.1), below(2.1), below(2.1));
    assert_below(affine.x, 1.4);
    assert_below(affine.y, 1.4);
    assert_below(FIELD.negate_element_if(Unknown, below(2.1)), 3.01);
    assert_below(FIELD.leave(below(15.9)), 1.01);
}

#[test]
fn inversion() {
    // Each step is a square, or a product, of what is below 2.1.
    assert_below(FIELD.element(FIELD.square(below(2.1))), 1.3);
    assert_below(FIELD.element(FIELD.multiply(below(2.1), below(2.1))), 1.3);
    assert_below(FIELD.invert(below(2.1)), 1.3);
    // Of many: z of multiples, and of results.
    assert_below(FIELD.element(FIELD.multiply(below(1.8), below(5.75))), 1.8);
    assert_below(FIELD.element(FIELD.multiply(below(1.8), below(2.75))), 1.8);
}

#[test]
fn a_fold_takes_anything() {
    let top = Interval { min: -(1 << 58), max: 1 << 58 };
    let rest = Interval { min: -(1 << 58), max: 1 << 58 };
    let folded = FIELD.fold(Loose::from([rest, rest, rest, rest, top]));
    assert_below(FIELD.element(folded), 2.1);
}

/// It would say so.
#[test]
#[should_panic(expected = "no whole limb")]
fn a_difference_that_is_not_lifted() {
    FIELD.element(FIELD.subtract(below(2.1), below(2.1)));
}

/// It would say so.
#[test]
#[should_panic(expected = "no whole limb")]
fn more_than_there_is_room_for() {
    FIELD.element(FIELD.lift::<16>(below(2.1)));
}

const FIELD: Field<Intervals> = Field(Intervals);

fn any_jacobian() -> Jacobian<Interval> {
    Jacobian { x: below(2.1), y: below(2.1), z: below(2.75).into() }
}

fn any_affine() -> Affine<Interval> {
    Affine { x: below(2.1), y: below(2.1) }
}

fn assert_jacobian(point: Jacobian<Interval>) {
    assert_below(point.x, 2.1);
    assert_below(point.y, 2.1);
    assert_below(FIELD.element_of(point.z), 2.75);
}

/// Any number below so many p.
fn below(times: f64) -> Element<Interval> {
    let limb = Interval { min: 0, max: LIMB };
    let top = Interval { min: 0, max: (times * P_TOP) as i128 };
    Element([limb, limb, limb, limb, top])
}

fn assert_below(number: Element<Interval>, times: f64) {
    let limbs: Vec<_> = number.0.iter().map(|limb| (limb.min, limb.max)).collect();
    assert!(limbs.iter().all(|&(min, max)| min >= 0 && max <= LIMB), "{limbs:?}");
    // With all of the limbs below it.
    assert!((limbs[4].1 + 1) as f64 <= times * P_TOP, "{} is not below {times}", limbs[4].1 as f64 / P_TOP);
}

#[derive(Clone, Copy)]
struct Intervals;

/// From at least to at most.
#[derive(Clone, Copy)]
struct Interval {
    min: i128,
    max: i128,
}

/// Both ways are taken.
#[derive(Clone, Copy)]
struct Unknown;

impl Interval {
    fn constant(self) -> i128 {
        assert_eq!(self.min, self.max, "only constants are expected here");
        self.min
    }

    /// What of it a multiplier of 52 bits sees, at most.
    fn factor(self) -> i128 {
        if self.min >= 0 && self.max <= LIMB { self.max } else { LIMB }
    }

    fn checked(min: i128, max: i128) -> Self {
        assert!(min > -(1 << 60) && max < 1 << 60, "a limb of {min} to {max}");
        Self { min, max }
    }
}

impl Lanes for Intervals {
    type Vector = Interval;
    type Mask = Unknown;
    type Stored = Eight;

    fn enter<W: Work<Self>>(self, work: W) -> W::Output {
        work.work(self)
    }

    fn load(self, _: &Eight) -> Interval {
        panic!("intervals are not stored")
    }

    fn store(self, _: Interval) -> Eight {
        panic!("intervals are not stored")
    }

    fn splat(self, value: u64) -> Interval {
        let value = value.cast_signed().into();
        Interval { min: value, max: value }
    }

    fn add(self, a: Interval, b: Interval) -> Interval {
        Interval::checked(a.min + b.min, a.max + b.max)
    }

    fn sub(self, a: Interval, b: Interval) -> Interval {
        Interval::checked(a.min - b.max, a.max - b.min)
    }

    /// With low bits.
    fn and(self, a: Interval, b: Interval) -> Interval {
        let mask = b.constant();
        assert_eq!(mask & (mask + 1), 0);
        if a.min >= 0 && a.max <= mask { a } else { Interval { min: 0, max: mask } }
    }

    /// With a bit beyond all others.
    fn or(self, a: Interval, b: Interval) -> Interval {
        assert!(a.min >= 0 && a.max < b.constant() && b.constant().count_ones() == 1);
        self.add(a, b)
    }

    fn xor(self, _: Interval, _: Interval) -> Interval {
        panic!("not part of the arithmetic")
    }

    /// What leaves the lane is lost, so nothing is known of the rest.
    fn shift_left<const BITS: u32>(self, a: Interval) -> Interval {
        let any = Interval { min: i64::MIN.into(), max: i64::MAX.into() };
        let (min, max) = (a.min << BITS, a.max << BITS);
        if min < any.min || max > any.max { any } else { Interval { min, max } }
    }

    fn shift_right<const BITS: u32>(self, a: Interval) -> Interval {
        Interval { min: a.min >> BITS, max: a.max >> BITS }
    }

    fn shift_right_by(self, _: Interval, _: u32) -> Interval {
        panic!("not part of the arithmetic")
    }

    fn shift_left_by(self, _: Interval, _: u32) -> Interval {
        panic!("not part of the arithmetic")
    }

    fn add_product_low(self, sum: Interval, a: Interval, b: Interval) -> Interval {
        Interval::checked(sum.min, sum.max + (a.factor() * b.factor()).min(LIMB))
    }

    fn add_product_high(self, sum: Interval, a: Interval, b: Interval) -> Interval {
        Interval::checked(sum.min, sum.max + ((a.factor() * b.factor()) >> 52))
    }

    fn whole(self, limb: Interval) -> Interval {
        assert!(limb.min >= 0 && limb.max <= LIMB, "no whole limb: {} to {}", limb.min, limb.max);
        limb
    }

    fn equal(self, _: Interval, _: Interval) -> Unknown {
        Unknown
    }

    fn and_mask(self, _: Unknown, _: Unknown) -> Unknown {
        Unknown
    }

    fn select(self, _: Unknown, yes: Interval, no: Interval) -> Interval {
        Interval { min: yes.min.min(no.min), max: yes.max.max(no.max) }
    }

    fn negate_if(self, _: Unknown, a: Interval) -> Interval {
        Interval { min: a.min.min(-a.max), max: a.max.max(-a.min) }
    }

    fn pick(self, _: &[Eight; 4], _: Interval) -> Interval {
        panic!("not part of the arithmetic")
    }
}

/// The largest limb.
const LIMB: i128 = (1 << 52) - 1;

/// The highest limb of p.
const P_TOP: f64 = 281_474_976_645_120.0;
