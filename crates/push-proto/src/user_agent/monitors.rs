//! Monitors: what to make of their end (RFC 8030 §6, §6.1, §7.3; ).

use core::time::Duration;

use super::{
    UserAgent,
    agenda::Work,
    input::{Power, Response},
    output::{Event, MonitorFault, Output, Request},
    retry::{Answer, Failure},
};
use crate::{Now, PushUrl, Urgency, Via};

impl UserAgent {
    pub(super) fn monitor_request(&mut self, url: &PushUrl) -> Request {
        let via = self.connections.via(&url.origin());
        if let Some(chore) = self.agenda.get_mut(&Work::Monitor(url.clone())) {
            chore.via = via;
        }
        Request::Monitor { url: url.clone(), via, urgency: self.lowest() }
    }

    /// The lowest urgency wanted: what the device's condition allows, but never less than the application wants.
    fn lowest(&self) -> Option<Urgency> {
        self.config.urgency.max(self.power.map(Power::urgency))
    }

    /// `8030-5.3-4`: the filter belongs to the request, so another filter is another request. What the old ones had
    /// under way comes again on the new ones, and is recognised.
    pub(super) fn powered(&mut self, power: Power, now: Now) {
        let before = self.lowest().unwrap_or(Urgency::VeryLow);
        self.power = Some(power);
        if self.lowest().unwrap_or(Urgency::VeryLow) != before {
            let open = self.agenda.reopen(now);
            self.outputs.extend(open.into_iter().map(Output::Cancel));
        }
    }

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
                self.unsupported(&work, &response, now);
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

    /// where nothing can be pushed, a stream may come; where none comes either, both are tried again later.
    fn unsupported(&mut self, work: &Work, response: &Response, now: Now) {
        let Some(chore) = self.agenda.get_mut(work) else { return };
        match chore.via {
            Via::Push => {
                chore.task.again(now);
                self.connections.stream(&chore.origin, Some(now.mono));
            }
            Via::Stream => {
                self.connections.stream(&chore.origin, None);
                self.troubled(work, MonitorFault::PushUnsupported, response, now);
            }
        }
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
