//! Who hears of what.

use push_proto::store::{AgentKind, Cause, Command, Hint, Operation};

use super::bench::{Bench, DEVICE, Draft, MORE_RECEIPTS, Make, NOW, RECEIPTS, open, record, subscription};
use crate::Quotas;

pub fn others_hear_of_changes(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.watch(1, DEVICE);
    bench.furnish();
    assert_eq!(bench.hints(1), [(DEVICE, Hint::Changed), (DEVICE, Hint::Changed), (DEVICE, Hint::Changed)]);
    let (old, new) = (Draft::new(1).topic(1), Draft::new(2).topic(1));
    bench.put(&old).unwrap();
    assert_eq!(bench.hints(1), [(DEVICE, Hint::Arrived)]);
    bench.put(&new).unwrap();
    assert_eq!(bench.hints(1), [(DEVICE, Hint::Ended(old.handle())), (DEVICE, Hint::Arrived)]);
    bench.one(Operation::End(new.handle(), Cause::Acknowledged)).unwrap();
    assert_eq!(bench.hints(1), [(DEVICE, Hint::Ended(new.handle()))]);
    bench.one(Operation::End(new.handle(), Cause::Acknowledged)).unwrap_err();
    bench.one(Operation::Close(DEVICE, Some(subscription(1)))).unwrap();
    bench.one(Operation::Close(DEVICE, None)).unwrap();
    let closed = [Hint::Closed(Some(subscription(1))), Hint::Closed(None)].map(|hint| (DEVICE, hint));
    assert_eq!(bench.hints(1), closed);
}

pub fn ones_own_batches_are_not_hinted(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.watch(0, DEVICE);
    bench.furnish();
    let (old, new) = (Draft::new(1).topic(1), Draft::new(2).topic(1));
    bench.apply(vec![old.put(), new.put(), Operation::End(new.handle(), Cause::Acknowledged)]);
    bench.one(Operation::CreateSubscription(DEVICE, subscription(3), open())).unwrap();
    bench.one(Operation::Close(DEVICE, None)).unwrap();
    assert_eq!(bench.hints(0), []);
    assert_eq!(bench.hints(1), [], "who does not watch hears nothing");
}

pub fn receipts_are_always_hinted(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.watch(0, RECEIPTS);
    bench.watch(1, RECEIPTS);
    bench.watch(1, MORE_RECEIPTS);
    let draft = Draft::new(1).receipt(RECEIPTS);
    bench.put(&draft).unwrap();
    bench.one(Operation::End(draft.handle(), Cause::Acknowledged)).unwrap();
    let arrived = [(RECEIPTS, Hint::Arrived)];
    assert_eq!(bench.hints(0), arrived);
    assert_eq!(bench.hints(1), arrived);
    let receipt = bench.items(RECEIPTS)[0].handle();
    bench.one(Operation::End(receipt, Cause::Acknowledged)).unwrap();
    assert_eq!(bench.hints(0), []);
    assert_eq!(bench.hints(1), [(RECEIPTS, Hint::Ended(receipt))]);
}

pub fn sweeps_are_hinted_to_all(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.watch(0, DEVICE);
    bench.watch(1, DEVICE);
    let (by_time, by_closing) = (Draft::new(1), Draft::new(2).to(2).ttl(600));
    bench.apply(vec![by_time.put(), by_closing.put()]);
    bench.expire(NOW + 60);
    assert_eq!(bench.hints(0), [(DEVICE, Hint::Ended(by_time.handle()))]);
    assert_eq!(bench.hints(1).last(), Some(&(DEVICE, Hint::Ended(by_time.handle()))));
    bench.one(Operation::Close(DEVICE, Some(subscription(2)))).unwrap();
    bench.expire(NOW + 60);
    assert_eq!(bench.hints(0), [(DEVICE, Hint::Ended(by_closing.handle()))]);
}

pub fn offers_reach_others_only(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.watch(0, DEVICE);
    bench.watch(1, DEVICE);
    let message = Draft::new(1).ttl(0).message();
    bench.say(0, Command::Offer(message.clone()));
    // A round trip of the one who offered, lest the other's comes first.
    assert_eq!(bench.hints(0), []);
    assert_eq!(bench.hints(1), [(DEVICE, Hint::Offered(message))]);
    assert_eq!(bench.items(DEVICE), []);
}

pub fn unwatching_ends_hints(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.watch(1, DEVICE);
    bench.watch(1, RECEIPTS);
    bench.say(1, Command::Unwatch(DEVICE));
    assert_eq!(bench.hints(1), []);
    bench.furnish();
    bench.put(&Draft::new(1)).unwrap();
    let create = Operation::CreateAgent(super::bench::agent(7), record(AgentKind::UserAgent));
    bench.one(create).unwrap();
    assert_eq!(bench.hints(1), [(RECEIPTS, Hint::Changed)]);
}
