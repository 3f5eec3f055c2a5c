//! Bounds that change while the store is open.

use std::sync::Arc;

use push_proto::store::{AgentKind, Command, Done, Operation, Unmet};
use push_store::{
    Client, Completions, Embedded, Fault, ProbeAnswer, Quotas, Store,
    conformance::bench::{Bench, DEVICE, Draft, NOW, agent, record},
    engine::SimulatedDisk,
};

/// A store that the test keeps hold of.
struct Kept(Arc<Embedded>);

impl Store for Kept {
    fn attach(&self, sink: Arc<dyn Completions>) -> Client {
        self.0.attach(sink)
    }

    fn submit(&self, from: Client, command: Command) {
        self.0.submit(from, command);
    }

    fn probe(&self, answer: ProbeAnswer) {
        self.0.probe(answer);
    }

    fn last_fault(&self) -> Option<Fault> {
        Store::last_fault(&*self.0)
    }

    fn close(&self) {
        self.0.close();
    }
}

fn store(quotas: Quotas) -> (Arc<Embedded>, Bench) {
    let store = Arc::new(Embedded::over(SimulatedDisk::new(), quotas).unwrap());
    (Arc::clone(&store), Bench::over(Box::new(Kept(store))))
}

/// G5: a lower bound counts for what comes; what is there stays.
#[test]
fn what_is_there_stays_beyond_a_lower_bound() {
    let before = Quotas { agents: 3, entries: 2, dropped: 0, ..Quotas::default() };
    let (store, bench) = store(before);
    bench.furnish();
    bench.put(&Draft::new(1)).unwrap();
    bench.put(&Draft::new(2)).unwrap();
    assert!(bench.put(&Draft::new(3)).is_err(), "full");
    store.reconfigure(Quotas { entries: 3, ..before });
    bench.put(&Draft::new(3)).unwrap();
    store.reconfigure(Quotas { entries: 1, agents: 1, ..before });
    assert_eq!(bench.numbers(DEVICE), [1, 2, 3]);
    assert!(bench.put(&Draft::new(4)).is_err());
    let create = Operation::CreateAgent(agent(9), record(AgentKind::UserAgent));
    assert_eq!(bench.one(create.clone()), Err(Unmet::Crowded));
    store.reconfigure(before);
    assert_eq!(bench.one(create), Ok(Done::Created));
}

/// 8030-7.3-1: who is idle by a shorter time ends with the next sweep, though that was not due.
#[test]
fn a_shorter_idle_time_counts_at_once() {
    let before = Quotas { agent_idle_secs: 80_000, ..Quotas::default() };
    let (store, bench) = store(before);
    bench.one(Operation::CreateAgent(agent(9), record(AgentKind::UserAgent))).unwrap();
    bench.expire(NOW);
    assert_eq!(bench.expire(NOW + 9000).ended, 0);
    store.reconfigure(Quotas { agent_idle_secs: 8000, ..before });
    assert_eq!(bench.expire(NOW + 9001).ended, 2, "closed; the agent");
}

/// Nothing hangs, and nothing comes of it.
#[test]
fn a_closed_store_takes_no_bounds() {
    let (store, bench) = store(Quotas::default());
    store.close();
    store.reconfigure(Quotas { agents: 0, ..Quotas::default() });
    drop(bench);
}
