//! HTTP requests to what the service understands (RFC 8030 §4 to §6, RFC 8292).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request as HttpRequest, header, request::Parts};
use push_crypto::{
    capability::{Capability, ID_LEN},
    vapid::{OPTIONS_MEDIA_TYPE, restriction_from_json},
};

use super::{
    Admitted, Door, Preferences, Relation, Verify, content,
    door::{Action, PushResource},
    lexer::trim,
    link::Links,
    prefer::PREFER,
    vapid,
};
use crate::{
    AgentId, Refusal, SealingKeyId, Slot, Topic, Ttl, UnixTime, Urgency,
    service::{Monitor, Named, ReceiptRequest, Request, Send, Set, Subscribe},
    user_agent::Reference,
};

impl Door {
    /// Reads a whole request, admitted before. `verify` checks its VAPID token, if it has one: an invalid token is
    /// refused whether the subscription is restricted or not.
    ///
    /// # Errors
    ///
    /// 400, 403, 413 or 431, with the section that says so.
    pub fn request(
        &self,
        admitted: Admitted,
        request: HttpRequest<Bytes>,
        verify: &mut dyn Verify,
        now: UnixTime,
    ) -> Result<Request, Refusal> {
        let (head, body) = request.into_parts();
        if head.headers.get_all(PREFER).iter().count() > self.limits.prefer_lines {
            return Err(Refusal::FIELDS_TOO_LARGE);
        }
        match admitted.action {
            Action::Subscribe => self.subscribe(&head, &body).map(Request::Subscribe),
            Action::Send(push) => {
                let mut send = self.send(push, &head, body)?;
                if let Some(credentials) = vapid::credentials(&head.headers, self.draft_vapid)? {
                    vapid::check_keys_differ(&credentials, &send.content)?;
                    send.sender = Some(verify.verify(self, &credentials, now).map_err(vapid::refusal)?);
                }
                Ok(Request::Send(send))
            }
            Action::Monitor(target) => {
                let urgency = urgency(&head.headers)?.unwrap_or(Urgency::VeryLow);
                Ok(Request::Monitor(Monitor { target, urgency, wait: Preferences::read(&head.headers).wait }))
            }
            Action::Unsubscribe(target) => Ok(Request::Unsubscribe(target)),
            Action::Read(handle) => Ok(Request::Read(handle)),
            Action::Acknowledge(handle) => Ok(Request::Acknowledge(handle)),
        }
    }

    fn subscribe(&self, head: &Parts, body: &Bytes) -> Result<Subscribe, Refusal> {
        self.check_length(body)?;
        let set = match self.linked(head, Relation::Set, Refusal::SET_INVALID)? {
            None => Set::New,
            Some((Capability::Set { agent }, key)) => Set::Joined(named(agent, key)),
            Some(_) => return Err(Refusal::SET_INVALID),
        };
        // A body of any other type means nothing (`8292-4.1-3`, A-35).
        let restricted_to = if is_options(&head.headers) {
            restriction_from_json(body).map_err(|_| Refusal::OPTIONS_MALFORMED)?
        } else {
            None
        };
        Ok(Subscribe { set, id: None, restricted_to })
    }

    /// Everything but the sender.
    fn send(&self, push: PushResource, head: &Parts, body: Bytes) -> Result<Send, Refusal> {
        let PushResource { agent, subscription, sealed_by } = push;
        self.check_length(&body)?;
        let headers = &head.headers;
        let ttl = single(headers, &TTL, Refusal::TTL_INVALID)?.ok_or(Refusal::TTL_MISSING)?;
        let ttl = Ttl::parse(ttl).ok_or(Refusal::TTL_INVALID)?;
        let topic = match single(headers, &TOPIC, Refusal::TOPIC_INVALID)? {
            None => None,
            Some(topic) => Some(Topic::parse(topic).ok_or(Refusal::TOPIC_INVALID)?),
        };
        let linked = match self.linked(head, Relation::Receipt, Refusal::RECEIPT_INVALID)? {
            None => ReceiptRequest::New,
            Some((Capability::Receipts { agent }, key)) => ReceiptRequest::On(named(agent, key)),
            Some(_) => return Err(Refusal::RECEIPT_INVALID),
        };
        let wanted = Preferences::read(headers).respond_async;
        Ok(Send {
            agent,
            subscription,
            sealed_by,
            ttl,
            urgency: urgency(headers)?.unwrap_or_default(),
            topic: topic
                .map(|topic| self.keyring.topic_slot(subscription.octets(), topic.as_str()))
                .map(Slot::from_octets),
            receipt: if wanted { linked } else { ReceiptRequest::No },
            sender: None,
            content: content::accept(headers, body, self.limits.content_field_octets)?,
        })
    }

    fn check_length(&self, body: &Bytes) -> Result<(), Refusal> {
        if body.len() > self.limits.body_octets { Err(Refusal::BODY_TOO_LARGE) } else { Ok(()) }
    }

    /// What the one link with this relation leads to, and the key of its URL. Anything but a capability of this
    /// service is `invalid`, and so are two.
    fn linked(
        &self,
        head: &Parts,
        relation: Relation,
        invalid: Refusal,
    ) -> Result<Option<(Capability, SealingKeyId)>, Refusal> {
        let mut found = None;
        for (count, link) in Links::new(&head.headers).enumerate() {
            if count >= self.limits.links {
                return Err(Refusal::FIELDS_TOO_LARGE);
            }
            let link = link.map_err(|_| Refusal::LINK_MALFORMED)?;
            if !link.has(relation) {
                continue;
            }
            let opened =
                link.target().and_then(|target| self.open_reference(&target, head)).ok_or(invalid)?;
            if found.replace(opened).is_some() {
                return Err(invalid);
            }
        }
        Ok(found)
    }

    /// The capability that a URL reference in a request means; none for other origins.
    fn open_reference(&self, reference: &Reference, head: &Parts) -> Option<(Capability, SealingKeyId)> {
        let url = reference.resolve(&self.url.request_url(head.uri.path())?)?;
        let path = url.path_and_query().split('?').next()?;
        self.open(self.url.below(path).filter(|_| url.origin() == *self.url.origin())?)
    }
}

const fn named(agent: [u8; ID_LEN], sealed_by: SealingKeyId) -> Named {
    Named { agent: AgentId::from_octets(agent), sealed_by }
}

/// The only line of a field, trimmed; `invalid` if there are more.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    invalid: Refusal,
) -> Result<Option<&'a [u8]>, Refusal> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (first, None) => Ok(first.map(|line| trim(line.as_bytes()))),
        (_, Some(_)) => Err(invalid),
    }
}

/// `8030-5.3-8`, A-05.
fn urgency(headers: &HeaderMap) -> Result<Option<Urgency>, Refusal> {
    match single(headers, &URGENCY, Refusal::URGENCY_INVALID)? {
        None => Ok(None),
        Some(urgency) => Urgency::parse(urgency).map(Some).ok_or(Refusal::URGENCY_INVALID),
    }
}

/// Whether the body is of the type for subscription options, whatever its parameters (`8292-6.3-1`).
fn is_options(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|line| {
        let media_type = line.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
        trim(media_type).eq_ignore_ascii_case(OPTIONS_MEDIA_TYPE.as_bytes())
    })
}

/// `TTL`
pub(super) const TTL: HeaderName = HeaderName::from_static("ttl");
/// `Topic`
pub(super) const TOPIC: HeaderName = HeaderName::from_static("topic");
/// `Urgency`
pub(super) const URGENCY: HeaderName = HeaderName::from_static("urgency");
