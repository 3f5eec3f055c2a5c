//! The way into the service: HTTP heads to what they ask for.

use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response as HttpResponse, header, request::Parts};
use push_crypto::{
    Provider,
    capability::{Capability, Keyring},
    vapid::{self, Audience, Credentials, VapidError, Verified},
};

use super::{
    ErrorBody, Limits, PublicUrl, WebSocketAt, event_stream,
    public_url::SUBSCRIBE,
    respond::{dated, fresh, handle},
};
use crate::{AgentId, Handle, Refusal, SealingKeyId, SubscriptionId, UnixTime, Via, service::Target};

/// What stands between HTTP and a push service: it opens and seals capability URLs, reads requests and writes
/// responses. Immutable, so all threads share one.
///
/// For each request: [`Door::admit`] on its head; then read the body as [`Admitted::body_limit`] says, or refuse with
/// [`Refusal::BODY_TOO_LARGE`]; then [`Door::request`]; what the service answers goes through [`Door::respond`] and
/// [`Door::promise`], a refusal on the way through [`Door::refuse`].
#[derive(Clone)]
pub struct Door {
    pub(super) keyring: Arc<Keyring>,
    pub(super) url: PublicUrl,
    pub(super) limits: Limits,
    pub(super) draft_vapid: bool,
    /// Where user agents connect by WebSocket, if they may.
    pub(super) websocket: Option<WebSocketAt>,
    portless_audience: bool,
    provider: Provider,
}

impl Door {
    /// A door at this URL. `limits.body_octets` counts as [`Limits::BODY_OCTETS_MIN`] if it is less.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, url: PublicUrl, provider: Provider, limits: Limits) -> Self {
        let body_octets = limits.body_octets.max(Limits::BODY_OCTETS_MIN);
        let limits = Limits { body_octets, ..limits };
        Self { keyring, url, limits, draft_vapid: false, websocket: None, portless_audience: false, provider }
    }

    /// The same, which also takes the credentials of draft-ietf-webpush-vapid-01, as some deployed senders have them:
    /// `Authorization: WebPush` or `Bearer`, with the key in `Crypto-Key: p256ecdsa=`. They are checked as those of
    /// RFC 8292 are. Without this they are as absent, so that a `Bearer` meant for a proxy in front does no harm.
    #[must_use]
    pub fn with_draft_vapid(self) -> Self {
        Self { draft_vapid: true, ..self }
    }

    /// The same, where user agents connect by WebSocket too ([`crate::autopush`]).
    #[must_use]
    pub fn with_websocket(self, at: WebSocketAt) -> Self {
        Self { websocket: Some(at), ..self }
    }

    /// The same, which also takes tokens whose `aud` lacks the port of its URL, as some libraries of senders have it.
    /// Scheme and host must be right. [`vapid::Audience::or_without_port`] says what that costs.
    #[must_use]
    pub fn with_portless_audience(self) -> Self {
        Self { portless_audience: true, ..self }
    }

    /// Where it is.
    #[must_use]
    pub const fn url(&self) -> &PublicUrl {
        &self.url
    }

    /// Looks at a head before any of its body is read. The `Host` does not matter; neither does the query.
    ///
    /// # Errors
    ///
    /// 404 for what does not open, 405, 413 for a body that says it is too large.
    pub fn admit(&self, head: &Parts) -> Result<Admitted, Refusal> {
        let action = match self.resource(head.uri.path())? {
            Resource::Service if head.method == Method::POST => Action::Subscribe,
            Resource::Push(push) if head.method == Method::POST => Action::Send(push),
            Resource::Service | Resource::Push(_) => return Err(Refusal::METHOD_POST_ONLY),
            Resource::Message(handle) if head.method == Method::GET => Action::Read(handle),
            Resource::Message(handle) if head.method == Method::DELETE => Action::Acknowledge(handle),
            Resource::Queue(target) if head.method == Method::GET => Action::Monitor(target),
            Resource::Queue(target) if head.method == Method::DELETE => Action::Unsubscribe(target),
            Resource::Message(_) | Resource::Queue(_) => return Err(Refusal::METHOD_GET_DELETE),
        };
        let via = event_stream::via(&head.headers);
        let admitted = Admitted { action, via, octets_max: self.limits.body_octets };
        match admitted.body_limit() {
            BodyLimit::Ignored => {}
            BodyLimit::AtMost(octets_max) => {
                let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
                if lengths.any(|length| exceeds(length.as_bytes(), octets_max)) {
                    return Err(Refusal::BODY_TOO_LARGE);
                }
            }
        }
        Ok(admitted)
    }

    /// The response to a request that did not get as far as the service, as problem details.
    #[must_use]
    pub fn refuse(&self, refusal: &Refusal, now: UnixTime) -> HttpResponse<Bytes> {
        self.refuse_in(ErrorBody::Problem, refusal, now)
    }

    /// The same, in the words that its peer reads: [`ErrorBody::accepted`] by the request.
    #[must_use]
    pub fn refuse_in(&self, body: ErrorBody, refusal: &Refusal, now: UnixTime) -> HttpResponse<Bytes> {
        dated(fresh(body.response(refusal)), now)
    }

    /// Checks a VAPID token for this origin, each time anew. A [`Verify`] that remembers calls this for what it does
    /// not know.
    ///
    /// # Errors
    ///
    /// What is wrong with the token.
    pub fn verify(&self, credentials: &Credentials, now: UnixTime) -> Result<Verified, VapidError> {
        let audience = Audience::new(self.url.origin());
        let audience = if self.portless_audience { audience.or_without_port() } else { audience };
        vapid::verify(&self.provider, credentials, audience, now, self.limits.vapid_leeway_secs)
    }

    /// What is at this path. The kind of a resource is inside its token, so the letter in front is for people, and
    /// other spellings such as `/wpush/v2/` do as well.
    pub(super) fn resource(&self, path: &str) -> Result<Resource, Refusal> {
        if path.len() > self.limits.path_octets {
            return Err(Refusal::NOT_FOUND);
        }
        let path = self.url.below(path).ok_or(Refusal::NOT_FOUND)?;
        if path == SUBSCRIBE {
            return Ok(Resource::Service);
        }
        let (capability, sealed_by) = self.open(path).ok_or(Refusal::NOT_FOUND)?;
        Ok(match capability {
            Capability::Push { agent, subscription } => Resource::Push(PushResource {
                agent: AgentId::from_octets(agent),
                subscription: SubscriptionId::from_octets(subscription),
                sealed_by,
            }),
            Capability::Message { agent, subscription, slot, id } => {
                Resource::Message(handle(agent, subscription, slot, id))
            }
            Capability::Subscription { agent, subscription } => Resource::Queue(Target::Subscription(
                AgentId::from_octets(agent),
                SubscriptionId::from_octets(subscription),
            )),
            Capability::Set { agent } => Resource::Queue(Target::Set(AgentId::from_octets(agent))),
            Capability::Receipts { agent } => Resource::Queue(Target::Receipts(AgentId::from_octets(agent))),
        })
    }

    /// Opens the token at the end of a path below the prefix; says which key sealed it, too.
    pub(super) fn open(&self, path: &str) -> Option<(Capability, SealingKeyId)> {
        let (alias, token) = path.rsplit_once('/')?;
        let plain = |step: &str| !step.is_empty() && step.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if alias.split('/').count() > ALIAS_STEPS_MAX || !alias.split('/').all(plain) {
            return None;
        }
        self.keyring.open_with_key_id(token).ok()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("url", &self.url).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a path names.
pub(super) enum Resource {
    Service,
    Push(PushResource),
    Message(Handle),
    Queue(Target),
}

/// Where to send, and the key of the URL that said so.
#[derive(Clone, Copy, Debug)]
pub(super) struct PushResource {
    pub(super) agent: AgentId,
    pub(super) subscription: SubscriptionId,
    pub(super) sealed_by: SealingKeyId,
}

/// A request whose head was let in: the URL is opened, the method is right.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    pub(super) action: Action,
    via: Via,
    octets_max: usize,
}

impl Admitted {
    /// How its messages are to reach it, if it is a monitor.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.via
    }

    /// What to do with the body.
    #[must_use]
    pub const fn body_limit(&self) -> BodyLimit {
        match self.action {
            Action::Subscribe | Action::Send(_) => BodyLimit::AtMost(self.octets_max),
            Action::Monitor(_) | Action::Unsubscribe(_) | Action::Read(_) | Action::Acknowledge(_) => {
                BodyLimit::Ignored
            }
        }
    }
}

/// What a method asks of a resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Subscribe,
    Send(PushResource),
    Monitor(Target),
    Unsubscribe(Target),
    Read(Handle),
    Acknowledge(Handle),
}

/// How much of a request's body to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLimit {
    /// Nothing: it means nothing.
    Ignored,
    /// This many octets; one more is [`Refusal::BODY_TOO_LARGE`].
    AtMost(usize),
}

/// Checks VAPID tokens; one is owned by each shard, so it may remember what it has seen (`8292-5-3`).
pub trait Verify {
    /// As [`Door::verify`].
    ///
    /// # Errors
    ///
    /// What is wrong with the token.
    fn verify(
        &mut self,
        door: &Door,
        credentials: &Credentials,
        now: UnixTime,
    ) -> Result<Verified, VapidError>;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unremembered;

impl Verify for Unremembered {
    fn verify(
        &mut self,
        door: &Door,
        credentials: &Credentials,
        now: UnixTime,
    ) -> Result<Verified, VapidError> {
        door.verify(credentials, now)
    }
}

/// Whether a `Content-Length` says more than `octets_max`. What is no number is the carrier's to refuse.
fn exceeds(length: &[u8], octets_max: usize) -> bool {
    let digits = super::lexer::trim(length);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    length.is_none_or(|length| length > octets_max)
}

/// Path segments there may be between the prefix and the token.
const ALIAS_STEPS_MAX: usize = 2;
