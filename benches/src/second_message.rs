//! What a message costs once its push service has been sent one: the token is kept (RFC 8292 §5), so what remains is to
//! find it.

use std::time::SystemTime;

use push_crypto::message::{self, Padding};
use push_crypto::{Origin, PushUrl, Subscription, UnixTime};
use webpush::{Message, SigningKey, Vapid};

use crate::receiver::{Receiver, plaintext};
use crate::{Clock, Contest, Kind, Party};

/// 3000 octets.
pub const CONTESTS: &[fn() -> Contest] = &[second];

fn second() -> Contest {
    let parties = vec![
        ours("push-crypto, encrypted alone", |_, case| drop(case.encrypt())),
        ours("webpush, encrypted and authorised", |vapid, case| {
            let body = case.encrypt();
            let authorization = vapid.authorization(&case.to.endpoint.origin(), case.now).expect("a token");
            drop((body, authorization));
        }),
        ours("webpush, authorised alone", |vapid, case| {
            drop(vapid.authorization(&case.to.endpoint.origin(), case.now).expect("a token"));
        }),
        ours("webpush, a whole request without a token", |_, case| {
            drop(case.message().into_request(None, case.now).expect("a request"));
        }),
        ours("webpush, a whole request", |vapid, case| {
            drop(case.message().into_request(vapid, case.now).expect("a request"));
        }),
    ];
    Contest { name: "second message, 3000 B", clock: Clock::Cpu, messages: 1, parties }
}

struct Case {
    to: Subscription,
    plaintext: Vec<u8>,
    now: UnixTime,
}

impl Case {
    fn new() -> Self {
        let keys = Receiver::new().ours;
        let to = Subscription {
            endpoint: ENDPOINT.parse::<PushUrl>().expect("a URL"),
            p256dh: *keys.public_key(),
            auth: keys.auth().clone(),
            expiration_time: None,
        };
        let now = UnixTime::try_from(SystemTime::now()).expect("a clock");
        Self { to, plaintext: plaintext(3000), now }
    }

    fn encrypt(&self) -> Vec<u8> {
        let provider = webpush::provider();
        message::encrypt(&provider, &self.to.recipient(), &self.plaintext, Padding::None).expect("encrypts")
    }

    fn message(&self) -> Message {
        Message::new(self.to.clone(), self.plaintext.clone()).padding(Padding::None)
    }
}

/// Other push services have been sent messages too.
fn ours(name: &'static str, step: impl Fn(&Vapid, &Case) + 'static) -> Party {
    let case = Case::new();
    let key = SigningKey::generate(&webpush::provider()).expect("randomness");
    let vapid = Vapid::new(key, "mailto:push@example.com").expect("a contact");
    for service in 0..10 {
        let origin: Origin = format!("https://{service}.push.example.net").parse().expect("an origin");
        vapid.authorization(&origin, case.now).expect("a token");
    }
    Party::plain(Kind::Ours, name, move || step(&vapid, &case))
}

const ENDPOINT: &str = "https://push.example.net/p/PVeNmBnyQLOKwkMFPvdvQ3nn2Gwz2c4mN5T9rSVQ0A4";
