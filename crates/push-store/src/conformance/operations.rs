//! Conditions of the operations.

use push_proto::store::{
    AgentKind, Cause, Command, Completion, Credentials, Done, Operation, Position, SubscriptionRecord, Unmet,
};

use super::bench::{Bench, DEVICE, Draft, Make, NOW, RECEIPTS, agent, keys, open, record, subscription};
use crate::Quotas;

pub fn agents_and_subscriptions_are_made_once(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    let create = || Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent));
    let subscribe = |id| Operation::CreateSubscription(DEVICE, subscription(id), open());
    assert_eq!(bench.one(subscribe(1)), Err(Unmet::NoAgent));
    assert_eq!(bench.load(DEVICE, Position::START, 9), Err(Unmet::NoAgent));
    assert_eq!(bench.one(create()), Ok(Done::Created));
    assert_eq!(bench.one(create()), Err(Unmet::Exists));
    assert_eq!(bench.one(subscribe(2)), Ok(Done::Created));
    assert_eq!(bench.one(subscribe(1)), Ok(Done::Created));
    assert_eq!(bench.one(subscribe(1)), Err(Unmet::Exists));
    let page = bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!(page.record, record(AgentKind::UserAgent));
    assert_eq!(page.subscriptions, [(subscription(1), open()), (subscription(2), open())]);
    assert!(page.entries.is_empty() && !page.more);
}

pub fn subscriptions_are_bounded(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { subscriptions: 3, ..Quotas::default() });
    bench.furnish();
    let subscribe = |id| Operation::CreateSubscription(DEVICE, subscription(id), open());
    assert_eq!(bench.one(subscribe(3)), Ok(Done::Created));
    assert_eq!(bench.one(subscribe(4)), Err(Unmet::Full));
    bench.one(Operation::Close(DEVICE, Some(subscription(1)))).unwrap();
    assert_eq!(bench.one(subscribe(4)), Err(Unmet::Full), "it counts until it is removed");
    bench.expire(NOW);
    assert_eq!(bench.one(subscribe(4)), Ok(Done::Created));
}

pub fn kinds_do_not_mix(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let subscribe = Operation::CreateSubscription(RECEIPTS, subscription(1), open());
    assert_eq!(bench.one(subscribe), Err(Unmet::NoAgent));
    let to_receipts = Draft { agent: RECEIPTS, ..Draft::new(1) };
    assert_eq!(bench.put(&to_receipts), Err(Unmet::NoSubscription));
    assert_eq!(bench.put(&Draft::new(1).receipt(DEVICE)), Err(Unmet::NoReceiptSubscription));
    let close = Operation::Close(RECEIPTS, Some(subscription(1)));
    assert_eq!(bench.one(close), Err(Unmet::NoSubscription));
}

pub fn a_put_is_checked_before_it_changes_anything(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { entries: 1, ..Quotas::default() });
    bench.furnish();
    let elsewhere = Draft { agent: agent(9), ..Draft::new(1) };
    assert_eq!(bench.put(&elsewhere), Err(Unmet::NoSubscription));
    assert_eq!(bench.put(&Draft::new(1).to(9)), Err(Unmet::NoSubscription));
    assert_eq!(bench.put(&Draft::new(1).receipt(agent(9))), Err(Unmet::NoReceiptSubscription));
    bench.put(&Draft::new(1)).unwrap();
    let new = Draft { new_receipt_subscription: true, ..Draft::new(2).receipt(agent(9)) };
    assert_eq!(bench.put(&new), Err(Unmet::Full));
    assert_eq!(
        bench.load(agent(9), Position::START, 1),
        Err(Unmet::NoAgent),
        "not made by a put that failed"
    );
    assert_eq!(bench.numbers(DEVICE), [1]);
}

pub fn restricted_subscriptions_admit_their_key_only(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let [key, other] = keys();
    let restricted = SubscriptionRecord { restricted_to: Some(key), ..open() };
    bench.one(Operation::CreateSubscription(DEVICE, subscription(3), restricted.clone())).unwrap();
    let from = |sender| Draft { sender, ..Draft::new(1).to(3) };
    assert_eq!(bench.put(&from(None)), Err(Unmet::Credentials(Credentials::Missing)));
    assert_eq!(bench.put(&from(Some(other))), Err(Unmet::Credentials(Credentials::Different)));
    assert!(bench.put(&from(Some(key))).is_ok());
    assert!(bench.put(&Draft { sender: Some(other), ..Draft::new(2) }).is_ok(), "unrestricted: anyone");
    let page = bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!(page.subscriptions[2], (subscription(3), restricted));
}

pub fn a_batch_stops_at_the_first_unmet(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let (first, second) = (Draft::new(1), Draft::new(2));
    let gone = Operation::End(Draft::new(9).handle(), Cause::Acknowledged);
    let results = bench.apply(vec![first.put(), gone, second.put()]);
    assert_eq!(results.len(), 2);
    assert!(matches!(results[0], Ok(Done::Put(_))));
    assert_eq!(results[1], Err(Unmet::NotLive));
    assert_eq!(bench.numbers(DEVICE), [1]);
    assert_eq!(bench.apply(Vec::new()), []);
}

pub fn an_end_happens_once(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let draft = Draft::new(1);
    bench.put(&draft).unwrap();
    let end = || Operation::End(draft.handle(), Cause::Acknowledged);
    assert_eq!(bench.one(end()), Ok(Done::Ended));
    assert_eq!(bench.one(end()), Err(Unmet::NotLive));
    assert_eq!(bench.items(DEVICE), []);
    assert_eq!(bench.expire(NOW + 1000).ended, 0, "it does not expire as well");
}

pub fn closing_is_final_at_once(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let (one, two) = (Draft::new(1), Draft::new(2).to(2));
    bench.apply(vec![one.put(), two.put()]);
    let close = |id: Option<u8>| Operation::Close(DEVICE, id.map(subscription));
    assert_eq!(bench.one(close(Some(9))), Err(Unmet::NoSubscription));
    assert_eq!(bench.one(close(Some(1))), Ok(Done::Closed));
    assert_eq!(bench.one(close(Some(1))), Err(Unmet::NoSubscription));
    assert_eq!(bench.put(&Draft::new(3)), Err(Unmet::NoSubscription));
    assert_eq!(bench.read(one.handle()), None);
    assert_eq!(bench.one(Operation::End(one.handle(), Cause::Acknowledged)), Err(Unmet::NotLive));
    let page = bench.load(DEVICE, Position::START, 9).unwrap();
    assert_eq!(page.subscriptions, [(subscription(2), open())]);
    assert_eq!(bench.numbers(DEVICE), [2]);
    assert_eq!(bench.one(close(None)), Ok(Done::Closed));
    assert_eq!(bench.one(close(None)), Err(Unmet::NoAgent));
    assert_eq!(bench.one(close(Some(2))), Err(Unmet::NoAgent));
    assert_eq!(bench.load(DEVICE, Position::START, 9), Err(Unmet::NoAgent));
    assert_eq!(bench.put(&Draft::new(4).to(2)), Err(Unmet::NoSubscription));
    assert_eq!(
        bench.one(Operation::CreateSubscription(DEVICE, subscription(3), open())),
        Err(Unmet::NoAgent)
    );
    let create = Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent));
    assert_eq!(bench.one(create), Err(Unmet::Exists), "taken until it is removed");
    assert_eq!(bench.one(Operation::Close(agent(9), None)), Err(Unmet::NoAgent));
}

pub fn answers_come_in_the_order_of_the_commands(make: Make<'_>) {
    const EACH: usize = 500;
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    std::thread::scope(|scope| {
        for who in 0..2 {
            let bench = &bench;
            scope.spawn(move || {
                for number in 0..EACH {
                    let draft = Draft::new(u8::try_from(number % 200).unwrap());
                    let end = Operation::End(draft.handle(), Cause::Acknowledged);
                    bench.tell(who, |ticket| match number % 3 {
                        0 => Command::Apply(ticket, vec![draft.put(), end]),
                        1 => Command::Read(ticket, draft.handle()),
                        _ => Command::Watch(ticket, agent(7)),
                    });
                }
            });
        }
    });
    for who in 0..2 {
        bench.ask(who, |ticket| Command::Watch(ticket, agent(7)));
        let tickets = bench.tickets(who);
        assert!(tickets.len() == EACH && tickets.is_sorted_by(|one, next| one < next), "{tickets:?}");
    }
}

pub fn closed_stores_fail_commands(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let waiting = bench.tell(0, |ticket| Command::Apply(ticket, vec![Draft::new(1).put()]));
    bench.store.close();
    assert!(matches!(bench.answer(0, waiting), Completion::Applied(..)), "taken before, so carried out");
    let late = bench.ask(0, |ticket| Command::Apply(ticket, vec![Draft::new(2).put()]));
    assert!(matches!(late, Completion::Failed(_)));
    assert!(matches!(bench.ask(1, |ticket| Command::Watch(ticket, DEVICE)), Completion::Failed(_)));
    bench.say(0, Command::Unwatch(DEVICE));
    bench.store.close();
}
