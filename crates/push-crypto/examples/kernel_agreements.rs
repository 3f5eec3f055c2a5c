//! Random agreements of the vector kernel, each checked against aws-lc from the peer's side: as many as the first argument
//! says, or a million.
//!
//! ```text
//! cargo run --release -p push-crypto --example kernel_agreements -- 1000000
//! ```
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool that stops at the first fault"
)]

use push_crypto::provider::AgreementError;
use push_crypto::{KeyPair, aws_lc};

fn main() {
    let wanted: usize = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().expect("a number"));
    let provider = aws_lc::provider();
    let mut done = 0;
    while done < wanted {
        // New peers now and then; the keys and lanes they meet are always others.
        let peers: Vec<_> =
            (0..PEERS).map(|_| KeyPair::generate(provider.random).expect("a key pair")).collect();
        for round in 0..ROUNDS.min((wanted - done).div_ceil(PEERS)) {
            let order = peers.iter().cycle().skip(round).take(PEERS);
            let keys: Vec<_> = order.clone().map(|pair| *pair.public()).collect();
            let mut out = [const { Err(AgreementError::NoPeer) }; PEERS];
            provider.agree_many(&keys, &mut out);
            for (pair, agreed) in order.zip(out) {
                let agreed = agreed.expect("an agreement");
                let checked = provider.agreement.agree_static(pair.secret(), &agreed.public);
                if checked.expect("an agreement").expose() != agreed.shared.expose() {
                    panic!("the two sides differ: {:?} and {:?}", pair.secret().expose(), agreed);
                }
            }
            done += PEERS;
        }
    }
    println!("{done} agreements, as aws-lc says");
}

/// A batch of the kernel.
const PEERS: usize = 64;

/// Batches with the same peers.
const ROUNDS: usize = 16;
