//! RFC 8291, the user agent's side.

use push_crypto::Provider;
use push_crypto::message::{self, Padding};

use crate::receiver::{Receiver, plaintext};
use crate::{Clock, Contest, Kind, Party, raw_message};

/// A full message and a short one.
pub const CONTESTS: &[fn() -> Contest] =
    &[|| contest("decrypt 3000 B", 3000), || contest("decrypt 100 B", 100)];

fn contest(name: &'static str, octets: usize) -> Contest {
    let to = Receiver::new();
    let plaintext = plaintext(octets);
    let provider = push_crypto::aws_lc::provider();
    let body =
        message::encrypt(&provider, &to.ours.recipient(), &plaintext, Padding::None).expect("encrypts");
    let case = Case { body, plaintext };
    let (ece, auth) = (to.ece(), to.auth);
    let (native, native_auth) = (to.native_secret(), to.native_auth());
    let raw = raw_message::secret(&to.secret).expect("a key");
    let parties = vec![
        kept("push-crypto, aws_lc, keys set up once", provider, &to, &case),
        ours("push-crypto, aws_lc", provider, &to, &case),
        ours("push-crypto, rustcrypto", push_crypto::rustcrypto::provider(), &to, &case),
        case.party("ece 2.4, OpenSSL vendored", Kind::Peer, move |body| {
            ece::decrypt(&ece, &auth, body).expect("decrypts")
        }),
        case.party("web-push-native 0.5", Kind::Peer, move |body| {
            web_push_native::decrypt(body.to_vec(), &native, &native_auth).expect("decrypts")
        }),
        case.party("aws-lc-rs by hand, key parsed once", Kind::Limit, move |body| {
            raw_message::decrypt(&raw, &to.public, &to.auth, body).expect("decrypts")
        }),
    ];
    Contest { name, clock: Clock::Cpu, messages: 1, parties }
}

fn ours(name: &'static str, provider: Provider, to: &Receiver, case: &Case) -> Party {
    let keys = to.ours.clone();
    case.party(name, Kind::Ours, move |body| message::decrypt(&provider, &keys, body).expect("decrypts"))
}

fn kept(name: &'static str, provider: Provider, to: &Receiver, case: &Case) -> Party {
    let receiver = message::Receiver::new(&provider, &to.ours).expect("sets up");
    case.party(name, Kind::Ours, move |body| receiver.decrypt(body).expect("decrypts"))
}

struct Case {
    body: Vec<u8>,
    plaintext: Vec<u8>,
}

impl Case {
    fn party(&self, name: &'static str, kind: Kind, decrypt: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Party {
        assert_eq!(decrypt(&self.body), self.plaintext, "{name}");
        let body = self.body.clone();
        Party::plain(kind, name, move || decrypt(&body))
    }
}
