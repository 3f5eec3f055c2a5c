//! One push service, by one VAPID key: what waits for it, its token, its pauses.

use core::time::Duration;

use super::{
    backlog::{Backlog, Place, Ready},
    input::{Credentials, JobId, Token},
    limits::Limits,
};
use crate::{Mono, Now, PushUrl, UnixTime, user_agent::RequestId};

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Jobs that want no receipt, and jobs that do: the latter wait while the first of them is making the receipt
    /// subscription that all will share (`8030-5.1-6`).
    plain: Backlog,
    with_receipt: Backlog,
    pub(super) in_flight: usize,
    /// Sends so far: now and then it is the oldest's turn.
    turns: u64,
    /// Nothing is sent until then: the service said so, or could not be reached.
    pub(super) pause: Pause,
    pace: Pace,
    /// When it was last used.
    pub(super) used: Mono,
    /// When a send was last answered well.
    thrived: Mono,
    /// Pauses in a row that the service did not time itself.
    pub(super) failures: u32,
    /// The receipt subscription to reuse.
    pub(super) receipts: Option<PushUrl>,
    /// The request that may make one.
    pub(super) asking: Option<RequestId>,
    /// The last request for a receipt was answered without one: do not make the others wait for the next.
    pub(super) receiptless: bool,
    signature: Signature,
}

/// Until when nothing is sent, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) until: Mono,
    /// It said nothing itself.
    pub(super) unreachable: bool,
}

impl Pause {
    pub(super) const fn or_longer(self, other: Self) -> Self {
        if other.until.since(self.until).is_zero() { self } else { other }
    }
}

/// How many sends may be in flight.
#[derive(Debug, Default)]
struct Pace {
    /// Beyond the first: one more for each answer.
    earned: usize,
    /// Whether it has answered, and owes nothing since.
    proven: bool,
    /// What the service takes at once, if that is known.
    room: Option<usize>,
}

impl Pace {
    fn window(&self, limits: &Limits) -> usize {
        let window = limits.first_requests.saturating_add(self.earned);
        window.min(limits.requests_per_origin).min(self.room.unwrap_or(usize::MAX)).max(1)
    }
}

#[derive(Debug, Default)]
struct Signature {
    /// With the time from which on to ask for another.
    token: Option<(Token, UnixTime)>,
    asked: bool,
}

impl Signature {
    /// What can be used now, and whether to ask for another.
    fn at(&self, now: Now) -> (Option<Credentials>, bool) {
        let usable = self.token.as_ref().filter(|(token, _)| token.expires > now.wall);
        let renew = usable.is_none_or(|(_, renew)| now.wall >= *renew);
        (usable.map(|(token, _)| token.credentials.clone()), renew && !self.asked)
    }
}

/// What a lane does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Sign(UnixTime),
    Send(JobId, Option<Credentials>),
    Nothing,
}

impl Lane {
    pub(super) fn new(pause: Pause, room: Option<usize>) -> Self {
        Self { pause, pace: Pace { room, ..Pace::default() }, ..Self::default() }
    }

    /// What the service takes at once.
    pub(super) const fn room(&self) -> Option<usize> {
        self.pace.room
    }

    pub(super) const fn set_room(&mut self, room: usize) {
        self.pace.room = Some(room);
    }

    /// It has answered a send: well, or by a fault of its own.
    pub(super) fn answered(&mut self, well: bool, limits: &Limits, now: Now) {
        self.pace.proven = true;
        if well {
            self.thrived = now.mono;
            self.pace.earned = self.pace.earned.saturating_add(1).min(limits.requests_per_origin);
        } else {
            self.pace.earned /= 2;
        }
    }

    /// It has not answered a send.
    pub(super) const fn fell_silent(&mut self) {
        self.pace.earned /= 2;
        self.pace.proven = false;
    }

    /// When it last gave reason to wait for it.
    pub(super) const fn thrived(&self) -> Mono {
        self.thrived
    }

    /// Sends in flight of which nobody knows whether they will be answered, beyond the first, which everybody has.
    pub(super) const fn unproven(&self) -> usize {
        if self.pace.proven { 0 } else { self.in_flight.saturating_sub(1) }
    }

    /// Whether what it sends next is beyond that.
    pub(super) const fn is_on_trial(&self) -> bool {
        !self.pace.proven && self.in_flight > 0
    }

    pub(super) fn push(&mut self, place: Place, receipt: bool) {
        self.backlog(receipt).push(place);
    }

    pub(super) fn remove(&mut self, place: &Place, receipt: bool) {
        self.backlog(receipt).remove(place);
    }

    const fn backlog(&mut self, receipt: bool) -> &mut Backlog {
        if receipt { &mut self.with_receipt } else { &mut self.plain }
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = JobId> {
        self.plain.jobs().chain(self.with_receipt.jobs())
    }

    /// Whether anything waits for its turn.
    pub(super) fn has_jobs(&self) -> bool {
        !self.plain.is_empty() || !self.with_receipt.is_empty()
    }

    /// Whether it can be forgotten, but for its pause.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_jobs() && self.in_flight == 0 && !self.signature.asked
    }

    /// What to do now; a job that is to be sent leaves its queue.
    pub(super) fn step(&mut self, limits: &Limits, signed: bool, now: Now) -> Step {
        let Some(ready) = self.next(now) else { return Step::Nothing };
        if self.pause.until > now.mono || self.in_flight >= self.pace.window(limits) {
            return Step::Nothing;
        }
        let mut credentials = None;
        if signed {
            let (usable, renew) = self.signature.at(now);
            if renew {
                self.signature.asked = true;
                let life = limits.token.min(LONGEST_TOKEN);
                return Step::Sign(now.wall.saturating_add_secs(life.as_secs()));
            }
            if usable.is_none() {
                return Step::Nothing;
            }
            credentials = usable;
        }
        self.plain.take(ready);
        self.with_receipt.take(ready);
        self.in_flight = self.in_flight.saturating_add(1);
        self.used = now.mono;
        self.turns = self.turns.wrapping_add(1);
        Step::Send(ready.job, credentials)
    }

    /// When the first job is due, or the pause ends, if that is still to come.
    pub(super) fn wakes(&self, now: Now) -> Option<Mono> {
        let with_receipt = self.with_receipt.due(now).filter(|_| self.asking.is_none());
        let due = self.plain.due(now).into_iter().chain(with_receipt).min()?.max(self.pause.until);
        (due > now.mono).then_some(due)
    }

    fn next(&mut self, now: Now) -> Option<Ready> {
        let oldest = self.turns % OLDEST_EVERY == OLDEST_EVERY - 1;
        let plain = self.plain.next(oldest, now);
        let with_receipt = self.with_receipt.next(oldest, now).filter(|_| self.asking.is_none());
        match (plain, with_receipt) {
            (Some(plain), Some(other)) => Some(if other.before(plain, oldest) { other } else { plain }),
            (one, other) => one.or(other),
        }
    }

    /// The signer has answered. False if it has nothing that can be used (`8292-2-4`).
    pub(super) fn signed(&mut self, token: Option<Token>, limits: &Limits, now: Now) -> bool {
        self.signature.asked = false;
        let latest = now.wall.saturating_add_secs(LONGEST_TOKEN.as_secs());
        let Some(token) = token.filter(|token| token.expires > now.wall && token.expires <= latest) else {
            let last = self.signature.token.as_mut().filter(|(token, _)| token.expires > now.wall);
            let Some((_, renew)) = last else { return false };
            // There is time to ask again, but not at once.
            *renew = now.wall.saturating_add_secs(SIGN_AGAIN.as_secs());
            return true;
        };
        let life = token.expires.as_secs().saturating_sub(now.wall.as_secs());
        let margin = limits.token_margin.as_secs().min(life / 2);
        let renew = UnixTime::from_secs(token.expires.as_secs().saturating_sub(margin));
        self.signature.token = Some((token, renew));
        true
    }
}

/// Every so many sends of a lane, the job that has waited longest goes first, so that no stream of urgent ones keeps the
/// others here until their TTL ends.
const OLDEST_EVERY: u64 = 8;
/// `8292-2-4`
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);
/// How soon to ask a signer again that has failed while the last token is still good.
const SIGN_AGAIN: Duration = Duration::from_secs(10);
