//! Monitors: what to make of their end (RFC 8030 §6, §6.1, §7.3; ).

use core::time::Duration;

use super::{
    UserAgent,
    agenda::Work,
    input::Response,
    output::{Event, MonitorFault, Output},
    retry::{Answer, Failure},
};
use crate::{Now, PushUrl};

impl UserAgent {
    pub(super) fn monitor_answered(&mut self, target: PushUrl, reply: Result<Response, Failure>, now: Now) {
        let work = Work::Monitor(target);
        let steady = self.config.limits.monitor;
        if let Some(chore) = self.agenda.get_mut(&work)
            && now.mono.since(chore.started) >= steady
        {
            chore.task.failures = 0;
        }
        let Ok(response) = reply else { return self.postpone(&work, None, now) };
        let status = response.status;
        match Answer::of(status) {
            Answer::Success => self.reopen(&work, now),
            Answer::Gone => {
                if let Work::Monitor(target) = work {
                    self.gone(&target);
                }
            }
            Answer::Later => self.troubled(&work, MonitorFault::Busy(status), &response, now),
            Answer::Redirect | Answer::Refused if status == 406 => {
                self.troubled(&work, MonitorFault::PushUnsupported, &response, now);
            }
            Answer::Redirect | Answer::Refused => {
                self.troubled(&work, MonitorFault::Refused(status), &response, now);
            }
        }
    }

    /// The service ended it in peace: reopen at once, unless it keeps ending as soon as it is opened.
    fn reopen(&mut self, work: &Work, now: Now) {
        let limits = self.config.limits;
        let Some(chore) = self.agenda.get_mut(work) else { return };
        chore.troubled = false;
        if now.mono.since(chore.started) >= limits.monitor {
            return chore.task.again(now);
        }
        let wait = match chore.task.failures {
            0 => Duration::ZERO,
            again => limits.backoff.wait(again, &mut self.entropy),
        };
        chore.task.postpone(wait, now);
    }

    fn troubled(&mut self, work: &Work, fault: MonitorFault, response: &Response, now: Now) {
        self.postpone(work, Some(response), now);
        let Some(chore) = self.agenda.get_mut(work) else { return };
        if !chore.troubled {
            chore.troubled = true;
            self.outputs.push_back(Output::Event(Event::MonitorFailed(fault)));
        }
    }
}
