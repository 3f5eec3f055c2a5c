//! RFC 8291, the application server's side: key pair, agreement, key derivation, one record.

use push_crypto::Provider;
use push_crypto::message::{self, Padding};

use crate::receiver::{Receiver, plaintext};
use crate::{Clock, Contest, Kind, Party, raw_message};

/// A full message and a short one.
pub const CONTESTS: &[fn() -> Contest] =
    &[|| contest("encrypt 3000 B", 3000), || contest("encrypt 100 B", 100)];

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
