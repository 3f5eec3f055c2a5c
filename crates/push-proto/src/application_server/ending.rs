//! Receipt subscriptions that are of no more use: told so to their push service (`8030-7.3-5`), as a courtesy. Those of a
//! service that does not answer end by themselves in time, so few attempts are made, and none once the sender is closed.

use alloc::collections::BTreeMap;

use super::{
    Sender,
    input::Response,
    output::{Output, Request},
};
use crate::{
    Mono, Now, PushUrl,
    user_agent::{Answer, Failure, RequestId, Task},
};

#[derive(Debug, Default)]
pub(super) struct Endings(BTreeMap<PushUrl, Ending>);

#[derive(Debug, Default)]
struct Ending {
    task: Task,
    /// When the request counts as lost.
    late: Mono,
}

impl Endings {
    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        let wakes = |ending: &Ending| match ending.task.request {
            Some(_) => Some(ending.late),
            None => ending.task.wakes(now),
        };
        self.0.values().filter_map(wakes).min()
    }

    fn of(&self, id: RequestId) -> Option<PushUrl> {
        self.0.iter().find(|(_, ending)| ending.task.request == Some(id)).map(|(url, _)| url.clone())
    }
}

impl Sender {
    pub(super) fn end_later(&mut self, url: PushUrl, now: Now) {
        if self.endings.0.len() < self.config.limits.endings {
            let mut ending = Ending::default();
            ending.task.again(now);
            self.endings.0.entry(url).or_insert(ending);
        }
    }

    /// It is of use after all: what is awaited on it would never come.
    pub(super) fn keep_receipts(&mut self, url: &PushUrl) {
        let ending = self.endings.0.remove(url);
        self.outputs.extend(ending.and_then(|ending| ending.task.request).map(Output::Cancel));
    }

    pub(super) fn end_receipts(&mut self, now: Now) {
        let late = |ending: &Ending| ending.task.request.filter(|_| ending.late <= now.mono);
        while let Some(id) = self.endings.0.values().find_map(late) {
            self.outputs.push_back(Output::Cancel(id));
            self.ending_answered(id, &Err(Failure::Lost), now);
        }
        let late = now.mono.after(self.config.limits.response);
        let due = |(url, ending): (&PushUrl, &Ending)| ending.task.is_due(now).then(|| url.clone());
        while let Some(url) = self.endings.0.iter().find_map(due) {
            let id = self.next_id();
            if let Some(ending) = self.endings.0.get_mut(&url) {
                ending.task.request = Some(id);
                ending.late = late;
            }
            self.outputs.push_back(Output::Request(id, Request::EndReceipts { url }));
        }
    }

    /// True if `id` was such a request.
    pub(super) fn ending_answered(
        &mut self,
        id: RequestId,
        reply: &Result<Response, Failure>,
        now: Now,
    ) -> bool {
        let Some(url) = self.endings.of(id) else { return false };
        let limits = self.config.limits;
        let again = reply.as_ref().map_or(true, |response| Answer::of(response.status) == Answer::Later);
        if let Some(ending) = self.endings.0.get_mut(&url).filter(|_| again)
            && ending.task.failures.saturating_add(1) < limits.ending_attempts
        {
            let told = reply.as_ref().ok().and_then(|response| response.retry_after);
            let failures = ending.task.failures.saturating_add(1);
            let wait = limits.backoff.wait(failures, &mut self.entropy);
            let wait = told.map_or(wait, |after| after.wait(now).min(limits.retry_after).max(wait));
            ending.task.postpone(wait, now);
        } else {
            self.endings.0.remove(&url);
        }
        true
    }

    pub(super) fn close_endings(&mut self) {
        let open = self.endings.0.values().filter_map(|ending| ending.task.request);
        self.outputs.extend(open.map(Output::Cancel));
        self.endings.0.clear();
    }
}
