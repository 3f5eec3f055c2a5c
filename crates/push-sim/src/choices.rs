//! Where the decisions of a schedule come from.

/// A seed, which never runs out, or the octets of a fuzzer, which do.
pub(crate) enum Choices<'a> {
    Seed(fastrand::Rng),
    Octets(&'a [u8]),
}

impl Choices<'_> {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seed(fastrand::Rng::with_seed(seed))
    }

    /// Below `bound`, which is not 0. The first of all choices once the octets have run out.
    pub(crate) fn below(&mut self, bound: u8) -> u8 {
        match self {
            Self::Seed(rng) => rng.u8(..bound.max(1)),
            Self::Octets(octets) => match octets.split_first() {
                Some((first, rest)) => {
                    *octets = rest;
                    first % bound.max(1)
                }
                None => 0,
            },
        }
    }

    /// One of these.
    pub(crate) fn of<T: Copy, const N: usize>(&mut self, these: [T; N]) -> T {
        let bound = u8::try_from(N).unwrap_or(u8::MAX);
        these[usize::from(self.below(bound))]
    }

    /// True one time in `times`.
    pub(crate) fn one_in(&mut self, times: u8) -> bool {
        self.below(times) + 1 == times
    }

    /// Whether there is nothing left to decide by.
    pub(crate) const fn is_spent(&self) -> bool {
        match self {
            Self::Seed(_) => false,
            Self::Octets(octets) => octets.is_empty(),
        }
    }
}
