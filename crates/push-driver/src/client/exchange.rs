//! One request of a client, and the pushes that come with it.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use h2::{
    Reason, RecvStream,
    client::{PushPromise, ResponseFuture, SendRequest},
};
use http::{Request, Response, response::Parts};
use push_proto::user_agent::{Failure, RequestId};
use tokio::sync::mpsc;

use super::ClientLimits;
use crate::{Runtime, runtime::within};

/// Sends a request; gives the response's head and the beginning of its body.
pub(super) async fn fetch(
    requests: SendRequest<Bytes>,
    request: Request<Bytes>,
    octets_max: usize,
) -> Result<(Parts, Bytes), Failure> {
    let response = send(requests, request).await?;
    let (head, body) = response.await.map_err(|error| failure(&error))?.into_parts();
    // What a success says is in its head.
    let body = if head.status.is_success() { Bytes::new() } else { beginning(body, octets_max).await };
    Ok((head, body))
}

/// What comes of a monitor.
pub(super) enum Monitored {
    /// A push, whole.
    Pushed(Box<(Request<()>, Response<Bytes>)>),
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
}

/// Monitors. `into` bounds what is read ahead: while it is full no push is taken, and HTTP/2 flow control holds the
/// service back.
pub(super) async fn monitor<R: Runtime>(
    requests: SendRequest<Bytes>,
    request: Request<Bytes>,
    (runtime, limits): (R, ClientLimits),
    into: Into,
) {
    let mut response = match send(requests, request).await {
        Ok(response) => response,
        Err(failure) => {
            into.say(Monitored::Ended(Err(failure))).await;
            return;
        }
    };
    let mut pushes = response.push_promises();
    let (mut answered, mut body) = (false, None);
    loop {
        let promise = tokio::select! {
            biased;
            promise = pushes.push_promise() => promise,
            response = &mut response, if !answered => {
                answered = true;
                let head = response.map(|response| {
                    let (head, rest) = response.into_parts();
                    body = Some(rest);
                    head
                });
                if !into.say(Monitored::Ended(head.map_err(|error| failure(&error)))).await {
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
            // There are no more; the response says why.
            Some(Err(_)) | None => {
                if !answered {
                    let head = response.await.map(|response| response.into_parts().0);
                    into.say(Monitored::Ended(head.map_err(|error| failure(&error)))).await;
                }
                return;
            }
        }
    }
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
    matches!(requests.clone().ready().now_or_never(), Some(Err(_)))
}

async fn beginning(mut body: RecvStream, octets_max: usize) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(piece)) = body.data().await {
        let room = octets_max.saturating_sub(whole.len());
        whole.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if piece.len() >= room {
            break;
        }
        drop(body.flow_control().release_capacity(piece.len()));
    }
    whole.freeze()
}
