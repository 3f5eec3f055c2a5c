//! One outcome for each message whose sender asked (G4).

use push_proto::{
    Outcome, Receipt, UnixTime,
    store::{AgentKind, Cause, Done, Item, Operation, Position, Unmet},
};

use super::bench::{Bench, DEVICE, Draft, MORE_RECEIPTS, Make, NOW, RECEIPTS, agent, record, subscription};
use crate::Quotas;

pub fn each_cause_has_its_outcome(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { receipt_secs: 500, ..Quotas::default() });
    bench.furnish();
    let draft = |number| Draft::new(number).receipt(if number % 2 == 0 { MORE_RECEIPTS } else { RECEIPTS });
    bench.apply((1..=4).map(|number| draft(number).put()).collect());
    bench.put(&draft(5).to(2)).unwrap();
    bench.put(&Draft::new(6)).unwrap();
    bench.one(Operation::End(draft(1).handle(), Cause::Acknowledged)).unwrap();
    bench.one(Operation::End(draft(2).handle(), Cause::Dropped)).unwrap();
    bench.one(Operation::End(draft(3).handle(), Cause::Expired)).unwrap();
    bench.one(Operation::Close(DEVICE, Some(subscription(2)))).unwrap();
    assert_eq!(bench.expire(NOW + 60).ended, 4, "4 and 6 by time, 5 and its subscription by closing");
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 204), (3, 410), (5, 410)]);
    assert_eq!(bench.outcomes(MORE_RECEIPTS), [(2, 410), (4, 410)]);
    let receipt = Receipt {
        agent: RECEIPTS,
        message: draft(1).handle(),
        sealed_by: draft(1).sealed_by(),
        outcome: Outcome::Delivered,
        expires: UnixTime::from_secs(NOW + 500),
    };
    assert_eq!(bench.read(receipt.handle()), Some(Item::Receipt(receipt)));
}

pub fn replacement_owes_none(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.put(&Draft::new(1).topic(1).receipt(RECEIPTS)).unwrap();
    bench.put(&Draft::new(2).topic(1)).unwrap();
    bench.put(&Draft::new(3).topic(2).receipt(RECEIPTS)).unwrap();
    bench.put(&Draft::new(4).topic(2).ttl(0)).unwrap();
    bench.expire(NOW + 1000);
    assert_eq!(bench.outcomes(RECEIPTS), []);
}

pub fn a_late_end_owes_none(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let (old, new) = (Draft::new(1).topic(1).receipt(RECEIPTS), Draft::new(2).topic(1).receipt(RECEIPTS));
    bench.put(&old).unwrap();
    bench.put(&new).unwrap();
    assert_eq!(bench.one(Operation::End(old.handle(), Cause::Acknowledged)), Err(Unmet::NotLive));
    bench.one(Operation::End(new.handle(), Cause::Acknowledged)).unwrap();
    assert_eq!(bench.one(Operation::End(new.handle(), Cause::Expired)), Err(Unmet::NotLive));
    assert_eq!(bench.outcomes(RECEIPTS), [(2, 204)]);
}

pub fn receipts_need_their_subscription(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.one(Operation::Close(RECEIPTS, None)).unwrap();
    assert_eq!(bench.put(&Draft::new(1).receipt(RECEIPTS)), Err(Unmet::NoReceiptSubscription));
    assert_eq!(bench.put(&Draft::new(1).ttl(0).receipt(RECEIPTS)), Err(Unmet::NoReceiptSubscription));
    assert!(bench.put(&Draft::new(1).receipt(MORE_RECEIPTS)).is_ok());
}

pub fn a_receipt_subscription_may_come_with_the_put(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let new = |number, id| Draft { new_receipt_subscription: true, ..Draft::new(number).receipt(agent(id)) };
    bench.put(&new(1, 0xe7)).unwrap();
    let page = bench.load(agent(0xe7), Position::START, 9).unwrap();
    assert_eq!(page.record, record(AgentKind::Receipts));
    assert_eq!(bench.put(&new(2, 0xe7)), Err(Unmet::Exists));
    bench.put(&Draft::new(2).receipt(agent(0xe7))).unwrap();
    assert_eq!(bench.put(&new(3, 0xe8).ttl(0)).map(|placed| placed.position), Ok(None));
    assert!(bench.load(agent(0xe8), Position::START, 9).is_ok(), "also for a transient message");
    bench.expire(NOW + 60);
    assert_eq!(bench.outcomes(agent(0xe7)), [(1, 410), (2, 410)]);
}

pub fn a_receipt_whose_subscription_went_is_dropped(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let drafts = [1, 2].map(|number| Draft::new(number).receipt(RECEIPTS));
    bench.apply(drafts.iter().map(Draft::put).collect());
    bench.one(Operation::Close(RECEIPTS, None)).unwrap();
    assert_eq!(bench.one(Operation::End(drafts[0].handle(), Cause::Acknowledged)), Ok(Done::Ended));
    bench.expire(NOW);
    assert_eq!(bench.one(Operation::End(drafts[1].handle(), Cause::Acknowledged)), Ok(Done::Ended));
    assert_eq!(bench.load(RECEIPTS, Position::START, 9), Err(Unmet::NoAgent));
}

pub fn receipts_expire_without_receipts(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { receipt_secs: 100, ..Quotas::default() });
    bench.furnish();
    bench.put(&Draft::new(1).receipt(RECEIPTS)).unwrap();
    bench.expire(NOW + 60);
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 410)]);
    assert_eq!(bench.expire(NOW + 159).ended, 0, "kept from the latest time the store has seen");
    assert_eq!(bench.expire(NOW + 160).ended, 1);
    assert_eq!(bench.items(RECEIPTS), []);
    assert_eq!(bench.expire(NOW + 9999).ended, 0);
}

pub fn full_receipt_queues_refuse_messages(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { receipts: 2, ..Quotas::default() });
    bench.furnish();
    let drafts = [1, 2, 3].map(|number| Draft::new(number).receipt(RECEIPTS));
    bench.apply(drafts.iter().map(Draft::put).collect());
    let end = |draft: &Draft| bench.one(Operation::End(draft.handle(), Cause::Acknowledged));
    end(&drafts[0]).unwrap();
    end(&drafts[1]).unwrap();
    assert_eq!(bench.put(&Draft::new(4).receipt(RECEIPTS)), Err(Unmet::Full));
    assert!(bench.put(&Draft::new(5).receipt(MORE_RECEIPTS)).is_ok());
    assert!(bench.put(&Draft::new(6).ttl(0).receipt(RECEIPTS)).is_ok(), "no receipt will come of it");
    end(&drafts[2]).unwrap();
    assert_eq!(bench.outcomes(RECEIPTS), [(1, 204), (2, 204)], "what lies there stays");
    let first = bench.items(RECEIPTS)[0].handle();
    bench.one(Operation::End(first, Cause::Acknowledged)).unwrap();
    assert!(bench.put(&Draft::new(4).receipt(RECEIPTS)).is_ok());
}

pub fn acknowledged_receipts_go(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let draft = Draft::new(1).receipt(RECEIPTS);
    bench.put(&draft).unwrap();
    bench.one(Operation::End(draft.handle(), Cause::Acknowledged)).unwrap();
    let handle = bench.items(RECEIPTS)[0].handle();
    assert_eq!(bench.one(Operation::End(handle, Cause::Acknowledged)), Ok(Done::Ended));
    assert_eq!(bench.one(Operation::End(handle, Cause::Acknowledged)), Err(Unmet::NotLive));
    assert_eq!(bench.items(RECEIPTS), []);
    assert_eq!(bench.expire(NOW + 2 * 24 * 3600).ended, 0);
}
