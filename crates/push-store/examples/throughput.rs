//! How many messages the embedded store makes durable in a second, by how many are in flight.
//!
//! `cargo run --release -p push-store --example throughput [folder]`
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a measurement"
)]

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use push_proto::{
    AgentId, Content, Handle, Message, MessageId, SealingKeyId, Slot, SubscriptionId, UnixTime, Urgency,
    store::{AgentKind, AgentRecord, Cause, Command, Completion, Operation, Put, SubscriptionRecord, Ticket},
};
use push_store::{Completions, Embedded, Quotas, Store};

struct Sink(mpsc::Sender<Completion>);

impl Completions for Sink {
    fn complete(&self, completion: Completion) {
        self.0.send(completion).unwrap();
    }
}

fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::args_os().nth(1).map_or_else(|| temporary.path().join("store"), Into::into);
    let store = Embedded::open(&folder, Quotas::default()).unwrap();
    let (sink, completions) = mpsc::channel();
    let shard = store.attach(Arc::new(Sink(sink)));
    let subscription = SubscriptionId::from_octets([1; 16]);
    let record = SubscriptionRecord { created: UnixTime::from_secs(1), restricted_to: None };
    let agents: Vec<_> = (0..AGENTS).map(|number| AgentId::from_octets(octets(number))).collect();
    for agent in &agents {
        let created = AgentRecord { kind: AgentKind::UserAgent, created: UnixTime::from_secs(1) };
        let operations = vec![
            Operation::CreateAgent(*agent, created),
            Operation::CreateSubscription(*agent, subscription, record.clone()),
        ];
        store.submit(shard, Command::Apply(Ticket(0), operations));
    }
    (0..AGENTS).for_each(|_| assert!(matches!(completions.recv().unwrap(), Completion::Applied(..))));
    let body = bytes::Bytes::from(vec![0xa5; 1024]);
    let mut number = 0;
    for in_flight in [1, 64, 512] {
        let total = if in_flight == 1 { 500 } else { 20_000 };
        let first = number;
        let put = |number: u64| {
            let agent = agents.get(usize::try_from(number % AGENTS).unwrap()).unwrap();
            let handle = Handle {
                agent: *agent,
                subscription,
                slot: Slot::from_octets(octets(number)),
                id: MessageId::from_octets(octets(number)),
            };
            let content = Content { body: body.clone(), fields: Box::default() };
            let (accepted, expires) = (UnixTime::from_secs(1000), UnixTime::from_secs(100_000));
            let (sealed_by, urgency) = (SealingKeyId::default(), Urgency::Normal);
            Message { handle, sealed_by, accepted, expires, urgency, receipt: None, content }
        };
        let run = |what: &str, operation: &dyn Fn(u64) -> Operation| {
            let start = Instant::now();
            let (mut sent, mut answered) = (0, 0);
            while answered < total {
                while sent < total && sent - answered < in_flight {
                    store.submit(shard, Command::Apply(Ticket(sent), vec![operation(first + sent)]));
                    sent += 1;
                }
                match completions.recv().unwrap() {
                    Completion::Applied(_, done) => assert!(done.iter().all(Result::is_ok), "{done:?}"),
                    other => panic!("{other:?}"),
                }
                answered += 1;
            }
            let seconds = start.elapsed().as_secs_f64();
            #[allow(clippy::cast_precision_loss, reason = "a few thousands")]
            let rate = total as f64 / seconds;
            println!("{what:>5}, {in_flight:>3} in flight: {rate:>8.0}/s, each group durable");
        };
        run("put", &|number| {
            let message = Arc::new(put(number));
            Operation::Put(Put { message, sender: None, new_receipt_subscription: false })
        });
        run("end", &|number| Operation::End(put(number).handle, Cause::Acknowledged));
        number += total;
    }
}

fn octets(number: u64) -> [u8; 16] {
    // Spread, as hashes are.
    let spread = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread.to_be_bytes()
}

const AGENTS: u64 = 1000;
