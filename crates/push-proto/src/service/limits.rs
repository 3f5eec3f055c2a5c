//! Every bound of one shard of the service, by name (G5).

use core::time::Duration;

use super::Rate;
use crate::Ttl;

/// Bounds of one shard. At each, the answer is a precise status with Retry-After.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests whose store command is on its way; beyond it 503.
    pub requests_in_flight: usize,
    /// Monitors at once; beyond it 503.
    pub monitors: usize,
    /// Monitors of one user agent or receipt subscription: its set, and its subscriptions one by one; beyond it 429. A
    /// user agent needs one for its set; a few more let several programs share a set.
    pub agent_monitors: usize,
    /// Pushes of one monitor that wait for their acknowledgement; beyond it messages stay in the store.
    pub unacknowledged: usize,
    /// Entries of one page from the store.
    pub page_entries: u32,
    /// Transient messages (TTL 0) that wait for a monitor's credit; beyond it they are dropped, as RFC 8030 §5.2 lets us.
    pub transient: usize,
    /// Longest TTL granted (`8030-5.2-6`).
    pub ttl: Ttl,
    /// Seconds for which a transient message may wait for credit.
    pub transient_secs: u64,
    /// Messages to one user agent, all its subscriptions together (`8030-8.4-1`); beyond it 429. Far more than people or
    /// apps cause, so it stops only what would drain a battery or fill a queue in minutes; `None` for no bound.
    pub messages: Option<Rate>,
    /// Messages to one subscription (`8030-8.4-1`); beyond it 429. Half of what its user agent may get, so that one
    /// application that floods its own subscription leaves room for the others. `None` for no bound.
    pub subscription_messages: Option<Rate>,
    /// Messages signed with one VAPID key (RFC 8292), to whomever on this shard; beyond it 429. What a large application
    /// sends to its users, and less than a shard can take, so that a key that runs wild leaves room for others. `None`
    /// for no bound. Who signs nothing has no name here; the carrier bounds such senders by their address.
    pub sender_messages: Option<Rate>,
    /// VAPID keys whose rate is kept in mind. Full, the one that is nearest to its whole burst again is forgotten, so
    /// making up keys frees none that is far over.
    pub rated_senders: usize,
    /// User agents, and subscriptions, whose rate is kept in mind: only those that were sent to more lately than their rate gives back. Full,
    /// it forgets the one that is nearest to its whole burst again.
    pub rated_agents: usize,
    /// New user agents and receipt subscriptions of this shard, by whomever (`8030-4.1-6`); beyond it 429. The carrier
    /// bounds those of one address, far above what people who share one make (`8030-4.1-7`). `None` for no bound.
    pub new_agents: Option<Rate>,
    /// How long a push may stay unacknowledged until it counts as undelivered (`8030-6.2-3`).
    pub acknowledgement: Duration,
    /// How often a monitored queue is loaded again, because hints may be lost.
    pub reload: Duration,
    /// Longest a monitor stays open; then it ends with 200 and the user agent asks again.
    pub monitor: Duration,
    /// How often expired messages are swept.
    pub sweep: Duration,
    /// The Retry-After of a 503 or 429.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight: 4096,
            monitors: 100_000,
            agent_monitors: 64,
            unacknowledged: 256,
            page_entries: 32,
            transient: 16,
            ttl: Ttl::from_secs(30 * 24 * 3600),
            transient_secs: 10,
            messages: Rate::new(200, 5000),
            subscription_messages: Rate::new(100, 2500),
            sender_messages: Rate::new(5000, 50_000),
            rated_senders: 16_384,
            rated_agents: 65_536,
            new_agents: Rate::new(200, 20_000),
            acknowledgement: Duration::from_secs(60),
            reload: Duration::from_secs(300),
            monitor: Duration::from_secs(12 * 3600),
            sweep: Duration::from_secs(1),
            retry_after: Duration::from_secs(5),
        }
    }
}
