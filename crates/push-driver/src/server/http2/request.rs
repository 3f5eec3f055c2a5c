//! One request of an HTTP/2 connection.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request as HttpRequest, Response as HttpResponse};
use push_proto::{Via, service::Monitor, wire::ErrorBody};

use super::{Responses, Shared};
use crate::{
    Runtime,
    server::{
        exchange::{Body, Broken, Wanted},
        websocket::Knock,
    },
};

/// Answers a request, unless it is for something that lasts: that is for the connection to go on with.
///
/// The response is handed to h2 whole. A peer that does not read it keeps one of its own streams busy, of which it has
/// as many as [`Limits::streams`](crate::Limits::streams).
pub(super) async fn serve<R: Runtime>(
    shared: Shared<R>,
    request: HttpRequest<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Option<Left> {
    let Shared { local, caller, responses } = shared;
    let (head, mut body) = request.into_parts();
    let asker = caller.client.asker(&head.headers);
    let words = ErrorBody::accepted(&head.headers);
    let is_head = head.method == Method::HEAD;
    let answer = async {
        match local.understand(&asker, head, &mut body).await {
            Ok(Ok(Wanted::Monitor(monitor, via))) => Answer::Monitor(monitor, via),
            Ok(Ok(Wanted::Answer(request, _held))) => {
                Answer::Response(local.answer(&asker, words, request).await)
            }
            Ok(Ok(Wanted::Health(response))) => Answer::Response(response),
            Ok(Ok(Wanted::WebSocket(doorway))) => {
                Answer::WebSocket(Knock { doorway, asker: asker.clone(), alone: false })
            }
            Ok(Err(refusal)) => Answer::Response(local.refuse_in(words, &refusal)),
            Err(Broken) => Answer::Nobody,
        }
    };
    // The reset first: one that came in the same read as its request must not leave a monitor behind on a dead stream,
    // since to promise a push on that is a protocol error.
    let answer = tokio::select! {
        biased;
        _reset = poll_fn(|context| respond.poll_reset(context)) => Answer::Nobody,
        answer = answer => answer,
    };
    match answer {
        Answer::Monitor(monitor, via) => Some(Left::Monitor(monitor, via, respond)),
        Answer::WebSocket(knock) => Some(Left::WebSocket(knock, body, respond)),
        Answer::Response(response) => {
            if is_head {
                Responses::send_head(&mut respond, response);
            } else {
                responses.send(&mut respond, response);
            }
            None
        }
        Answer::Nobody => None,
    }
}

/// What is for the connection to go on with.
pub(super) enum Left {
    Monitor(Monitor, Via, SendResponse<Bytes>),
    WebSocket(Knock, RecvStream, SendResponse<Bytes>),
}

enum Answer {
    Monitor(Monitor, Via),
    WebSocket(Knock),
    Response(HttpResponse<Bytes>),
    Nobody,
}

impl Body for RecvStream {
    fn octets(&self) -> Option<usize> {
        self.is_end_stream().then_some(0)
    }

    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        let piece = self.data().await?;
        Some(piece.map_err(|_| Broken).inspect(|piece| {
            // What was received is taken: the peer may send as much again.
            drop(self.flow_control().release_capacity(piece.len()));
        }))
    }
}
