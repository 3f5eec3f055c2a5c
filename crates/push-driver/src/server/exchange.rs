//! One request, whatever HTTP version it came by: admitted, read, understood, handed to its shard.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};
use http::{Method, Request as HttpRequest, Response as HttpResponse, header, request::Parts};
use push_proto::{
    Refusal, Via,
    service::{Exchange, Monitor, Request, Response},
    wire::{BodyLimit, Door, ErrorBody},
};
use tokio::sync::{oneshot, watch};

use super::{
    census::Tally,
    clients::{Asked, Asker},
    health::Health,
    mailbox::{Admitted, Effects, Mailboxes},
    memory::{Body as Held, Memory},
    verified::Verified,
    websocket::Doorway,
};
use crate::{Limits, Runtime, runtime::within};

/// What the connections of one shard share.
pub(super) struct Local<R> {
    pub(super) runtime: R,
    pub(super) limits: Limits,
    pub(super) door: Door,
    pub(super) mailboxes: Mailboxes,
    /// What the connections of this shard hold.
    pub(super) memory: Rc<Memory>,
    pub(super) tally: Arc<Tally>,
    pub(super) origin: u16,
    pub(super) numbers: Cell<u64>,
    pub(super) verified: RefCell<Verified>,
    pub(super) health: Arc<Health>,
    /// Where user agents connect by WebSocket, if they may.
    pub(super) doorway: Option<Rc<Doorway>>,
    /// Clones wait until the server drains.
    pub(super) draining: Draining,
}

/// What a peer wants.
pub(super) enum Wanted {
    /// Messages as they come, by this.
    Monitor(Monitor, Via),
    /// One answer; the memory of its body is held until that is made.
    Answer(Request, Held),
    /// How the server is: this is it.
    Health(HttpResponse<Bytes>),
    /// A WebSocket.
    WebSocket(Rc<Doorway>),
}

/// A request's body, piece by piece.
pub(super) trait Body {
    /// The next piece; `None` at its end, an error if the peer cut it short. Not cancel safe.
    async fn next(&mut self) -> Option<Result<Bytes, Broken>>;

    /// How long it is, where that is known without its head.
    fn octets(&self) -> Option<usize>;

    /// Whether the peer sends it without waiting to be asked (`Expect: 100-continue`, RFC 9110 §10.1.1).
    fn is_coming(&self) -> bool {
        true
    }
}

/// The peer cut a body short: nobody waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken;

impl<R: Runtime> Local<R> {
    /// Reads and understands a request. `Ok(Err(..))` is what it is refused by; the peer is ready to hear it then.
    pub(super) async fn understand(
        &self,
        asker: &Asker,
        head: Parts,
        body: &mut impl Body,
    ) -> Result<Result<Wanted, Refusal>, Broken> {
        let now = self.runtime.now();
        // Its body is a tunnel, which ends when it was answered (RFC 8441 §4).
        let ends = head.method != Method::CONNECT;
        // A supervisor's question counts for nobody.
        let understood = match self.health.answer(&head, &self.door, now) {
            Some(health) => health.map(Wanted::Health),
            None => match asker.requested(now.mono) {
                Ok(()) => match self.opening(&head) {
                    Some(opening) => opening,
                    None => self.read(head, body).await?,
                },
                Err(refusal) => Err(refusal),
            },
        };
        if understood.as_ref().is_err_and(|refusal| *refusal != Refusal::BODY_SLOW)
            && ends
            && body.is_coming()
        {
            within(&self.runtime, self.limits.body, read_on(body, self.limits.refused_octets)).await;
        }
        Ok(understood)
    }

    /// Whether a WebSocket is wanted, and may be had.
    fn opening(&self, head: &Parts) -> Option<Result<Wanted, Refusal>> {
        let doorway = self.doorway.as_ref()?;
        let protocol = head.extensions.get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str);
        let opening = self.door.opening(head, protocol)?;
        Some(opening.map(|()| Wanted::WebSocket(Rc::clone(doorway))))
    }

    async fn read(&self, head: Parts, body: &mut impl Body) -> Result<Result<Wanted, Refusal>, Broken> {
        let admitted = match self.door.admit(&head) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let octets_max = match admitted.body_limit() {
            BodyLimit::Ignored => 0,
            BodyLimit::AtMost(octets_max) => octets_max.min(told(&head, body).unwrap_or(octets_max)),
        };
        let mut held = match self.memory.admit(octets_max) {
            Ok(held) => held,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let body = match admitted.body_limit() {
            BodyLimit::Ignored => Bytes::new(),
            BodyLimit::AtMost(octets_max) => {
                match within(&self.runtime, self.limits.body, read(body, octets_max)).await {
                    Some(Ok(Ok(body))) => body,
                    Some(Ok(Err(refusal))) => return Ok(Err(refusal)),
                    Some(Err(broken)) => return Err(broken),
                    None => return Ok(Err(Refusal::BODY_SLOW)),
                }
            }
        };
        held.is_whole(body.len());
        let request = HttpRequest::from_parts(head, body);
        let now = self.runtime.now().wall;
        let request = self.door.request(admitted, request, &mut *self.verified.borrow_mut(), now);
        Ok(request.map(|request| {
            if let Request::Monitor(monitor) = request {
                Wanted::Monitor(monitor, admitted.via())
            } else {
                Wanted::Answer(request, held)
            }
        }))
    }

    /// Hands a request to the shard that owns its agent.
    pub(super) fn submit(&self, request: Request, effects: Effects) -> Result<Admitted, Refusal> {
        let number = self.numbers.get() + 1;
        self.numbers.set(number);
        let exchange = Exchange { origin: self.origin, number };
        self.mailboxes.admit(exchange, request, effects, &self.limits)
    }

    /// The HTTP response to a request that has one, its refusal in these words. Dropping the future tells the service that
    /// nobody waits any more.
    pub(super) async fn answer(
        &self,
        asker: &Asker,
        words: ErrorBody,
        request: Request,
    ) -> HttpResponse<Bytes> {
        let response = self.ask(asker, request).await;
        let now = self.runtime.now().wall;
        if let Response::Refused(refusal) = &response {
            return self.door.refuse_in(words, refusal, now);
        }
        self.door.respond(&response, now)
    }

    /// The service's answer, which is counted. Dropping the future tells the service that nobody waits any more.
    async fn ask(&self, asker: &Asker, request: Request) -> Response {
        match self.begin(asker, request) {
            Ok(asking) => asking.response().await,
            Err(refusal) => Response::Refused(refusal),
        }
    }

    /// Tells the service at once, whatever becomes of who asks. A refusal is counted.
    pub(super) fn begin(&self, asker: &Asker, request: Request) -> Result<Asking, Refusal> {
        let counted = |refusal: Refusal| {
            self.count(&refusal);
            refusal
        };
        let asked = asker.asks(&request, self.runtime.now().mono).map_err(counted)?;
        let (sender, response) = oneshot::channel();
        match self.submit(request, Effects::Once(sender)) {
            Ok(admitted) => Ok(Asking { admitted, asked, response, retry_after: self.limits.retry_after }),
            Err(refusal) => {
                asked.answered(&Response::Refused(refusal));
                Err(counted(refusal))
            }
        }
    }

    /// The response to a monitor that did not get as far as the service: user agents know problem details.
    pub(super) fn refuse(&self, refusal: &Refusal) -> HttpResponse<Bytes> {
        self.refuse_in(ErrorBody::Problem, refusal)
    }

    /// A refusal that no shard has counted.
    fn count(&self, refusal: &Refusal) {
        tracing::debug!(status = refusal.status(), reason = refusal.reason(), "refused");
        self.tally.refused(refusal);
    }

    /// The response to any other request that did not get there, or was refused there, in the words that it accepts.
    pub(super) fn refuse_in(&self, words: ErrorBody, refusal: &Refusal) -> HttpResponse<Bytes> {
        self.count(refusal);
        self.door.refuse_in(words, refusal, self.runtime.now().wall)
    }
}

/// What the service was asked. Dropped, it tells the service that nobody waits any more.
pub(super) struct Asking {
    admitted: Admitted,
    asked: Asked,
    response: oneshot::Receiver<Response>,
    retry_after: Duration,
}

impl Asking {
    /// Its answer. The shard has counted it, if it is a refusal.
    pub(super) async fn response(mut self) -> Response {
        let response = self.response.await;
        self.admitted.answered();
        // Without one the shard ended at the deadline of its drain.
        let draining = |_ended| Response::Refused(Refusal::DRAINING.retry_in(self.retry_after));
        let response = response.unwrap_or_else(draining);
        self.asked.answered(&response);
        response
    }
}

/// Done when the server drains: all connections of a shard wait for that, so each of them holds little for it.
pub(super) type Draining = Shared<LocalBoxFuture<'static, ()>>;

/// Waits until this turns true.
pub(super) fn draining(mut draining: watch::Receiver<bool>) -> Draining {
    let drained = async move {
        // The server itself has gone: that drains as well.
        drop(draining.wait_for(|draining| *draining).await);
    };
    drained.boxed_local().shared()
}

/// How long a body is, as far as that is known before it is read.
fn told(head: &Parts, body: &impl Body) -> Option<usize> {
    body.octets().or_else(|| head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}

/// The whole body, if it is no longer than `octets_max`. One piece, the usual case, is not copied.
async fn read(body: &mut impl Body, octets_max: usize) -> Result<Result<Bytes, Refusal>, Broken> {
    let mut whole = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        let octets = whole.len() + more.len();
        if piece.len() > octets_max.saturating_sub(octets) {
            return Ok(Err(Refusal::BODY_TOO_LARGE));
        }
        if octets == 0 {
            whole = piece;
            continue;
        }
        more.extend_from_slice(&std::mem::take(&mut whole));
        more.extend_from_slice(&piece);
    }
    Ok(Ok(if more.is_empty() { whole } else { more.freeze() }))
}

/// Reads a body that was refused, up to a limit.
async fn read_on(body: &mut impl Body, octets_max: usize) {
    let mut octets = 0_usize;
    while let Some(Ok(piece)) = body.next().await {
        octets = octets.saturating_add(piece.len());
        if octets > octets_max {
            return;
        }
    }
}
