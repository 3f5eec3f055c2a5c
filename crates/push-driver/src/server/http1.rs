//! The server's side of an HTTP/1.1 connection: application servers send by it, user agents acknowledge by it and
//! monitor by event streams. Pushing needs HTTP/2.

mod body;
mod patience;

use std::{cell::RefCell, future::poll_fn, pin::Pin, rc::Rc};

use bytes::Bytes;
use http::{HeaderValue, Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
use push_proto::{Refusal, Via, wire::ErrorBody};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use self::{
    body::{Events, ResponseBody},
    patience::Patience,
};
use super::{
    connection::Caller,
    events::{Begun, EventStream},
    exchange::{Body, Broken, Local, Wanted},
    websocket::{self, Knock},
};
use crate::{
    Runtime,
    io::HyperIo,
    runtime::{sleep_until, within, yield_now},
};

/// A connection that has become a WebSocket, and what was read of it beyond the handshake.
pub(super) struct Upgraded<Io> {
    pub(super) knock: Knock,
    pub(super) io: Io,
    pub(super) read: Bytes,
}

/// Serves a connection until it ends, or is for others to go on with. Dropping the future closes it; the service is told of a
/// request that was open.
pub(super) async fn serve<R: Runtime, Io: AsyncRead + AsyncWrite + Unpin + 'static>(
    local: Rc<Local<R>>,
    io: Io,
    caller: Rc<Caller>,
) -> Option<Upgraded<Io>> {
    let begun = local.runtime.now().mono;
    let (patience, end) = (Rc::new(Patience::new(begun)), begun.after(local.limits.age));
    let respond = {
        let (local, caller, patience) = (Rc::clone(&local), Rc::clone(&caller), Rc::clone(&patience));
        service_fn(move |request| {
            Box::pin(respond(Rc::clone(&local), Rc::clone(&caller), Rc::clone(&patience), request))
        })
    };
    let io = {
        let patience = Rc::clone(&patience);
        HyperIo::new(io, move || patience.flushed())
    };
    let mut builder = Builder::new();
    builder.max_buf_size(
        usize::try_from(local.limits.header_octets).unwrap_or(usize::MAX).max(BUFFER_OCTETS_MIN),
    );
    let connection = RefCell::new(builder.serve_connection(io, respond));
    // hyper would shut an upgraded connection down.
    let served = poll_fn(|context| connection.borrow_mut().poll_without_shutdown(context));
    let shut = async {
        tokio::select! {
            biased;
            () = local.draining.clone() => {}
            () = sleep_until(local.runtime.clone(), end) => {}
        }
        Pin::new(&mut *connection.borrow_mut()).graceful_shutdown();
        // hyper closes an idle connection when it is polled, and nothing else may come to wake it.
        yield_now().await;
        std::future::pending::<()>().await;
    };
    let served = tokio::select! {
        biased;
        result = served => result,
        () = patience.end(&local.runtime, &local.limits) => {
            tracing::debug!("idle, or not read");
            return None;
        }
        () = caller.account().is_cut_off() => return None,
        () = shut => return None,
    };
    let parts = connection.into_inner().into_parts();
    let mut io = parts.io.into_inner();
    match served {
        Ok(()) => {
            if let Some(knock) = patience.upgraded() {
                return Some(Upgraded { knock, io, read: parts.read_buf });
            }
        }
        Err(error) => tracing::debug!(%error, "connection failed"),
    }
    // Whoever does not take part in that is cut off.
    drop(within(&local.runtime, local.limits.pong, io.shutdown()).await);
    None
}

/// Answers one request; an error closes the connection.
async fn respond<R: Runtime>(
    local: Rc<Local<R>>,
    caller: Rc<Caller>,
    patience: Rc<Patience>,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<ResponseBody>, CutShort> {
    let busy = patience.busy();
    let (head, body) = request.into_parts();
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY).cloned();
    let asker = caller.client.asker(&head.headers);
    let words = ErrorBody::accepted(&head.headers);
    let mut body = Invited { is_coming: !head.headers.contains_key(header::EXPECT), body };
    let mut response = match local.understand(&asker, head, &mut body).await {
        Ok(Ok(Wanted::Monitor(_, Via::Push))) => local.refuse(&Refusal::PUSH_UNSUPPORTED),
        Ok(Ok(Wanted::Monitor(monitor, Via::Stream))) => {
            match EventStream::open(Rc::clone(&local), Rc::clone(&caller), monitor).await {
                Begun::Response(response) => response,
                Begun::Stream(events) => {
                    let head = local.door.event_stream(local.runtime.now().wall);
                    return Ok(head.map(|()| ResponseBody::Events(Events::new(events, busy))));
                }
            }
        }
        Ok(Ok(Wanted::Answer(request, _held))) => local.answer(&asker, words, request).await,
        Ok(Ok(Wanted::Health(response))) => response,
        Ok(Ok(Wanted::WebSocket(doorway))) => match key {
            Some(key) => {
                patience.upgrade(Knock { doorway, asker, alone: true });
                websocket::accept(&key)
            }
            None => local.refuse(&Refusal::HANDSHAKE_INVALID),
        },
        Ok(Err(refusal)) => local.refuse_in(words, &refusal),
        Err(Broken) => return Err(CutShort),
    };
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        // RFC 9110 §15.5.22; HTTP/2 has no such field.
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    busy.done(local.runtime.now().mono);
    Ok(response.map(|body| ResponseBody::whole(body, caller.account(), patience)))
}

/// The peer cut its request short.
#[derive(Debug)]
struct CutShort;

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request was cut short")
    }
}

impl std::error::Error for CutShort {}

/// A body. A peer that waits to be told to continue is told so by the first read.
struct Invited {
    body: Incoming,
    is_coming: bool,
}

impl Body for Invited {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        self.is_coming = true;
        loop {
            let frame = poll_fn(|context| hyper::body::Body::poll_frame(Pin::new(&mut self.body), context));
            match frame.await? {
                Ok(frame) => match frame.into_data() {
                    Ok(piece) => return Some(Ok(piece)),
                    Err(_trailers) => {}
                },
                Err(_) => return Some(Err(Broken)),
            }
        }
    }

    fn octets(&self) -> Option<usize> {
        hyper::body::Body::size_hint(&self.body).exact().and_then(|octets| usize::try_from(octets).ok())
    }

    fn is_coming(&self) -> bool {
        self.is_coming
    }
}

/// What hyper insists on.
const BUFFER_OCTETS_MIN: usize = 8 * 1024;
