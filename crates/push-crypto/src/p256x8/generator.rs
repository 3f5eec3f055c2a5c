//! Multiples of the generator: a table of all that a digit can stand for, so that nothing has to be doubled.

use alloc::vec::Vec;
use std::sync::OnceLock;

use super::field::{Element, Field, ONE};
use super::lanes::{Eight, Lanes, Stored, Work};
use super::multiples::{Compute, InvertAll, Multiples, Normalise};
use super::point::{Affine, GENERATOR, Jacobian};
use super::scalar::Scalars;

/// Bits of a digit.
const WIDTH: u32 = 6;

/// Digits of a scalar.
const WINDOWS: u32 = 43;

/// What the digits of one place can stand for.
const COUNT: usize = 1 << (WIDTH - 1);

/// For each place of a digit its odd multiples of 2^(6 place) G: limb by limb, so that lanes pick from registers.
pub(super) struct Table(Vec<[Limb; 10]>);

/// One limb of the 32 multiples.
type Limb = [Eight; COUNT / 8];

impl Table {
    /// Made once, by whatever lanes come first: a few tenths of a millisecond with IFMA, and 110 KiB.
    pub(super) fn of<L: Lanes>(lanes: L) -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::compute(lanes))
    }

    fn compute<L: Lanes>(lanes: L) -> Self {
        let mut powers = lanes.enter(Powers);
        let mut scratch = [[L::Stored::default(); 5]; WINDOWS as usize];
        let mut z: Vec<_> = powers.iter_mut().map(|[_, _, z]| z).collect();
        lanes.enter(InvertAll { numbers: &mut z, scratch: &mut scratch });
        powers.iter_mut().for_each(|power| lanes.enter(TakeOff(power)));
        let mut windows = Vec::new();
        for places in powers.chunks(L::Stored::LANES) {
            let mut point = [[L::Stored::default(); 5]; 2];
            // Lanes without a place of their own repeat the first.
            let repeated = places.iter().chain(places.first().into_iter().cycle());
            for (lane, place) in repeated.take(L::Stored::LANES).enumerate() {
                let limbs = point.as_flattened_mut().iter_mut().zip(place.as_flattened());
                limbs.for_each(|(to, from)| to.set_lane(lane, from.lane(0)));
            }
            let mut multiples = Multiples::<L::Stored, COUNT>::default();
            lanes.enter(Compute { multiples: &mut multiples, point: &point });
            lanes.enter(InvertAll { numbers: &mut [&mut multiples.z], scratch: &mut scratch });
            lanes.enter(Normalise(&mut multiples));
            windows.extend((0..places.len()).map(|lane| window(&multiples, lane)));
        }
        Self(windows)
    }

    /// k G, with the sign of the scalars that stand for others put right.
    ///
    /// No sum of digits so far is the next multiple or its opposite, but for the last. At place j it is odd and within
    /// ±(64^j - 1), what is added is an odd multiple of 64^j, and both together are less than n, where j is not the last
    /// place. At that they can be the same, for one scalar, and opposite for none, since the sum would be 0.
    #[inline(always)]
    pub(super) fn multiply<L: Lanes>(
        &self,
        field: Field<L>,
        scalars: &Scalars<L::Stored>,
    ) -> Jacobian<L::Vector> {
        let mut sum = field.jacobian(Affine { x: field.constant(ONE), y: field.constant(ONE) });
        for (place, window) in (0..WINDOWS).zip(&self.0) {
            let digit = scalars.digit::<L, WIDTH>(field.0, place);
            let multiple = pick(field, window, digit.index);
            if place == 0 {
                let y = field.negate_element_if(digit.negative, multiple.y);
                sum = field.jacobian(Affine { y, ..multiple });
            } else if place < WINDOWS - 1 {
                (sum, _) = field.add_point(sum, multiple, digit.negative);
            } else {
                sum = field.add_any_point(sum, multiple, digit.negative);
            }
        }
        Jacobian { y: field.negate_element_if(scalars.negated(field.0), sum.y), ..sum }
    }
}

#[inline(always)]
fn pick<L: Lanes>(field: Field<L>, window: &[Limb; 10], index: L::Vector) -> Affine<L::Vector> {
    let [a, b, c, d, e, f, g, h, i, j] = window;
    let limb = |limb| field.0.pick(limb, index);
    Affine {
        x: Element([limb(a), limb(b), limb(c), limb(d), limb(e)]),
        y: Element([limb(f), limb(g), limb(h), limb(i), limb(j)]),
    }
}

/// One lane's multiples.
fn window<S: Stored>(multiples: &Multiples<S, COUNT>, lane: usize) -> [Limb; 10] {
    let mut window = [Limb::default(); 10];
    for (at, (x, y)) in multiples.points().enumerate() {
        for (limb, from) in window.iter_mut().zip(x.iter().chain(y)) {
            if let Some(eight) = limb.get_mut(at / 8) {
                eight.set_lane(at % 8, from.lane(lane));
            }
        }
    }
    window
}

/// The z of a point, which has been inverted.
struct TakeOff<'a, S>(&'a mut [[S; 5]; 3]);

impl<L: Lanes> Work<L> for TakeOff<'_, L::Stored> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let (field, [x, y, inverse]) = (Field(lanes), self.0);
        let affine = field.affine(field.load(x), field.load(y), field.load(inverse));
        *x = field.store(affine.x);
        *y = field.store(affine.y);
    }
}

/// 2^(6 place) G for every place, the same in all lanes.
struct Powers;

impl<L: Lanes> Work<L> for Powers {
    type Output = Vec<[[L::Stored; 5]; 3]>;

    #[inline(always)]
    fn work(self, lanes: L) -> Self::Output {
        let field = Field(lanes);
        let [x, y] = GENERATOR.map(|coordinate| field.constant(coordinate));
        let mut power = field.jacobian(Affine { x, y });
        let mut powers = Vec::new();
        for _ in 0..WINDOWS {
            powers.push([power.x, power.y, field.element_of(power.z)].map(|number| field.store(number)));
            for _ in 0..WIDTH {
                power = field.double_point(power);
            }
        }
        powers
    }
}
