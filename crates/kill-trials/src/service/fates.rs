//! What became of every message in the end, and what is still owed.

use std::fmt;

use super::oracle::{Acknowledgement, Gone, Oracle, Posted, broken};
use crate::{Failure, Result};

/// What happened in a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processes killed.
    pub kills: usize,
    /// POSTs answered by 201 or 202.
    pub accepted: u64,
    /// POSTs answered by 404, since their subscription had gone.
    pub refused: u64,
    /// POSTs answered by 503.
    pub unavailable: u64,
    /// POSTs accepted while their subscription went.
    pub crossed: u64,
    /// POSTs without an answer: the process died with them.
    pub unanswered: u64,
    /// Messages pushed, repetitions included.
    pub pushed: u64,
    /// Of these, repetitions.
    pub again: u64,
    /// DELETEs answered by 204.
    pub acknowledged: u64,
    /// Receipts that say 204 of what was acknowledged by WebSocket alone, where nothing else says so.
    pub acknowledged_by_socket: u64,
    /// Receipts pushed, repetitions included.
    pub receipts: u64,
    /// Of these, repetitions.
    pub receipts_again: u64,
    /// Subscriptions ended by their user agents.
    pub unsubscribed: u64,
    /// POSTs without credentials to restricted subscriptions, each refused.
    pub unsigned: u64,
    /// Monitors that were open.
    pub monitors: u64,
    /// Messages with TTL 0, which nobody is promised.
    pub transient: u64,
    /// How the accepted messages with a TTL ended.
    pub fates: Fates,
}

/// How accepted messages with a TTL ended, by what the parties can know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// The 204 to its DELETE was seen.
    pub acknowledged: u64,
    /// A DELETE was sent, and its answer was lost; or it was acknowledged by WebSocket, where there is none.
    pub acknowledged_unseen: u64,
    /// A later one of its topic was accepted, or may have been.
    pub replaced: u64,
    /// Its time was over.
    pub expired: u64,
    /// Its subscription went.
    pub gone: u64,
    /// Receipts that say 204, and 410.
    pub outcomes: [u64; 2],
}

impl Figures {
    pub(super) fn answered(&mut self, status: u16) {
        match status {
            404 => self.refused += 1,
            503 => self.unavailable += 1,
            _ => {}
        }
    }

    /// Whether all that is to be proven happened: a trial that never met a case proves nothing of it.
    ///
    /// # Errors
    ///
    /// What did not happen.
    pub fn exercised(&self) -> Result<()> {
        let Figures { acknowledged, acknowledged_by_socket, again, receipts, unsubscribed, unsigned, .. } =
            self;
        let fates = &self.fates;
        let [delivered, failed] = fates.outcomes;
        let all = [
            (*acknowledged, "acknowledgement"),
            (*acknowledged_by_socket, "receipt of an acknowledgement by WebSocket"),
            (*again, "repetition after a kill"),
            (*receipts, "receipt"),
            (*unsubscribed, "end of a subscription"),
            (*unsigned, "POST without credentials"),
            (fates.replaced, "replacement"),
            (fates.expired, "expiry"),
            (fates.gone, "message that went with its subscription"),
            (delivered, "receipt of a delivery"),
            (failed, "receipt of a failure"),
        ];
        match all.iter().find(|(times, _)| *times == 0) {
            Some((_, what)) => Err(Failure::new(format!("the trial was too short: no {what} happened"))),
            None => Ok(()),
        }
    }
}

impl Fates {
    /// How many there are.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.acknowledged + self.acknowledged_unseen + self.replaced + self.expired + self.gone
    }
}

impl Oracle {
    /// Checks that nothing is owed any more. To be asked when all queues were emptied.
    ///
    /// # Errors
    ///
    /// The first message that has not come to its end: lost, or its receipt is.
    pub(super) fn settle(&mut self) -> Result<()> {
        let (mut fates, mut transient) = (Fates::default(), 0);
        for (number, sent) in self.sent.iter().enumerate() {
            match sent.outcome {
                Some((204, _)) => fates.outcomes[0] += 1,
                Some(_) => fates.outcomes[1] += 1,
                None => {}
            }
            if !matches!(sent.answer, Posted::Accepted { .. }) {
                continue;
            }
            if sent.ttl == 0 {
                transient += 1;
                continue;
            }
            let (replaced, expired) = (self.may_be_replaced(number), self.may_be_expired(number));
            let gone = self.gone(number) != Gone::No;
            let fate = match sent.acknowledgement {
                Acknowledgement::Done(_) => &mut fates.acknowledged,
                _ if replaced => &mut fates.replaced,
                _ if gone => &mut fates.gone,
                _ if expired => &mut fates.expired,
                Acknowledgement::Asked { .. } => &mut fates.acknowledged_unseen,
                Acknowledgement::Never => {
                    let seen = if sent.pushed.is_some() { "came, but not again" } else { "never came" };
                    return Err(broken(
                        number,
                        &format!("was accepted, has not ended, and {seen}: it is lost"),
                    ));
                }
            };
            *fate += 1;
            if !sent.receipt {
                continue;
            }
            let outcome = sent.outcome.map(|(status, _)| status);
            let wrong = match sent.acknowledgement {
                Acknowledgement::Done(_) => outcome != Some(204),
                _ if replaced => false,
                Acknowledgement::Asked { .. } if gone || expired => outcome.is_none(),
                Acknowledgement::Asked { .. } => outcome != Some(204),
                Acknowledgement::Never => outcome != Some(410),
            };
            if wrong {
                let told = outcome.map_or("none came".to_owned(), |status| status.to_string());
                return Err(broken(
                    number,
                    &format!("is owed a receipt ({:?}): {told}", sent.acknowledgement),
                ));
            }
        }
        (self.figures.fates, self.figures.transient) = (fates, transient);
        let unanswered = self.sent.iter().filter(|sent| sent.answer == Posted::Unknown).count();
        self.figures.unanswered = u64::try_from(unanswered).unwrap_or(u64::MAX) - self.figures.unavailable;
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fates { acknowledged, acknowledged_unseen, replaced, expired, gone, outcomes } = &self.fates;
        let rows: [(&str, u64); 22] = [
            ("kills", u64::try_from(self.kills).unwrap_or(u64::MAX)),
            ("accepted (201, 202)", self.accepted),
            ("  acknowledged", *acknowledged),
            ("  acknowledged, without an answer", *acknowledged_unseen),
            ("  replaced", *replaced),
            ("  expired", *expired),
            ("  gone with the subscription", *gone),
            ("  TTL 0", self.transient),
            ("unanswered", self.unanswered),
            ("answered by 503", self.unavailable),
            ("refused, subscription gone", self.refused),
            ("refused, no credentials", self.unsigned),
            ("monitors", self.monitors),
            ("pushes", self.pushed),
            ("  repeated", self.again),
            ("receipts", self.receipts),
            ("  repeated, same outcome", self.receipts_again),
            ("  messages told 204", outcomes[0]),
            ("  messages told 410", outcomes[1]),
            ("  acknowledged by WebSocket alone", self.acknowledged_by_socket),
            ("subscriptions ended", self.unsubscribed),
            ("  accepted while they went", self.crossed),
        ];
        for (name, number) in rows {
            writeln!(f, "{name:<34}{number:>9}")?;
        }
        Ok(())
    }
}
