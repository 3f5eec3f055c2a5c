//! Odd multiples of a point in each lane: P, 3 P, 5 P, …

use super::field::{Element, Field};
use super::lanes::{Lanes, Stored, Work};
use super::point::Affine;

/// `COUNT` of them. They are made with one z for each and the one before it ([`Field::add_pair`]), and get rid of it when
/// the last z has been inverted, for many at once.
///
/// They are a peer's or the generator's and no secret.
#[derive(Clone)]
pub(super) struct Multiples<S: Stored, const COUNT: usize> {
    points: [Entry<S>; COUNT],
    /// The z of the last multiple.
    pub(super) z: [S; 5],
}

#[derive(Clone, Copy, Default)]
struct Entry<S: Stored> {
    x: [S; 5],
    y: [S; 5],
    /// Of z to the z before.
    ratio: [S; 5],
}

impl<S: Stored, const COUNT: usize> Default for Multiples<S, COUNT> {
    fn default() -> Self {
        Self { points: [Entry::default(); COUNT], z: [S::default(); 5] }
    }
}

impl<S: Stored, const COUNT: usize> Multiples<S, COUNT> {
    /// Which one is added: that 2 P and (2 i - 1) P are never the same or opposite is because P has a large prime order.
    #[inline(always)]
    pub(super) fn compute<L: Lanes<Stored = S>>(&mut self, field: Field<L>, point: Affine<L::Vector>) {
        let mut pair = field.double_pair(point);
        let mut z = pair.ratio;
        let mut entries = self.points.iter_mut();
        if let Some(entry) = entries.next() {
            *entry = Entry { x: field.store(point.x), y: field.store(point.y), ..Entry::default() };
        }
        // From P and 2 P to 2 P and 3 P.
        let (mut two, mut odd) = (pair.second, pair.first);
        for entry in entries {
            pair = field.add_pair(two, odd);
            (two, odd) = (pair.first, pair.second);
            z = field.element(field.multiply(z, pair.ratio));
            *entry = Entry { x: field.store(odd.x), y: field.store(odd.y), ratio: field.store(pair.ratio) };
        }
        self.z = field.store(z);
    }

    /// Takes off the z, given the inverse of the last.
    #[inline(always)]
    fn normalise<L: Lanes<Stored = S>>(&mut self, field: Field<L>, inverse: Element<L::Vector>) {
        let mut inverse = inverse;
        for entry in self.points.iter_mut().skip(1).rev() {
            let affine = field.affine(field.load(&entry.x), field.load(&entry.y), inverse);
            inverse = field.element(field.multiply(inverse, field.load(&entry.ratio)));
            entry.x = field.store(affine.x);
            entry.y = field.store(affine.y);
        }
    }

    /// (2 `index` + 1) P. All are read, whatever the index.
    #[inline(always)]
    pub(super) fn pick<L: Lanes<Stored = S>>(&self, field: Field<L>, index: L::Vector) -> Affine<L::Vector> {
        let l = field.0;
        let mut picked = Affine { x: field.constant([0; 5]), y: field.constant([0; 5]) };
        for (at, entry) in (0..).zip(&self.points) {
            let mask = l.equal(index, l.splat(at));
            picked.x = field.select(mask, field.load(&entry.x), picked.x);
            picked.y = field.select(mask, field.load(&entry.y), picked.y);
        }
        picked
    }

    /// x and y of each, when they have been normalised.
    #[cfg(feature = "std")]
    pub(super) fn points(&self) -> impl Iterator<Item = (&[S; 5], &[S; 5])> {
        self.points.iter().map(|entry| (&entry.x, &entry.y))
    }
}

/// [`Multiples`] of a point, with their z.
pub(super) struct Compute<'a, L: Lanes, const COUNT: usize> {
    pub(super) multiples: &'a mut Multiples<L::Stored, COUNT>,
    pub(super) point: &'a [[L::Stored; 5]; 2],
}

impl<L: Lanes, const COUNT: usize> Work<L> for Compute<'_, L, COUNT> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let field = Field(lanes);
        let [x, y] = self.point;
        self.multiples.compute(field, Affine { x: field.load(x), y: field.load(y) });
    }
}

/// [`Multiples`] without their z, when that has been inverted.
pub(super) struct Normalise<'a, S: Stored, const COUNT: usize>(pub(super) &'a mut Multiples<S, COUNT>);

impl<L: Lanes, const COUNT: usize> Work<L> for Normalise<'_, L::Stored, COUNT> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let field = Field(lanes);
        let inverse = field.load(&self.0.z);
        self.0.normalise(field, inverse);
    }
}

/// Inverts all of these at the price of one, and of three products for each. If one is 0 the lane is lost in all.
pub(super) struct InvertAll<'a, 'b, S: Stored> {
    pub(super) numbers: &'a mut [&'b mut [S; 5]],
    /// As long, and wiped by whoever lent it.
    pub(super) scratch: &'a mut [[S; 5]],
}

impl<L: Lanes> Work<L> for InvertAll<'_, '_, L::Stored> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let field = Field(lanes);
        let mut product = field.constant(super::field::ONE);
        for (number, before) in self.numbers.iter().zip(&mut *self.scratch) {
            *before = field.store(product);
            product = field.element(field.multiply(product, field.load(number)));
        }
        let mut inverse = field.invert(product);
        for (number, before) in self.numbers.iter_mut().zip(&*self.scratch).rev() {
            let this = field.multiply(inverse, field.load(before));
            inverse = field.element(field.multiply(inverse, field.load(number)));
            **number = field.store(field.element(this));
        }
    }
}
