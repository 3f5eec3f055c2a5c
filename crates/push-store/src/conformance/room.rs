//! A full queue, and a full store.

use push_proto::{
    Urgency,
    store::{AgentKind, Cause, Done, Hint, Item, Operation, Unmet},
};

use super::bench::{Bench, DEVICE, Draft, MORE_RECEIPTS, Make, NOW, RECEIPTS, agent, record};
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
    let flat = weight(&Item::Message(Draft { body: Vec::new(), ..Draft::new(1) }.message()));
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
