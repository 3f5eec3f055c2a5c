//! The lanes of all push services, and whose turn it is. What a turn costs does not depend on how many there are.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{
    ops::Bound::{self, Excluded, Included, Unbounded},
    time::Duration,
};

use super::{
    input::Audience,
    lane::{Lane, Pause, Step},
    limits::Limits,
    remembered::Remembered,
};
use crate::{Mono, Now, Origin};

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<Audience, Filed>,
    turns: Turns,
    /// What is in flight at those on trial, beyond the first of each.
    unproven: usize,
    /// Lanes that have nothing to do before then.
    later: BTreeSet<(Mono, Audience)>,
    /// Lanes that may belong elsewhere, each once.
    touched: Vec<Audience>,
    /// Whose turn it was.
    cursor: Option<Audience>,
    /// Pauses of push services that have no lane.
    pauses: Remembered<Origin, Pause>,
}

/// Lanes that may have something to do now.
#[derive(Debug, Default)]
struct Turns {
    /// At push services that answer, or that were asked for nothing yet.
    able: BTreeSet<Audience>,
    /// At those that have not answered their first request, or not their last.
    on_trial: BTreeSet<Audience>,
}

impl Turns {
    fn insert(&mut self, audience: Audience, lane: &Lane) {
        if lane.is_on_trial() { &mut self.on_trial } else { &mut self.able }.insert(audience);
    }

    fn remove(&mut self, audience: &Audience) {
        self.able.remove(audience);
        self.on_trial.remove(audience);
    }

    /// The first between these, of those on trial only if there is room for them.
    fn first(&self, between: (Bound<&Audience>, Bound<&Audience>), room: bool) -> Option<&Audience> {
        let able = self.able.range::<Audience, _>(between).next();
        let on_trial = if room { self.on_trial.range::<Audience, _>(between).next() } else { None };
        able.into_iter().chain(on_trial).min()
    }
}

#[derive(Debug, Default)]
struct Filed {
    lane: Lane,
    touched: bool,
    /// Where in [`Lanes::later`].
    later: Option<Mono>,
    /// How much of [`Lanes::unproven`] is here.
    unproven: usize,
}

impl Filed {
    fn touch(&mut self, audience: &Audience, touched: &mut Vec<Audience>) -> &mut Lane {
        if !self.touched {
            self.touched = true;
            touched.push(audience.clone());
        }
        &mut self.lane
    }
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn contains(&self, audience: &Audience) -> bool {
        self.lanes.contains_key(audience)
    }

    pub(super) fn get_mut(&mut self, audience: &Audience) -> Option<&mut Lane> {
        let filed = self.lanes.get_mut(audience)?;
        Some(filed.touch(audience, &mut self.touched))
    }

    /// That lane. A new one shares the pause of its push service.
    pub(super) fn of(&mut self, audience: &Audience, now: Now) -> &mut Lane {
        if !self.contains(audience) {
            let known = self.pauses.recall(&audience.origin, now).map(|(_, pause)| pause).unwrap_or_default();
            let pause = self.at(&audience.origin).map(|lane| lane.pause).fold(known, Pause::or_longer);
            let room = self.at(&audience.origin).find_map(|lane| lane.room());
            let lane = Lane::new(pause, room);
            self.lanes.insert(audience.clone(), Filed { lane, ..Filed::default() });
        }
        self.lanes.entry(audience.clone()).or_default().touch(audience, &mut self.touched)
    }

    /// All lanes of a push service.
    pub(super) fn at(&mut self, origin: &Origin) -> impl Iterator<Item = &mut Lane> {
        let first = Audience { origin: origin.clone(), key: None };
        let here = move |lane: &(&Audience, &mut Filed)| lane.0.origin == first.origin;
        let first = Audience { origin: origin.clone(), key: None };
        let touched = &mut self.touched;
        let lanes = self.lanes.range_mut(first..).take_while(here);
        lanes.map(|(audience, filed)| filed.touch(audience, touched))
    }

    /// The push service takes nothing until then, from whichever key. Whether that is news: longer by a second or more.
    pub(super) fn pause(&mut self, origin: &Origin, pause: Pause) -> bool {
        let mut news = false;
        for lane in self.at(origin) {
            news |= pause.until.since(lane.pause.until) >= NEWS;
            lane.pause = lane.pause.or_longer(pause);
        }
        news
    }

    /// What a push service takes at once.
    pub(super) fn set_room(&mut self, origin: &Origin, requests: usize) {
        self.at(origin).for_each(|lane| lane.set_room(requests));
    }

    /// Forgets the lane that was used least recently, of those with nothing to do and `may_go`; its pause is remembered,
    /// among at most `room`.
    pub(super) fn evict(
        &mut self,
        may_go: impl Fn(&Origin) -> bool,
        room: usize,
        now: Now,
    ) -> Option<Audience> {
        let idle =
            self.lanes.iter().filter(|(audience, filed)| filed.lane.is_idle() && may_go(&audience.origin));
        let audience = idle.min_by_key(|(_, filed)| filed.lane.used)?.0.clone();
        let filed = self.lanes.remove(&audience)?;
        self.turns.remove(&audience);
        self.unproven = self.unproven.saturating_sub(filed.unproven);
        if let Some(at) = filed.later {
            self.later.remove(&(at, audience.clone()));
        }
        let pause = filed.lane.pause;
        if pause.until > now.mono {
            self.pauses.remember(&audience.origin, pause, pause.until, room);
        }
        Some(audience)
    }

    /// What a lane does next; the lanes after the one whose turn it was come first. A job that is to be sent leaves its
    /// queue.
    pub(super) fn next_step(&mut self, limits: &Limits, now: Now) -> Option<(Audience, Step)> {
        self.file(now);
        let cursor = self.cursor.clone();
        let (later, sooner) = match &cursor {
            Some(last) => ((Excluded(last), Unbounded), (Unbounded, Included(last))),
            None => ((Unbounded, Unbounded), (Unbounded, Unbounded)),
        };
        for turn in [later, sooner] {
            while let Some(audience) = self.next_in(turn, limits) {
                let filed = self.lanes.get_mut(&audience);
                let step = filed.map(|filed| match filed.lane.step(limits, audience.key.is_some(), now) {
                    Step::Nothing => Step::Nothing,
                    step @ (Step::Sign(_) | Step::Send(..)) => {
                        filed.touch(&audience, &mut self.touched);
                        step
                    }
                });
                match step {
                    Some(step @ (Step::Sign(_) | Step::Send(..))) => return Some((audience, step)),
                    // Not before something happens to it.
                    Some(Step::Nothing) | None => {
                        self.turns.remove(&audience);
                    }
                }
            }
        }
        None
    }

    /// The first lane between these that may have something to do. What is not known to answer has one request each, and a
    /// quarter of all of them together.
    fn next_in(&self, turn: (Bound<&Audience>, Bound<&Audience>), limits: &Limits) -> Option<Audience> {
        let room = self.unproven < limits.requests.div_ceil(4);
        self.turns.first(turn, room).cloned()
    }

    /// It was its turn.
    pub(super) fn took_turn(&mut self, audience: Audience) {
        self.cursor = Some(audience);
    }

    /// When a lane has something to do again that has nothing to do now.
    pub(super) fn wakes(&mut self, now: Now) -> Option<Mono> {
        self.file(now);
        self.later.first().map(|(at, _)| *at)
    }

    /// Puts every lane where it belongs.
    fn file(&mut self, now: Now) {
        for audience in self.touched.drain(..) {
            let Some(filed) = self.lanes.get_mut(&audience) else { continue };
            filed.touched = false;
            let unproven = core::mem::replace(&mut filed.unproven, filed.lane.unproven());
            self.unproven = self.unproven.saturating_sub(unproven).saturating_add(filed.unproven);
            let wakes = filed.lane.wakes(now);
            if let Some(at) = filed.later.take_if(|at| wakes != Some(*at)) {
                self.later.remove(&(at, audience.clone()));
            }
            self.turns.remove(&audience);
            if let Some(at) = wakes {
                filed.later = Some(at);
                self.later.insert((at, audience));
            } else if filed.lane.has_jobs() {
                self.turns.insert(audience, &filed.lane);
            }
        }
        while let Some((at, _)) = self.later.first()
            && *at <= now.mono
            && let Some((_, audience)) = self.later.pop_first()
        {
            if let Some(filed) = self.lanes.get_mut(&audience) {
                filed.later = None;
                self.turns.insert(audience, &filed.lane);
            }
        }
    }
}

/// A pause that is longer by less than that is the same.
const NEWS: Duration = Duration::from_secs(1);
