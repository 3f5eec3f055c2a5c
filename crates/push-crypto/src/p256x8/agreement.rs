//! When the kernel is used, and where from it gets its scalars.

use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::batch::{self, Outcome, Refusal, Request};
use super::lanes::{Ifma, Lanes, Stored as _};
use super::scalar;
use crate::key::{PublicKey, SCALAR_ATTEMPTS, SECRET_KEY_LEN};
use crate::provider::{Agreed, Agreement, AgreementError, RandomError, SecureRandom, SharedSecret};

/// As [`Agreement::agree_many`]: by the kernel where the processor has what it takes, and by `rest` elsewhere and for so few
/// that it would not be worth it.
pub(crate) fn agree_many(
    rest: &dyn Agreement,
    peers: &[PublicKey],
    random: &dyn SecureRandom,
    out: &mut [Result<Agreed, AgreementError>],
) {
    let mut lanes = out.iter_mut();
    let peers = peers.get(..lanes.len()).unwrap_or(peers);
    if let Some(processor) = kernel() {
        for peers in peers.chunks(BATCH) {
            let over = peers.len() % EIGHT;
            let (many, few) =
                peers.split_at(peers.len().saturating_sub(if over < WORTH_IT { over } else { 0 }));
            agree(processor, many, random, &mut lanes);
            each(rest, few, random, &mut lanes);
        }
    } else {
        each(rest, peers, random, &mut lanes);
    }
    lanes.for_each(|lane| *lane = Err(AgreementError::NoPeer));
}

/// One after the other.
fn each<'a>(
    rest: &dyn Agreement,
    peers: &[PublicKey],
    random: &dyn SecureRandom,
    lanes: &mut impl Iterator<Item = &'a mut Result<Agreed, AgreementError>>,
) {
    for (peer, lane) in peers.iter().zip(lanes) {
        *lane = rest.agree(peer, random);
    }
}

/// Together.
fn agree<'a, L: Lanes>(
    processor: L,
    peers: &[PublicKey],
    random: &dyn SecureRandom,
    lanes: &mut impl Iterator<Item = &'a mut Result<Agreed, AgreementError>>,
) {
    if peers.is_empty() {
        return;
    }
    let mut scalars = Zeroizing::new(vec![[0; SECRET_KEY_LEN]; peers.len()]);
    if let Err(error) = draw(random, &mut scalars) {
        lanes.take(peers.len()).for_each(|lane| *lane = Err(error.into()));
        return;
    }
    let requests = peers.iter().zip(&*scalars);
    let requests: Vec<_> =
        requests.map(|(peer, scalar)| Request { peer: peer.coordinates(), scalar }).collect();
    for (outcome, lane) in batch::agree(processor, &requests).into_iter().zip(lanes) {
        *lane = outcome.map(agreed).map_err(AgreementError::from);
    }
}

/// Scalars of uniform octets, in one draw; one that is out of range, as one of 2^32 is, is drawn again.
fn draw(random: &dyn SecureRandom, scalars: &mut [[u8; SECRET_KEY_LEN]]) -> Result<(), RandomError> {
    random.fill(scalars.as_flattened_mut())?;
    for scalar in scalars {
        let mut attempts = 1;
        while !scalar::is_in_range(scalar) && attempts < SCALAR_ATTEMPTS {
            random.fill(scalar)?;
            attempts += 1;
        }
    }
    Ok(())
}

fn agreed(outcome: Outcome) -> Agreed {
    Agreed { public: PublicKey::computed(&outcome.public), shared: SharedSecret::new(*outcome.shared) }
}

impl From<Refusal> for AgreementError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Peer => Self::Library,
            Refusal::Scalar => Self::Random,
        }
    }
}

/// The processor, if it has what the kernel takes and nobody has switched that off.
fn kernel() -> Option<Ifma> {
    static KERNEL: OnceLock<Option<Ifma>> = OnceLock::new();
    let wanted = || std::env::var_os("WEBPUSH_VECTOR_KERNEL").is_none_or(|value| value != "off");
    *KERNEL.get_or_init(|| Ifma::detect().filter(|_| wanted()))
}

/// Agreements that have their inversions together: with more, they are a smaller part, but memory is a larger one.
const BATCH: usize = 64;

/// Lanes of a vector.
const EIGHT: usize = <Ifma as Lanes>::Stored::LANES;

/// Agreements that take a library longer than the kernel takes for eight: 79 µs, where aws-lc takes 54 for one.
const WORTH_IT: usize = 2;
