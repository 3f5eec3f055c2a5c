//! What only the embedded store promises: durability, precise errors, and what happens when the disk fails.
#![cfg(all(feature = "conformance", feature = "fjall"))]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "embedded/outage.rs"]
mod outage;
#[path = "embedded/quotas.rs"]
mod quotas;
#[path = "embedded/upgrade.rs"]
mod upgrade;

use std::{fs, path::Path};

use bytes::Bytes;
use push_proto::{
    UnixTime,
    store::{
        AgentKind, Availability, Cause, Command, Completion, Done, Item, Load, Operation, Placed, Position,
        Ticket, Unmet,
    },
};
use push_store::{
    Client, Embedded, Fault, OpenError, Quotas, Store,
    conformance::bench::{Bench, DEVICE, Draft, NOW, RECEIPTS, agent, keys, open, record, subscription},
    embedded::{Corrupt, Damage, Writer},
    engine::{
        Engine, EngineError, FjallEngine, Keyspace, Mishap, Presence, SimulatedDisk, Span, Visit, Write,
    },
};

fn bench(engine: impl Engine) -> Bench {
    Bench::over(Box::new(Embedded::over(engine, Quotas::default()).unwrap()))
}

fn bench_at(path: &Path) -> Bench {
    Bench::over(Box::new(Embedded::open(path, Quotas::default()).unwrap()))
}

/// Agents, messages, receipts, and something half closed.
fn fill(bench: &Bench) {
    bench.furnish();
    let restricted = push_proto::store::SubscriptionRecord { restricted_to: Some(keys()[0]), ..open() };
    bench.one(Operation::CreateSubscription(DEVICE, subscription(3), restricted)).unwrap();
    bench.apply((1..=6).map(|number| Draft::new(number).receipt(RECEIPTS).put()).collect());
    bench.put(&Draft::new(7).topic(1).to(2)).unwrap();
    bench.put(&Draft::new(8).topic(1).to(2)).unwrap();
    bench.one(Operation::End(Draft::new(2).handle(), Cause::Acknowledged)).unwrap();
    bench.one(Operation::Close(DEVICE, Some(subscription(1)))).unwrap();
}

fn check(bench: &Bench) {
    let page = bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!(page.record, record(AgentKind::UserAgent));
    assert_eq!(page.subscriptions.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3].map(subscription));
    assert_eq!(page.subscriptions[1].1.restricted_to, Some(keys()[0]));
    assert_eq!(bench.items(DEVICE), [Item::Message(Draft::new(8).topic(1).to(2).message())]);
    assert_eq!(bench.outcomes(RECEIPTS), [(2, 204)]);
    assert_eq!(bench.expire(NOW).ended, 6, "five messages of the closing subscription, and itself");
    assert_eq!(bench.outcomes(RECEIPTS), [(2, 204), (1, 410), (3, 410), (4, 410), (5, 410), (6, 410)]);
    assert_eq!(bench.expire(NOW + 60).ended, 1);
    assert_eq!(bench.expire(NOW + 60 + 24 * 3600).ended, 6, "the receipts' time");
}

#[test]
fn reopening_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    fill(&bench_at(folder.path()));
    drop(bench_at(folder.path()));
    check(&bench_at(folder.path()));
}

#[test]
fn a_lost_process_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    {
        let bench = bench(disk.clone());
        fill(&bench);
        // Closing fails, so that nothing is written on the way out.
        disk.arrange(Mishap::Refused);
    }
    let mut disk = disk;
    disk.reopen().unwrap();
    check(&bench(disk));
    // The same for the real one: its folder as it is while the store is open.
    let copy = tempfile::tempdir().unwrap();
    let running = bench_at(folder.path());
    fill(&running);
    copy_all(folder.path(), copy.path());
    check(&bench_at(copy.path()));
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Power goes while the last commit is on its way, and its pages reach the disk in any order.
#[test]
fn a_torn_commit_is_never_misread() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_at(folder.path());
    bench.furnish();
    bench.put(&Draft::new(1)).unwrap();
    let journal = |path: &Path| path.join("data/0.jnl");
    let written = || fs::read(journal(folder.path())).unwrap().iter().rposition(|octet| *octet != 0).unwrap();
    let before = written() + 1;
    let large = |number| Draft { body: vec![number; 12_000], ..Draft::new(number) };
    bench.apply((2..6).map(|number| large(number).put()).collect());
    for page in [before, before + 4096, before + 12_000, before + 30_000, written() - 4096] {
        let copy = tempfile::tempdir().unwrap();
        copy_all(folder.path(), copy.path());
        let mut octets = fs::read(journal(copy.path())).unwrap();
        octets[page..page + 4096].fill(0);
        fs::write(journal(copy.path()), octets).unwrap();
        match Embedded::open(copy.path(), Quotas::default()) {
            Ok(store) => assert_eq!(Bench::over(Box::new(store)).numbers(DEVICE), [1]),
            // fjall 3.1.13 drops a last batch that is cut short, and refuses one that is whole but for its contents.
            Err(OpenError::Engine(error)) => assert_eq!(error.during(), "open"),
            Err(other) => panic!("{other}"),
        }
    }
}

/// A writer without a thread, and one shard at it.
struct Desk {
    writer: Writer<SimulatedDisk>,
    shard: Client,
    said: Vec<Completion>,
}

impl Desk {
    fn over(disk: &SimulatedDisk) -> Self {
        let mut disk = disk.clone();
        disk.reopen().unwrap();
        let mut writer = Writer::open(disk, Quotas::default()).unwrap();
        let shard = writer.attach();
        Self { writer, shard, said: Vec::new() }
    }

    fn stage(&mut self, operations: Vec<Operation>) {
        self.writer.stage(self.shard, Command::Apply(Ticket(1), operations));
    }

    fn commit(&mut self) -> Vec<Completion> {
        let said = &mut self.said;
        self.writer.commit(&mut |_, completion| said.push(completion));
        std::mem::take(said)
    }

    fn furnish(&mut self) {
        let create = Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent));
        self.stage(vec![create, Operation::CreateSubscription(DEVICE, subscription(1), open())]);
        assert_eq!(self.commit(), [Completion::Applied(Ticket(1), vec![Ok(Done::Created); 2])]);
    }

    fn put(&mut self, number: u8) -> Position {
        self.stage(vec![Draft::new(number).put()]);
        match self.commit().pop() {
            Some(Completion::Applied(_, done)) => match &done[0] {
                Ok(Done::Put(Placed { position: Some(position), .. })) => *position,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn positions_are_never_used_again() {
    let disk = SimulatedDisk::new();
    let mut desk = Desk::over(&disk);
    desk.furnish();
    let mut last = desk.put(1);
    for number in 2..20 {
        // What never reached the disk has used up positions all the same.
        let unwritten = Draft::new(100);
        desk.stage(vec![unwritten.put(), Operation::End(unwritten.handle(), Cause::Acknowledged)]);
        let Some(Completion::Applied(_, done)) = desk.commit().pop() else { panic!("no answer") };
        let Ok(Done::Put(Placed { position: Some(unwritten), .. })) = done[0].clone() else {
            panic!("{done:?}")
        };
        if number % 2 == 0 {
            desk.writer.close(&mut |_, _| {});
        }
        desk = Desk::over(&disk);
        let position = desk.put(number);
        assert!(last < unwritten && unwritten < position);
        last = position;
    }
}

#[test]
fn groups_that_change_nothing_cost_no_commit() {
    let disk = SimulatedDisk::new();
    let mut desk = Desk::over(&disk);
    desk.furnish();
    desk.put(1);
    let commits = disk.commits();
    let draft = Draft::new(2);
    desk.stage(vec![draft.put()]);
    desk.writer.stage(
        desk.shard,
        Command::Load(Ticket(2), Load { agent: DEVICE, after: Position::START, limit: 9 }),
    );
    desk.stage(vec![Operation::End(draft.handle(), Cause::Acknowledged)]);
    desk.stage(vec![Draft::new(3).ttl(0).put()]);
    desk.stage(vec![Operation::End(draft.handle(), Cause::Acknowledged)]);
    desk.writer.stage(desk.shard, Command::Expire(Ticket(3), UnixTime::from_secs(NOW + 1)));
    let said = desk.commit();
    assert!(matches!(&said[0], Completion::Applied(_, done) if done[0].is_ok()));
    assert!(matches!(&said[1], Completion::Loaded(_, Ok(page)) if page.entries.len() == 2));
    assert_eq!(said[2], Completion::Applied(Ticket(1), vec![Ok(Done::Ended)]));
    assert_eq!(said[4], Completion::Applied(Ticket(1), vec![Err(Unmet::NotLive)]));
    assert_eq!(disk.commits(), commits);
    // A whole group is one commit.
    for number in 10..50 {
        desk.stage(vec![Draft::new(number).put()]);
    }
    assert_eq!(desk.commit().len(), 40);
    assert_eq!(disk.commits(), commits + 1);
}

#[test]
fn a_failed_commit_fails_the_group_and_takes_the_store_down() {
    for mishap in [Mishap::Refused, Mishap::Torn(40), Mishap::Torn(usize::MAX / 2), Mishap::Unanswered] {
        let disk = SimulatedDisk::new();
        let store: &'static Embedded =
            Box::leak(Box::new(Embedded::over(disk.clone(), Quotas::default()).unwrap()));
        let bench = Bench::over(Box::new(Borrowed(store)));
        bench.furnish();
        bench.watch(0, DEVICE);
        bench.put(&Draft::new(1)).unwrap();
        disk.arrange(mishap);
        let put = |number| move |ticket| Command::Apply(ticket, vec![Draft::new(number).put()]);
        assert!(matches!(bench.ask(0, put(2)), Completion::Failed(_)));
        assert_eq!([bench.availability(0), bench.availability(1)], [Availability::Down; 2]);
        let Some(Fault::Engine(error)) = store.last_fault() else { panic!("{:?}", store.last_fault()) };
        assert_eq!(error.during(), "commit");
        assert!(
            matches!(bench.ask(1, put(3)), Completion::Failed(_)),
            "the disk would work, and is not asked"
        );
        assert!(matches!(bench.ask(0, |ticket| Command::Watch(ticket, agent(1))), Completion::Failed(_)));
        let late = Bench::over(Box::new(Borrowed(store)));
        assert_eq!(late.availability(0), Availability::Down, "who comes late is told at once");
        store.reopen().unwrap();
        assert_eq!([bench.availability(0), bench.availability(1)], [Availability::Up; 2]);
        assert!(store.last_fault().is_none());
        let found = if mishap == Mishap::Unanswered { vec![1, 2] } else { vec![1] };
        assert_eq!(bench.numbers(DEVICE), found, "{mishap:?}: all of the batch or nothing");
        assert!(matches!(bench.ask(1, put(4)), Completion::Applied(..)));
        assert_eq!(bench.hints(0).len(), 1, "what is watched stays watched");
        store.reopen().unwrap();
        store.close();
        assert!(matches!(store.reopen(), Err(OpenError::Closed)));
    }
}

/// A store that outlives its bench.
struct Borrowed(&'static Embedded);

impl Store for Borrowed {
    fn probe(&self, answer: push_store::ProbeAnswer) {
        self.0.probe(answer);
    }

    fn attach(&self, sink: std::sync::Arc<dyn push_store::Completions>) -> Client {
        self.0.attach(sink)
    }

    fn submit(&self, from: Client, command: Command) {
        self.0.submit(from, command);
    }

    fn close(&self) {}
}

#[test]
fn a_damaged_record_fails_what_needs_it_and_is_named() {
    let disk = SimulatedDisk::new();
    let store: &'static Embedded =
        Box::leak(Box::new(Embedded::over(disk.clone(), Quotas::default()).unwrap()));
    let bench = Bench::over(Box::new(Borrowed(store)));
    fill(&bench);
    bench.put(&Draft::new(9).to(2)).unwrap();
    let fault = || match store.last_fault() {
        Some(Fault::Corrupt(corrupt)) => corrupt,
        other => panic!("{other:?}"),
    };
    let load = |ticket| Command::Load(ticket, Load { agent: DEVICE, after: Position::START, limit: 9 });
    let flip = |octets: &mut Vec<u8>| octets[5] ^= 1;
    disk.damage(Keyspace::Messages, flip);
    assert!(matches!(bench.ask(0, load), Completion::Failed(_)));
    assert_eq!(fault(), Corrupt { keyspace: Keyspace::Messages, damage: Damage::Checksum });
    let read = |ticket| Command::Read(ticket, Draft::new(8).topic(1).to(2).handle());
    assert!(matches!(bench.ask(0, read), Completion::Failed(_)));
    // The store stays up, and what does not need the record works.
    bench.put(&Draft::new(10).to(2)).unwrap();
    bench.one(Operation::End(Draft::new(10).to(2).handle(), Cause::Acknowledged)).unwrap();
    disk.damage(Keyspace::Messages, flip);
    assert_eq!(bench.numbers(DEVICE), [8, 9]);
    disk.damage(Keyspace::Records, flip);
    let put = |ticket| Command::Apply(ticket, vec![Draft::new(11).to(2).put()]);
    assert!(matches!(bench.ask(0, put), Completion::Failed(_)));
    assert_eq!(fault().keyspace, Keyspace::Records);
}

#[test]
fn a_batch_that_meets_a_damaged_record_changes_nothing() {
    let disk = SimulatedDisk::new();
    let mut desk = Desk::over(&disk);
    desk.furnish();
    desk.put(1);
    disk.damage(Keyspace::Slots, |octets| octets[9] ^= 1);
    desk.stage(vec![Draft::new(2).put()]);
    let end = Operation::End(Draft::new(1).handle(), Cause::Acknowledged);
    desk.stage(vec![
        Draft::new(3).put(),
        Operation::CreateSubscription(DEVICE, subscription(9), open()),
        end,
    ]);
    desk.stage(vec![Draft::new(4).put()]);
    desk.writer.stage(
        desk.shard,
        Command::Load(Ticket(2), Load { agent: DEVICE, after: Position::START, limit: 9 }),
    );
    let said = desk.commit();
    assert!(matches!(&said[0], Completion::Applied(_, done) if done[0].is_ok()));
    assert_eq!(said[1], Completion::Failed(Ticket(1)));
    assert!(matches!(&said[2], Completion::Applied(_, done) if done[0].is_ok()));
    let Completion::Loaded(_, Ok(page)) = &said[3] else { panic!("{said:?}") };
    let numbers: Vec<_> = page.entries.iter().map(|entry| entry.item.handle().id.octets()[0]).collect();
    assert_eq!(numbers, [1, 2, 4], "nor does it touch the rest of its group");
}

#[test]
fn a_damaged_record_does_not_keep_others_from_expiring() {
    let disk = SimulatedDisk::new();
    let bench = bench(disk.clone());
    bench.furnish();
    bench.watch(0, DEVICE);
    bench.apply((1..=5).map(|number| Draft::new(number).put()).collect());
    let mut count = 0;
    disk.damage(Keyspace::Slots, |octets| {
        count += 1;
        octets[9] ^= u8::from(count == 2);
    });
    for _ in 0..2 {
        let expire = bench.ask(0, |ticket| Command::Expire(ticket, UnixTime::from_secs(NOW + 60)));
        assert!(matches!(expire, Completion::Failed(_)), "not in silence");
        assert_eq!(bench.numbers(DEVICE), [2]);
    }
    assert_eq!(bench.hints(0).len(), 4);
    let mut count = 0;
    disk.damage(Keyspace::Slots, |octets| {
        count += 1;
        octets[9] ^= u8::from(count == 1);
    });
    assert_eq!(bench.expire(NOW + 60).ended, 1, "it is found again once it is mended");
}

#[test]
fn damaged_marks_refuse_to_open() {
    let disk = SimulatedDisk::new();
    fill(&bench(disk.clone()));
    disk.damage(Keyspace::Counters, |octets| octets[1] ^= 1);
    let error = Embedded::over(disk, Quotas::default()).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt(Corrupt { keyspace: Keyspace::Counters, .. })), "{error}");
    assert_eq!(error.to_string(), "cannot open the store: a record in counters has a wrong checksum");
}

#[test]
fn folders_of_another_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(bench_at(folder.path()));
    let format = folder.path().join("FORMAT");
    assert_eq!(fs::read_to_string(&format).unwrap(), "webpush-store 2\n");
    fs::write(&format, "webpush-store 3\n").unwrap();
    let error = Embedded::open(folder.path(), Quotas::default()).err().unwrap();
    assert!(matches!(error, OpenError::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    for strange in ["", "webpush-store", "webpush-store 0", "webpush-store x", "something else 1"] {
        fs::write(&format, strange).unwrap();
        let error = Embedded::open(folder.path(), Quotas::default()).err().unwrap();
        assert!(matches!(error, OpenError::NotAStore(_)), "{strange}: {error}");
    }
    fs::remove_file(&format).unwrap();
    let error = Embedded::open(folder.path(), Quotas::default()).err().unwrap();
    assert!(matches!(error, OpenError::NotAStore(_)), "{error}");
    fs::write(&format, "webpush-store 1").unwrap();
    drop(bench_at(folder.path()));
}

/// G1: a process that is killed while it makes its store can be started again. Whatever of the making was done, first
/// steps or all, is made anew.
#[test]
fn a_store_that_was_half_made_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    drop(FjallEngine::open(&whole).unwrap());
    for left in [&["0.jnl"][..], &["0.jnl", "lock"], &["0.jnl", "lock", "version"]] {
        let half = tempfile::tempdir().unwrap();
        fs::create_dir_all(half.path().join("data.draft/keyspaces")).unwrap();
        fs::copy(whole.join("FORMAT"), half.path().join("FORMAT")).unwrap();
        for name in left {
            fs::write(half.path().join("data.draft").join(name), b"").unwrap();
        }
        drop(FjallEngine::open(half.path()).unwrap_or_else(|error| panic!("{left:?}: {error}")));
        assert!(!half.path().join("data.draft").exists() && half.path().join("data/version").exists());
    }
}

/// What has lost its data is never made anew by who knows that it was whole, nor by anybody if only a part is left.
#[test]
fn a_store_without_its_data_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (folder.path().join("store"), folder.path().join("store/data"));
    let existing = || FjallEngine::open_existing(&store).err();
    assert!(matches!(existing(), Some(OpenError::NotAStore(_))));
    assert!(!store.exists(), "nothing was made");
    assert!(matches!(FjallEngine::presence(&store), Ok(Presence::Nothing)));
    drop(FjallEngine::open(&store).unwrap());
    assert!(matches!(FjallEngine::presence(&store), Ok(Presence::Whole)));
    assert!(existing().is_none());

    fs::rename(&data, folder.path().join("elsewhere")).unwrap();
    assert!(matches!(FjallEngine::presence(&store), Ok(Presence::Unfinished)));
    let missing = existing().unwrap();
    assert!(matches!(&missing, OpenError::DataMissing(path) if *path == data), "{missing}");
    assert!(missing.to_string().contains("store/data is missing"), "{missing}");
    assert!(!data.exists(), "nothing was made");
    // Such as where a disk is to be mounted.
    fs::create_dir(&data).unwrap();
    for opened in [existing(), FjallEngine::open(&store).err()] {
        assert!(matches!(opened, Some(OpenError::DataMissing(_))), "{opened:?}");
    }
    assert!(fs::read_dir(&data).unwrap().next().is_none(), "nothing was made");

    fs::remove_dir(&data).unwrap();
    fs::rename(folder.path().join("elsewhere"), &data).unwrap();
    assert!(existing().is_none());
}

#[test]
fn a_folder_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let first = bench_at(&folder.path().join("made/on/the/way"));
    let again = || Embedded::open(folder.path().join("made/on/the/way"), Quotas::default());
    let error = again().err().unwrap();
    assert!(matches!(&error, OpenError::InUse(path) if path.ends_with("way")), "{error}");
    drop(first);
    assert!(again().is_ok());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = FjallEngine::open(folder.path().join("file/store")).err().unwrap();
    assert!(matches!(&error, OpenError::NotWritable(path, _) if path.ends_with("store")), "{error}");
}

/// G5: however many commands wait, a commit has no more than a group of them.
#[test]
fn a_group_has_an_end() {
    let disk = SimulatedDisk::new();
    let store = Embedded::over(disk.clone(), Quotas { group: 1, ..Quotas::default() }).unwrap();
    let bench = Bench::over(Box::new(store));
    bench.furnish();
    let commits = disk.commits();
    let put = |number| move |ticket| Command::Apply(ticket, vec![Draft::new(number).put()]);
    let asked: Vec<_> = (0..200).map(|number| bench.tell(0, put(number))).collect();
    for ticket in asked {
        assert!(matches!(bench.answer(0, ticket), Completion::Applied(_, done) if done[0].is_ok()));
    }
    assert_eq!(disk.commits(), commits + 200);
}

#[test]
fn too_many_waiting_commands_fail() {
    let store = Embedded::over(SimulatedDisk::new(), Quotas { waiting: 0, ..Quotas::default() }).unwrap();
    let bench = Bench::over(Box::new(store));
    assert!(matches!(bench.ask(0, |ticket| Command::Watch(ticket, DEVICE)), Completion::Failed(_)));
    bench.say(0, Command::Unwatch(DEVICE));
}

/// An engine that panics on the second commit.
struct Panicky(SimulatedDisk, u32);

impl Engine for Panicky {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.0.get(keyspace, key)
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.0.scan(span, visit)
    }

    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        self.1 += 1;
        assert_ne!(self.1, 2, "a bug in the engine");
        self.0.commit(batch)
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        self.0.reopen()
    }

    fn close(&mut self) {}
}

#[test]
fn an_engine_that_panics_takes_the_store_down_and_nobody_hangs() {
    let bench = bench(Panicky(SimulatedDisk::new(), 0));
    bench.furnish();
    let put = |ticket| Command::Apply(ticket, vec![Draft::new(1).put()]);
    assert!(matches!(bench.ask(0, put), Completion::Failed(_)));
    assert_eq!(bench.availability(0), Availability::Down);
}

#[test]
fn nothing_printable_holds_a_payload() {
    let disk = SimulatedDisk::new();
    let bench = bench(disk.clone());
    bench.furnish();
    bench.put(&Draft { body: b"secret".repeat(9), ..Draft::new(1) }).unwrap();
    let message = Draft { body: b"secret".repeat(9), ..Draft::new(1) }.message();
    let write = Write { keyspace: Keyspace::Messages, key: b"secret", value: Some(b"secret") };
    let printed = format!("{disk:?} {message:?} {write:?}");
    assert!(!printed.contains("secret") && !printed.contains("115, 101, 99"), "{printed}");
}

/// The number of agents survives a lost process, exactly.
#[test]
fn agents_are_counted_across_restarts() {
    let disk = SimulatedDisk::new();
    let quotas = Quotas { agents: 3, receipt_subscriptions: 2, ..Quotas::default() };
    let create = |id| Operation::CreateAgent(agent(id), record(AgentKind::UserAgent));
    for number in 1..=2 {
        let bench = Bench::over(Box::new(Embedded::over(disk.clone(), quotas).unwrap()));
        bench.one(create(number)).unwrap();
        disk.arrange(Mishap::Refused);
        assert!(matches!(
            bench.ask(0, |ticket| Command::Apply(ticket, vec![create(9)])),
            Completion::Failed(_)
        ));
        drop(bench);
        disk.clone().reopen().unwrap();
    }
    let bench = Bench::over(Box::new(Embedded::over(disk.clone(), quotas).unwrap()));
    assert_eq!(bench.one(create(3)), Ok(Done::Created));
    assert_eq!(bench.one(create(4)), Err(Unmet::Crowded));
    bench.one(Operation::Close(agent(1), None)).unwrap();
    bench.expire(NOW);
    // A batch that fails on damage made nobody.
    disk.damage(Keyspace::Counters, |octets| octets[3] ^= 1);
    let subscribe = Operation::CreateSubscription(agent(2), subscription(1), open());
    let batch = bench.ask(0, |ticket| Command::Apply(ticket, vec![create(4), subscribe]));
    assert!(matches!(batch, Completion::Failed(_)));
    disk.damage(Keyspace::Counters, |octets| octets[3] ^= 1);
    assert_eq!(bench.one(create(4)), Ok(Done::Created));
    assert_eq!(bench.one(create(5)), Err(Unmet::Crowded));
}

/// Noting when somebody was seen costs a commit a day, not one a request.
#[test]
fn being_seen_again_costs_no_commit() {
    let disk = SimulatedDisk::new();
    let mut desk = Desk::over(&disk);
    desk.furnish();
    let load =
        |ticket| Command::Load(Ticket(ticket), Load { agent: DEVICE, after: Position::START, limit: 9 });
    desk.writer.stage(desk.shard, Command::Expire(Ticket(1), UnixTime::from_secs(NOW)));
    desk.commit();
    let mut commits = disk.commits();
    for hour in 0..49_u64 {
        let now = UnixTime::from_secs(NOW + hour * 3600);
        desk.writer.stage(desk.shard, Command::Expire(Ticket(1), now));
        desk.commit();
        // The clock alone is noted now and then; what follows is the price of being seen.
        commits = commits.max(disk.commits());
        let before = disk.commits();
        for ticket in 0..10 {
            desk.writer.stage(desk.shard, load(ticket));
            desk.commit();
        }
        assert_eq!(disk.commits() - before, u64::from(hour > 0 && hour % 24 == 0), "hour {hour}");
    }
}

/// What is damaged keeps no idle agent alive but its own, and is told each time.
#[test]
fn a_damaged_record_does_not_keep_idle_agents() {
    let disk = SimulatedDisk::new();
    let quotas = Quotas { agent_idle_secs: 8000, ..Quotas::default() };
    let bench = Bench::over(Box::new(Embedded::over(disk.clone(), quotas).unwrap()));
    let create = |id| Operation::CreateAgent(agent(id), record(AgentKind::UserAgent));
    bench.apply((1..=3).map(create).collect());
    let damage = |which| {
        let mut count = 0;
        disk.damage(Keyspace::Records, |octets| {
            count += 1;
            octets[3] ^= u8::from(count == which);
        });
    };
    damage(2);
    for _ in 0..2 {
        let expire = bench.ask(0, |ticket| Command::Expire(ticket, UnixTime::from_secs(NOW + 8000)));
        assert!(matches!(expire, Completion::Failed(_)), "not in silence");
    }
    assert_eq!(
        [1, 3].map(|id| bench.one(create(id))),
        [Ok(Done::Created), Ok(Done::Created)],
        "both had gone"
    );
    damage(2);
    assert_eq!(bench.expire(NOW + 8001).ended, 2, "it is found again once it is mended");
}
