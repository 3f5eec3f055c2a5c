//! Many agreements together, in as many vectors as it takes; what is inverted is inverted once for all.

use alloc::vec;
use alloc::vec::Vec;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::field::{Field, octets, set_octets};
use super::generator::Table;
use super::lanes::{Lanes, Stored, Work};
use super::multiples::{InvertAll, Multiples, Normalise};
use super::point::{Affine, GENERATOR, Jacobian};
use super::scalar::Scalars;

/// x and y, big-endian.
pub(super) type Coordinates = [[u8; 32]; 2];

/// What an agreement needs.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// The peer's point.
    pub(super) peer: Coordinates,
    /// Our scalar, big-endian.
    pub(super) scalar: &'a [u8; 32],
}

/// What it comes to.
pub(super) struct Outcome {
    /// The scalar's multiple of the generator.
    pub(super) public: Coordinates,
    /// x of the scalar's multiple of the peer's point.
    pub(super) shared: Zeroizing<[u8; 32]>,
}

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer's point is not on the curve.
    Peer,
    /// The scalar is not in 1..n.
    Scalar,
}

/// The outcomes in order. What is refused fails in its lane alone.
pub(super) fn agree<L: Lanes>(lanes: L, requests: &[Request<'_>]) -> Vec<Result<Outcome, Refusal>> {
    let table = Table::of(lanes);
    let count = requests.len().div_ceil(L::Stored::LANES);
    // They stay where they are, so that nothing is left behind of what is put into them.
    let mut vectors: Vec<_> = (0..count).map(|_| Vector::<L::Stored>::default()).collect();
    let mut accepted = Vec::with_capacity(requests.len());
    for (vector, requests) in vectors.iter_mut().zip(requests.chunks(L::Stored::LANES)) {
        accepted.extend(requests.iter().enumerate().map(|(lane, request)| vector.set(lane, request)));
        lanes.enter(Prepare(vector));
    }
    invert(lanes, vectors.iter_mut().map(|vector| &mut vector.multiples.z).collect());
    for vector in &mut vectors {
        lanes.enter(Normalise(&mut vector.multiples));
        lanes.enter(Multiply { vector, table });
    }
    invert(lanes, vectors.iter_mut().flat_map(|vector| vector.secret.z.each_mut()).collect());
    for vector in &mut vectors {
        lanes.enter(Finish(&mut vector.secret));
    }
    let all = vectors.iter().flat_map(|vector| (0..L::Stored::LANES).map(|lane| vector.outcome(lane)));
    accepted
        .into_iter()
        .zip(all)
        .map(|(accepted, outcome)| outcome.and_then(|it| accepted.map(|()| it)))
        .collect()
}

fn invert<L: Lanes>(lanes: L, mut numbers: Vec<&mut [L::Stored; 5]>) {
    let mut scratch = vec![[L::Stored::default(); 5]; numbers.len()];
    lanes.enter(InvertAll { numbers: &mut numbers, scratch: &mut scratch });
    scratch.zeroize();
}

/// The agreements of one vector.
struct Vector<S: Stored> {
    peer: [[S; 5]; 2],
    /// 1 in lanes whose peer is on the curve, else 0.
    on_curve: S,
    multiples: Multiples<S, COUNT>,
    secret: Secret<S>,
}

/// What of it nobody may know, and becomes the outcome.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret<S: Stored> {
    scalars: Scalars<S>,
    public: [[S; 5]; 2],
    shared: [S; 5],
    /// Of `public` and of `shared`.
    z: [[S; 5]; 2],
}

impl<S: Stored> Default for Vector<S> {
    /// Lanes in which nothing is set compute with the generator and one.
    fn default() -> Self {
        let zero = [S::default(); 5];
        let scalars = Scalars::default();
        Self {
            peer: [zero; 2],
            on_curve: S::default(),
            multiples: Multiples::default(),
            secret: Secret { scalars, public: [zero; 2], shared: zero, z: [zero; 2] },
        }
    }
}

impl<S: Stored> Vector<S> {
    /// Sets a lane, or leaves it as it is if the scalar or a coordinate is out of range.
    fn set(&mut self, lane: usize, request: &Request<'_>) -> Result<(), Refusal> {
        if request.peer.iter().any(|coordinate| *coordinate >= PRIME) {
            return Err(Refusal::Peer);
        }
        self.peer.iter_mut().zip(&request.peer).for_each(|(to, from)| set_octets(to, lane, from));
        if self.secret.scalars.set(lane, request.scalar) { Ok(()) } else { Err(Refusal::Scalar) }
    }

    fn outcome(&self, lane: usize) -> Result<Outcome, Refusal> {
        let Secret { public, shared, .. } = &self.secret;
        if self.on_curve.lane(lane) != 1 {
            return Err(Refusal::Peer);
        }
        let public = public.each_ref().map(|coordinate| octets(coordinate, lane));
        Ok(Outcome { public, shared: Zeroizing::new(octets(shared, lane)) })
    }
}

/// Checks the peers and computes their multiples, those of the generator for a bad one.
struct Prepare<'a, S: Stored>(&'a mut Vector<S>);

impl<L: Lanes> Work<L> for Prepare<'_, L::Stored> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let (field, vector) = (Field(lanes), self.0);
        let [x, y] = &vector.peer;
        let peer = Affine { x: field.enter(field.load(x)), y: field.enter(field.load(y)) };
        let on_curve = field.on_curve(peer);
        vector.on_curve = lanes.store(lanes.select(on_curve, lanes.splat(1), lanes.splat(0)));
        let [x, y] = GENERATOR;
        let point = Affine {
            x: field.select(on_curve, peer.x, field.constant(x)),
            y: field.select(on_curve, peer.y, field.constant(y)),
        };
        vector.multiples.compute(field, point);
    }
}

/// The scalars' multiples of the generator and of the peers.
struct Multiply<'a, S: Stored> {
    vector: &'a mut Vector<S>,
    table: &'a Table,
}

impl<L: Lanes> Work<L> for Multiply<'_, L::Stored> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let (field, Vector { multiples, secret, .. }) = (Field(lanes), self.vector);
        let public = self.table.multiply(field, &secret.scalars);
        secret.public = [field.store(public.x), field.store(public.y)];
        let shared = multiply(field, multiples, &secret.scalars);
        secret.shared = field.store(shared.x);
        secret.z = [public.z, shared.z].map(|z| field.store(field.element_of(z)));
    }
}

/// k P or (n - k) P: they have the same x.
///
/// No sum so far is the next multiple or its opposite, but for the last. Before a digit is added there is 16 K P, with K
/// odd and from 1 to k/16^(j + 1) + 1, and |d| is at most 15. So 16 K is more than |d|, and both together less than n, where
/// j is not 0. At the last digit the sum is k, so it is not 0; the two can be the same, which is so for k = n - 2.
#[inline(always)]
fn multiply<L: Lanes>(
    field: Field<L>,
    multiples: &Multiples<L::Stored, COUNT>,
    scalars: &Scalars<L::Stored>,
) -> Jacobian<L::Vector> {
    let digit = scalars.digit::<L, WIDTH>(field.0, WINDOWS - 1);
    let mut sum = field.jacobian(multiples.pick(field, digit.index));
    for window in (0..WINDOWS - 1).rev() {
        for _ in 0..WIDTH {
            sum = field.double_point(sum);
        }
        let digit = scalars.digit::<L, WIDTH>(field.0, window);
        let multiple = multiples.pick(field, digit.index);
        if window > 0 {
            (sum, _) = field.add_point(sum, multiple, digit.negative);
        } else {
            sum = field.add_any_point(sum, multiple, digit.negative);
        }
    }
    sum
}

/// From x, y and 1/z to octets' numbers.
struct Finish<'a, S: Stored>(&'a mut Secret<S>);

impl<L: Lanes> Work<L> for Finish<'_, L::Stored> {
    type Output = ();

    #[inline(always)]
    fn work(self, lanes: L) {
        let field = Field(lanes);
        let Secret { public, shared, z, .. } = self.0;
        let [x, y] = public;
        let point = field.affine(field.load(x), field.load(y), field.load(&z[0]));
        *x = field.store(field.leave(point.x));
        *y = field.store(field.leave(point.y));
        let inverse_squared = field.element(field.square(field.load(&z[1])));
        let point = field.element(field.multiply(field.load(shared), inverse_squared));
        *shared = field.store(field.leave(point));
    }
}

/// Bits of a digit of a peer's multiple.
const WIDTH: u32 = 4;

/// Digits of a scalar.
const WINDOWS: u32 = 64;

/// Odd multiples that a digit can stand for.
const COUNT: usize = 1 << (WIDTH - 1);

/// p, big-endian.
const PRIME: [u8; 32] =
    *b"\xff\xff\xff\xff\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
