//! A sender, all included: a row of a table (the subscription's JSON) becomes a message that is encrypted, signed, sent over
//! TLS, and accepted by a push service in a process of its own.

mod node;
mod peer;
mod sink;

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::stream;
use webpush::testing::Sink;
use webpush::{Message, SigningKey, Subscription, Vapid, Verdict};

pub use sink::serve_if_asked;

use crate::{Clock, Contest, Kind, Party};

/// Everybody to the same push service.
pub const CONTESTS: &[fn() -> Contest] = &[contest];

/// Messages of a step.
const MESSAGES: u64 = 64;
/// Messages that everybody has under way at once.
const UNDER_WAY: usize = 64;
/// Of each message.
const PAYLOAD: [u8; 1024] = [b'x'; 1024];
const SUBJECT: &str = "mailto:bench@example.org";

fn contest() -> Contest {
    let sink = Rc::new(sink::Process::start());
    let key = SigningKey::generate(&webpush::provider()).expect("randomness");
    let parties = vec![ours(&sink, &key), peer::web_push(&sink, &key), node::web_push(&sink, &key)];
    Contest { name: "send, 1 KiB", clock: Clock::Cpu, messages: MESSAGES, parties }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn ours(sink: &Rc<sink::Process>, key: &SigningKey) -> Party {
    let (sink, runtime) = (Rc::clone(sink), runtime());
    let vapid = Vapid::new(key.clone(), SUBJECT).expect("a contact");
    let mut options = Sink::options_for(sink.address, sink.certificate.as_bytes());
    options.in_flight = Some(UNDER_WAY);
    let sender = runtime.block_on(async { webpush::tokio::sender(&vapid, options) }).expect("a sender");
    let refused = Rc::new(RefCell::new(0));
    Party::new(Kind::Ours, "webpush, send_all", move |steps, meter| {
        let json = sink.subscription.clone();
        let rows = (0..steps * MESSAGES).map(move |row| {
            (row, json.parse::<Subscription>().map(|to| Message::new(to, PAYLOAD.as_slice())))
        });
        meter.time(|| {
            runtime.block_on(async {
                let mut sent = sender.send_all(stream::iter(rows));
                while let Some((_, sent)) = sent.next().await {
                    *refused.borrow_mut() += u64::from(!matches!(sent.verdict, Verdict::Accepted(_)));
                }
            });
        });
        assert_eq!(*refused.borrow(), 0, "messages were not accepted");
    })
}
