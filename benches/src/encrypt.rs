//! RFC 8291, the application server's side: key pair, agreement, key derivation, one record.

use push_crypto::Provider;
use push_crypto::message::{self, Draft, Padding};

use crate::receiver::{Receiver, plaintext};
use crate::{Clock, Contest, Kind, Party, raw_message};

/// A full message and a short one, by themselves and one of many.
pub const CONTESTS: &[fn() -> Contest] = &[
    || contest("encrypt 3000 B", 3000),
    || contest("encrypt 100 B", 100),
    || many("encrypt 3000 B, each of 1024", 3000),
    || many("encrypt 100 B, each of 1024", 100),
];

fn contest(name: &'static str, octets: usize) -> Contest {
    let plaintext = plaintext(octets);
    let parties = vec![
        ours("push-crypto, aws_lc", push_crypto::aws_lc::provider(), &plaintext),
        ours("push-crypto, rustcrypto", push_crypto::rustcrypto::provider(), &plaintext),
        by("ece 2.4, OpenSSL vendored", Kind::Peer, &plaintext, |to, plaintext| {
            ece::encrypt(&to.public, &to.auth, plaintext).expect("encrypts")
        }),
        native(&plaintext),
        by("aws-lc-rs by hand", Kind::Limit, &plaintext, |to, plaintext| {
            raw_message::encrypt(&to.public, &to.auth, plaintext).expect("encrypts")
        }),
    ];
    Contest { name, clock: Clock::Cpu, messages: 1, parties }
}

/// As many messages to as many receivers.
fn many(name: &'static str, octets: usize) -> Contest {
    let plaintext = plaintext(octets);
    let batch = |name, size| in_batches(name, size, push_crypto::aws_lc::provider(), &plaintext);
    let each = |name, kind, encrypt: fn(&Receiver, &[u8]) -> Vec<u8>| {
        let (to, plaintext) = (receivers(), plaintext.clone());
        Party::plain(kind, name, move || {
            to.iter().for_each(|to| drop(std::hint::black_box(encrypt(to, &plaintext))));
        })
    };
    let parties = vec![
        batch("push-crypto, aws_lc, 64 at once", 64),
        batch("push-crypto, aws_lc, 8 at once", 8),
        batch("push-crypto, aws_lc, 1024 at once", 1024),
        each("push-crypto, aws_lc, one by one", Kind::Ours, |to, plaintext| {
            let provider = push_crypto::aws_lc::provider();
            message::encrypt(&provider, &to.ours.recipient(), plaintext, Padding::None).expect("encrypts")
        }),
        in_batches("push-crypto, rustcrypto, 64", 64, push_crypto::rustcrypto::provider(), &plaintext),
        each("ece 2.4, OpenSSL vendored", Kind::Peer, |to, plaintext| {
            ece::encrypt(&to.public, &to.auth, plaintext).expect("encrypts")
        }),
    ];
    Contest { name, clock: Clock::Cpu, messages: MANY as u64, parties }
}

fn in_batches(name: &'static str, size: usize, provider: Provider, plaintext: &[u8]) -> Party {
    let (to, plaintext) = (receivers(), plaintext.to_vec());
    let mut out: Vec<_> = (0..size).map(|_| Ok(Vec::new())).collect();
    Party::plain(Kind::Ours, name, move || {
        for to in to.chunks(size) {
            let drafts: Vec<_> =
                to.iter().map(|to| Draft::new(to.ours.recipient(), &plaintext, Padding::None)).collect();
            message::encrypt_batch(&provider, &drafts, &mut out);
            assert!(out.iter().all(Result::is_ok), "encrypts");
        }
    })
}

fn receivers() -> Vec<Receiver> {
    (0..MANY).map(|_| Receiver::new()).collect()
}

/// A multiple of every size of a batch.
const MANY: usize = 1024;

fn ours(name: &'static str, provider: Provider, plaintext: &[u8]) -> Party {
    by(name, Kind::Ours, plaintext, move |to, plaintext| {
        message::encrypt(&provider, &to.ours.recipient(), plaintext, Padding::None).expect("encrypts")
    })
}

fn native(plaintext: &[u8]) -> Party {
    let to = Receiver::new();
    let (public, auth) = (to.native_public(), to.native_auth());
    let encrypt = move |plaintext: &[u8]| {
        web_push_native::encrypt(plaintext.to_vec(), &public, &auth).expect("encrypts")
    };
    checked("web-push-native 0.5", Kind::Peer, plaintext, to, move |_, plaintext| encrypt(plaintext))
}

fn by(
    name: &'static str,
    kind: Kind,
    plaintext: &[u8],
    encrypt: impl Fn(&Receiver, &[u8]) -> Vec<u8> + 'static,
) -> Party {
    checked(name, kind, plaintext, Receiver::new(), encrypt)
}

/// What cannot be decrypted need not be measured.
fn checked(
    name: &'static str,
    kind: Kind,
    plaintext: &[u8],
    to: Receiver,
    encrypt: impl Fn(&Receiver, &[u8]) -> Vec<u8> + 'static,
) -> Party {
    let provider = push_crypto::rustcrypto::provider();
    let opened = message::decrypt(&provider, &to.ours, &encrypt(&to, plaintext));
    assert_eq!(opened.as_deref(), Ok(plaintext), "{name}");
    let plaintext = plaintext.to_vec();
    Party::plain(kind, name, move || encrypt(&to, &plaintext))
}
