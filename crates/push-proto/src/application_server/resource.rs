//! Push resources that have ended, or that another took the place of.

use super::{
    Sender,
    input::Change,
    queue::Flight,
    verdict::{Gone, Rejection, Verdict},
};
use crate::{Now, PushUrl};

impl Sender {
    pub(super) fn resource_changed(&mut self, url: &PushUrl, change: Change, now: Now) {
        match change {
            _ if self.closed => {}
            Change::Ended => self.end(url, &Gone::Ended(None), now),
            Change::Replaced => self.end(url, &Gone::Replaced, now),
            Change::Restored => self.ended.forget(url),
        }
    }

    /// 404 or 410: for this message, and for all that wait for the same push resource.
    pub(super) fn gone(&mut self, flight: &Flight, to: &PushUrl, rejection: Rejection, now: Now) {
        let known = self.ended.recall(to, now).map(|(_, gone)| gone);
        let replaced = known.filter(|gone| *gone == Gone::Replaced);
        let told = replaced.clone().unwrap_or(Gone::Ended(Some(rejection)));
        self.conclude(flight.job, Verdict::Gone(told));
        self.end(to, &replaced.unwrap_or(Gone::Ended(None)), now);
    }

    fn end(&mut self, url: &PushUrl, gone: &Gone, now: Now) {
        let limits = self.config.limits;
        self.holds.forget(url);
        self.ended.remember(url, gone.clone(), now.mono.after(limits.ended_memory), limits.ended);
        for id in self.queue.waiting_for(url) {
            self.conclude(id, Verdict::Gone(gone.clone()));
        }
    }
}
