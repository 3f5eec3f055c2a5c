//! Stores that version 1 wrote.

use push_proto::store::{AgentKind, Done, Operation, Position, Unmet};
use push_store::{
    Embedded, OpenError, Quotas,
    conformance::bench::{Bench, DEVICE, Draft, NOW, RECEIPTS, agent, record},
    engine::{Engine as _, Keyspace, Mishap, SimulatedDisk, Span, Write},
};

use super::{bench, check, fill};

/// What version 1 would have written: no keyspaces for urgencies and for when agents were seen, and shorter records.
fn downgrade(disk: &SimulatedDisk) {
    let mut older = Vec::new();
    for keyspace in Keyspace::ALL {
        let (from, to) = ([], [0xff; 64]);
        let span = Span { keyspace, from: &from, to: &to };
        disk.scan(span, &mut |key, record| {
            let without = match keyspace {
                Keyspace::Urgencies | Keyspace::Seen => {
                    older.push((keyspace, key.to_vec(), None));
                    return std::ops::ControlFlow::Continue(());
                }
                _ if record[0] == 1 => 0,
                // Up to its receipt agent, if it has one, a slot is as it was.
                Keyspace::Slots => record.len() - 4 - if record[42] == 1 { 59 } else { 43 },
                Keyspace::Records if key.len() == 17 => 8,
                Keyspace::Counters if key == [0] => 8,
                _ => 0,
            };
            let mut octets = record[..record.len() - 4 - without].to_vec();
            octets[0] = 1;
            let sum = crc32c::crc32c_append(crc32c::crc32c(&[keyspace.number()]), key);
            let sum = crc32c::crc32c_append(sum, &octets);
            octets.extend(sum.to_be_bytes());
            older.push((keyspace, key.to_vec(), Some(octets)));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    }
    let mut writes = older.iter().map(|(keyspace, key, value)| Write {
        keyspace: *keyspace,
        key,
        value: value.as_deref(),
    });
    disk.clone().commit(&mut writes).unwrap();
}

/// What the store was asked to keep before the upgrade is kept, and what it did not note before is made up for.
#[test]
fn a_store_of_version_1_is_brought_up_to_date() {
    let disk = SimulatedDisk::new();
    fill(&bench(disk.clone()));
    downgrade(&disk);
    check(&bench(disk.clone()));
    downgrade(&disk);
    // The upgrade meets with a failing disk at each of its commits, and is begun anew.
    for mishap in [Mishap::Refused, Mishap::Torn(90), Mishap::Unanswered] {
        downgrade(&disk);
        disk.arrange(mishap);
        assert!(matches!(Embedded::over(disk.clone(), Quotas::default()), Err(OpenError::Engine(_))));
        disk.clone().reopen().unwrap();
    }
    let quotas = Quotas { agents: 2, receipt_subscriptions: 2, ..Quotas::default() };
    let bench = Bench::over(Box::new(Embedded::over(disk, quotas).unwrap()));
    let create = |id, kind| Operation::CreateAgent(agent(id), record(kind));
    assert_eq!(bench.one(create(2, AgentKind::Receipts)), Err(Unmet::Crowded), "the two that there were");
    assert_eq!(bench.one(create(2, AgentKind::UserAgent)), Ok(Done::Created));
    assert_eq!(bench.one(create(3, AgentKind::UserAgent)), Err(Unmet::Crowded));
}

/// Time goes on as it does for a store that is swept all the time.
fn pass(bench: &Bench, from: u64, to: u64) -> u32 {
    (from..to).step_by(4 * 3600).map(|now| bench.expire(now).ended).sum()
}

/// 8030-7.3-1: whoever was there before the upgrade counts as seen by it; a receipt subscription, as long as it is owed.
#[test]
fn agents_of_version_1_become_idle_from_the_upgrade_on() {
    const DAY: u64 = 24 * 3600;
    let disk = SimulatedDisk::new();
    {
        // Nobody ended for being idle then.
        let quotas = Quotas { agent_idle_secs: 0, receipts_idle_secs: 0, ..Quotas::default() };
        let bench = Bench::over(Box::new(Embedded::over(disk.clone(), quotas).unwrap()));
        bench.furnish();
        bench.put(&Draft::new(1).ttl(80 * DAY).receipt(RECEIPTS)).unwrap();
        bench.expire(NOW + 70 * DAY);
    }
    downgrade(&disk);
    let bench = bench(disk);
    // 77 days of silence before count for nothing.
    assert_eq!(pass(&bench, NOW + 70 * DAY, NOW + 77 * DAY - 1), 0);
    assert_eq!(bench.expire(NOW + 77 * DAY).ended, 2, "the receipt subscription that nobody waits at");
    assert_eq!(pass(&bench, NOW + 77 * DAY, NOW + 80 * DAY - 1), 0);
    assert_eq!(bench.expire(NOW + 80 * DAY).ended, 1);
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 410)]);
    assert!(bench.load(DEVICE, Position::START, 9).is_ok());
    let ended = pass(&bench, NOW + 80 * DAY, NOW + 171 * DAY);
    assert_eq!(ended, 7, "the receipt, two agents closed and removed, two subscriptions");
}
