//! One request of an HTTP/2 connection.

use std::{future::poll_fn, rc::Rc};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request as HttpRequest, Response as HttpResponse, header};
use push_proto::{Via, service::Monitor};

use crate::{
    Runtime,
    server::exchange::{Body, Broken, Local, Wanted},
};

/// Answers a request, unless it is a monitor: that is for the connection to go on with.
///
/// The response is handed to h2 whole. A peer that does not read it keeps one of its own streams busy, of which it has
/// as many as [`Limits::streams`](crate::Limits::streams).
pub(super) async fn serve<R: Runtime>(
    local: Rc<Local<R>>,
    request: HttpRequest<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Option<(Monitor, Via, SendResponse<Bytes>)> {
    let (head, mut body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    let answer = async {
        match local.understand(head, &mut body).await {
            Ok(Ok(Wanted::Monitor(monitor, via))) => Answer::Monitor(monitor, via),
            Ok(Ok(Wanted::Answer(request))) => Answer::Response(local.answer(request).await),
            Ok(Ok(Wanted::Health(response))) => Answer::Response(response),
            Ok(Err(refusal)) => Answer::Response(local.refuse(&refusal)),
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
        Answer::Monitor(monitor, via) => Some((monitor, via, respond)),
        Answer::Response(response) => {
            if is_head {
                send_head(&mut respond, response);
            } else {
                send(&mut respond, response);
            }
            None
        }
        Answer::Nobody => None,
    }
}

/// Hands a response to h2. A peer that has gone needs none.
pub(super) fn send(respond: &mut SendResponse<Bytes>, response: HttpResponse<Bytes>) {
    let (head, body) = response.into_parts();
    if let Ok(mut stream) = respond.send_response(HttpResponse::from_parts(head, ()), body.is_empty())
        && !body.is_empty()
    {
        drop(stream.send_data(body, true));
    }
}

/// Hands the response to a HEAD request to h2: without a body, but saying how long that would be (RFC 9110 §9.3.2).
fn send_head(respond: &mut SendResponse<Bytes>, response: HttpResponse<Bytes>) {
    let (mut head, body) = response.into_parts();
    if !body.is_empty() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| body.len().into());
    }
    drop(respond.send_response(HttpResponse::from_parts(head, ()), true));
}

enum Answer {
    Monitor(Monitor, Via),
    Response(HttpResponse<Bytes>),
    Nobody,
}

impl Body for RecvStream {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        let piece = self.data().await?;
        Some(piece.map_err(|_| Broken).inspect(|piece| {
            // What was received is taken: the peer may send as much again.
            drop(self.flow_control().release_capacity(piece.len()));
        }))
    }
}
