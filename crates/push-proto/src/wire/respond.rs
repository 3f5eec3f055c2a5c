//! What the service answers, as HTTP responses.

use core::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode, Uri, header};
use push_crypto::capability::Capability;

use super::{Door, ErrorBody, Relation, content, request::TTL};
use crate::{
    AgentId, Handle, ID_OCTETS, Message, MessageId, SealingKeyId, Slot, SubscriptionId, UnixTime,
    service::{Accepted, Named, Response, Subscribed},
};

impl Door {
    /// The HTTP response. Its date is `now`.
    #[must_use]
    pub fn respond(&self, response: &Response, now: UnixTime) -> HttpResponse<Bytes> {
        let response = match response {
            Response::Subscribed(subscribed) => fresh(self.subscribed(*subscribed)),
            Response::Accepted(accepted) => fresh(self.accepted(accepted)),
            Response::Message(message) => self.message(message),
            Response::Done | Response::MonitorEnded { empty: true, .. } => {
                fresh(empty(StatusCode::NO_CONTENT))
            }
            Response::MonitorEnded { empty: false, .. } => fresh(empty(StatusCode::OK)),
            Response::Refused(refusal) => fresh(ErrorBody::Problem.response(refusal)),
        };
        dated(response, now)
    }

    /// The response to whoever asks whether the service is well, if it is; else there is [`Door::refuse`].
    #[must_use]
    pub fn well(&self, now: UnixTime) -> HttpResponse<Bytes> {
        let mut response = HttpResponse::new(Bytes::from_static(b"{\"status\":200}"));
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        dated(fresh(response), now)
    }

    fn subscribed(&self, subscribed: Subscribed) -> HttpResponse<Bytes> {
        let Subscribed { agent, subscription, set_sealed_by } = subscribed;
        let set = self.seal(&set(agent), set_sealed_by);
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, secret(self.subscription_url(agent, subscription)));
        headers.append(header::LINK, secret(Relation::Push.link(&self.push_url(agent, subscription))));
        headers.append(header::LINK, secret(Relation::Set.link(&set)));
        response
    }

    fn accepted(&self, accepted: &Accepted) -> HttpResponse<Bytes> {
        let status = if accepted.receipt.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
        let mut response = empty(status);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, secret(self.message_url(accepted.handle, accepted.sealed_by)));
        headers.insert(TTL, accepted.ttl.as_secs().into());
        if let Some(agent) = accepted.receipt {
            let receipts = self.seal(&receipts(agent), accepted.receipt_sealed_by);
            headers.insert(header::LINK, secret(Relation::Receipt.link(&receipts)));
        }
        response
    }

    /// A message by itself. Its type and octets are a stranger's, and a browser may be shown the URL: it must
    /// not run them as a page of this origin.
    fn message(&self, message: &Message) -> HttpResponse<Bytes> {
        let mut response = HttpResponse::new(message.content.body.clone());
        let headers = response.headers_mut();
        self.write_message(message, headers);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let policy = HeaderValue::from_static("sandbox; default-src 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    }

    /// The fields of a message, pushed or read (`8030-6-4`, `8030-6-9`, `8030-7.2-2`). Urgency, topic and credentials
    /// are not among them (`8030-5.3-2`, `8030-5.4-9`, `8292-4.2-10`).
    pub(super) fn write_message(&self, message: &Message, headers: &mut HeaderMap) {
        content::write(&message.content, headers);
        headers.insert(header::CONTENT_LENGTH, message.content.body.len().into());
        headers.insert(header::LAST_MODIFIED, date(message.accepted));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        headers.insert(header::LINK, self.push_link(message));
    }

    /// The push resource that a message was sent to, by the URL that its user agent knows.
    pub(super) fn push_link(&self, message: &Message) -> HeaderValue {
        value(Relation::Push.link(&self.push_url_of(message)))
    }

    /// The push resource itself.
    pub(super) fn push_url_of(&self, message: &Message) -> String {
        let push = push(message.handle.agent, message.handle.subscription);
        self.seal(&push, Some(message.sealed_by))
    }

    /// Where its user agent monitors and ends a subscription.
    #[must_use]
    pub fn subscription_url(&self, agent: AgentId, subscription: SubscriptionId) -> String {
        let (agent, subscription) = (*agent.octets(), *subscription.octets());
        self.seal(&Capability::Subscription { agent, subscription }, None)
    }

    /// Where application servers send.
    #[must_use]
    pub fn push_url(&self, agent: AgentId, subscription: SubscriptionId) -> String {
        self.seal(&push(agent, subscription), None)
    }

    /// Where a message is acknowledged: the same in its 201, its promise and its receipt (`8030-6-3`,
    /// `8030-6.3-3`), since all know the key of the push URL that it was sent to ([`Message::sealed_by`]).
    #[must_use]
    pub fn message_url(&self, handle: Handle, sealed_by: SealingKeyId) -> String {
        self.seal(&message(handle), Some(sealed_by))
    }

    /// Where an application server monitors its receipts.
    #[must_use]
    pub fn receipts_url(&self, agent: AgentId) -> String {
        self.seal(&receipts(agent), None)
    }

    /// Where a user agent monitors all its subscriptions.
    #[must_use]
    pub fn set_url(&self, agent: AgentId) -> String {
        self.seal(&set(agent), None)
    }

    /// The URL under this key; under the newest if it is not said which, or that one was retired.
    fn seal(&self, capability: &Capability, sealed_by: Option<SealingKeyId>) -> String {
        let kind = match capability {
            Capability::Subscription { .. } => 's',
            Capability::Push { .. } => 'p',
            Capability::Message { .. } => 'm',
            Capability::Receipts { .. } => 'r',
            Capability::Set { .. } => 'a',
        };
        format!("{}/{kind}/{}", self.url, self.token(capability, sealed_by))
    }

    /// What the URL ends with.
    fn token(&self, capability: &Capability, sealed_by: Option<SealingKeyId>) -> String {
        let token = sealed_by.and_then(|key| self.keyring.seal_with(key, capability).ok());
        token.unwrap_or_else(|| self.keyring.seal(capability))
    }

    /// The token of a user agent by itself, for protocols that name it by something else than a URL.
    pub(crate) fn agent_token(&self, agent: AgentId) -> String {
        self.token(&set(agent), None)
    }

    /// The user agent of a token, and the key that sealed it.
    pub(crate) fn agent_of_token(&self, token: &str) -> Option<Named> {
        match self.keyring.open_with_key_id(token).ok()? {
            (Capability::Set { agent }, sealed_by) => {
                Some(Named { agent: AgentId::from_octets(agent), sealed_by })
            }
            (
                Capability::Subscription { .. }
                | Capability::Push { .. }
                | Capability::Message { .. }
                | Capability::Receipts { .. },
                _,
            ) => None,
        }
    }

    /// The token of a message by itself: always the same.
    pub(crate) fn message_token(&self, handle: Handle, sealed_by: SealingKeyId) -> String {
        self.token(&message(handle), Some(sealed_by))
    }

    /// The key that new URLs are sealed with.
    pub(crate) fn newest_key(&self) -> SealingKeyId {
        self.keyring.newest()
    }

    /// The message of a token.
    pub(crate) fn message_of_token(&self, token: &str) -> Option<Handle> {
        match self.keyring.open(token).ok()? {
            Capability::Message { agent, subscription, slot, id } => {
                Some(handle(agent, subscription, slot, id))
            }
            Capability::Subscription { .. }
            | Capability::Push { .. }
            | Capability::Receipts { .. }
            | Capability::Set { .. } => None,
        }
    }
}

const fn push(agent: AgentId, subscription: SubscriptionId) -> Capability {
    Capability::Push { agent: *agent.octets(), subscription: *subscription.octets() }
}

const fn message(handle: Handle) -> Capability {
    Capability::Message {
        agent: *handle.agent.octets(),
        subscription: *handle.subscription.octets(),
        slot: *handle.slot.octets(),
        id: *handle.id.octets(),
    }
}

/// What a message's capability names.
pub(super) const fn handle(
    agent: [u8; ID_OCTETS],
    subscription: [u8; ID_OCTETS],
    slot: [u8; ID_OCTETS],
    id: [u8; ID_OCTETS],
) -> Handle {
    Handle {
        agent: AgentId::from_octets(agent),
        subscription: SubscriptionId::from_octets(subscription),
        slot: Slot::from_octets(slot),
        id: MessageId::from_octets(id),
    }
}

const fn receipts(agent: AgentId) -> Capability {
    Capability::Receipts { agent: *agent.octets() }
}

const fn set(agent: AgentId) -> Capability {
    Capability::Set { agent: *agent.octets() }
}

/// A response without a body.
fn empty(status: StatusCode) -> HttpResponse<Bytes> {
    let mut response = HttpResponse::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// No cache may keep it: it has capabilities in it, or is true only now.
pub(super) fn fresh(mut response: HttpResponse<Bytes>) -> HttpResponse<Bytes> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// With the date, and the length where there can be one (RFC 9110 §8.6).
pub(super) fn dated(mut response: HttpResponse<Bytes>, now: UnixTime) -> HttpResponse<Bytes> {
    if response.status() != StatusCode::NO_CONTENT {
        let length = response.body().len();
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.headers_mut().insert(header::DATE, date(now));
    response
}

/// An HTTP date (RFC 9110 §5.6.7), at most the last that can be written.
pub(super) fn date(time: UnixTime) -> HeaderValue {
    let since_epoch = Duration::from_secs(time.as_secs().min(LAST_DATE_SECS));
    value(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_epoch))
}

/// A field value of what we made ourselves, so it is one.
pub(super) fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The same, of a capability: not printable, and in no compression table, which it would only fill.
pub(super) fn secret(text: String) -> HeaderValue {
    let mut value = value(text);
    value.set_sensitive(true);
    value
}

/// A URL that we made ourselves, so it is one.
pub(super) fn uri(url: String) -> Uri {
    Uri::from_maybe_shared(Bytes::from(url)).unwrap_or_default()
}

/// 9999-12-31T23:59:59Z
const LAST_DATE_SECS: u64 = 253_402_300_799;
