//! Making, keeping and ending subscriptions (RFC 8030 §4, §7.3).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    UserAgent,
    agenda::Work,
    input::{Response, Secret, Subscribe, Tag},
    output::{Event, Output, Request, SubscribeFault, SubscriptionEvent},
    retry::{Answer, Failure},
    state::Kept,
};
use crate::{Now, Origin, PublicKey, PushUrl};

/// The subscriptions, by the application's names for them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<Tag, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    phase: Phase,
    /// The application wants it in no set with others.
    alone: bool,
    restricted_to: Option<PublicKey>,
    secret: Secret,
}

#[derive(Debug)]
enum Phase {
    Making(Making),
    Active(Resources),
    /// Its end is still to be told to the service.
    Leaving(Resources),
}

#[derive(Debug)]
struct Making {
    /// The push service, or where it redirected to.
    url: PushUrl,
    redirects: u8,
    /// Without a set, because the service did not know the last one.
    setless: bool,
    /// The set that the request in flight names.
    sent: Option<PushUrl>,
    /// The application has changed its mind.
    unwanted: bool,
}

/// What a subscription consists of.
#[derive(Clone, Debug)]
struct Resources {
    url: PushUrl,
    push: PushUrl,
    set: Option<PushUrl>,
}

impl Resources {
    /// What to monitor: the set where there is one (`8030-6.1-1`).
    fn target(&self) -> &PushUrl {
        self.set.as_ref().unwrap_or(&self.url)
    }
}

/// Where a push belongs.
pub(super) enum Route {
    To(Tag),
    /// To a subscription that the application is done with.
    Leaving,
    Unknown,
}

impl Subscriptions {
    fn resources(&self) -> impl Iterator<Item = (Tag, bool, &Resources)> {
        self.all.iter().filter_map(|(tag, subscription)| match &subscription.phase {
            Phase::Making(_) => None,
            Phase::Active(resources) => Some((*tag, true, resources)),
            Phase::Leaving(resources) => Some((*tag, false, resources)),
        })
    }

    fn active(&self) -> impl Iterator<Item = (Tag, &Resources)> {
        self.resources().filter_map(|(tag, active, resources)| active.then_some((tag, resources)))
    }

    /// A set that a new subscription at that origin can join.
    fn set_at(&self, origin: &Origin) -> Option<PushUrl> {
        let together = self.all.values().filter(|subscription| !subscription.alone);
        let sets = together.filter_map(|subscription| match &subscription.phase {
            Phase::Active(resources) => resources.set.as_ref(),
            Phase::Making(_) | Phase::Leaving(_) => None,
        });
        sets.into_iter().find(|set| set.origin() == *origin).cloned()
    }

    /// Which subscription a push is for, by its push link (`8030-6.1-6`); without one, the only one it can be for.
    pub(super) fn route(&self, push: Option<&PushUrl>, target: &PushUrl) -> Route {
        let Some(push) = push else {
            let mut members = self.active().filter(|(_, resources)| resources.target() == target);
            return match (members.next(), members.next()) {
                (Some((tag, _)), None) => Route::To(tag),
                _ => Route::Unknown,
            };
        };
        match self.resources().find(|(_, _, resources)| resources.push == *push) {
            Some((tag, true, _)) => Route::To(tag),
            Some((_, false, _)) => Route::Leaving,
            None => Route::Unknown,
        }
    }

    pub(super) fn kept(&self) -> Vec<Kept> {
        let kept = |(tag, active, resources): (Tag, bool, &Resources)| {
            let subscription = self.all.get(&tag)?;
            let Resources { url, push, set } = resources.clone();
            let (restricted_to, secret) = (subscription.restricted_to, subscription.secret.clone());
            let alone = subscription.alone;
            Some(Kept { tag, leaving: !active, alone, url, push, set, restricted_to, secret })
        };
        self.resources().filter_map(kept).collect()
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = Tag> {
        self.active().map(|(tag, _)| tag)
    }

    /// The push resource, key and secret of an active subscription.
    pub(super) fn view(&self, tag: Tag) -> Option<(&PushUrl, Option<&PublicKey>, &Secret)> {
        let subscription = self.all.get(&tag)?;
        match &subscription.phase {
            Phase::Active(resources) => {
                Some((&resources.push, subscription.restricted_to.as_ref(), &subscription.secret))
            }
            Phase::Making(_) | Phase::Leaving(_) => None,
        }
    }
}

impl UserAgent {
    /// One of the last run.
    pub(super) fn restore(&mut self, kept: Kept) {
        let Kept { tag, leaving, alone, url, push, set, restricted_to, secret } = kept;
        if !self.is_secure(&url) || set.as_ref().is_some_and(|set| !self.is_secure(set)) {
            return self.tell(tag, SubscriptionEvent::Gone);
        }
        let origin = url.origin();
        let resources = Resources { url, push, set };
        let phase = if leaving { Phase::Leaving(resources) } else { Phase::Active(resources) };
        self.subscriptions.all.insert(tag, Subscription { phase, alone, restricted_to, secret });
        if leaving {
            self.agenda.add(Work::Unsubscribe(tag), origin);
        }
    }

    pub(super) fn subscribe(&mut self, subscribe: Subscribe) {
        let Subscribe { tag, service, alone, restricted_to, secret } = subscribe;
        let url = service.unwrap_or_else(|| self.config.service.clone());
        if let Some(fault) = self.fault(tag, &url) {
            return self.tell(tag, SubscriptionEvent::Failed(fault));
        }
        self.agenda.add(Work::Subscribe(tag), url.origin());
        let making = Making { url, redirects: 0, setless: false, sent: None, unwanted: false };
        let phase = Phase::Making(making);
        self.subscriptions.all.insert(tag, Subscription { phase, alone, restricted_to, secret });
    }

    /// Why there can be no subscription of that name at that service.
    fn fault(&self, tag: Tag, service: &PushUrl) -> Option<SubscribeFault> {
        if self.closing.is_some() {
            Some(SubscribeFault::Closing)
        } else if self.subscriptions.all.contains_key(&tag) {
            Some(SubscribeFault::Exists)
        } else if !self.is_secure(service) {
            Some(SubscribeFault::Insecure)
        } else {
            let full = self.subscriptions.all.len() >= self.limits().subscriptions;
            (full || !self.is_within_reach(&service.origin())).then_some(SubscribeFault::Limit)
        }
    }

    /// Whether there is or can be a connection to it.
    fn is_within_reach(&self, origin: &Origin) -> bool {
        let origins = self.agenda.origins();
        origins.contains(origin) || origins.len() < self.limits().connections
    }

    pub(super) fn unsubscribe(&mut self, tag: Tag) {
        let Some(subscription) = self.subscriptions.all.get_mut(&tag) else {
            return self.tell(tag, SubscriptionEvent::Unsubscribed); // As wanted.
        };
        match &mut subscription.phase {
            Phase::Making(making) => {
                let in_flight = self
                    .agenda
                    .get_mut(&Work::Subscribe(tag))
                    .is_some_and(|chore| chore.task.request.is_some());
                // It may exist at the service by now: its end must wait for its name.
                making.unwanted = true;
                if !in_flight {
                    self.forget(tag, SubscriptionEvent::Unsubscribed);
                }
            }
            Phase::Active(resources) => {
                let resources = resources.clone();
                self.leave(tag, resources);
                self.retarget();
                self.save();
            }
            Phase::Leaving(_) => {}
        }
    }

    /// Keeps of it only what its end needs (`w3c-deact-1`).
    fn leave(&mut self, tag: Tag, resources: Resources) {
        self.agenda.add(Work::Unsubscribe(tag), resources.url.origin());
        let phase = Phase::Leaving(resources);
        let left = Subscription { phase, alone: false, restricted_to: None, secret: Secret::default() };
        self.subscriptions.all.insert(tag, left);
    }

    pub(super) fn subscribe_request(&mut self, tag: Tag) -> Option<Request> {
        let subscription = self.subscriptions.all.get(&tag)?;
        let origin = match &subscription.phase {
            Phase::Making(making) => (!subscription.alone && !making.setless).then(|| making.url.origin()),
            Phase::Active(_) | Phase::Leaving(_) => return None,
        };
        let set = origin.and_then(|origin| self.subscriptions.set_at(&origin));
        let subscription = self.subscriptions.all.get_mut(&tag)?;
        let restricted_to = subscription.restricted_to;
        let Phase::Making(making) = &mut subscription.phase else { return None };
        making.sent.clone_from(&set);
        Some(Request::Subscribe { url: making.url.clone(), set, restricted_to })
    }

    pub(super) fn unsubscribe_request(&self, tag: Tag) -> Option<Request> {
        match &self.subscriptions.all.get(&tag)?.phase {
            Phase::Leaving(resources) => Some(Request::Unsubscribe { url: resources.url.clone() }),
            Phase::Making(_) | Phase::Active(_) => None,
        }
    }

    pub(super) fn subscribe_answered(&mut self, tag: Tag, reply: Result<Response, Failure>, now: Now) {
        let Some(subscription) = self.subscriptions.all.get_mut(&tag) else { return };
        let Phase::Making(making) = &mut subscription.phase else { return };
        let unwanted = making.unwanted;
        let Ok(response) = reply else {
            // If it took effect all the same, that subscription has no reader and expires at the service.
            return self.subscribe_later(tag, unwanted, None, now);
        };
        match Answer::of(response.status) {
            Answer::Success => self.subscribed(tag, &response),
            Answer::Redirect => self.redirected(tag, &response, now),
            Answer::Later => self.subscribe_later(tag, unwanted, Some(&response), now),
            Answer::Refused if response.status == 400 && making.sent.take().is_some() => {
                // `8030-4.1-5`: perhaps it is the set that the service does not know.
                making.setless = true;
                self.subscribe_again(tag, unwanted, now);
            }
            Answer::Gone | Answer::Refused => self.fail(tag, SubscribeFault::Refused(response.status)),
        }
    }

    fn subscribed(&mut self, tag: Tag, response: &Response) {
        let Some(subscription) = self.subscriptions.all.get_mut(&tag) else { return };
        let Phase::Making(making) = &mut subscription.phase else { return };
        let (base, unwanted) = (making.url.clone(), making.unwanted);
        let Some(resources) = (response.status == 201).then(|| resources(&base, response)).flatten() else {
            return self.fail(tag, SubscribeFault::Malformed);
        };
        if !self.is_secure(&resources.push) {
            return self.fail(tag, SubscribeFault::Malformed);
        }
        self.agenda.remove(&Work::Subscribe(tag));
        if unwanted {
            self.leave(tag, resources);
            return self.save();
        }
        let push = resources.push.clone();
        if let Some(subscription) = self.subscriptions.all.get_mut(&tag) {
            subscription.phase = Phase::Active(resources);
        }
        self.retarget();
        self.save();
        self.tell(tag, SubscriptionEvent::Subscribed(push));
    }

    /// `8030-7.1-1`, A-33: the same request, elsewhere. The next subscribe begins at the configured URL again.
    fn redirected(&mut self, tag: Tag, response: &Response, now: Now) {
        let limits = *self.limits();
        let Some(subscription) = self.subscriptions.all.get_mut(&tag) else { return };
        let Phase::Making(making) = &mut subscription.phase else { return };
        making.redirects = making.redirects.saturating_add(1);
        let unwanted = making.unwanted;
        let target = response.location.as_ref().and_then(|location| location.resolve(&making.url));
        // Never from https to http; a service in the clear, for development, may go either way.
        let target = target.filter(|url| url.is_https() || !making.url.is_https());
        let Some(url) = target.filter(|_| making.redirects <= limits.redirects) else {
            return self.fail(tag, SubscribeFault::Redirected);
        };
        let origin = url.origin();
        making.url = url;
        self.agenda.remove(&Work::Subscribe(tag));
        if !self.is_within_reach(&origin) {
            return self.fail(tag, SubscribeFault::Limit);
        }
        self.agenda.add(Work::Subscribe(tag), origin);
        self.subscribe_again(tag, unwanted, now);
    }

    fn subscribe_again(&mut self, tag: Tag, unwanted: bool, now: Now) {
        if unwanted {
            return self.forget(tag, SubscriptionEvent::Unsubscribed);
        }
        if let Some(chore) = self.agenda.get_mut(&Work::Subscribe(tag)) {
            chore.task.again(now);
        }
    }

    fn subscribe_later(&mut self, tag: Tag, unwanted: bool, response: Option<&Response>, now: Now) {
        if unwanted {
            return self.forget(tag, SubscriptionEvent::Unsubscribed);
        }
        self.postpone(&Work::Subscribe(tag), response, now);
    }

    pub(super) fn unsubscribe_answered(&mut self, tag: Tag, reply: Result<Response, Failure>, now: Now) {
        let work = Work::Unsubscribe(tag);
        let Ok(response) = reply else { return self.postpone(&work, None, now) };
        let ended = match Answer::of(response.status) {
            Answer::Success | Answer::Gone => true,
            Answer::Later => false,
            Answer::Redirect | Answer::Refused => {
                let attempts = self.limits().unsubscribe_attempts;
                self.agenda
                    .get_mut(&work)
                    .is_none_or(|chore| chore.task.failures.saturating_add(1) >= attempts)
            }
        };
        if ended {
            self.forget(tag, SubscriptionEvent::Unsubscribed);
            self.save();
        } else {
            self.postpone(&work, Some(&response), now);
        }
    }

    /// The service has ended what was monitored: the subscription, or the set and with it all its members
    /// (`8030-7.3-2`, `8030-7.3.1-1`).
    pub(super) fn gone(&mut self, target: &PushUrl) {
        let members = self.subscriptions.resources().filter(|(_, _, resources)| resources.target() == target);
        let members: Vec<_> = members.map(|(tag, active, _)| (tag, active)).collect();
        for (tag, active) in members {
            let event = if active { SubscriptionEvent::Gone } else { SubscriptionEvent::Unsubscribed };
            self.forget(tag, event);
        }
        self.retarget();
        self.save();
    }

    /// The subscriptions that are still being made will not be.
    pub(super) fn abandon(&mut self) {
        let making = |(tag, subscription): (&Tag, &Subscription)| match &subscription.phase {
            Phase::Making(making) => Some((*tag, making.unwanted)),
            Phase::Active(_) | Phase::Leaving(_) => None,
        };
        let making: Vec<_> = self.subscriptions.all.iter().filter_map(making).collect();
        for (tag, unwanted) in making {
            let failed = SubscriptionEvent::Failed(SubscribeFault::Closing);
            self.forget(tag, if unwanted { SubscriptionEvent::Unsubscribed } else { failed });
        }
    }

    fn fail(&mut self, tag: Tag, fault: SubscribeFault) {
        let unwanted =
            self.subscriptions.all.get(&tag).is_some_and(|subscription| match &subscription.phase {
                Phase::Making(making) => making.unwanted,
                Phase::Active(_) | Phase::Leaving(_) => false,
            });
        let failed = SubscriptionEvent::Failed(fault);
        self.forget(tag, if unwanted { SubscriptionEvent::Unsubscribed } else { failed });
    }

    fn forget(&mut self, tag: Tag, event: SubscriptionEvent) {
        self.subscriptions.all.remove(&tag);
        for work in [Work::Subscribe(tag), Work::Unsubscribe(tag)] {
            let requests = self.agenda.remove(&work);
            self.outputs.extend(requests.into_iter().map(Output::Cancel));
        }
        self.tell(tag, event);
    }

    fn tell(&mut self, tag: Tag, event: SubscriptionEvent) {
        self.outputs.push_back(Output::Event(Event::Subscription(tag, event)));
    }

    /// What is monitored follows the subscriptions: each set once, and each subscription without one.
    pub(super) fn retarget(&mut self) {
        let closing = self.closing.is_some();
        let wanted = self.subscriptions.active().filter(|_| !closing);
        let wanted: BTreeSet<PushUrl> = wanted.map(|(_, resources)| resources.target().clone()).collect();
        let unwanted = self.agenda.works().filter(|work| match work {
            Work::Monitor(target) => !wanted.contains(target),
            Work::Acknowledge(_) | Work::Subscribe(_) | Work::Unsubscribe(_) => false,
        });
        let unwanted: Vec<Work> = unwanted.cloned().collect();
        for work in unwanted {
            let requests = self.agenda.remove(&work);
            self.outputs.extend(requests.into_iter().map(Output::Cancel));
        }
        for target in wanted {
            let origin = target.origin();
            self.agenda.add(Work::Monitor(target), origin);
        }
    }
}

/// What a 201 names, if it is all there and at home (`8030-4-2`, `8030-4-3`, `8030-4.1-1`).
fn resources(base: &PushUrl, response: &Response) -> Option<Resources> {
    let url = response.location.as_ref()?.resolve_at_home(base)?;
    let push = response.push.as_ref()?.resolve(base)?;
    let set = match &response.set {
        Some(set) => Some(set.resolve_at_home(base)?),
        None => None,
    };
    (url != push).then_some(Resources { url, push, set })
}
