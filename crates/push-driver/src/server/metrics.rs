//! What a server has done and holds, for whoever watches over it: in the text format of Prometheus, version 0.0.4.
//!
//! Each number is read from where it is counted: the tallies of the shards, which are atomics that only their shard writes.
//! What is told is the same for everybody: no label has a value that a peer can choose, so there are no secrets and no
//! addresses in it (G6), and as many lines today as tomorrow.

use std::fmt;

use push_proto::{service::Totals, wire::reasons};

use super::{Census, census::Tally};

/// The numbers of one moment; `Display` writes them as `GET /metrics` has them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) census: Census,
    pub(super) ready: bool,
    /// Open monitors of sets and of receipt subscriptions.
    pub(super) monitors_of: [usize; 2],
    totals: [u64; COUNTERS.len()],
    refused: Vec<u64>,
}

impl Metrics {
    /// The media type of the text.
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    pub(super) fn of<'a>(census: Census, ready: bool, tallies: impl Iterator<Item = &'a Tally>) -> Self {
        let refused = vec![0; reasons().len()];
        let mut metrics = Self { census, ready, monitors_of: [0; 2], totals: [0; COUNTERS.len()], refused };
        for tally in tallies {
            tally.add_to(&mut metrics.monitors_of, &mut metrics.totals, &mut metrics.refused);
        }
        metrics
    }

    fn gauges(&self) -> [(&'static str, &'static str, usize); 12] {
        let Census { connections, exchanges, monitors, commands, pushes, .. } = self.census;
        let [sets, receipts] = self.monitors_of;
        let subscriptions = monitors.saturating_sub(sets).saturating_sub(receipts);
        [
            (
                "webpush_ready",
                "Whether the service can keep a promise, as /readyz has it.",
                usize::from(self.ready),
            ),
            ("webpush_connections", "Open connections.", connections),
            ("webpush_exchanges", "Requests whose response is owed, monitors included.", exchanges),
            (r#"webpush_monitors{of="set"}"#, "Open monitors.", sets),
            (r#"webpush_monitors{of="subscription"}"#, "", subscriptions),
            (r#"webpush_monitors{of="receipts"}"#, "", receipts),
            ("webpush_pushes", "Pushes that wait or are under way.", pushes),
            ("webpush_store_waiting", "Commands that the store has not answered.", commands),
            (r#"webpush_held_octets{of="request"}"#, "Octets of bodies.", self.census.request_octets),
            (r#"webpush_held_octets{of="push"}"#, "", self.census.push_octets),
            (r#"webpush_held_octets{of="response"}"#, "", self.census.response_octets),
            (r#"webpush_held_octets{of="waiting"}"#, "", self.census.waiting_octets),
        ]
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, help, value) in self.gauges() {
            sample(f, "gauge", (name, help), value)?;
        }
        for (Counter { name, help, .. }, value) in COUNTERS.iter().zip(self.totals) {
            sample(f, "counter", (name, help), value)?;
        }
        let mut help = "Requests that were refused, and monitors.";
        for (reason, value) in reasons().zip(&self.refused) {
            let name = format!("webpush_refused_total{{reason=\"{reason}\"}}");
            sample(f, "counter", (&name, std::mem::take(&mut help)), value)?;
        }
        Ok(())
    }
}

/// One line, and those that say what it is before the first of its name.
fn sample(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    (name, help): (&str, &str),
    value: impl fmt::Display,
) -> fmt::Result {
    if !help.is_empty() {
        let family = name.split('{').next().unwrap_or(name);
        writeln!(f, "# HELP {family} {help}\n# TYPE {family} {kind}")?;
    }
    writeln!(f, "{name} {value}")
}

/// Something that a shard's service counts.
pub(super) struct Counter {
    name: &'static str,
    /// Of the first of its name only.
    help: &'static str,
    pub(super) read: fn(&Totals) -> u64,
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Totals) -> u64) -> Counter {
    Counter { name, help, read }
}

pub(super) const COUNTERS: [Counter; 12] = [
    counter("webpush_subscribed_total", "Subscriptions that were made.", |totals| totals.subscribed),
    counter(
        "webpush_unsubscribed_total",
        "Subscriptions, sets and receipt subscriptions that their owners ended.",
        |totals| totals.unsubscribed,
    ),
    counter(
        r#"webpush_accepted_total{as="stored"}"#,
        "Messages that were accepted; transient ones have TTL 0.",
        |totals| totals.stored,
    ),
    counter(r#"webpush_accepted_total{as="transient"}"#, "", |totals| totals.transient),
    counter(
        r#"webpush_pushed_total{of="message"}"#,
        "What was handed out to monitors; a message that is pushed again counts again.",
        |totals| totals.pushed,
    ),
    counter(r#"webpush_pushed_total{of="receipt"}"#, "", |totals| totals.receipts),
    counter(
        r#"webpush_ended_total{by="acknowledgement"}"#,
        "How messages ended; receipts that expire are among those.",
        |totals| totals.acknowledged,
    ),
    counter(r#"webpush_ended_total{by="expiry"}"#, "", |totals| totals.expired),
    counter(r#"webpush_ended_total{by="dropping"}"#, "", |totals| totals.dropped),
    counter(r#"webpush_ended_total{by="replacement"}"#, "", |totals| totals.replaced),
    counter(
        r#"webpush_store_commands_total{outcome="done"}"#,
        "What the store was asked to do, and whether it did.",
        |totals| totals.commands,
    ),
    counter(r#"webpush_store_commands_total{outcome="failed"}"#, "", |totals| totals.failed),
];
