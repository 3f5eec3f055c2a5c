//! Does the time of the vector kernel tell something of its scalars? After dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my
//! code constant time?", 2017): agreements by one fixed scalar and by random ones, in random order, and Welch's t of their
//! times, of all of them and of those below each of several percentiles. A t beyond 4.5 is a leak; beyond 10 there is no
//! doubt of it.
//!
//! ```text
//! cargo run --release -p push-crypto --example kernel_timing -- 100000
//! ```
//!
//! The argument is how many batches of eight are timed for each fixed scalar. CPU time of this thread; a machine that is
//! busy makes it less sensitive, not wrong. The second row of each fixed scalar is the control: there the classes are drawn
//! by the same coin, and both are random.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool that says what it measured")]

use core::hint::black_box;

use push_crypto::kernel_testing::{Coordinates, Kernel};
use push_crypto::{KeyPair, aws_lc};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let batches: usize = std::env::args().nth(1).map_or(20_000, |count| count.parse().expect("a number"));
    if Kernel::Ifma.agree(&[]).is_none() {
        println!("this processor has no AVX-512 IFMA: nothing to measure");
        return;
    }
    let mut n_less_one = *ORDER;
    n_less_one[31] -= 1;
    let mut one = [0; 32];
    one[31] = 1;
    let fixed = [
        ("one", one),
        ("two", { one.map(|octet| octet * 2) }),
        ("n - 1", n_less_one),
        ("0x5555…", [0x55; 32]),
    ];
    for (name, fixed) in fixed {
        for (what, fixed) in [(name, Some(fixed)), ("control", None)] {
            let mut samples = measure(batches, fixed);
            let t: Vec<_> =
                worst(&mut samples).into_iter().map(|(part, t)| format!("{part}: {t:+.2}")).collect();
            println!("{what:>8}  t of the fastest {}", t.join(", "));
        }
    }
}

/// Times, and whether the scalars were the fixed one.
fn measure(batches: usize, fixed: Option<[u8; 32]>) -> Vec<(f64, bool)> {
    let provider = aws_lc::provider();
    let peer = KeyPair::generate(provider.random).expect("a key pair");
    let (x, y) = peer.public().as_bytes().split_at(1).1.split_at(32);
    let peer: Coordinates = [x.try_into().expect("32"), y.try_into().expect("32")];
    let mut coins = vec![0; batches];
    provider.fill(&mut coins).expect("random octets");
    let mut samples = Vec::with_capacity(batches);
    for coin in coins {
        let is_fixed = coin & 1 == 1;
        // Both classes draw, so that both leave the same behind.
        let mut scalars = [[0; 32]; 8];
        provider.fill(scalars.as_flattened_mut()).expect("random octets");
        // Below n whatever was drawn.
        scalars.iter_mut().for_each(|scalar| scalar[0] &= 0x7f);
        let chosen = fixed.filter(|_| is_fixed);
        let requests = scalars.map(|scalar| (peer, chosen.unwrap_or(scalar)));
        let before = now();
        black_box(Kernel::Ifma.agree(black_box(&requests)));
        samples.push((now() - before, is_fixed));
    }
    // The first ones warm up.
    samples.split_off(batches / 20)
}

/// Welch's t of those below each percentile of all times.
fn worst(samples: &mut [(f64, bool)]) -> Vec<(String, f64)> {
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let parts = [25, 50, 75, 90, 99, 100];
    parts.map(|part| (format!("{part} %"), welch(samples.split_at(samples.len() * part / 100).0))).into()
}

fn welch(samples: &[(f64, bool)]) -> f64 {
    let [a, b] = [true, false].map(|class| {
        let of_class = || samples.iter().filter(|sample| sample.1 == class).map(|sample| sample.0);
        let count = of_class().count() as f64;
        let mean = of_class().sum::<f64>() / count;
        let variance = of_class().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}

/// Nanoseconds of this thread.
fn now() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// n.
const ORDER: &[u8; 32] = b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
