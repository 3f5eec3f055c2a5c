//! Who was not heard of for long ends.

use push_proto::{
    AgentId,
    store::{AgentKind, Cause, Done, Hint, Operation, Position, Sweep, Unmet},
};

use super::bench::{
    Bench, DEVICE, Draft, MORE_RECEIPTS, Make, NOW, RECEIPTS, agent, open, record, subscription,
};
use crate::Quotas;

fn idle() -> Quotas {
    Quotas { agent_idle_secs: 8000, receipts_idle_secs: 1600, receipt_secs: 800, ..Quotas::default() }
}

fn is_live(bench: &Bench, id: AgentId) -> bool {
    bench.one(Operation::CreateAgent(id, record(AgentKind::UserAgent))) == Err(Unmet::Exists)
        && bench.put(&Draft { agent: id, ..Draft::new(250).ttl(0) }).is_ok()
}

/// 8030-7.3-1, 8030-7.3-3, 8030-7.3.1-1: a user agent that does nothing ends with all its subscriptions; owed receipts
/// are 410, and whoever monitors is told (8030-7.3-2, 8030-7.3.1-2).
pub fn idle_user_agents_end(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { receipts_idle_secs: 0, ..idle() });
    bench.furnish();
    bench.expire(NOW);
    bench.watch(0, DEVICE);
    bench.put(&Draft::new(1).ttl(100_000).receipt(RECEIPTS)).unwrap();
    assert_eq!(bench.expire(NOW + 7999).ended, 0);
    assert!(is_live(&bench, DEVICE));
    assert_eq!(bench.expire(NOW + 8000).ended, 5, "closed; a message, two subscriptions, the agent");
    assert_eq!(bench.hints(0)[0], (DEVICE, Hint::Closed(None)));
    assert_eq!(bench.load(DEVICE, Position::START, 9), Err(Unmet::NoAgent));
    assert_eq!(bench.put(&Draft::new(2)), Err(Unmet::NoSubscription));
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 410)]);
    assert_eq!(bench.expire(NOW + 1_000_000).ended, 1, "the receipt; 0 is for ever");
}

/// After a long stop, or a leap of the clock, whoever was not heard of meanwhile gets a day to come back.
pub fn a_leap_of_the_clock_ends_nobody_at_once(make: Make<'_>) {
    const DAY: u64 = 24 * 3600;
    let bench = Bench::new(make, idle());
    bench.furnish();
    bench.expire(NOW);
    let leapt = NOW + 100 * DAY;
    assert_eq!(bench.expire(leapt).ended, 0);
    for hour in 1..=23 {
        assert_eq!(bench.expire(leapt + hour * 3600), Sweep { ended: 0, expired: 0, more: false });
    }
    bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!(bench.expire(leapt + DAY).ended, 4, "two receipt subscriptions");
    assert!(is_live(&bench, DEVICE), "it came back");
}

/// 8030-7.3-1: what counts as a sign of life of a user agent, and what does not.
pub fn user_agents_that_do_something_stay(make: Make<'_>) {
    let signs: [&dyn Fn(&Bench); 3] = [
        &|bench| drop(bench.load(DEVICE, Position::START, 9).unwrap()),
        &|bench| drop(bench.one(Operation::End(Draft::new(1).handle(), Cause::Acknowledged)).unwrap()),
        &|bench| drop(bench.one(Operation::CreateSubscription(DEVICE, subscription(3), open())).unwrap()),
    ];
    for sign in signs {
        let bench = Bench::new(make, idle());
        bench.furnish();
        bench.put(&Draft::new(1).ttl(100_000)).unwrap();
        bench.expire(NOW + 5000);
        sign(&bench);
        bench.expire(NOW + 12_999);
        assert!(is_live(&bench, DEVICE));
        bench.expire(NOW + 13_000);
        assert_eq!(bench.put(&Draft::new(2)), Err(Unmet::NoSubscription));
    }
    let bench = Bench::new(make, idle());
    bench.furnish();
    bench.apply((1..=3).map(|number| Draft::new(number).ttl(100_000).put()).collect());
    bench.expire(NOW + 5000);
    // Its senders do not keep it alive, nor does an operator.
    bench.put(&Draft::new(4).ttl(100_000)).unwrap();
    bench.one(Operation::End(Draft::new(1).handle(), Cause::Dropped)).unwrap();
    bench.read(Draft::new(2).handle()).unwrap();
    bench.watch(0, DEVICE);
    bench.expire(NOW + 8000);
    assert_eq!(bench.put(&Draft::new(5)), Err(Unmet::NoSubscription));
}

/// 8030-7.3-1: receipt subscriptions end as well, but not as long as something is owed on them, nor before what was
/// owed has been kept.
pub fn idle_receipt_subscriptions_end(make: Make<'_>) {
    let bench = Bench::new(make, idle());
    bench.furnish();
    bench.put(&Draft { accepted: NOW, ..Draft::new(1).ttl(5000).receipt(RECEIPTS) }).unwrap();
    assert_eq!(bench.expire(NOW + 1599).ended, 0);
    assert_eq!(bench.expire(NOW + 1600).ended, 2, "the one that nobody named");
    assert_eq!(bench.put(&Draft::new(2).receipt(MORE_RECEIPTS)), Err(Unmet::NoReceiptSubscription));
    assert_eq!(bench.expire(NOW + 4999).ended, 0, "a message still owes one");
    assert_eq!(bench.expire(NOW + 5000).ended, 1);
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 410)], "loaded, so it was seen");
    assert_eq!(bench.expire(NOW + 5800).ended, 1, "the receipt");
    // Noted up to an eighth of the time late.
    assert!(bench.load(RECEIPTS, Position::START, 9).is_ok());
    assert_eq!(bench.expire(NOW + 6599).ended, 0);
    assert_eq!(bench.expire(NOW + 5800 + 1600 + 200).ended, 2);
    assert_eq!(bench.load(RECEIPTS, Position::START, 9), Err(Unmet::NoAgent));
}

/// G5: closing the idle is bounded by [`Quotas::expire`], too.
pub fn ending_idle_agents_is_bounded(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { expire: 4, ..idle() });
    let create = |id| Operation::CreateAgent(agent(id), record(AgentKind::UserAgent));
    bench.apply((1..=9).map(create).collect());
    let mut sweeps = Vec::new();
    loop {
        let sweep = bench.expire(NOW + 8000);
        sweeps.push(sweep.ended);
        if !sweep.more {
            break;
        }
    }
    assert!(sweeps.iter().all(|ended| *ended <= 4), "{sweeps:?}");
    assert_eq!(sweeps.iter().sum::<u32>(), 18, "nine closed, nine removed");
    for id in 1..=9 {
        assert_eq!(bench.one(create(id)), Ok(Done::Created), "the id is free");
    }
}
