//! Nothing fails any more: then what came of everything is compared with what must have.

use std::{collections::BTreeSet, time::Duration};

use push_proto::{
    MessageId, Urgency,
    application_server::{JobId, ReceiptOutcome, Verdict},
    store::Cause,
    user_agent::Disposition,
};

use super::World;
use crate::{
    broken::Guarantee,
    schedule::{Remedy, Send, Step},
    truth::End,
};

/// Longer than every wait of a machine that has something to do: backoff, acknowledgement timeout, reload, the patience
/// with one that does not answer.
const HEALING_SECS: u64 = 300;
/// Less than every wait of a machine, and enough for one that is between two connections.
const PROMPT_SECS: u64 = 3;
/// Longer than every TTL, and what a sender waits for a receipt after it.
const ENDING_SECS: u64 = 12_000;

impl World {
    /// All that lives must arrive and be acknowledged; all that is owed must be told; then everything ends.
    pub(crate) fn heal(&mut self) {
        for remedy in [
            Remedy::Release,
            Remedy::Unmute,
            Remedy::Reopen,
            Remedy::Start,
            Remedy::Resume,
            Remedy::Reach,
            Remedy::Notice,
        ] {
            self.step(remedy);
        }
        if let Some(link) = self.stranger {
            self.lose(link, false);
        }
        // The wall clock is right again.
        self.now.wall = self.now.wall.max(self.site.wall);
        for number in 0..self.agents.len() {
            let Self { site, agents, now, .. } = self;
            agents[number].power(0, site, *now);
        }
        let until = self.now.wall.saturating_add_secs(HEALING_SECS);
        let live = self.site.truth.live().filter(|fact| fact.message.expires > until);
        let surviving: BTreeSet<MessageId> = live.map(|fact| fact.message.handle.id).collect();
        self.calm(HEALING_SECS, 2);
        if self.is_broken() {
            return;
        }
        let facts = &self.site.truth.facts;
        let lost = surviving.iter().filter_map(|id| facts.get(id)).find(|fact| fact.end.is_none());
        let lost = lost.map(|fact| fact.job);
        self.site.require(lost.is_none(), Guarantee::G2, || format!("job {lost:?} is lost"));
        self.delivered();
        self.probe();
        // A receipt may have been awaited in vain as long as things failed, not from now on.
        let in_vain = self.senders.iter().flat_map(|sender| sender.given_up.iter().copied()).collect();
        // Everything ends, and every receipt that is still worth waiting for comes.
        self.calm(ENDING_SECS, 1000);
        self.told(&in_vain);
        self.leave();
    }

    fn step(&mut self, remedy: Remedy) {
        if remedy == Remedy::Reopen {
            self.site.vault.calm();
        }
        self.take(Step::Remedy(remedy));
    }

    /// Applications take what they get, for so long.
    fn calm(&mut self, secs: u64, grain: u64) {
        self.pass(secs, Duration::from_secs(grain), |world| {
            while !world.is_broken() {
                world.settle();
                let Self { site, agents, now, .. } = &mut *world;
                let mut took = false;
                for agent in agents {
                    took |= agent.dispose(Disposition::Taken, site, *now);
                }
                if !took {
                    return;
                }
            }
        });
    }

    /// All is well: what is sent now arrives now, not when some timer makes good what was missed.
    fn probe(&mut self) {
        let subscriptions: usize = self.agents.iter().map(|agent| agent.account().known.len()).sum();
        let first = self.jobs + 1;
        for to in 0..u8::try_from(subscriptions).unwrap_or(u8::MAX) {
            self.take(Step::Send(Send { sender: 0, to, ttl: 3000, urgency: 3, topic: None, receipt: false }));
            self.calm(PROMPT_SECS, 1);
        }
        let late = (first..=self.jobs).find(|job| {
            let verdict = self.senders[0].verdicts.get(&JobId(*job));
            let accepted = matches!(verdict, Some(Verdict::Accepted(_)));
            accepted && !self.agents.iter().any(|agent| agent.account().got.contains(job))
        });
        self.site
            .require(late.is_none(), Guarantee::G5, || format!("job {late:?} waits although all is well"));
    }

    /// What was acknowledged was delivered before; what ended otherwise has its reason.
    fn delivered(&mut self) {
        let mut wrong = None;
        for fact in self.site.truth.facts.values() {
            let Some(wanted) = self.site.truth.wanted.get(&fact.job) else { continue };
            let got = self.agents[wanted.agent].account().got.contains(&fact.job);
            let right = match fact.end {
                // A stranger may have acknowledged it.
                Some(End::Caused(Cause::Acknowledged)) => got || self.requests > 0,
                Some(End::Replaced) => wanted.topic.is_some(),
                Some(End::Caused(Cause::Dropped)) => wanted.urgency != Urgency::High || self.requests > 0,
                Some(End::Caused(Cause::Expired | Cause::SubscriptionGone)) | None => true,
            };
            if !right {
                wrong = wrong.or(Some((fact.job, fact.end, got)));
            }
        }
        self.site.require(wrong.is_none(), Guarantee::G2, || format!("job, end, delivered: {wrong:?}"));
    }

    /// G2, G4: every message has ended, and each sender knows what it can know.
    fn told(&mut self, in_vain: &BTreeSet<JobId>) {
        if self.is_broken() {
            return;
        }
        let endless = self.site.truth.facts.values().find(|fact| fact.end.is_none()).map(|fact| fact.job);
        self.site.require(endless.is_none(), Guarantee::G2, || format!("job {endless:?} has not ended"));
        let unowed = self.site.truth.facts.values().find(|fact| {
            let owed = matches!(fact.end, Some(End::Caused(_))) && fact.message.receipt.is_some();
            !owed && fact.outcome.is_some()
        });
        let unowed = unowed.map(|fact| fact.job);
        self.site.require(unowed.is_none(), Guarantee::G4, || format!("job {unowed:?} is owed no receipt"));
        let mut wrong = None;
        for sender in &self.senders {
            for job in &sender.jobs {
                let verdict = sender.verdicts.get(job);
                let told = sender.receipts.get(job).copied();
                let promised = matches!(verdict, Some(Verdict::Accepted(accepted)) if accepted.receipt);
                let right = told.is_none_or(|told| self.is_right(*job, told)) || in_vain.contains(job);
                if verdict.is_none() || promised != told.is_some() || !right {
                    wrong = wrong.or_else(|| Some(format!("{job:?}: {verdict:?}, told {told:?}")));
                }
            }
        }
        self.site.require(wrong.is_none(), Guarantee::G4, || wrong.unwrap_or_default());
    }

    fn is_right(&self, job: JobId, told: ReceiptOutcome) -> bool {
        let mut facts = self.site.truth.facts.values().filter(|fact| fact.job == job.0);
        facts.any(|fact| match (told, fact.end) {
            (ReceiptOutcome::Delivered, Some(End::Caused(cause))) => cause == Cause::Acknowledged,
            (ReceiptOutcome::Failed, Some(End::Caused(cause))) => cause != Cause::Acknowledged,
            // It may have been written, and lost on its way; or its receipt subscription went.
            (ReceiptOutcome::Unknown, end) => {
                end == Some(End::Replaced) || fact.receipt_written || self.site.is_ended(fact.message.receipt)
            }
            _ => false,
        })
    }

    /// Everybody leaves, and nothing is left behind.
    fn leave(&mut self) {
        for number in 0..self.agents.len() {
            let Self { site, agents, now, .. } = self;
            agents[number].close(site, *now);
        }
        for number in 0..self.senders.len() {
            let Self { site, senders, now, .. } = self;
            senders[number].close(site, *now);
        }
        self.calm(20, 1);
        let closed = self.agents.iter().all(|agent| agent.account().closed);
        self.site.require(closed, Guarantee::G5, || "a user agent does not close".to_owned());
        for link in self.site.known_links() {
            self.lose(link, false);
        }
        self.settle();
        self.site.drain_all(self.now);
        self.settle();
        self.site.check_drained();
    }
}
