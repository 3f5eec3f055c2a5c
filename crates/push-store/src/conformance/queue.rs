//! Messages in the queue of a user agent.

use push_proto::{
    MessageId,
    store::{Cause, Command, Completion, Done, Item, Load, Operation, Position, Unmet},
};

use super::bench::{Bench, DEVICE, Draft, Make, NOW, RECEIPTS, subscription};
use crate::{Quotas, weight};

pub fn pages_come_in_acceptance_order(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let numbers = [5, 3, 200, 1, 77];
    let mut positions = Vec::new();
    for (at, number) in numbers.into_iter().enumerate() {
        let id = if at % 2 == 0 { 1 } else { 2 };
        positions.push(bench.put(&Draft::new(number).to(id)).unwrap().position.unwrap());
    }
    assert!(positions.is_sorted_by(|one, next| one < next) && positions[0] > Position::START);
    assert_eq!(bench.numbers(DEVICE), numbers);
    let page = bench.load(DEVICE, positions[1], 9).unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions[2..]);
    assert_eq!((page.through, page.more), (positions[4], false));
    let after_all = bench.load(DEVICE, positions[4], 9).unwrap();
    assert_eq!((after_all.entries.len(), after_all.through, after_all.more), (0, positions[4], false));
}

pub fn pages_are_bounded_by_entries(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.apply((1..=5).map(|number| Draft::new(number).put()).collect());
    let page = bench.load(DEVICE, Position::START, 3).unwrap();
    assert_eq!((page.entries.len(), page.through, page.more), (3, page.entries[2].position, true));
    let rest = bench.load(DEVICE, page.through, 2).unwrap();
    assert_eq!((rest.entries.len(), rest.more), (2, false));
    let none = bench.load(DEVICE, Position::START, 0).unwrap();
    assert_eq!((none.entries.len(), none.through, none.more), (0, Position::START, true));
    // What is closing takes no room in a page, and is not waited for.
    bench.apply(vec![Draft::new(6).to(2).put(), Operation::Close(DEVICE, Some(subscription(1)))]);
    let page = bench.load(DEVICE, Position::START, 1).unwrap();
    assert_eq!((page.entries.len(), page.more), (1, false));
}

pub fn pages_are_bounded_by_octets(make: Make<'_>) {
    let one = weight(&Item::Message(Draft::new(1).message()));
    let bench = Bench::new(make, Quotas { page_octets: 2 * one, ..Quotas::default() });
    bench.furnish();
    bench.apply((1..=5).map(|number| Draft::new(number).put()).collect());
    let page = bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!((page.entries.len(), page.more), (2, true));
    assert_eq!(bench.numbers(DEVICE), [1, 2, 3, 4, 5]);
    let big = Draft { body: vec![0; 5000], ..Draft::new(6) };
    bench.put(&big).unwrap();
    let page = bench.load(DEVICE, bench.load(DEVICE, page.through, 9).unwrap().through, 9).unwrap();
    assert_eq!((page.entries.len(), page.more), (1, true));
    assert_eq!(bench.load(DEVICE, page.through, 9).unwrap().entries.len(), 1, "at least one, however big");
}

pub fn a_taken_slot_is_replaced(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 2, ..Quotas::default() });
    bench.furnish();
    let (old, other, new) = (Draft::new(1).topic(7), Draft::new(2), Draft::new(3).topic(7));
    assert_eq!(bench.put(&old).unwrap().replaced, None);
    bench.put(&other).unwrap();
    let placed = bench.put(&new).unwrap();
    assert_eq!(placed.replaced, Some(MessageId::from_octets([1; 16])), "also when the queue is full");
    assert_eq!(bench.numbers(DEVICE), [2, 3], "the new one comes last");
    assert_eq!(bench.read(old.handle()), None);
    assert_eq!(bench.one(Operation::End(old.handle(), Cause::Acknowledged)), Err(Unmet::NotLive));
    assert_eq!(bench.one(Operation::End(new.handle(), Cause::Acknowledged)), Ok(Done::Ended));
    assert_eq!(bench.put(&Draft::new(4).topic(7)).unwrap().replaced, None);
    assert_eq!(bench.expire(NOW + 60).ended, 2, "the replaced one is not due any more");
}

pub fn topics_are_per_subscription(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.put(&Draft::new(1).topic(7).to(1)).unwrap();
    assert_eq!(bench.put(&Draft::new(2).topic(7).to(2)).unwrap().replaced, None);
    assert_eq!(bench.numbers(DEVICE), [1, 2]);
}

pub fn transient_messages_are_not_stored(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 1, receipts: 1, ..Quotas::default() });
    bench.furnish();
    let stored = Draft::new(1).topic(7);
    bench.put(&stored).unwrap();
    let full = bench.put(&Draft::new(2).ttl(0)).unwrap();
    assert_eq!((full.position, full.replaced), (None, None), "it needs no room");
    assert_eq!(bench.put(&Draft::new(2).ttl(0).to(9)), Err(Unmet::NoSubscription));
    assert_eq!(bench.numbers(DEVICE), [1]);
    let placed = bench.put(&Draft::new(3).ttl(0).topic(7)).unwrap();
    assert_eq!((placed.position, placed.replaced), (None, Some(stored.handle().id)));
    assert!(bench.numbers(DEVICE).is_empty());
    assert_eq!(bench.one(Operation::End(Draft::new(2).handle(), Cause::Acknowledged)), Err(Unmet::NotLive));
    assert_eq!(bench.put(&Draft::new(4).ttl(0).receipt(RECEIPTS)).unwrap().position, None);
    assert_eq!(bench.outcomes(RECEIPTS), []);
}

pub fn full_queues_refuse_and_recover(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 3, ..Quotas::default() });
    bench.furnish();
    bench.apply((1..=3).map(|number| Draft::new(number).put()).collect());
    assert_eq!(bench.put(&Draft::new(4)), Err(Unmet::Full));
    assert_eq!(bench.put(&Draft::new(4).to(2)), Err(Unmet::Full), "it is the agent's");
    bench.one(Operation::End(Draft::new(2).handle(), Cause::Acknowledged)).unwrap();
    assert!(bench.put(&Draft::new(4)).is_ok());
    assert_eq!(bench.put(&Draft::new(5)), Err(Unmet::Full));
    assert_eq!(bench.expire(NOW + 60).ended, 3);
    assert!(bench.put(&Draft::new(5)).is_ok());
}

pub fn octets_are_counted_exactly(make: Make<'_>) {
    let sized = |number, octets| Draft { body: vec![number; octets], ..Draft::new(number) };
    let flat = weight(&Item::Message(sized(1, 0).message()));
    let bench = Bench::new(make, Quotas { octets: 2 * flat + 1000, ..Quotas::default() });
    bench.furnish();
    bench.put(&sized(1, 400)).unwrap();
    assert_eq!(bench.put(&sized(2, 601)), Err(Unmet::Full));
    bench.put(&sized(2, 600)).unwrap();
    // A replacement counts what it takes the place of.
    assert_eq!(bench.put(&Draft { number: 3, ..sized(1, 401) }), Err(Unmet::Full));
    bench.put(&Draft { number: 3, ..sized(1, 300) }).unwrap();
    bench.put(&Draft { number: 4, ..sized(2, 700) }).unwrap();
    assert_eq!(bench.numbers(DEVICE), [3, 4]);
    assert_eq!(bench.put(&Draft { number: 5, ..sized(2, 701) }), Err(Unmet::Full));
}

pub fn contents_come_back_unchanged(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let drafts = [
        Draft { body: Vec::new(), ..Draft::new(1).receipt(RECEIPTS) },
        Draft { body: (0..=255).cycle().take(70_000).collect(), ..Draft::new(2).topic(1) },
        Draft::new(3).ttl(u64::MAX / 2),
    ];
    for draft in &drafts {
        bench.put(draft).unwrap();
        assert_eq!(bench.read(draft.handle()), Some(Item::Message(draft.message())));
    }
    assert_eq!(bench.items(DEVICE), drafts.map(|draft| Item::Message(draft.message())));
}

pub fn reads_find_what_is_live(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let draft = Draft::new(1).topic(1);
    assert_eq!(bench.read(draft.handle()), None);
    bench.put(&draft).unwrap();
    assert!(bench.read(draft.handle()).is_some());
    assert_eq!(bench.read(Draft::new(2).topic(1).handle()), None, "another message in the slot");
    assert_eq!(bench.read(Draft::new(1).topic(2).handle()), None, "another slot");
    assert_eq!(bench.read(Draft::new(1).topic(1).to(2).handle()), None, "another subscription");
    bench.one(Operation::End(draft.handle(), Cause::Dropped)).unwrap();
    assert_eq!(bench.read(draft.handle()), None);
}

pub fn put_and_end_leave_nothing(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 1, ..Quotas::default() });
    bench.furnish();
    // Without waiting in between, so that a backend may commit them together.
    let load = Load { agent: DEVICE, after: Position::START, limit: 9 };
    for number in 1..20 {
        let draft = Draft::new(number).topic(number % 3);
        let put = bench.tell(0, |ticket| Command::Apply(ticket, vec![draft.put()]));
        let between = bench.tell(0, |ticket| Command::Load(ticket, load));
        let end = Operation::End(draft.handle(), Cause::Acknowledged);
        let end = bench.tell(0, |ticket| Command::Apply(ticket, vec![end]));
        assert!(matches!(&bench.answer(0, put), Completion::Applied(_, done) if done[0].is_ok()));
        let Completion::Loaded(_, Ok(page)) = bench.answer(0, between) else { panic!("no page") };
        assert_eq!(page.entries.len(), 1, "a load sees what came before it");
        assert_eq!(bench.answer(0, end), Completion::Applied(end, vec![Ok(Done::Ended)]));
    }
    assert_eq!(bench.items(DEVICE), []);
    assert_eq!(bench.expire(NOW + 1000).ended, 0);
}
