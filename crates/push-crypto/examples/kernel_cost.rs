//! What an agreement with a new key pair costs: by the vector kernel, in batches, and one by one. CPU time of this thread,
//! in rounds that take turns; smallest and median.
//!
//! ```text
//! cargo run --release -p push-crypto --example kernel_cost
//! ```
#![expect(clippy::print_stdout, reason = "a tool that says what it measured")]

use core::hint::black_box;

use push_crypto::provider::AgreementError;
use push_crypto::{KeyPair, PublicKey, aws_lc};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let provider = aws_lc::provider();
    let pairs = (0..256).filter_map(|_| KeyPair::generate(provider.random).ok());
    let peers: Vec<PublicKey> = pairs.map(|pair| *pair.public()).collect();
    let mut out: Vec<_> = peers.iter().map(|_| Err(AgreementError::NoPeer)).collect();
    let mut columns = vec![Vec::new(); SIZES.len() + 1];
    for _ in 0..ROUNDS {
        for (size, column) in SIZES.into_iter().zip(&mut columns) {
            let (peers, out) = (peers.split_at(size).0, out.split_at_mut(size).0);
            column.push(spent(|| provider.agree_many(black_box(peers), black_box(out))) / size as f64);
        }
        let one_by_one = || peers.iter().take(ALONE).for_each(|peer| drop(black_box(provider.agree(peer))));
        columns
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|column| column.push(spent(one_by_one) / ALONE as f64));
    }
    println!("µs an agreement, key pair included: smallest and median of {ROUNDS}");
    let names = SIZES.iter().map(|size| format!("{size} at once")).chain(["one by one".to_owned()]);
    for (name, mut column) in names.zip(columns) {
        column.sort_by(f64::total_cmp);
        let at = |index: usize| column.get(index).copied().unwrap_or(f64::NAN) / 1000.0;
        println!("{name:>12} {:8.2} {:8.2}", at(0), at(ROUNDS / 2));
    }
}

/// Nanoseconds of this thread.
fn spent(work: impl FnOnce()) -> f64 {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let before = now();
    work();
    let after = now();
    (after.tv_sec - before.tv_sec) as f64 * 1e9 + (after.tv_nsec - before.tv_nsec) as f64
}

/// Agreements that are made together.
const SIZES: [usize; 8] = [1, 2, 3, 4, 8, 16, 64, 256];

/// Agreements of a round one by one.
const ALONE: usize = 8;

const ROUNDS: usize = 101;
