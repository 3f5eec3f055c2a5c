//! One batch of eight agreements, for whoever counts its instructions. The first argument is `portable` or `ifma`, the second
//! a scalar of 64 hexadecimal digits for all lanes. `docs/kernel.md` says how it is used.
//!
//! The table of the generator is made before, by another batch; the batch that counts is what `counted` calls.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool")]

use core::hint::black_box;

use push_crypto::kernel_testing::{Coordinates, Kernel, Outcome};
use push_crypto::{KeyPair, SecretKey};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kernel = match arguments.next().as_deref() {
        Some("ifma") => Kernel::Ifma,
        _ => Kernel::Portable,
    };
    let hexadecimal = arguments.next().expect("a scalar");
    let mut scalar = [0; 32];
    for (octet, digits) in scalar.iter_mut().zip(hexadecimal.as_bytes().chunks(2)) {
        let digits = core::str::from_utf8(digits).expect("hexadecimal digits");
        *octet = u8::from_str_radix(digits, 16).expect("hexadecimal digits");
    }
    let peer = KeyPair::from_secret(SecretKey::from_bytes(&[7; 32]).expect("a scalar")).expect("a key pair");
    let (x, y) = peer.public().as_bytes().split_at(1).1.split_at(32);
    let peer: Coordinates = [x.try_into().expect("32"), y.try_into().expect("32")];
    counted(kernel, &[(peer, [9; 32]); 8]);
    let outcomes = counted(kernel, &[(peer, scalar); 8]);
    println!("{}", outcomes.is_some_and(|outcomes| outcomes.iter().all(Result::is_ok)));
}

#[inline(never)]
fn counted(kernel: Kernel, requests: &[(Coordinates, [u8; 32]); 8]) -> Option<Vec<Outcome>> {
    black_box(kernel.agree(black_box(requests)))
}
