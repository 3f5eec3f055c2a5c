//! The kernel by itself: with scalars that are chosen, on lanes of any kind. For tests and measurements only.

use alloc::vec::Vec;

use super::batch::{self, Request};
#[cfg(target_arch = "x86_64")]
use super::lanes::Ifma;
use super::lanes::{Lanes, Portable};

pub use super::batch::Refusal;

/// What the kernel runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// AVX-512 IFMA.
    Ifma,
    /// Plain numbers.
    Portable,
}

/// All of them.
pub const KERNELS: [Kernel; 2] = [Kernel::Ifma, Kernel::Portable];

/// x and y of a point, big-endian.
pub type Coordinates = [[u8; 32]; 2];

/// A scalar's multiple of the generator, and x of its multiple of a peer's point.
pub type Outcome = Result<(Coordinates, [u8; 32]), Refusal>;

impl Kernel {
    /// Agrees with these peers by these scalars, big-endian. `None` if the processor does not have what it takes.
    #[must_use]
    pub fn agree(self, requests: &[(Coordinates, [u8; 32])]) -> Option<Vec<Outcome>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => Ifma::detect().map(|lanes| agree(lanes, requests)),
            Self::Portable => Some(agree(Portable, requests)),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Ifma => None,
        }
    }
}

fn agree<L: Lanes>(lanes: L, requests: &[(Coordinates, [u8; 32])]) -> Vec<Outcome> {
    let requests: Vec<_> = requests.iter().map(|(peer, scalar)| Request { peer: *peer, scalar }).collect();
    let outcomes = batch::agree(lanes, &requests);
    outcomes.into_iter().map(|outcome| outcome.map(|outcome| (outcome.public, *outcome.shared))).collect()
}
