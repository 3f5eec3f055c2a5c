//! What a store knows of its disk, and how it comes back.

use std::{fs, io, path::Path, sync::mpsc};

use push_proto::{
    UnixTime,
    store::{AgentKind, Availability, Command, Completion, Load, Operation, Position},
};
use push_store::{
    Embedded, Failure, Fault, OpenError, Outage, Quotas,
    conformance::bench::{Bench, DEVICE, Draft, NOW, agent, record},
    embedded::{Corrupt, Damage, Writer},
    engine::{Engine, EngineError, Keyspace, Mishap, SimulatedDisk, Span, Visit, Write},
};

use super::{bench, bench_at, check, copy_all, fill};

fn probe(bench: &Bench) -> Result<UnixTime, Outage> {
    let (sender, answer) = mpsc::channel();
    bench.store.probe(Box::new(move |found| sender.send(found).unwrap()));
    answer.recv().unwrap()
}

#[test]
fn an_idle_store_shows_that_it_can_write_and_a_busy_one_has_shown_it() {
    let disk = SimulatedDisk::new();
    let bench = bench(disk.clone());
    bench.furnish();
    bench.put(&Draft::new(1)).unwrap();
    let commits = disk.commits();
    assert_eq!(probe(&bench).unwrap(), UnixTime::from_secs(NOW), "the latest time that it has seen");
    assert_eq!(disk.commits(), commits, "it has just written");
    for more in 1..=3 {
        probe(&bench).unwrap();
        assert_eq!(disk.commits(), commits + more);
    }
    assert_eq!(bench.numbers(DEVICE), [1]);
    bench.store.close();
    assert!(matches!(probe(&bench), Err(Outage::Shut(OpenError::Closed))));
}

/// G7
#[test]
fn an_idle_store_notices_and_comes_back_by_being_asked() {
    for mishap in [Mishap::Refused, Mishap::Torn(40), Mishap::Torn(usize::MAX / 2), Mishap::Unanswered] {
        let disk = SimulatedDisk::new();
        let bench = bench(disk.clone());
        fill(&bench);
        bench.watch(0, DEVICE);
        probe(&bench).unwrap();
        disk.arrange(mishap);
        let Err(Outage::Failed(Fault::Engine(error))) = probe(&bench) else { panic!("{mishap:?}") };
        assert_eq!(error.during(), "commit");
        assert_eq!([bench.availability(0), bench.availability(1)], [Availability::Down; 2]);
        assert!(bench.store.last_fault().is_some());
        probe(&bench).unwrap();
        assert_eq!([bench.availability(0), bench.availability(1)], [Availability::Up; 2]);
        assert!(bench.store.last_fault().is_none());
        check(&bench);
    }
}

/// A disk that can be read and not written.
struct Full(SimulatedDisk);

impl Engine for Full {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<bytes::Bytes>, EngineError> {
        self.0.get(keyspace, key)
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.0.scan(span, visit)
    }

    fn commit(&mut self, _: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        Err(EngineError::new("commit", io::Error::from(io::ErrorKind::StorageFull)))
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        self.0.reopen()
    }

    fn close(&mut self) {}
}

/// G7: nobody is told that it is up, as long as it would fail what comes next.
#[test]
fn a_store_that_can_only_be_read_stays_down() {
    let mut writer = Writer::open(Full(SimulatedDisk::new()), Quotas::default()).unwrap();
    writer.attach();
    let mut said = Vec::new();
    for _ in 0..3 {
        let outage = writer.probe(&mut |_, completion| said.push(completion)).unwrap_err();
        assert_eq!(outage.failure(), Failure::Full);
        assert_eq!(writer.availability(), Availability::Down);
    }
    assert_eq!(said, [Completion::Availability(Availability::Down)]);
}

/// G1: what is written into a folder that is not there any more is not durable.
#[test]
fn a_folder_that_was_moved_away_takes_nothing_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let bench = bench_at(&here);
    fill(&bench);
    fs::rename(&here, &there).unwrap();
    let create = Operation::CreateAgent(agent(9), record(AgentKind::UserAgent));
    assert!(matches!(bench.ask(0, |ticket| Command::Apply(ticket, vec![create])), Completion::Failed(_)));
    assert_eq!(bench.availability(0), Availability::Down);
    assert_eq!(probe(&bench).unwrap_err().failure(), Failure::Gone);
    assert!(!here.exists(), "no other is made in its place");
    // One that looks the same may be half of a backup that is being restored.
    fs::create_dir(&here).unwrap();
    copy_all(&there, &here);
    let copied = snapshot(&here);
    assert_eq!(probe(&bench).unwrap_err().failure(), Failure::Gone);
    assert!(snapshot(&here) == copied, "it is left alone");
    fs::remove_dir_all(&here).unwrap();

    fs::rename(there.join("data"), folder.path().join("data")).unwrap();
    fs::rename(&there, &here).unwrap();
    assert_eq!(probe(&bench).unwrap_err().failure(), Failure::Gone);
    assert!(!here.join("data").exists(), "without its data it is not taken for a new one");
    fs::rename(folder.path().join("data"), here.join("data")).unwrap();
    probe(&bench).unwrap();
    assert_eq!(bench.availability(0), Availability::Up);
    check(&bench);
}

/// The octets of every file.
fn snapshot(folder: &Path) -> Vec<Vec<u8>> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let read = |path: &Path| if path.is_dir() { snapshot(path).concat() } else { fs::read(path).unwrap() };
    entries.iter().map(|path| read(path)).collect()
}

/// What the operating system may have dropped is written again, and a journal that is mostly empty stays so.
#[cfg(unix)]
#[test]
fn reopening_writes_the_journal_again_and_fills_no_holes() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let bench = bench_at(&here);
    fill(&bench);
    for _ in 0..3 {
        // What was written last has shown that it can be.
        probe(&bench).unwrap();
        fs::rename(&here, &there).unwrap();
        assert_eq!(probe(&bench).unwrap_err().failure(), Failure::Gone);
        let before = fs::metadata(there.join("data/0.jnl")).unwrap();
        fs::rename(&there, &here).unwrap();
        probe(&bench).unwrap();
        let after = fs::metadata(here.join("data/0.jnl")).unwrap();
        assert!((after.mtime(), after.mtime_nsec()) > (before.mtime(), before.mtime_nsec()));
        assert!(after.blocks() * 512 < 8 << 20, "{} blocks", after.blocks());
    }
    check(&bench);
}

/// G1: whatever bit of a journal rots, all that was committed is there, or the store says that it cannot be opened. The
/// engine by itself would take some of them for the end.
#[test]
fn a_damaged_journal_is_refused_and_nothing_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, copy] = ["whole", "copy"].map(|name| folder.path().join(name));
    let bench = bench_at(&whole);
    bench.furnish();
    let before = written(&whole);
    (1..=3).for_each(|number| drop(bench.put(&Draft::new(number)).unwrap()));
    let after = written(&whole);
    (4..=6).for_each(|number| drop(bench.put(&Draft::new(number)).unwrap()));
    drop(bench);
    // Opened again a journal is as long as what it holds.
    drop(bench_at(&whole));
    let octets = fs::read(whole.join("data/0.jnl")).unwrap();
    let mut refused = 0;
    for at in (before..after).step_by(23) {
        copy_all_to(&whole, &copy);
        let mut damaged = octets.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(copy.join("data/0.jnl"), &damaged).unwrap();
        match Embedded::open(&copy, Quotas::default()) {
            Ok(store) => assert_eq!(Bench::over(Box::new(store)).numbers(DEVICE), [1, 2, 3, 4, 5, 6], "{at}"),
            Err(error) => {
                assert_eq!(error.failure(), Failure::Damaged, "{at}: {error}");
                assert!(fs::read(copy.join("data/0.jnl")).unwrap() == damaged, "{at}: something was cut off");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

fn copy_all_to(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir(to).unwrap();
    copy_all(from, to);
}

/// Where the journal ends.
fn written(folder: &Path) -> usize {
    let octets = fs::read(folder.join("data/0.jnl")).unwrap();
    octets.iter().rposition(|octet| *octet != 0).unwrap() + 1
}

/// A part of a table that cannot be read fails what needs it; others, and the store, go on.
#[test]
fn a_damaged_table_fails_what_needs_it_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let quotas = Quotas { octets: 1 << 30, ..Quotas::default() };
    let open = || Bench::over(Box::new(Embedded::open(folder.path(), quotas).unwrap()));
    let bench = open();
    bench.furnish();
    let version = folder.path().join("data/keyspaces/1/current");
    let empty = fs::read(&version).unwrap();
    let large = |number| Draft { body: vec![number; 100_000], ..Draft::new(number) };
    let puts: Vec<_> = (1..=200).map(|number| bench.put(&large(number)).unwrap().position.unwrap()).collect();
    // More than is kept in memory: a table is on its way to the disk.
    let written = |_| {
        probe(&bench).unwrap();
        fs::read(&version).unwrap() != empty
    };
    assert!((0..20_000).any(written), "no table was ever written");
    let mut tables = fs::read_dir(folder.path().join("data/keyspaces/1/tables")).unwrap();
    let table = tables.next().unwrap().unwrap().path();
    let mut octets = fs::read(&table).unwrap();
    let body = [50; 64];
    let at = octets.windows(64).position(|window| window == body).unwrap();
    octets[at] ^= 1;
    fs::write(&table, &octets).unwrap();

    let damaged = |bench: &Bench| {
        let load = |after| move |ticket| Command::Load(ticket, Load { agent: DEVICE, after, limit: 1 });
        assert!(matches!(bench.ask(0, load(puts[48])), Completion::Failed(_)));
        let whole = Corrupt { keyspace: Keyspace::Messages, damage: Damage::Block };
        assert!(matches!(bench.store.last_fault(), Some(Fault::Corrupt(corrupt)) if corrupt == whole));
        // The engine reads some entries ahead, so those right before it fail as well.
        for (after, number) in [(Position::START, 1), (puts[40], 42), (puts[49], 51), (puts[198], 200)] {
            let page = bench.load(DEVICE, after, 1).unwrap();
            assert_eq!(page.entries[0].item.handle(), large(number).handle());
        }
        probe(bench).unwrap();
        probe(bench).unwrap();
        bench.put(&Draft::new(201).topic(1)).unwrap();
    };
    damaged(&bench);
    drop(bench);
    damaged(&open());
}
