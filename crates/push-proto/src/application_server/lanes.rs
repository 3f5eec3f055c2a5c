//! The lanes of all push services, and whose turn it is. What a turn costs does not depend on how many there are.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{
    ops::Bound::{Excluded, Included, Unbounded},
    time::Duration,
};

use super::{
    input::Audience,
    lane::{Lane, Step},
    limits::Limits,
};
use crate::{Mono, Now, Origin};

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<Audience, Filed>,
    /// Lanes that may have something to do now.
    able: BTreeSet<Audience>,
    /// Lanes that have nothing to do before then.
    later: BTreeSet<(Mono, Audience)>,
    /// Lanes that may belong elsewhere, each once.
    touched: Vec<Audience>,
    /// Whose turn it was.
    cursor: Option<Audience>,
}

#[derive(Debug, Default)]
struct Filed {
    lane: Lane,
    touched: bool,
    /// Where in [`Lanes::later`].
    later: Option<Mono>,
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Audience, &Lane)> {
        self.lanes.iter().map(|(audience, filed)| (audience, &filed.lane))
    }

    pub(super) fn get_mut(&mut self, audience: &Audience) -> Option<&mut Lane> {
        let filed = self.lanes.get_mut(audience)?;
        Some(filed.touch(audience, &mut self.touched))
    }

    /// That lane. A new one shares the pause of its push service.
    pub(super) fn of(&mut self, audience: &Audience) -> &mut Lane {
        if !self.contains(audience) {
            let paused = self.at(&audience.origin).map(|lane| lane.paused).max().unwrap_or_default();
            let lane = Lane::paused_until(paused);
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

    /// The push service takes nothing for that long, from whichever key.
    pub(super) fn pause(&mut self, origin: &Origin, wait: Duration, now: Now) {
        for lane in self.at(origin) {
            lane.pause(wait, now);
        }
    }

    pub(super) fn remove(&mut self, audience: &Audience) {
        if let Some(filed) = self.lanes.remove(audience) {
            self.able.remove(audience);
            if let Some(at) = filed.later {
                self.later.remove(&(at, audience.clone()));
            }
        }
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
            while let Some(audience) = self.able.range::<Audience, _>(turn).next().cloned() {
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
                    Some(Step::Nothing) | None => self.able.remove(&audience),
                };
            }
        }
        None
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
            let wakes = filed.lane.wakes(now);
            if let Some(at) = filed.later.take_if(|at| wakes != Some(*at)) {
                self.later.remove(&(at, audience.clone()));
            }
            if let Some(at) = wakes {
                self.able.remove(&audience);
                filed.later = Some(at);
                self.later.insert((at, audience));
            } else if filed.lane.has_jobs() {
                self.able.insert(audience);
            } else {
                self.able.remove(&audience);
            }
        }
        while let Some((at, _)) = self.later.first()
            && *at <= now.mono
            && let Some((_, audience)) = self.later.pop_first()
        {
            if let Some(filed) = self.lanes.get_mut(&audience) {
                filed.later = None;
            }
            self.able.insert(audience);
        }
    }
}
