//! One request of a client, and the pushes that come with it.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use h2::{
    Reason, RecvStream,
    client::{PushPromise, ResponseFuture, SendRequest},
};
use http::{Request, Response, StatusCode, header, response::Parts};
use push_proto::{
    application_server::PushedReceipt,
    user_agent::{self, Failure, RequestId, RetryAfter},
    wire::{self, EventReader, StreamEnd, StreamEvent},
};
use tokio::sync::mpsc;

use super::ClientLimits;
use crate::{Runtime, runtime::within};

/// Sends a request; gives the response's head and the beginning of its body, or what came of it in time.
pub(super) async fn fetch<R: Runtime>(
    requests: SendRequest<Bytes>,
    request: Request<Bytes>,
    octets_max: usize,
    (runtime, limits): (R, ClientLimits),
) -> Result<(Parts, Bytes), Failure> {
    let response = send(requests, request).await?;
    let (head, body) = response.await.map_err(|error| failure(&error))?.into_parts();
    // What a success says is in its head.
    let mut whole = BytesMut::new();
    if !head.status.is_success() {
        within(&runtime, limits.answer_body, beginning(body, octets_max, &mut whole)).await;
    }
    Ok((head, whole.freeze()))
}

/// What comes of a monitor.
pub(super) enum Monitored {
    /// A push, whole.
    Pushed(Box<(Request<()>, Response<Bytes>)>),
    /// A message of a monitor that comes as a stream.
    Message(Box<user_agent::Pushed>),
    /// A receipt of one.
    Receipt(PushedReceipt),
    /// Its response, or why there is none. Pushes may follow.
    Ended(Result<Parts, Failure>),
}

/// Where what comes of monitors goes, and the name of this one.
pub(super) struct Into {
    pub(super) id: RequestId,
    pub(super) channel: mpsc::Sender<(RequestId, Monitored)>,
}

impl Into {
    /// Says whether anybody still listens.
    async fn say(&self, monitored: Monitored) -> bool {
        self.channel.send((self.id, monitored)).await.is_ok()
    }

    /// Says how it ended; nothing follows.
    pub(super) async fn end(&self, end: Result<Parts, Failure>) {
        let _nobody_listens = self.say(Monitored::Ended(end)).await;
    }
}

/// Monitors. `into` bounds what is read ahead: while it is full nothing is taken, and HTTP/2 flow control holds the
/// service back.
pub(super) async fn monitor<R: Runtime>(
    requests: SendRequest<Bytes>,
    request: Request<Bytes>,
    (runtime, limits): (R, ClientLimits),
    into: Into,
) {
    let mut response = match send(requests, request).await {
        Ok(response) => response,
        Err(failure) => return into.end(Err(failure)).await,
    };
    let mut pushes = response.push_promises();
    let (mut answered, mut body) = (false, None);
    loop {
        let promise = tokio::select! {
            biased;
            promise = pushes.push_promise() => promise,
            response = &mut response, if !answered => {
                answered = true;
                let head = match response.map(Response::into_parts) {
                    Ok((head, rest)) if is_stream(&head) => {
                        return stream(rest, limits.event_octets, &into).await;
                    }
                    Ok((head, rest)) => {
                        body = Some(rest);
                        Ok(head)
                    }
                    Err(error) => Err(failure(&error)),
                };
                if !into.say(Monitored::Ended(head)).await {
                    return;
                }
                continue;
            }
            // h2 does not wake `push_promise` when the response ends; what follows the end of the body is the end.
            piece = next_piece(&mut body), if body.is_some() => {
                if !matches!(piece, Some(Ok(_))) {
                    body = None;
                }
                continue;
            }
        };
        match promise {
            Some(Ok(promise)) => {
                if let Some(push) = pushed(promise, &runtime, &limits).await
                    && !into.say(Monitored::Pushed(Box::new(push))).await
                {
                    return;
                }
            }
            // There are no more; the response says why, or is what brings the messages.
            Some(Err(_)) | None if answered => return,
            Some(Err(_)) | None => {
                return match response.await.map(Response::into_parts) {
                    Ok((head, rest)) if is_stream(&head) => stream(rest, limits.event_octets, &into).await,
                    Ok((head, _)) => into.end(Ok(head)).await,
                    Err(error) => into.end(Err(failure(&error))).await,
                };
            }
        }
    }
}

/// Whether the messages come in the body of this response.
pub(super) fn is_stream(head: &Parts) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    head.status == StatusCode::OK && kind.eq_ignore_ascii_case(wire::EVENT_STREAM)
}

/// Whether they are wanted there.
pub(super) fn wants_stream(request: &Request<Bytes>) -> bool {
    request.headers().get(header::ACCEPT).is_some_and(|accept| accept == wire::EVENT_STREAM)
}

/// A body that comes in pieces.
pub(super) trait Pieces {
    /// The next; none at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Failure>>> + Send;

    /// So much was handed on: only now may as much come again.
    fn taken(&mut self, octets: usize);
}

impl Pieces for RecvStream {
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        Some(self.data().await?.map_err(|error| failure(&error)))
    }

    fn taken(&mut self, octets: usize) {
        drop(self.flow_control().release_capacity(octets));
    }
}

/// Reads a monitor that comes as a stream, to its end. Without a word about it, that is an end in peace.
pub(super) async fn stream(mut body: impl Pieces, octets_max: usize, into: &Into) {
    let mut events = EventReader::new(octets_max);
    loop {
        let piece = match body.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(failure)) => return into.end(Err(failure)).await,
            None => return into.end(Ok(ended(200, None))).await,
        };
        let mut octets = piece.as_ref();
        loop {
            let monitored = match events.next(&mut octets) {
                Ok(None) => break,
                Ok(Some(StreamEvent::Message(message))) => Monitored::Message(message),
                Ok(Some(StreamEvent::Receipt(receipt))) => Monitored::Receipt(receipt),
                Ok(Some(StreamEvent::End(StreamEnd { status, retry_after, .. }))) => {
                    return into.end(Ok(ended(status, retry_after))).await;
                }
                Ok(Some(StreamEvent::Malformed)) => {
                    tracing::debug!("an event of a monitor cannot be read");
                    continue;
                }
                Err(fault) => {
                    tracing::debug!(%fault, "a monitor cannot be read on");
                    return into.end(Err(Failure::Lost)).await;
                }
            };
            if !into.say(monitored).await {
                return;
            }
        }
        body.taken(piece.len());
    }
}

/// The head that this end of a stream stands for.
pub(super) fn ended(status: u16, retry_after: Option<RetryAfter>) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    // What is no status is our word for a service that does not know what it says.
    head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Some(RetryAfter::In(wait)) = retry_after {
        head.headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    }
    head
}

/// The next piece of a body that does not matter.
async fn next_piece(body: &mut Option<RecvStream>) -> Option<Result<Bytes, h2::Error>> {
    let body = body.as_mut()?;
    let piece = body.data().await;
    if let Some(Ok(piece)) = &piece {
        drop(body.flow_control().release_capacity(piece.len()));
    }
    piece
}

/// A push, if it arrives whole, piece by piece in time, and is no larger than it may be. Otherwise it is dropped, which
/// resets it, and the service pushes it again.
async fn pushed<R: Runtime>(
    promise: PushPromise,
    runtime: &R,
    limits: &ClientLimits,
) -> Option<(Request<()>, Response<Bytes>)> {
    let (request, response) = promise.into_parts();
    let late = || tracing::debug!("a push did not come in time");
    let Some(response) = within(runtime, limits.push_piece, response).await else {
        late();
        return None;
    };
    let (head, mut body) = response.ok()?.into_parts();
    let mut whole = BytesMut::new();
    loop {
        let piece = match within(runtime, limits.push_piece, body.data()).await {
            Some(Some(piece)) => piece.ok()?,
            Some(None) => break,
            None => {
                late();
                return None;
            }
        };
        if piece.len() > limits.push_octets.saturating_sub(whole.len()) {
            tracing::debug!("a push was larger than the limit");
            return None;
        }
        drop(body.flow_control().release_capacity(piece.len()));
        whole.extend_from_slice(&piece);
    }
    Some((request, Response::from_parts(head, whole.freeze())))
}

async fn send(requests: SendRequest<Bytes>, request: Request<Bytes>) -> Result<ResponseFuture, Failure> {
    let mut requests = requests.ready().await.map_err(|_| Failure::NotSent)?;
    let (head, body) = request.into_parts();
    let sent = requests.send_request(Request::from_parts(head, ()), body.is_empty());
    let (response, mut stream) = sent.map_err(|_| Failure::NotSent)?;
    if !body.is_empty() {
        // Bounded by the requests of a connection: h2 keeps what the peer's window does not take.
        stream.send_data(body, true).map_err(|_| Failure::Lost)?;
    }
    Ok(response)
}

/// Whether the peer may have acted on it. It has not if it refused the stream (RFC 9113 §8.7), or if its GOAWAY left
/// the stream out (RFC 9113 §6.8): h2 gives that error to no stream up to the last one that the GOAWAY names.
fn failure(error: &h2::Error) -> Failure {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    if error.is_remote() && (refused || error.is_go_away()) { Failure::NotSent } else { Failure::Lost }
}

/// Whether a connection takes no more requests, though it may still answer some.
pub(super) fn is_spent(requests: &SendRequest<Bytes>) -> bool {
    spent(requests).is_some()
}

/// Why a connection takes no more requests, if so.
pub(super) fn spent(requests: &SendRequest<Bytes>) -> Option<h2::Error> {
    requests.clone().ready().now_or_never()?.err()
}

/// Whether that is because the peer has announced its end, in good order (RFC 9113 §6.8).
pub(super) fn is_draining(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}

async fn beginning(mut body: RecvStream, octets_max: usize, whole: &mut BytesMut) {
    while let Some(Ok(piece)) = body.data().await {
        let room = octets_max.saturating_sub(whole.len());
        whole.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if piece.len() >= room {
            break;
        }
        drop(body.flow_control().release_capacity(piece.len()));
    }
}
