//! The vector kernel, on lanes of every kind, against both providers.

use std::env;
use std::process::Command;
use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use push_crypto::kernel_testing::{Coordinates, KERNELS, Kernel, Outcome, Refusal};
use push_crypto::provider::{AgreementError, RandomError, SecureRandom};
use push_crypto::{KeyPair, Provider, PublicKey, SecretKey, rustcrypto};

use crate::common::{NoRandom, portable, providers};

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the other lanes.
    #[test]
    fn every_lane_is_what_the_providers_say(requests in vec((peers(), scalars()), 1..20)) {
        check(&requests);
    }
}

/// All scalars that are special to some part of the arithmetic, with a point of no small order to it and with the generator.
#[test]
fn special_scalars() {
    for peer in [multiple(1), multiple(0xabcd)] {
        let requests: Vec<_> = special().into_iter().map(|scalar| (peer, scalar)).collect();
        check(&requests);
    }
}

/// Small multiples of the generator, by scalars that bring them to where additions of equal and opposite points are near.
#[test]
fn small_multiples() {
    let scalars = [number(1), number(2), number(3), below_order(1), below_order(2), below_order(3)];
    let requests: Vec<_> =
        (1..=18).flat_map(|times| scalars.map(|scalar| (multiple(times), scalar))).collect();
    check(&requests);
}

/// Points that are on no curve, or on the twist, fail in their lanes.
#[test]
fn what_is_not_on_the_curve_is_refused() {
    let good = multiple(7);
    let [x, y] = good;
    let mut requests = Vec::new();
    for bad in [[x, x], [y, x], [[0; 32]; 2], [[0xff; 32]; 2], [x, [0xff; 32]], [PRIME, y], [x, PRIME]] {
        requests.extend([(bad, number(5)), (good, number(5))]);
    }
    // Half of all x are of the twist.
    requests.extend((1..40).map(|x| ([number(x), number(1)], number(5))));
    check(&requests);
    let refused = |(peer, _): &&(Coordinates, [u8; 32])| *peer != good;
    let outcomes = Kernel::Portable.agree(&requests).unwrap();
    let peers = outcomes.iter().filter(|outcome| **outcome == Err(Refusal::Peer)).count();
    assert_eq!(peers, requests.iter().filter(refused).count());
}

#[test]
fn scalars_out_of_range_are_refused() {
    let bad = [number(0), ORDER, beyond_order(1), [0xff; 32]];
    let requests: Vec<_> = bad.iter().flat_map(|bad| [*bad, number(9)]).map(|k| (multiple(3), k)).collect();
    check(&requests);
    for (request, outcome) in requests.iter().zip(Kernel::Portable.agree(&requests).unwrap()) {
        assert_eq!(outcome == Err(Refusal::Scalar), bad.contains(&request.1));
    }
}

/// As many as make whole vectors, and as many as do not, by each provider: every key is new, and both sides agree.
#[test]
fn any_number_of_agreements() {
    for provider in providers() {
        for count in [0, 1, 2, 3, 7, 8, 9, 16, 17, 24, 27, 64, 65] {
            let secrets: Vec<_> = (0..count).map(|_| KeyPair::generate(provider.random).unwrap()).collect();
            let peers: Vec<_> = secrets.iter().map(|pair| *pair.public()).collect();
            let mut out: Vec<_> = (0..=count).map(|_| Err(AgreementError::Library)).collect();
            provider.agree_many(&peers, &mut out);
            assert_eq!(out.pop().unwrap().unwrap_err(), AgreementError::NoPeer);
            let mut publics = Vec::new();
            for (pair, agreed) in secrets.iter().zip(&out) {
                let agreed = agreed.as_ref().unwrap();
                let shared = portable().agreement.agree_static(pair.secret(), &agreed.public).unwrap();
                assert_eq!(shared.expose(), agreed.shared.expose());
                publics.push(agreed.public);
            }
            publics.sort();
            publics.dedup();
            assert_eq!(publics.len(), count);
        }
    }
}

/// Eight scalars are one draw where the kernel is used, and eight where it is not.
#[test]
fn scalars_are_drawn_together() {
    static DRAWS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    struct Records;
    impl SecureRandom for Records {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            DRAWS.lock().unwrap().push(out.len());
            portable().fill(out)
        }
    }
    let peers: Vec<_> = (1..=8).map(|times| key(&multiple(times))).collect();
    let mut out = [const { Err(AgreementError::NoPeer) }; 8];
    rustcrypto::provider_with(&Records).agree_many(&peers, &mut out);
    assert!(out.iter().all(Result::is_ok));
    let used = Kernel::Ifma.agree(&[]).is_some() && env::var_os(SWITCH).is_none();
    assert_eq!(*DRAWS.lock().unwrap(), if used { vec![256] } else { vec![32; 8] });
}

/// The same tests where the kernel is switched off.
#[test]
fn nothing_changes_without_the_kernel() {
    for test in ["any_number_of_agreements", "fewer_lanes_than_peers", "scalars_are_drawn_together"] {
        let mut tests = Command::new(env::current_exe().unwrap());
        tests.args(["--exact", &format!("kernel::{test}")]).env(SWITCH, "off");
        let output = tests.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}

/// More peers than lanes: the first of them.
#[test]
fn fewer_lanes_than_peers() {
    let peers: Vec<_> = (1..=12).map(|times| key(&multiple(times))).collect();
    for provider in providers() {
        let mut out = [const { Err(AgreementError::Library) }; 5];
        provider.agree_many(&peers, &mut out);
        assert!(out.iter().all(Result::is_ok));
    }
}

/// A source that fails, and one that is stuck at what is no scalar.
#[test]
fn the_random_source_fails() {
    struct Stuck(u8);
    impl SecureRandom for Stuck {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
            out.fill(self.0);
            Ok(())
        }
    }
    let peers: Vec<_> = (1..=8).map(|times| key(&multiple(times))).collect();
    for random in [&NoRandom as &'static dyn SecureRandom, &Stuck(0), &Stuck(0xff)] {
        let provider = rustcrypto::provider_with(random);
        let mut out: Vec<_> = peers.iter().map(|_| Err(AgreementError::NoPeer)).collect();
        provider.agree_many(&peers, &mut out);
        assert!(out.iter().all(|lane| matches!(lane, Err(AgreementError::Random))));
    }
}

/// Lanes of every kind against both providers. If the processor has no IFMA, its lanes are nothing to check; the plain ones
/// always are.
fn check(requests: &[(Coordinates, [u8; 32])]) {
    let wanted: Vec<_> = requests.iter().map(|request| agree(&portable(), request)).collect();
    for provider in providers() {
        let outcomes: Vec<_> = requests.iter().map(|request| agree(&provider, request)).collect();
        assert_eq!(outcomes, wanted, "{}", provider.name());
    }
    let ran = KERNELS.into_iter().filter_map(|kernel| {
        let outcomes = kernel.agree(requests)?;
        assert_eq!(outcomes, wanted, "{kernel:?}");
        Some(kernel)
    });
    assert!(ran.count() >= 1);
}

/// What a provider makes of it.
fn agree(provider: &Provider, (peer, scalar): &(Coordinates, [u8; 32])) -> Outcome {
    let peer = PublicKey::from_bytes(&octets(peer)).map_err(|_| Refusal::Peer)?;
    let secret = SecretKey::from_bytes(scalar).map_err(|_| Refusal::Scalar)?;
    let pair = KeyPair::from_secret(secret).unwrap();
    let shared = provider.agreement.agree_static(pair.secret(), &peer).unwrap();
    Ok((coordinates(pair.public()), *shared.expose()))
}

fn peers() -> impl Strategy<Value = Coordinates> {
    let any_point = scalar_octets().prop_filter_map("range", |scalar| public(&scalar));
    let off_curve = (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(x, y)| [x, y]);
    prop_oneof![6 => any_point, 2 => (1u64..40).prop_map(multiple), 1 => off_curve]
}

fn scalars() -> impl Strategy<Value = [u8; 32]> {
    let equal_windows = (any::<u8>(), 1u32..9).prop_map(|(window, bits)| windows(window, bits));
    prop_oneof![4 => scalar_octets(), 2 => proptest::sample::select(special()), 1 => equal_windows]
}

fn scalar_octets() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

/// Scalars at the ends, with high bits, with equal windows, and those at which the last addition is of equal points.
fn special() -> Vec<[u8; 32]> {
    let mut special: Vec<_> = (0..20).map(number).collect();
    special.extend((0..20).map(below_order));
    special.extend((1..4).map(beyond_order));
    for bits in 0..256 {
        if bits % 8 < 2 || bits > 250 {
            let mut power = [0; 32];
            power[31 - bits / 8] = 1 << (bits % 8);
            special.push(power);
        }
    }
    special.extend((0..16).map(|window| windows(window, 4)));
    special.extend((0..64).step_by(7).map(|window| windows(window, 6)));
    // 30·2^252 - n, and n less that.
    special.extend([
        *b"\xe0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x43\x19\x05\x52\x58\xe8\x61\x7b\x0c\x46\x35\x3d\x03\x9c\xda\xaf",
        *b"\x1f\xff\xff\xfe\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\x79\xcd\xf5\x5b\x4e\x2f\x3d\x09\xe7\x73\x95\x85\xf8\xc6\x4a\xa2",
    ]);
    special
}

/// The same bits over and over.
fn windows(window: u8, bits: u32) -> [u8; 32] {
    let mut octets = [0; 32];
    for bit in 0..256u32 {
        if u32::from(window) >> (bit % bits) & 1 == 1 {
            octets[31 - (bit / 8) as usize] |= 1 << (bit % 8);
        }
    }
    octets
}

fn number(value: u64) -> [u8; 32] {
    let mut octets = [0; 32];
    octets[24..].copy_from_slice(&value.to_be_bytes());
    octets
}

/// n less some, which changes no more than the last octets.
fn below_order(less: u64) -> [u8; 32] {
    let mut octets = ORDER;
    octets[24..].copy_from_slice(&(0xf3b9_cac2_fc63_2551 - less).to_be_bytes());
    octets
}

fn beyond_order(more: u64) -> [u8; 32] {
    let mut octets = ORDER;
    octets[24..].copy_from_slice(&(0xf3b9_cac2_fc63_2551 + more).to_be_bytes());
    octets
}

fn multiple(times: u64) -> Coordinates {
    public(&number(times)).unwrap()
}

fn public(scalar: &[u8; 32]) -> Option<Coordinates> {
    let secret = SecretKey::from_bytes(scalar).ok()?;
    Some(coordinates(KeyPair::from_secret(secret).unwrap().public()))
}

fn coordinates(key: &PublicKey) -> Coordinates {
    let (x, y) = key.as_bytes()[1..].split_at(32);
    [x.try_into().unwrap(), y.try_into().unwrap()]
}

fn octets(peer: &Coordinates) -> Vec<u8> {
    [&[4], peer.as_flattened()].concat()
}

fn key(peer: &Coordinates) -> PublicKey {
    PublicKey::from_bytes(&octets(peer)).unwrap()
}

/// What switches the kernel off.
const SWITCH: &str = "WEBPUSH_VECTOR_KERNEL";

/// n.
const ORDER: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

/// p.
const PRIME: [u8; 32] =
    *b"\xff\xff\xff\xff\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
