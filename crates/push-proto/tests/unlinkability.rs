//! RFC 8030 §8.2: nothing in the URLs of ten thousand subscriptions, and of messages sent to them, tells which belong
//! together. The ids come from fixed seeds and the keys from fixed octets, so each statistic is one number for ever:
//! at five standard deviations a sound scheme passes always, and a leak is far beyond. The same statistics find the
//! leaks of schemes that are made to have one.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]
#![allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use http::{HeaderMap, Request as HttpRequest};
use push_crypto::{capability::Keyring, rustcrypto};
use push_proto::{
    Mono, Now, Seed, UnixTime,
    service::{Config, Exchange, Input, Output, Service},
    wire::{Door, Limits, PublicUrl, Relation, Unremembered, link, location},
};
use push_store::{Client, Memory, Quotas};

/// Sets, and subscriptions in each; as many subscriptions again that belong to nobody.
const SETS: usize = 200;
const MEMBERS: usize = 25;
/// Kind and key number: the same in all of a kind, by design.
const CONSTANT_OCTETS: usize = 2;
/// Standard deviations.
const SIGMAS: f64 = 5.0;
/// `8030-8.3-3`
const UNPREDICTABLE_BITS: usize = 120;

/// The part of a URL that is not the same in all, and the set that it is of.
#[derive(Clone)]
struct Token {
    set: usize,
    octets: Vec<u8>,
}

struct World {
    service: Service,
    memory: Memory,
    client: Client,
    door: Door,
    exchanges: u64,
}

const NOW: Now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_800_000_000) };

impl World {
    fn new() -> Self {
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        let keyring: Keyring = format!("webpush-keyring 1\nslot {key}\nseal 0 {key}\n").parse().unwrap();
        let url = PublicUrl::parse("https://push.example.net").unwrap();
        let mut memory = Memory::new(Quotas::default());
        let client = memory.attach();
        Self {
            service: Service::new(Config::default(), &Seed::from_octets([9; 32])),
            memory,
            client,
            door: Door::new(Arc::new(keyring), url, rustcrypto::provider(), Limits::default()),
            exchanges: 0,
        }
    }

    /// From the HTTP request to the head of the HTTP response.
    fn ask(&mut self, request: HttpRequest<Bytes>) -> HeaderMap {
        self.exchanges += 1;
        let exchange = Exchange { origin: 0, number: self.exchanges };
        let (head, body) = request.into_parts();
        let admitted = self.door.admit(&head).expect("it is ours");
        let request = HttpRequest::from_parts(head, body);
        let request = self.door.request(admitted, request, &mut Unremembered, NOW.wall).expect("well-formed");
        let mut inputs = VecDeque::from([Input::Request(exchange, request)]);
        let mut answer = None;
        loop {
            if let Some(input) = inputs.pop_front() {
                self.service.handle(input, NOW);
            }
            match self.service.poll(NOW) {
                Output::Store(command) => {
                    self.memory
                        .run(self.client, command, &mut |_, said| inputs.push_back(Input::Store(said)));
                }
                Output::Respond(_, response) => answer = Some(self.door.respond(&response, NOW.wall)),
                Output::Wait(..) if inputs.is_empty() => break,
                _ => {}
            }
        }
        let response = answer.expect("answered");
        assert_eq!(response.status(), 201);
        response.into_parts().0.headers
    }

    /// Its push resource and its set.
    fn subscribe(&mut self, set: Option<&str>) -> (String, String) {
        let mut request = HttpRequest::post("/subscribe");
        if let Some(set) = set {
            request = request.header("link", format!("<{set}>; rel=\"urn:ietf:params:push:set\""));
        }
        let headers = self.ask(request.body(Bytes::new()).unwrap());
        let target = |relation| link(&headers, relation).unwrap().as_str().to_owned();
        (target(Relation::Push), target(Relation::Set))
    }

    fn send(&mut self, push: &str) -> String {
        let request = HttpRequest::post(push).header("ttl", "60").body(Bytes::from_static(b"same")).unwrap();
        location(&self.ask(request)).unwrap().as_str().to_owned()
    }
}

fn token(url: &str, set: usize) -> Token {
    let (_, text) = url.rsplit_once('/').unwrap();
    Token { set, octets: decode(text) }
}

/// base64url without padding.
fn decode(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |letter: u8| alphabet.iter().position(|known| *known == letter).expect("base64url");
    let bits = text.bytes().flat_map(|letter| (0..6).rev().map(move |bit| value(letter) >> bit & 1));
    let bits: Vec<usize> = bits.collect();
    bits.chunks_exact(8)
        .map(|octet| u8::try_from(octet.iter().fold(0, |sum, bit| sum << 1 | bit)).unwrap())
        .collect()
}

/// Push resources, and a message to each of them, in the order in which they were made.
static URLS: LazyLock<(Vec<Token>, Vec<Token>)> = LazyLock::new(|| {
    let mut world = World::new();
    let mut made = Vec::new();
    // Members and strangers in turn, as subscriptions come.
    for set in 0..SETS {
        let mut url: Option<String> = None;
        for member in 0..MEMBERS {
            let (push, of) = world.subscribe(url.as_deref());
            url.get_or_insert(of);
            made.push((push, set));
            let (push, _) = world.subscribe(None);
            made.push((push, SETS + set * MEMBERS + member));
        }
    }
    let messages = made.iter().map(|(push, set)| token(&world.send(push), *set)).collect();
    (made.iter().map(|(push, set)| token(push, *set)).collect(), messages)
});

/// All that is conspicuous about tokens of one kind.
fn findings(tokens: &[Token]) -> BTreeSet<&'static str> {
    let variable: Vec<Token> = tokens
        .iter()
        .map(|token| Token { octets: token.octets[CONSTANT_OCTETS..].to_vec(), ..*token })
        .collect();
    let distinct: BTreeSet<_> = variable.iter().map(|token| &token.octets).collect();
    let checks = [
        ("repeated", distinct.len() < variable.len()),
        ("uneven", uneven(&variable)),
        ("shared", shared(&variable)),
        ("near", near(&variable)),
        ("ordered", ordered(&variable)),
        ("predictable", unpredictable_bits(&variable) < UNPREDICTABLE_BITS),
    ];
    checks.into_iter().filter_map(|(name, found)| found.then_some(name)).collect()
}

/// Chi-square of the octets at each position against the uniform distribution.
fn uneven(tokens: &[Token]) -> bool {
    let expected = tokens.len() as f64 / 256.0;
    let freedom = 255.0_f64;
    (0..tokens[0].octets.len()).any(|position| {
        let mut counts = [0_u32; 256];
        tokens.iter().for_each(|token| counts[usize::from(token.octets[position])] += 1);
        let deviation = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi: f64 = counts.iter().map(deviation).sum();
        (chi - freedom).abs() > SIGMAS * (2.0 * freedom).sqrt()
    })
}

/// Substrings in common, wherever they stand: of four octets more than chance has it, or one of seven.
fn shared(tokens: &[Token]) -> bool {
    let (pairs, substrings) = common(tokens, 4);
    let expected = substrings.powi(2) / 2.0 / 256.0_f64.powi(4);
    let (long, _) = common(tokens, 7);
    pairs > expected + SIGMAS * expected.sqrt() || long > 0.0
}

/// Pairs of different tokens with a substring of this length in common, and how many substrings there are.
fn common(tokens: &[Token], length: usize) -> (f64, f64) {
    let windows = tokens
        .iter()
        .enumerate()
        .flat_map(|(number, token)| token.octets.windows(length).map(move |window| (window, number)));
    let mut windows: Vec<_> = windows.collect();
    windows.sort_unstable();
    let equal = windows.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() > 1);
    let pairs = equal.map(|run| {
        let numbers: BTreeSet<_> = run.iter().map(|(_, number)| number).collect();
        numbers.len() * (numbers.len() - 1) / 2
    });
    (pairs.sum::<usize>() as f64, windows.len() as f64)
}

/// Hamming distances: within sets and across them, each against half of all bits, and against each other.
fn near(tokens: &[Token]) -> bool {
    let bits = (tokens[0].octets.len() * 8) as f64;
    let mut by_set: Vec<&Token> = tokens.iter().collect();
    by_set.sort_by_key(|token| token.set);
    let sets = by_set.chunk_by(|one, other| one.set == other.set);
    let within: Vec<u32> = sets
        .flat_map(|set| {
            set.iter().enumerate().flat_map(|(at, one)| set[at + 1..].iter().map(|two| (*one, *two)))
        })
        .map(|(one, two)| distance(one, two))
        .collect();
    let across: Vec<u32> = (1..8)
        .flat_map(|stride| tokens.iter().zip(tokens.iter().skip(stride)))
        .filter(|(one, two)| one.set != two.set)
        .map(|(one, two)| distance(one, two))
        .collect();
    let mean = |all: &[u32]| all.iter().copied().map(f64::from).sum::<f64>() / all.len() as f64;
    // The bits of two random tokens differ as independent coins fall, and pairs are independent of each other.
    let variance = |all: &[u32]| bits / 4.0 / all.len() as f64;
    let (in_sets, elsewhere) = (mean(&within), mean(&across));
    let apart = (in_sets - elsewhere).abs() / (variance(&within) + variance(&across)).sqrt();
    let off = |mean: f64, all: &[u32]| (mean - bits / 2.0).abs() / variance(all).sqrt();
    apart > SIGMAS || off(in_sets, &within) > SIGMAS || off(elsewhere, &across) > SIGMAS
}

fn distance(one: &Token, two: &Token) -> u32 {
    one.octets.iter().zip(&two.octets).map(|(one, two)| (one ^ two).count_ones()).sum()
}

/// Correlation with the order of creation: of the octet at each position, and of the rank of the whole.
fn ordered(tokens: &[Token]) -> bool {
    let mut ranks: Vec<usize> = (0..tokens.len()).collect();
    ranks.sort_by_key(|number| &tokens[*number].octets);
    let by_rank: Vec<f64> = ranks.iter().map(|number| *number as f64).collect();
    let positions = 0..tokens[0].octets.len();
    let by_position = positions
        .map(|position| tokens.iter().map(|token| f64::from(token.octets[position])).collect::<Vec<f64>>());
    let limit = SIGMAS / (tokens.len() as f64).sqrt();
    by_position.chain([by_rank]).any(|values| correlation(&values).abs() > limit)
}

/// Of values with their index.
fn correlation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (mean, middle) = (values.iter().sum::<f64>() / count, (count - 1.0) / 2.0);
    let (mut together, mut of_values, mut of_index) = (0.0, 0.0, 0.0);
    for (index, value) in values.iter().enumerate() {
        let (value, index) = (value - mean, index as f64 - middle);
        together += value * index;
        of_values += value * value;
        of_index += index * index;
    }
    if of_values == 0.0 { 0.0 } else { together / (of_values * of_index).sqrt() }
}

/// Bits that are one in half of all tokens.
fn unpredictable_bits(tokens: &[Token]) -> usize {
    let count = tokens.len() as f64;
    let fair = |bit: &usize| {
        let ones = tokens.iter().filter(|token| token.octets[bit / 8] >> (bit % 8) & 1 == 1).count();
        (ones as f64 - count / 2.0).abs() <= SIGMAS * count.sqrt() / 2.0
    };
    (0..tokens[0].octets.len() * 8).filter(fair).count()
}

/// 8030-8.2-1, 8030-8.2-2, 8030-8.2-5, 8030-8.2-6, 8030-8.3-3, w3c-endpoint-1.
#[test]
fn push_urls_of_one_set_look_like_those_of_strangers() {
    let (push, _) = &*URLS;
    assert_eq!(push.len(), 2 * SETS * MEMBERS);
    assert_eq!(findings(push), BTreeSet::new(), "8030-8.2-1: nothing in push URLs correlates");
}

/// 8030-8.2-3, 8030-8.2-5, 8030-8.2-6, 8030-8.3-3.
#[test]
fn message_urls_of_one_set_look_like_those_of_strangers() {
    let (_, messages) = &*URLS;
    assert_eq!(findings(messages), BTreeSet::new(), "8030-8.2-6: nothing in message URLs correlates");
}

/// 8030-8.2-6: a message URL has nothing of the push URL that its message was sent to.
#[test]
fn message_urls_share_nothing_with_push_urls() {
    let (push, messages) = &*URLS;
    let all: Vec<Token> = (push.iter().chain(messages))
        .map(|token| Token { octets: token.octets[CONSTANT_OCTETS..].to_vec(), ..*token })
        .collect();
    assert!(!shared(&all), "8030-8.2-6: no substring in common");
}

/// 8030-8.2-1: the statistics have power. Each scheme leaks one thing, and is found out by it.
#[test]
fn leaky_schemes_are_found_out() {
    let (push, messages) = &*URLS;
    let leaks = |leak: fn(usize, &mut Token)| {
        let mut leaky = push.clone();
        leaky.iter_mut().enumerate().for_each(|(number, token)| leak(number, token));
        findings(&leaky)
    };
    // What is random in each set, but the same in all of it.
    let prefix = leaks(|_, token| {
        let mixed = (token.set as u32 + 1).wrapping_mul(2_654_435_761).to_be_bytes();
        token.octets[CONSTANT_OCTETS..CONSTANT_OCTETS + 4].copy_from_slice(&mixed);
    });
    assert!(prefix.contains("shared") && prefix.contains("near"), "{prefix:?}");
    // A few bits of the set are no substring, but bring its members nearer.
    let nibble = leaks(|_, token| token.octets[20] = (token.octets[20] & 0xf0) | (token.set as u8 & 0x0f));
    assert!(nibble.contains("near"), "{nibble:?}");
    let counter = leaks(|number, token| {
        token.octets[30..34].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    });
    assert!(counter.contains("uneven") && counter.contains("ordered"), "{counter:?}");
    let text =
        leaks(|_, token| token.octets.iter_mut().skip(CONSTANT_OCTETS).for_each(|octet| *octet &= 0x7f));
    assert!(text.contains("uneven"), "{text:?}");
    let short = leaks(|_, token| token.octets[CONSTANT_OCTETS + 14..].fill(0));
    assert!(short.contains("predictable"), "8030-8.3-3: 112 bits are too few: {short:?}");
    let again = leaks(|number, token| {
        if number % 1000 == 999 {
            token.octets.fill(7);
        }
    });
    assert!(again.contains("repeated"), "{again:?}");

    let quoting: Vec<Token> = (push.iter().zip(messages))
        .flat_map(|(push, message)| {
            let mut quoting = message.clone();
            quoting.octets[40..50].copy_from_slice(&push.octets[40..50]);
            [push.clone(), quoting]
        })
        .collect();
    assert!(shared(&quoting), "8030-8.2-6: a message URL that quotes its push URL");
}
