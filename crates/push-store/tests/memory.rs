//! The reference store's faults, and what sharing it promises.
#![cfg(feature = "conformance")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

use std::sync::{Arc, Mutex, OnceLock, Weak};

use push_proto::store::{
    AgentKind, Availability, Command, Completion, Hint, Load, Operation, Position, Ticket,
};
use push_store::{
    Client, Completions, Memory, Quotas, SharedMemory, Store,
    conformance::bench::{DEVICE, Draft, agent, open, record, subscription},
};

/// A store with a subscription, watched by the second of two shards.
fn furnished() -> (Memory, [Client; 2]) {
    let mut memory = Memory::new(Quotas::default());
    let shards = [memory.attach(), memory.attach()];
    let create = Operation::CreateAgent(DEVICE, record(AgentKind::UserAgent));
    let operations = vec![create, Operation::CreateSubscription(DEVICE, subscription(1), open())];
    run(&mut memory, shards[0], Command::Apply(Ticket(0), operations));
    run(&mut memory, shards[1], Command::Watch(Ticket(0), DEVICE));
    (memory, shards)
}

fn run(memory: &mut Memory, from: Client, command: Command) -> Vec<(Client, Completion)> {
    let mut said = Vec::new();
    memory.run(from, command, &mut |client, completion| said.push((client, completion)));
    said
}

fn put(number: u8) -> Command {
    Command::Apply(Ticket(u64::from(number)), vec![Draft::new(number).put()])
}

fn entries(memory: &mut Memory, shard: Client) -> usize {
    let load = Load { agent: DEVICE, after: Position::START, limit: 99 };
    match run(memory, shard, Command::Load(Ticket(0), load)).pop() {
        Some((_, Completion::Loaded(_, Ok(page)))) => page.entries.len(),
        _ => 0,
    }
}

#[test]
fn applies_fail_with_or_without_effect() {
    let (mut memory, [shard, watcher]) = furnished();
    memory.faults().fail = 1;
    memory.faults().fail_late = 1;
    assert_eq!(run(&mut memory, shard, put(1)), [(shard, Completion::Failed(Ticket(1)))]);
    assert_eq!(entries(&mut memory, shard), 0);
    let hint = (watcher, Completion::Hint(DEVICE, Hint::Arrived));
    assert_eq!(run(&mut memory, shard, put(2)), [(shard, Completion::Failed(Ticket(2))), hint]);
    assert_eq!(entries(&mut memory, shard), 1, "it happened, and nobody knows");
    assert!(matches!(run(&mut memory, shard, put(3))[0].1, Completion::Applied(..)));
}

#[test]
fn a_store_that_is_down_fails_everything_and_comes_back_whole() {
    let (mut memory, [shard, watcher]) = furnished();
    run(&mut memory, shard, put(1));
    let mut told = Vec::new();
    memory.set_availability(Availability::Down, &mut |client, completion| told.push((client, completion)));
    assert_eq!(told, [shard, watcher].map(|client| (client, Completion::Availability(Availability::Down))));
    assert_eq!(run(&mut memory, shard, put(2)), [(shard, Completion::Failed(Ticket(2)))]);
    let watch = Command::Watch(Ticket(3), agent(1));
    assert_eq!(run(&mut memory, watcher, watch), [(watcher, Completion::Failed(Ticket(3)))]);
    assert_eq!(run(&mut memory, shard, Command::Offer(Draft::new(1).message())), []);
    memory.set_availability(Availability::Up, &mut |_, _| {});
    assert_eq!(entries(&mut memory, shard), 1);
    assert_eq!(run(&mut memory, shard, put(4)).len(), 2, "what is watched stays watched");
}

#[test]
fn hints_get_lost_and_come_twice() {
    let (mut memory, [shard, _]) = furnished();
    memory.faults().drop_hints = 1;
    memory.faults().duplicate_hints = 1;
    assert_eq!([1, 2, 3].map(|number| run(&mut memory, shard, put(number)).len()), [1, 3, 2]);
}

#[test]
fn held_completions_come_later_in_order() {
    let (mut memory, [shard, _]) = furnished();
    memory.faults().hold = true;
    assert_eq!(run(&mut memory, shard, put(1)), []);
    assert_eq!(run(&mut memory, shard, put(2)), []);
    memory.faults().hold = false;
    assert_eq!(run(&mut memory, shard, put(3)), [], "nothing overtakes");
    assert_eq!(memory.held(), 6);
    let mut told = Vec::new();
    memory.release(3, &mut |_, completion| told.push(completion));
    assert_eq!((told.len(), memory.held()), (3, 3));
    memory.release(usize::MAX, &mut |_, completion| told.push(completion));
    let tickets = told.iter().filter_map(|completion| match completion {
        Completion::Applied(ticket, _) => Some(ticket.0),
        _ => None,
    });
    assert_eq!(tickets.collect::<Vec<_>>(), [1, 2, 3]);
}

/// A sink that answers a completion by a command, as a shard without a mailbox would.
struct Eager {
    store: OnceLock<Weak<SharedMemory>>,
    told: Mutex<Vec<u64>>,
}

impl Completions for Eager {
    fn complete(&self, completion: Completion) {
        let Completion::Watching(Ticket(ticket)) = completion else { return };
        self.told.lock().unwrap().push(ticket);
        if ticket < 5 {
            let store = self.store.get().unwrap().upgrade().unwrap();
            let client = store.attach(Arc::new(Deaf));
            assert_eq!(client.number(), u32::try_from(ticket).unwrap());
            // The first shard is this one.
            let first = FIRST.get().unwrap();
            store.submit(*first, Command::Watch(Ticket(ticket + 1), DEVICE));
            assert_eq!(self.told.lock().unwrap().len() as u64, ticket, "handed out after this returns");
        }
    }
}

static FIRST: OnceLock<Client> = OnceLock::new();

struct Deaf;

impl Completions for Deaf {
    fn complete(&self, _: Completion) {}
}

#[test]
fn a_sink_may_submit() {
    let store = Arc::new(SharedMemory::new(Quotas::default()));
    let eager = Arc::new(Eager { store: OnceLock::new(), told: Mutex::default() });
    eager.store.set(Arc::downgrade(&store)).unwrap();
    let sink: Arc<dyn Completions> = Arc::<Eager>::clone(&eager);
    let first = *FIRST.get_or_init(|| store.attach(sink));
    store.submit(first, Command::Watch(Ticket(1), DEVICE));
    assert_eq!(*eager.told.lock().unwrap(), [1, 2, 3, 4, 5]);
    store.with(|memory, emit| memory.set_availability(Availability::Down, emit));
    store.submit(first, Command::Watch(Ticket(9), DEVICE));
    assert_eq!(eager.told.lock().unwrap().len(), 5);
}
