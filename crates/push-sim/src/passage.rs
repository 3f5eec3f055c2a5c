//! From the requests of one machine to those of another, as `wire` has it over HTTP; URLs are numbers in a table. What
//! HTTP and the capabilities add is tested with the crate that owns them.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use push_crypto::{
    Provider,
    capability::{Capability, Keyring},
    rustcrypto,
    vapid::{self, Signer, SigningKey, Verified},
};
use push_proto::{
    AgentId, Handle, MessageId, Origin, PublicKey, PushUrl, Refusal, SealingKeyId, Slot, SubscriptionId,
    Topic, UnixTime, Urgency, application_server,
    service::{self, Monitor, Named, Request, Response, Set, Target},
    user_agent::{self, Reference, RetryAfter},
    wire::{Door, Limits, PublicUrl},
};

pub(crate) const SERVICE: &str = "https://push.example.net/subscribe";
const ORIGIN: &str = "https://push.example.net";

/// What a URL of the service stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Set(AgentId),
    Subscription(AgentId, SubscriptionId),
    Push(AgentId, SubscriptionId),
    Message(Handle),
    Receipts(AgentId),
}

/// The table of URLs: as unforgeable and as lasting as capabilities are.
pub(crate) struct Passage {
    places: Vec<Place>,
    numbers: BTreeMap<Place, usize>,
    sealed_by: SealingKeyId,
    keyring: Arc<Keyring>,
    /// For what is not said by HTTP, where capabilities are real.
    pub(crate) door: Door,
}

/// The keys of both senders and what they prove, from fixed octets, so that a schedule replays.
static KEYS: LazyLock<Vec<(PublicKey, Verified)>> = LazyLock::new(keys);

fn keys() -> Vec<(PublicKey, Verified)> {
    let provider: Provider = rustcrypto::provider();
    let now = UnixTime::from_secs(1_800_000_000);
    let secrets =
        ["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"];
    let origin: Option<Origin> = PushUrl::parse(ORIGIN).ok().map(|url| url.origin());
    let proven = |secret: &str| {
        let signer = Signer::new(SigningKey::from_base64url(secret).ok()?, None);
        let origin = origin.as_ref()?;
        let token = signer.sign(&provider, origin, now.saturating_add_secs(3600), now).ok()?;
        let credentials = vapid::Credentials::parse(token.authorization()).ok()?;
        let verified = vapid::verify(&provider, &credentials, origin, now, 60).ok()?;
        Some((*signer.public_key(), verified))
    };
    secrets.iter().filter_map(|secret| proven(secret)).collect()
}

/// The VAPID key of a sender.
pub(crate) fn key_of(sender: usize) -> Option<PublicKey> {
    KEYS.get(sender).map(|(key, _)| *key)
}

impl Passage {
    pub(crate) fn new() -> Self {
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        let keyring: Result<Keyring, _> = format!("webpush-keyring 1\nslot {key}\nseal 0 {key}\n").parse();
        let keyring = Arc::new(keyring.unwrap_or_else(|error| unreachable_constant(&error)));
        let url = PublicUrl::parse(ORIGIN).unwrap_or_else(|error| unreachable_constant(&error));
        let door = Door::new(Arc::clone(&keyring), url, rustcrypto::provider(), Limits::default());
        let sealed_by = keyring.newest();
        Self { places: Vec::new(), numbers: BTreeMap::new(), sealed_by, keyring, door }
    }

    /// The path of a place.
    pub(crate) fn reference(&mut self, place: Place) -> Reference {
        Reference::new(&self.path(place))
    }

    fn path(&mut self, place: Place) -> String {
        let next = self.places.len();
        let number = *self.numbers.entry(place).or_insert(next);
        if number == next {
            self.places.push(place);
        }
        format!("/{number}")
    }

    /// The place that a URL stands for.
    pub(crate) fn place(&self, url: &PushUrl) -> Option<Place> {
        let number: usize = url.path_and_query().strip_prefix('/')?.parse().ok()?;
        self.places.get(number).copied()
    }

    /// The push resource of a capability URL, as everybody else here names it.
    pub(crate) fn endpoint(&mut self, url: &str) -> Option<PushUrl> {
        let token = url.strip_prefix(ORIGIN)?.strip_prefix("/p/")?;
        let Ok(Capability::Push { agent, subscription }) = self.keyring.open(token) else { return None };
        let place = Place::Push(AgentId::from_octets(agent), SubscriptionId::from_octets(subscription));
        PushUrl::parse(&format!("{ORIGIN}{}", self.path(place))).ok()
    }

    /// The user agent and the subscription of a push resource.
    pub(crate) fn push_of(&self, url: &PushUrl) -> Option<(AgentId, SubscriptionId)> {
        match self.place(url) {
            Some(Place::Push(agent, subscription)) => Some((agent, subscription)),
            _ => None,
        }
    }

    /// The message of a version.
    pub(crate) fn message(&self, version: &str) -> Option<Handle> {
        let Ok(Capability::Message { agent, subscription, slot, id }) = self.keyring.open(version) else {
            return None;
        };
        Some(Handle {
            agent: AgentId::from_octets(agent),
            subscription: SubscriptionId::from_octets(subscription),
            slot: Slot::from_octets(slot),
            id: MessageId::from_octets(id),
        })
    }

    /// The version of a message.
    pub(crate) fn version(&self, handle: Handle) -> String {
        self.keyring.seal(&Capability::Message {
            agent: *handle.agent.octets(),
            subscription: *handle.subscription.octets(),
            slot: *handle.slot.octets(),
            id: *handle.id.octets(),
        })
    }

    /// The user agent of a uaid.
    pub(crate) fn agent(&self, uaid: &str) -> Option<AgentId> {
        let Ok(Capability::Set { agent }) = self.keyring.open(uaid) else { return None };
        Some(AgentId::from_octets(agent))
    }

    const fn named(&self, agent: AgentId) -> Named {
        Named { agent, sealed_by: self.sealed_by }
    }

    /// A user agent's request, as the service gets it.
    pub(crate) fn of_agent(&self, request: &user_agent::Request) -> Result<Request, Refusal> {
        match request {
            user_agent::Request::Subscribe { set, restricted_to, .. } => {
                let set = match set.as_ref().map(|set| self.place(set)) {
                    None => Set::New,
                    Some(Some(Place::Set(agent))) => Set::Joined(self.named(agent)),
                    Some(_) => return Err(Refusal::SET_INVALID),
                };
                Ok(Request::Subscribe(service::Subscribe { set, id: None, restricted_to: *restricted_to }))
            }
            user_agent::Request::Monitor { url, urgency, .. } => {
                let urgency = urgency.unwrap_or(Urgency::VeryLow);
                Ok(Request::Monitor(Monitor { urgency, ..Monitor::of(self.target(url)?) }))
            }
            user_agent::Request::Acknowledge { url } => match self.place(url) {
                Some(Place::Message(handle)) => Ok(Request::Acknowledge(handle)),
                _ => Err(Refusal::NOT_FOUND),
            },
            user_agent::Request::Unsubscribe { url } => Ok(Request::Unsubscribe(self.target(url)?)),
        }
    }

    /// A sender's request, as the service gets it.
    pub(crate) fn of_sender(
        &self,
        sender: usize,
        request: application_server::Request,
    ) -> Result<Request, Refusal> {
        let send = match request {
            application_server::Request::Send(send) => send,
            application_server::Request::MonitorReceipts { url, .. } => {
                return Ok(Request::Monitor(Monitor::of(self.target(&url)?)));
            }
            application_server::Request::EndReceipts { url } => {
                return Ok(Request::Unsubscribe(self.target(&url)?));
            }
        };
        let Some(Place::Push(agent, subscription)) = self.place(&send.to) else {
            return Err(Refusal::NOT_FOUND);
        };
        let receipt = match &send.receipt {
            application_server::ReceiptRequest::No => service::ReceiptRequest::No,
            application_server::ReceiptRequest::New => service::ReceiptRequest::New,
            application_server::ReceiptRequest::On(url) => match self.place(url) {
                Some(Place::Receipts(agent)) => service::ReceiptRequest::On(self.named(agent)),
                _ => return Err(Refusal::RECEIPT_INVALID),
            },
        };
        let verified = KEYS.get(sender).map(|(_, verified)| verified.clone());
        Ok(Request::Send(service::Send {
            agent,
            subscription,
            sealed_by: self.sealed_by,
            ttl: send.ttl,
            urgency: send.urgency,
            topic: send.topic.as_ref().map(slot_of),
            receipt,
            sender: send.credentials.and(verified),
            content: send.content,
        }))
    }

    fn target(&self, url: &PushUrl) -> Result<Target, Refusal> {
        match self.place(url) {
            Some(Place::Set(agent)) => Ok(Target::Set(agent)),
            Some(Place::Subscription(agent, member)) => Ok(Target::Subscription(agent, member)),
            Some(Place::Receipts(agent)) => Ok(Target::Receipts(agent)),
            _ => Err(Refusal::NOT_FOUND),
        }
    }

    /// An answer, as a user agent gets it.
    pub(crate) fn agent_answer(&mut self, response: &Response) -> user_agent::Response {
        let (status, retry_after) = status_of(response);
        let mut answer = user_agent::Response { status, retry_after, ..user_agent::Response::default() };
        if let Response::Subscribed(made) = response {
            answer.location = Some(self.reference(Place::Subscription(made.agent, made.subscription)));
            answer.push = Some(self.reference(Place::Push(made.agent, made.subscription)));
            answer.set = Some(self.reference(Place::Set(made.agent)));
        }
        answer
    }

    /// An answer, as a sender gets it.
    pub(crate) fn sender_answer(&mut self, response: &Response) -> application_server::Response {
        let (status, retry_after) = status_of(response);
        let mut answer =
            application_server::Response { status, retry_after, ..application_server::Response::default() };
        match response {
            Response::Accepted(accepted) => {
                answer.location = Some(self.reference(Place::Message(accepted.handle)));
                answer.ttl = Some(accepted.ttl);
                answer.receipt = accepted.receipt.map(|agent| self.reference(Place::Receipts(agent)));
            }
            Response::Refused(refusal) => answer.reason = Bytes::from_static(refusal.reason().as_bytes()),
            _ => {}
        }
        answer
    }
}

#[allow(clippy::unreachable, reason = "keyring and origin are constants of this file")]
fn unreachable_constant<T>(error: &dyn std::fmt::Display) -> T {
    unreachable!("it is a constant: {error}")
}

fn status_of(response: &Response) -> (u16, Option<RetryAfter>) {
    match response {
        Response::Subscribed(_) => (201, None),
        Response::Accepted(accepted) => (if accepted.receipt.is_some() { 202 } else { 201 }, None),
        Response::Message(_) | Response::MonitorEnded { empty: false, .. } => (200, None),
        Response::Done | Response::MonitorEnded { empty: true, .. } => (204, None),
        Response::Refused(refusal) => {
            let wait = refusal.retry_after().map(|wait| Duration::from_secs(wait.as_secs().max(1)));
            (refusal.status(), wait.map(RetryAfter::In))
        }
    }
}

fn slot_of(topic: &Topic) -> Slot {
    let mut octets = [0xff; push_proto::ID_OCTETS];
    for (octet, character) in octets.iter_mut().zip(topic.as_str().bytes()) {
        *octet = character;
    }
    Slot::from_octets(octets)
}
