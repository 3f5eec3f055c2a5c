//! What a backup is made of: a store as it was at one moment, and the store that is made of it.
#![cfg(all(feature = "conformance", feature = "fjall"))]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc};

use proptest::{collection::vec, prelude::*};
use push_proto::{
    SealingKeyId, UnixTime, Urgency,
    store::{AgentKind, AgentRecord, Cause, Command, Operation, Position, SubscriptionRecord},
};
use push_store::{
    Client, Completions, Embedded, Fault, OpenError, Outage, Pages, ProbeAnswer, Quotas, Records,
    Restoration, Sealed, Snapshot, Store,
    conformance::bench::{
        Bench, DEVICE, Draft, MORE_RECEIPTS, NOW, RECEIPTS, agent, open, record, subscription,
    },
    embedded::{Corrupt, Damage},
    engine::{Engine, FjallEngine, Keyspace, Mishap, SimulatedDisk},
};

fn bench_at(path: &Path) -> Bench {
    Bench::over(Box::new(Embedded::open(path, Quotas::default()).unwrap()))
}

fn all(snapshot: &Snapshot) -> Vec<Records> {
    rest(snapshot.records())
}

fn rest(mut pages: Pages<'_>) -> Vec<Records> {
    std::iter::from_fn(|| pages.next_page().unwrap()).collect()
}

/// Records without their pages.
fn flat(records: Vec<Records>) -> Vec<(Keyspace, Vec<u8>, Vec<u8>)> {
    let one = |Records { keyspace, entries }| {
        entries.into_iter().map(move |(key, value): (Vec<u8>, Vec<u8>)| (keyspace, key, value))
    };
    records.into_iter().flat_map(one).collect()
}

fn restore(snapshot: &Snapshot, to: &Path) {
    let mut restoration = Restoration::begin(to).unwrap();
    all(snapshot).into_iter().for_each(|records| restoration.put(records).unwrap());
    restoration.finish().unwrap();
}

#[derive(Clone, Debug)]
enum Change {
    Put { number: u8, to: u8, topic: Option<u8>, urgency: u8, receipt: bool, body: usize },
    End(u8, bool),
    Close(u8),
    Expire(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let put = (any::<u8>(), 1_u8..4, prop::option::of(0_u8..3), 0_u8..4, any::<bool>(), 0_usize..3000);
    prop_oneof![
        6 => put.prop_map(|(number, to, topic, urgency, receipt, body)| {
            Change::Put { number, to, topic, urgency, receipt, body }
        }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(number, acknowledged)| Change::End(number, acknowledged)),
        1 => (1_u8..4).prop_map(Change::Close),
        1 => (0_u8..90).prop_map(Change::Expire),
    ]
}

/// Carries it out where it makes sense.
fn carry_out(bench: &Bench, change: &Change) {
    let operation = match *change {
        Change::Put { number, to, topic, urgency, receipt, body } => {
            let urgency =
                [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High][usize::from(urgency)];
            let draft = Draft { body: vec![number; body], ..Draft::new(number).to(to).urgency(urgency) };
            let draft = topic.map_or(draft.clone(), |topic| draft.topic(topic));
            if receipt { draft.receipt(RECEIPTS).put() } else { draft.put() }
        }
        Change::End(number, acknowledged) => {
            let cause = if acknowledged { Cause::Acknowledged } else { Cause::Expired };
            Operation::End(Draft::new(number).handle(), cause)
        }
        Change::Close(id) => Operation::Close(DEVICE, Some(subscription(id))),
        Change::Expire(after) => {
            bench.expire(NOW + u64::from(after));
            return;
        }
    };
    drop(bench.one(operation));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whatever is in a store, the one made of its snapshot has the same, and goes on the same way.
    #[test]
    fn what_is_restored_is_what_was_there(
        before in vec(change(), 0..40),
        after in vec(change(), 0..10),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let disk = SimulatedDisk::new();
        let (store, original) = shared(disk);
        original.furnish();
        before.iter().for_each(|change| carry_out(&original, change));
        restore(&store.snapshot().unwrap(), folder.path());
        let restored = all(&Snapshot::open(folder.path()).unwrap());
        prop_assert!(flat(restored) == flat(all(&store.snapshot().unwrap())));

        let restored = bench_at(folder.path());
        for bench in [&original, &restored] {
            after.iter().for_each(|change| carry_out(bench, change));
        }
        for queue in [DEVICE, RECEIPTS, MORE_RECEIPTS] {
            prop_assert_eq!(original.items(queue), restored.items(queue));
        }
        let pages = [&original, &restored].map(|bench| bench.load(DEVICE, Position::START, 1).unwrap());
        prop_assert_eq!(&pages[0].subscriptions, &pages[1].subscriptions);
    }
}

/// G1: all that was answered before is in it, nothing that came after, and reading it does not hold up the store.
#[test]
fn a_snapshot_is_of_one_moment_while_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let (store, bench) = shared(FjallEngine::open(&here).unwrap());
    bench.furnish();
    let large = |number| Draft { body: vec![number; 60_000], ..Draft::new(number) };
    (1..=20).for_each(|number| drop(bench.put(&large(number)).unwrap()));
    let snapshot = store.snapshot().unwrap();
    let mut pages = snapshot.records();
    let first = pages.next_page().unwrap().unwrap();
    assert!(first.entries.len() < 20, "more than a page");
    for number in 1..=10 {
        bench.one(Operation::End(large(number).handle(), Cause::Acknowledged)).unwrap();
    }
    (21..=40).for_each(|number| drop(bench.put(&large(number)).unwrap()));

    let mut restoration = Restoration::begin(&there).unwrap();
    restoration.put(first).unwrap();
    rest(pages).into_iter().for_each(|records| restoration.put(records).unwrap());
    restoration.finish().unwrap();
    assert_eq!(bench_at(&there).numbers(DEVICE), (1..=20).collect::<Vec<_>>());
    assert_eq!(bench.numbers(DEVICE), (11..=40).collect::<Vec<_>>());
}

/// A store, and shards at it.
fn shared(engine: impl Engine) -> (Arc<Embedded>, Bench) {
    let store = Arc::new(Embedded::over(engine, Quotas::default()).unwrap());
    let bench = Bench::over(Box::new(Shared(Arc::clone(&store))));
    (store, bench)
}

/// A store that is shared with whoever takes snapshots of it.
struct Shared(Arc<Embedded>);

impl Store for Shared {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        self.0.attach(sink)
    }

    fn submit(&self, from: Client, command: Command) {
        self.0.submit(from, command);
    }

    fn probe(&self, answer: ProbeAnswer) {
        self.0.probe(answer);
    }

    fn close(&self) {
        self.0.close();
    }
}

#[test]
fn a_snapshot_does_not_outlive_its_store_nor_keep_it_from_being_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path(), Quotas::default()).unwrap();
    let snapshot = store.snapshot().unwrap();
    drop(store);
    let store = Embedded::open(folder.path(), Quotas::default()).unwrap();
    let bench = Bench::over(Box::new(store));
    bench.furnish();
    assert!(matches!(snapshot.records().next_page(), Err(Fault::Engine(_))));

    let closed = Embedded::open(folder.path().join("other"), Quotas::default()).unwrap();
    closed.close();
    assert!(matches!(closed.snapshot(), Err(Outage::Shut(OpenError::Closed))));
}

/// G7
#[test]
fn a_store_that_is_down_gives_none() {
    let disk = SimulatedDisk::new();
    let (store, bench) = shared(disk.clone());
    bench.furnish();
    disk.arrange(Mishap::Refused);
    let create = Operation::CreateAgent(agent(9), record(AgentKind::UserAgent));
    bench.ask(0, |ticket| Command::Apply(ticket, vec![create]));
    assert!(matches!(store.snapshot(), Err(Outage::Failed(_))));
    store.reopen().unwrap();
    assert!(!all(&store.snapshot().unwrap()).is_empty());
}

/// Nothing damaged gets into a backup unnoticed, nor out of one.
#[test]
fn a_damaged_record_is_refused_both_ways() {
    let disk = SimulatedDisk::new();
    let (store, bench) = shared(disk.clone());
    bench.furnish();
    bench.put(&Draft::new(1)).unwrap();
    let mut records = all(&store.snapshot().unwrap());
    disk.damage(Keyspace::Messages, |octets| octets[20] ^= 1);
    let damage = Corrupt { keyspace: Keyspace::Messages, damage: Damage::Checksum };
    let found = store.snapshot().unwrap().records().next_page().unwrap_err();
    assert!(matches!(found, Fault::Corrupt(corrupt) if corrupt == damage));

    let folder = tempfile::tempdir().unwrap();
    let mut restoration = Restoration::begin(folder.path().join("store")).unwrap();
    records[0].entries[0].1[20] ^= 1;
    let found = restoration.put(records[0].clone()).unwrap_err();
    assert!(matches!(found, Fault::Corrupt(corrupt) if corrupt == damage));
}

#[test]
fn what_is_no_store_is_none_and_what_is_one_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    assert!(matches!(Snapshot::open(&path), Err(OpenError::NotAStore(_))));
    assert!(!path.exists(), "nothing was made");
    let store = Embedded::open(&path, Quotas::default()).unwrap();
    assert!(matches!(Snapshot::open(&path), Err(OpenError::InUse(_))));
    drop(store);
    assert!(matches!(Restoration::begin(&path), Err(OpenError::NotWritable(..))));
    let snapshot = Snapshot::open(&path).unwrap();
    assert!(matches!(Embedded::open(&path, Quotas::default()), Err(OpenError::InUse(_))));
    drop(snapshot);
    // A part of a store is none.
    let bench = bench_at(&path);
    bench.furnish();
    drop(bench);
    let mut records = all(&Snapshot::open(&path).unwrap());
    records.retain(|records| records.keyspace != Keyspace::Counters);
    let mut restoration = Restoration::begin(folder.path().join("part")).unwrap();
    records.into_iter().for_each(|records| restoration.put(records).unwrap());
    assert!(matches!(restoration.finish(), Err(OpenError::Corrupt(_))));
}

/// What stands and falls with a sealing key: by when it came, and by what names the key.
#[test]
fn what_a_sealing_key_may_have_sealed_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_at(folder.path());
    bench.furnish();
    let later = UnixTime::from_secs(NOW + 100);
    let young = AgentRecord { created: later, ..record(AgentKind::UserAgent) };
    bench.one(Operation::CreateAgent(agent(9), young)).unwrap();
    let young = SubscriptionRecord { created: later, ..open() };
    bench.one(Operation::CreateSubscription(agent(9), subscription(1), young)).unwrap();
    bench.one(Operation::Close(DEVICE, Some(subscription(2)))).unwrap();
    bench.put(&Draft::new(7)).unwrap();
    drop(bench);
    let until = |secs, key| {
        let snapshot = Snapshot::open(folder.path()).unwrap();
        snapshot.sealed(SealingKeyId::from_u8(key), UnixTime::from_secs(secs)).unwrap()
    };
    let old = Sealed { user_agents: 1, subscriptions: 1, receipt_subscriptions: 2, entries: 1 };
    assert_eq!(until(NOW, 7), old);
    assert_eq!(until(NOW + 99, 8), Sealed { entries: 0, ..old });
    assert_eq!(until(NOW + 100, 8), Sealed { user_agents: 2, subscriptions: 2, entries: 0, ..old });
    assert_eq!(until(NOW - 1, 8), Sealed::default());
    assert_eq!(Snapshot::open(folder.path()).unwrap().clock().unwrap(), UnixTime::from_secs(NOW));
}
