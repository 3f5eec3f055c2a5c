//! Durable state of a push service: what the contract in [`push_proto::store`] asks for, carried out.
//!
//! | module | what it is |
//! |---|---|
//! | this one | [`Store`], the face every backend has; [`Client`], [`Completions`] |
//! | [`memory`] | the reference: plain maps, exact rules, explicit [`memory::Faults`]; for tests and the simulator |
//! | [`embedded`] | one machine: a writer thread with group commit over an [`engine::Engine`] |
//! | [`engine`] | ordered keys and values with atomic durable batches: fjall, and a simulated disk that tears writes |
//! | `snapshot` | [`Snapshot`]: a store as it was at one moment; [`Restoration`]: a store made of one |
//! | `conformance` | the suite that every backend passes (feature `conformance`) |
//!
//! ```text
//!  shard ── submit(client, Command) ──▶ Store ──▶ Completions::complete(Completion) ──▶ shard's mailbox
//!                                         │
//!                        Memory ──────────┴────────── Embedded ─▶ queue ─▶ Writer (one thread)
//!                                                                             │ stage, stage, .. commit
//!                                                                             ▼
//!                                                                  Engine: get, scan, commit (durable)
//! ```
//!
//! Nothing in here reads a clock, draws randomness or needs a runtime. Time comes with [`Put`](push_proto::store::Put)
//! and [`Expire`](push_proto::store::Command::Expire); since [`End`](push_proto::store::Operation::End) carries none,
//! a receipt is kept for [`Quotas::receipt_secs`] from the latest time the store has seen. So that this is right after
//! a restart too, send an `Expire` with the current time before anything else.
//!
//! Rules which the contract leaves to the backend, the same in all of them:
//!
//! - What belongs to a closing subscription or agent is not live: it is neither loaded nor read, and ending it is
//!   [`NotLive`](push_proto::store::Unmet::NotLive). Its messages end as
//!   [`SubscriptionGone`](push_proto::store::Cause::SubscriptionGone), once (G4).
//! - A message that asks for a receipt on a receipt subscription whose queue is full is refused with
//!   [`Full`](push_proto::store::Unmet::Full), before anything is promised (G5). Only a receipt for a message accepted earlier can find the
//!   queue full; that one is not kept.
//! - An agent made by a put with `new_receipt_subscription` whose id is taken is
//!   [`Exists`](push_proto::store::Unmet::Exists).
//! - Each completion comes before the hints of its own command. `Expire` is nobody's batch: all that watch are hinted.
#![forbid(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
pub mod engine;
pub mod memory;
mod quotas;
mod snapshot;
mod watch;

use std::sync::Arc;

use push_proto::{
    AgentId, Handle, Message, Receipt, SealingKeyId, UnixTime,
    store::{Cause, Command, Completion, Item},
};

pub use embedded::{Embedded, Fault, OpenError, Outage, Sealed};
pub use engine::Failure;
pub use memory::{Memory, SharedMemory};
pub use quotas::Quotas;
#[cfg(feature = "fjall")]
pub use snapshot::Restoration;
pub use snapshot::{Pages, Records, Snapshot};

/// Durable state that one or more shards share. All backends behave alike; [`push_proto::store`] is the contract.
pub trait Store: Send + Sync + 'static {
    /// Lets one shard in. All that the store has to say to it goes to `sink`; if the store is down, that at once.
    fn attach(&self, sink: Arc<dyn Completions>) -> Client;

    /// Takes a command. Never blocks on IO and never fails: a command with a ticket gets exactly one completion, which
    /// may come before this returns. Commands of one client are carried out in order.
    fn submit(&self, from: Client, command: Command);

    /// Asks whether it can promise anything. It shows that by a small durable write, unless it has just written
    /// something; if it is down, it opens itself again first where it can. Does not wait: `answer` is called once, from
    /// any thread, after the shards were told of an [`Availability`](push_proto::store::Availability) that changed by
    /// this. Ask again only when it has answered.
    fn probe(&self, answer: ProbeAnswer);

    /// Why a command failed last, for the log; forgotten when a store that was down is back.
    fn last_fault(&self) -> Option<Fault> {
        None
    }

    /// Carries out what was submitted, makes it durable, and stops. Commands after it fail. Waits until it is done,
    /// so do not call it from a thread that must not block.
    fn close(&self);
}

/// Takes what [`Store::probe`] finds: the latest time that the store has seen, or why it cannot promise anything.
pub type ProbeAnswer = Box<dyn FnOnce(Result<UnixTime, Outage>) + Send>;

/// Where the completions of one shard go: its mailbox, which has reserved their places.
pub trait Completions: Send + Sync {
    /// Takes one. Must not block; called from any thread, also from within [`Store::submit`].
    fn complete(&self, completion: Completion);
}

/// One shard, as its store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(u32);

impl Client {
    /// The first to attach is 0, the next 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What an entry counts against [`Quotas::octets`] and [`Quotas::page_octets`]: its body and fields, and a flat part
/// for what is kept beside them, so that empty messages are not free.
#[must_use]
pub fn weight(item: &Item) -> u64 {
    match item {
        Item::Message(message) => message_weight(message),
        Item::Receipt(_) => ENTRY_OCTETS,
    }
}

fn message_weight(message: &Message) -> u64 {
    let fields = message.content.fields.iter().map(|(_, value)| value.len()).sum::<usize>();
    let octets = u64::try_from(message.content.body.len().saturating_add(fields)).unwrap_or(u64::MAX);
    ENTRY_OCTETS.saturating_add(octets)
}

/// The flat part of [`weight`].
const ENTRY_OCTETS: u64 = 128;

/// The receipt that a message's end owes, if its sender asked (G4).
fn receipt_owed(
    agent: Option<AgentId>,
    (message, sealed_by): (Handle, SealingKeyId),
    cause: Cause,
    expires: UnixTime,
) -> Option<Receipt> {
    agent.map(|agent| Receipt { agent, message, sealed_by, outcome: cause.outcome(), expires })
}
