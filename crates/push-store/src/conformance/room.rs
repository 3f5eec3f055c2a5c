//! A full queue, and a full store.

use push_proto::{
    Urgency,
    store::{AgentKind, Cause, Command, Done, Hint, Operation, Position, Unmet},
};

use super::bench::{
    Bench, DEVICE, Draft, MORE_RECEIPTS, Make, NOW, RECEIPTS, agent, open, record, subscription,
};
use crate::{Quotas, weight};

/// 8030-7.2-7, 8030-7.2-8: lowest urgency first, the oldest of each first; the sender who asked is told 410.
pub fn lesser_messages_make_room(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 4, ..Quotas::default() });
    bench.furnish();
    bench.watch(0, DEVICE);
    bench.watch(1, DEVICE);
    let draft = |number, urgency| Draft::new(number).urgency(urgency).receipt(RECEIPTS);
    let stored = [
        draft(1, Urgency::Normal),
        draft(2, Urgency::Low).to(2),
        draft(3, Urgency::VeryLow),
        draft(4, Urgency::VeryLow),
    ];
    bench.apply(stored.iter().map(Draft::put).collect());
    bench.hints(1);
    for (number, urgency, gives_up, left) in [
        (5, Urgency::High, 2, vec![1, 2, 4, 5]),
        (6, Urgency::Normal, 3, vec![1, 2, 5, 6]),
        (7, Urgency::Normal, 1, vec![1, 5, 6, 7]),
        (8, Urgency::High, 0, vec![5, 6, 7, 8]),
    ] {
        let gone = stored[gives_up].handle();
        assert_eq!(bench.put(&draft(number, urgency)).unwrap().dropped, [gone], "for {number}");
        assert_eq!(bench.numbers(DEVICE), left);
        assert_eq!(bench.hints(1), [(DEVICE, Hint::Ended(gone)), (DEVICE, Hint::Arrived)]);
        assert_eq!(bench.one(Operation::End(gone, Cause::Acknowledged)), Err(Unmet::NotLive), "one end (G2)");
    }
    assert_eq!(bench.hints(0), [], "one's own completion says it all");
    assert_eq!(bench.outcomes(RECEIPTS), [(3, 410), (4, 410), (2, 410), (1, 410)]);
    assert_eq!(bench.expire(NOW + 60).ended, 4, "what was given up is not due any more");
}

/// A message makes no room for one that matters no more.
pub fn equals_do_not_make_room(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 2, ..Quotas::default() });
    bench.furnish();
    bench.apply([1, 2].map(|number| Draft::new(number).urgency(Urgency::Low).put()).into());
    for urgency in [Urgency::VeryLow, Urgency::Low] {
        assert_eq!(bench.put(&Draft::new(3).urgency(urgency)), Err(Unmet::Full));
    }
    assert_eq!(bench.numbers(DEVICE), [1, 2], "nothing is given up in vain");
    assert_eq!(bench.put(&Draft::new(3).urgency(Urgency::Normal)).unwrap().dropped.len(), 1);
    for number in [4, 5] {
        bench.put(&Draft::new(number).urgency(Urgency::High)).unwrap();
    }
    assert_eq!(bench.put(&Draft::new(6).urgency(Urgency::High)), Err(Unmet::Full), "nothing matters more");
    assert_eq!(bench.put(&Draft::new(7).urgency(Urgency::High).ttl(0)).unwrap().dropped, [], "not stored");
    assert_eq!(bench.numbers(DEVICE), [4, 5]);
}

/// G5: no put costs more than [`Quotas::dropped`], and one that would changes nothing.
pub fn giving_up_is_bounded(make: Make<'_>) {
    let flat =
        weight(&push_proto::store::Item::Message(Draft { body: Vec::new(), ..Draft::new(1) }.message()));
    let bench = Bench::new(make, Quotas { octets: 6 * flat, dropped: 2, ..Quotas::default() });
    bench.furnish();
    let empty = |number: u8| Draft { body: Vec::new(), ..Draft::new(number).urgency(Urgency::Low) };
    bench.apply((1..=6).map(|number| empty(number).put()).collect());
    let octets = |count: u64| vec![0; usize::try_from((count - 1) * flat).unwrap()];
    let large = |number, count| Draft { body: octets(count), ..Draft::new(number) };
    assert_eq!(bench.put(&large(9, 3)), Err(Unmet::Full), "three would have to go");
    assert_eq!(bench.numbers(DEVICE), [1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.put(&large(9, 2)).unwrap().dropped.len(), 2);
    assert_eq!(bench.numbers(DEVICE), [3, 4, 5, 6, 9]);
    // What a message replaces makes room anyway, and is not given up as well.
    let topical = Draft { slot: empty(3).slot, ..large(10, 3) };
    let placed = bench.put(&topical).unwrap();
    assert_eq!((placed.replaced.is_some(), placed.dropped.len()), (true, 2));
    assert_eq!(bench.numbers(DEVICE), [6, 9, 10]);
    assert_eq!(bench.put(&large(11, 6)), Err(Unmet::Full), "not even all of lower urgency would do");
}

/// G5: user agents and receipt subscriptions are counted apart, from when they are made until they are removed.
pub fn agents_are_bounded(make: Make<'_>) {
    let quotas = Quotas { agents: 2, receipt_subscriptions: 3, ..Quotas::default() };
    let bench = Bench::new(make, quotas);
    bench.furnish();
    let create = |id, kind| Operation::CreateAgent(agent(id), record(kind));
    assert_eq!(bench.one(create(1, AgentKind::UserAgent)), Ok(Done::Created));
    assert_eq!(bench.one(create(2, AgentKind::UserAgent)), Err(Unmet::Crowded));
    assert_eq!(bench.one(create(1, AgentKind::UserAgent)), Err(Unmet::Exists));
    let new = |number, id| Draft { new_receipt_subscription: true, ..Draft::new(number).receipt(agent(id)) };
    bench.put(&new(1, 3)).unwrap();
    assert_eq!(bench.put(&new(2, 4)), Err(Unmet::Crowded));
    assert_eq!(bench.numbers(DEVICE), [1], "nothing was stored");
    bench.one(Operation::Close(agent(1), None)).unwrap();
    bench.one(Operation::Close(MORE_RECEIPTS, None)).unwrap();
    assert_eq!(
        bench.one(create(2, AgentKind::UserAgent)),
        Err(Unmet::Crowded),
        "it counts until it is removed"
    );
    bench.expire(NOW);
    assert_eq!(bench.one(create(2, AgentKind::UserAgent)), Ok(Done::Created));
    bench.put(&new(2, 4)).unwrap();
    assert_eq!(bench.put(&new(3, 5)), Err(Unmet::Crowded));
    bench.put(&Draft::new(4).receipt(agent(4))).unwrap();
}

const IDLE: Quotas = Quotas { agent_idle_secs: 8000, receipts_idle_secs: 1600, receipt_secs: 800, ..QUOTAS };
const QUOTAS: Quotas = Quotas {
    agents: 100,
    receipt_subscriptions: 100,
    agent_idle_secs: 0,
    receipts_idle_secs: 0,
    subscriptions: 10,
    entries: 100,
    dropped: 4,
    octets: 1 << 20,
    receipts: 100,
    page_octets: 1 << 20,
    expire: 100,
    receipt_secs: 800,
    waiting: 1000,
    group: 10,
};

fn is_live(bench: &Bench, id: push_proto::AgentId) -> bool {
    bench.one(Operation::CreateAgent(id, record(AgentKind::UserAgent))) == Err(Unmet::Exists)
        && bench.put(&Draft { agent: id, ..Draft::new(250).ttl(0) }).is_ok()
}

/// 8030-7.3-1, 8030-7.3-3, 8030-7.3.1-1: a user agent that does nothing ends with all its subscriptions; owed receipts
/// are 410, and whoever monitors is told (8030-7.3-2, 8030-7.3.1-2).
pub fn idle_user_agents_end(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { receipts_idle_secs: 0, ..IDLE });
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
    let bench = Bench::new(make, IDLE);
    bench.furnish();
    bench.expire(NOW);
    let leapt = NOW + 100 * DAY;
    assert_eq!(bench.expire(leapt).ended, 0);
    for hour in 1..=23 {
        assert_eq!(bench.expire(leapt + hour * 3600), push_proto::store::Sweep { ended: 0, more: false });
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
        let bench = Bench::new(make, IDLE);
        bench.furnish();
        bench.put(&Draft::new(1).ttl(100_000)).unwrap();
        bench.expire(NOW + 5000);
        sign(&bench);
        bench.expire(NOW + 12_999);
        assert!(is_live(&bench, DEVICE));
        bench.expire(NOW + 13_000);
        assert_eq!(bench.put(&Draft::new(2)), Err(Unmet::NoSubscription));
    }
    let bench = Bench::new(make, IDLE);
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
    let bench = Bench::new(make, IDLE);
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
    let bench = Bench::new(make, Quotas { expire: 4, ..IDLE });
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
    bench.ask(0, |ticket| Command::Watch(ticket, DEVICE));
}
