//! Every bound of a store, by name (G5).

/// Bounds of one store. At those of an agent the answer is [`Full`](push_proto::store::Unmet::Full), never a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Subscriptions of one agent. A browser profile has tens; a page of the queue carries them all.
    pub subscriptions: u32,
    /// Messages in the queue of one user agent. At 32 a page a device that was off for weeks catches up in seconds,
    /// and ending them all takes forty steps of [`Quotas::expire`].
    pub entries: u32,
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
            subscriptions: 1024,
            entries: 10_000,
            octets: 16 << 20,
            receipts: 10_000,
            page_octets: 256 << 10,
            expire: 256,
            receipt_secs: 24 * 3600,
            waiting: 65_536,
            group: 1024,
        }
    }
}
