//! What is due ends, a bounded amount at a time.

use push_proto::store::{AgentKind, Done, Operation, Position, Sweep, Unmet};

use super::bench::{Bench, DEVICE, Draft, Make, NOW, RECEIPTS, open, record, subscription};
use crate::Quotas;

pub fn what_is_due_expires(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let draft = |number: u8| Draft::new(number).ttl(10 * u64::from(number));
    bench.apply([3, 1, 2, 4].map(|number| draft(number).put()).into());
    assert_eq!(bench.expire(NOW + 9), Sweep { ended: 0, expired: 0, more: false });
    assert_eq!(
        bench.expire(NOW + 10),
        Sweep { ended: 1, expired: 1, more: false },
        "the first second that is too late"
    );
    assert_eq!(bench.numbers(DEVICE), [3, 2, 4]);
    assert_eq!(bench.expire(NOW + 39), Sweep { ended: 2, expired: 2, more: false });
    // What was due before comes late, and is not overlooked.
    bench.put(&draft(1)).unwrap();
    assert_eq!(bench.expire(NOW + 39), Sweep { ended: 1, expired: 1, more: false });
    assert_eq!(
        bench.expire(NOW),
        Sweep { ended: 0, expired: 0, more: false },
        "a clock that steps back ends nothing"
    );
    assert_eq!(bench.numbers(DEVICE), [4]);
}

pub fn expiry_is_bounded(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { expire: 4, ..Quotas::default() });
    bench.furnish();
    bench.apply((1..=10).map(|number| Draft::new(number).receipt(RECEIPTS).put()).collect());
    assert_eq!(bench.expire(NOW + 60), Sweep { ended: 4, expired: 4, more: true });
    assert_eq!(bench.outcomes(RECEIPTS).len(), 4);
    assert_eq!(bench.expire(NOW + 60), Sweep { ended: 4, expired: 4, more: true });
    assert_eq!(bench.expire(NOW + 60), Sweep { ended: 2, expired: 2, more: false });
    assert_eq!(bench.outcomes(RECEIPTS).len(), 10);
}

pub fn closing_ends_in_bounded_steps(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { expire: 4, ..Quotas::default() });
    bench.furnish();
    bench.apply((1..=10).map(|number| Draft::new(number).receipt(RECEIPTS).put()).collect());
    bench.put(&Draft::new(11).to(2)).unwrap();
    bench.one(Operation::Close(DEVICE, Some(subscription(1)))).unwrap();
    assert_eq!(bench.expire(NOW), Sweep { ended: 4, expired: 0, more: true });
    assert_eq!(bench.expire(NOW), Sweep { ended: 4, expired: 0, more: true });
    assert_eq!(
        bench.expire(NOW),
        Sweep { ended: 3, expired: 0, more: false },
        "two messages and the subscription"
    );
    let mut outcomes = bench.outcomes(RECEIPTS);
    outcomes.sort_unstable();
    assert_eq!(outcomes, (1..=10).map(|number| (number, 410)).collect::<Vec<_>>());
    assert_eq!(bench.numbers(DEVICE), [11]);
    assert_eq!(bench.expire(NOW + 60).ended, 1, "11 alone");
}

pub fn closing_an_agent_removes_it(make: Make<'_>) {
    let bench = Bench::new(make, Quotas { expire: 3, ..Quotas::default() });
    bench.furnish();
    bench
        .apply((1..=4).map(|number| Draft::new(number).to(1 + number % 2).receipt(RECEIPTS).put()).collect());
    bench.apply(vec![Operation::Close(DEVICE, Some(subscription(1))), Operation::Close(DEVICE, None)]);
    let mut ended = 0;
    loop {
        let sweep = bench.expire(NOW);
        assert!(sweep.ended <= 3);
        ended += sweep.ended;
        if !sweep.more {
            break;
        }
    }
    assert_eq!(ended, 7, "four messages, two subscriptions, one agent");
    assert_eq!(bench.outcomes(RECEIPTS).len(), 4);
    assert_eq!(bench.one(Operation::Close(DEVICE, None)), Err(Unmet::NoAgent));
    assert_eq!(bench.expire(NOW + 60), Sweep { ended: 0, expired: 0, more: false });
}

pub fn a_closed_receipt_subscription_goes(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    bench.apply((1..=3).map(|number| Draft::new(number).receipt(RECEIPTS).put()).collect());
    bench.expire(NOW + 60);
    assert_eq!(bench.outcomes(RECEIPTS).len(), 3);
    bench.one(Operation::Close(RECEIPTS, None)).unwrap();
    assert_eq!(bench.load(RECEIPTS, Position::START, 9), Err(Unmet::NoAgent));
    assert_eq!(
        bench.expire(NOW + 60),
        Sweep { ended: 4, expired: 0, more: false },
        "three receipts and the agent"
    );
}

pub fn ids_can_be_used_again(make: Make<'_>) {
    let bench = Bench::new(make, Quotas::default());
    bench.furnish();
    let position = bench.put(&Draft::new(1)).unwrap().position;
    bench.one(Operation::Close(DEVICE, None)).unwrap();
    bench.expire(NOW);
    let create = Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent));
    assert_eq!(bench.one(create), Ok(Done::Created));
    assert_eq!(bench.items(DEVICE), []);
    assert_eq!(bench.load(DEVICE, Position::START, 1).unwrap().subscriptions, []);
    bench.one(Operation::CreateSubscription(DEVICE, subscription(1), open())).unwrap();
    assert!(bench.put(&Draft::new(1)).unwrap().position > position);
    assert_eq!(bench.numbers(DEVICE), [1]);
}
