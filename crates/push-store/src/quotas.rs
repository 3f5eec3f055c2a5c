//! Every bound of a store, by name (G5).

use push_proto::{UnixTime, store::AgentKind};

/// Bounds of one store. At those of an agent the answer is [`Full`](push_proto::store::Unmet::Full), never a stall;
/// user agents and receipt subscriptions are counted as long as any record of them is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// User agents, that is subscription sets. Beyond it new ones are
    /// [`Crowded`](push_proto::store::Unmet::Crowded). At about 1 KiB of records each these are 10 GiB of disk: a
    /// bound against floods, not a size to plan for.
    pub agents: u32,
    /// Receipt subscriptions, counted apart so that a flood of them keeps no user agent out. A sender needs one.
    pub receipt_subscriptions: u32,
    /// Seconds for which a user agent may be unseen until it and its subscriptions are closed (`8030-7.3-1`,
    /// `8030-7.3.1-1`); 0 for ever. A device that lay in a drawer for a season is still welcome, and the messages it
    /// missed have expired long before. It is noted by about an eighth of this at most a day.
    pub agent_idle_secs: u64,
    /// The same for receipt subscriptions, counted from the expiry of the last message that owes a receipt on them, so
    /// that none ends before its receipts were kept for [`Quotas::receipt_secs`]; 0 for ever.
    pub receipts_idle_secs: u64,
    /// Subscriptions of one agent. A browser profile has tens; a page of the queue carries them all.
    pub subscriptions: u32,
    /// Messages in the queue of one user agent. At 32 a page a device that was off for weeks catches up in seconds,
    /// and ending them all takes forty steps of [`Quotas::expire`].
    pub entries: u32,
    /// Messages of lower urgency that one put may end to make room: enough empty ones for the largest body that every
    /// service must take (`8030-7.2-5`), few enough that a put stays a matter of microseconds.
    pub dropped: u32,
    /// Octets in the queue of one user agent, by [`weight`](crate::weight): 4096 messages of the size that every
    /// service must take (`8030-7.2-5`).
    pub octets: u64,
    /// Receipts in the queue of one receipt subscription. Beyond it, messages that ask for more of them are refused
    /// ([`Full`](push_proto::store::Unmet::Full)) until the sender reads, and receipts that come are not kept.
    pub receipts: u32,
    /// Octets of one page, by [`weight`](crate::weight), so that a load neither stalls the writer nor fills a mailbox.
    pub page_octets: u64,
    /// Entries and records that one [`Expire`](push_proto::store::Command::Expire) ends or removes, so that a sweep
    /// holds up other commands for milliseconds only.
    pub expire: u32,
    /// Seconds for which a receipt is kept (A-14: at least a day).
    pub receipt_secs: u64,
    /// Commands that wait for the embedded store's writer; beyond it they fail. A backstop: a service bounds its
    /// commands in flight, so only a broken one gets here.
    pub waiting: usize,
    /// Commands in one commit of the embedded store: enough to make the sync cheap, few enough to keep latency down.
    pub group: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            agents: 10_000_000,
            receipt_subscriptions: 10_000_000,
            agent_idle_secs: 90 * DAY_SECS,
            receipts_idle_secs: 7 * DAY_SECS,
            subscriptions: 1024,
            entries: 10_000,
            dropped: 64,
            octets: 16 << 20,
            receipts: 10_000,
            page_octets: 256 << 10,
            expire: 256,
            receipt_secs: DAY_SECS,
            waiting: 65_536,
            group: 1024,
        }
    }
}

impl Quotas {
    /// Until when nobody is idle, if the clock of the store goes from `before` to `now`; `None` if it just went on. After
    /// a long stop, or a clock that was set wrong, user agents get a day to come back: not they were silent.
    pub(crate) fn awaited(before: UnixTime, now: UnixTime) -> Option<UnixTime> {
        let leap = before > UnixTime::from_secs(0) && now > before.saturating_add_secs(LEAP_SECS);
        leap.then(|| now.saturating_add_secs(DAY_SECS))
    }

    /// How many agents of this kind there may be.
    pub(crate) const fn agents_of(&self, kind: AgentKind) -> u32 {
        match kind {
            AgentKind::UserAgent => self.agents,
            AgentKind::Receipts => self.receipt_subscriptions,
        }
    }

    /// Up to when agents of this kind are idle if they were not seen since, at `now`; `None` for never.
    pub(crate) fn idle_until(&self, kind: AgentKind, now: UnixTime) -> Option<UnixTime> {
        let idle = self.idle_secs(kind);
        (idle > 0).then(|| now.as_secs().checked_sub(idle).map(UnixTime::from_secs)).flatten()
    }

    /// When an agent of this kind that was `seen` is idle; `None` for never.
    pub(crate) fn idle_at(&self, kind: AgentKind, seen: UnixTime) -> Option<UnixTime> {
        let idle = self.idle_secs(kind);
        (idle > 0).then(|| seen.saturating_add_secs(idle))
    }

    /// What to note for an agent that was `seen` and is again, at `time`; `None` if that is near enough.
    pub(crate) fn seen_again(&self, kind: AgentKind, seen: UnixTime, time: UnixTime) -> Option<UnixTime> {
        (time >= seen.saturating_add_secs(self.grain_secs(kind))).then_some(time)
    }

    /// What to note for a receipt subscription that was `seen`, and is owed a receipt up to `expires`; `None` if that
    /// is covered. A grain too late rather than a write for each message.
    pub(crate) fn seen_owed(&self, seen: UnixTime, expires: UnixTime) -> Option<UnixTime> {
        (expires > seen).then(|| expires.saturating_add_secs(self.grain_secs(AgentKind::Receipts)))
    }

    const fn idle_secs(&self, kind: AgentKind) -> u64 {
        match kind {
            AgentKind::UserAgent => self.agent_idle_secs,
            // Not before the receipts that came last are gone.
            AgentKind::Receipts if self.receipts_idle_secs == 0 => 0,
            AgentKind::Receipts => max(self.receipts_idle_secs, self.receipt_secs),
        }
    }

    /// How exactly it is noted when an agent was seen: the price of it is a write for each agent and grain.
    fn grain_secs(&self, kind: AgentKind) -> u64 {
        match self.idle_secs(kind) {
            0 => DAY_SECS,
            idle => (idle / 8).min(DAY_SECS),
        }
    }
}

const fn max(one: u64, other: u64) -> u64 {
    if one > other { one } else { other }
}

/// More than a restart or a bad hour.
const LEAP_SECS: u64 = 6 * 3600;
const DAY_SECS: u64 = 24 * 3600;
