//! Requests to a push service that does not speak HTTP/2: a few connections, one request at a time on each.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, future::Fuse};
use http::{HeaderValue, Request, Uri, Version, header, response::Parts};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{Builder, SendRequest},
};
use push_proto::{Origin, user_agent::Failure};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};

use super::{
    ClientLimits,
    dial::{Dialer, Dialled, Running},
    exchange::{self, Into},
};
use crate::{Runtime, io::HyperIo, runtime::within};

/// A connection, with what has to run for anything to happen on it. It rests while nobody asks.
pub(super) struct Connection {
    requests: SendRequest<Whole>,
    /// It may end before what came on it was read.
    run: Fuse<Running>,
}

/// Greets nobody: the first request does.
pub(super) async fn speak<Io>(io: Io, limits: ClientLimits) -> Result<Connection, &'static str>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let octets = usize::try_from(limits.header_octets).unwrap_or(usize::MAX).max(HEAD_OCTETS_MIN);
    let mut builder = Builder::new();
    builder.max_buf_size(octets);
    let (requests, connection) =
        builder.handshake(HyperIo::new(io, || {})).await.map_err(|_| "no HTTP/1.1")?;
    let run: Running = Box::pin(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection failed");
        }
    });
    Ok(Connection { requests, run: run.fuse() })
}

/// The connections to one push service.
pub(super) struct Http1<R> {
    dialer: Dialer<R>,
    origin: Origin,
    room: Semaphore,
    resting: Mutex<Vec<Connection>>,
    /// It speaks HTTP/2 since.
    outdated: AtomicBool,
}

impl<R: Runtime> Http1<R> {
    /// With the one that showed that the service speaks nothing else.
    pub(super) fn new(dialer: Dialer<R>, origin: Origin, first: Connection) -> Self {
        let room = Semaphore::new(dialer.limits.http1_connections.max(1));
        let (resting, outdated) = (Mutex::new(vec![first]), AtomicBool::new(false));
        Self { dialer, origin, room, resting, outdated }
    }

    /// Whether the push service has learnt HTTP/2: then it is time for a connection of that kind.
    pub(super) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    /// Sends a request; gives the response's head and the beginning of its body.
    pub(super) async fn fetch(
        &self,
        request: Request<Bytes>,
        octets_max: usize,
    ) -> Result<(Parts, Bytes), Failure> {
        let Ok(_place) = self.room.acquire().await else { return Err(Failure::NotSent) };
        let mut connection = self.connection().await?;
        let (head, mut body) = connection.ask(request).await?;
        let mut whole = BytesMut::new();
        let (runtime, limits) = (&self.dialer.runtime, self.dialer.limits);
        // What it says is in its head; a body that is cut short or does not come takes nothing from that.
        let rest = connection.rest(&mut body, octets_max.saturating_add(DRAIN_OCTETS), &mut whole);
        let ended = within(runtime, limits.answer_body, rest).await.unwrap_or(false);
        whole.truncate(octets_max);
        drop(body);
        if ended && !connection.requests.is_closed() {
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Ok((head, whole.freeze()))
    }

    /// Monitors, by a stream of events. There is no other way, and 406 says so: the machine asks again.
    pub(super) async fn monitor(&self, request: Request<Bytes>, into: Into) {
        if !exchange::wants_stream(&request) {
            return into.end(Ok(exchange::ended(406, None))).await;
        }
        // On a connection of its own, beside the places: it stays for long.
        let Ok(Dialled::Http1(mut connection)) = self.dialer.clone().dial(self.origin.clone()).await else {
            return into.end(Err(Failure::NotSent)).await;
        };
        match connection.ask(request).await {
            Ok((head, body)) if exchange::is_stream(&head) => {
                exchange::stream(Coming { connection, body }, self.dialer.limits.event_octets, &into).await;
            }
            Ok((head, _)) => into.end(Ok(head)).await,
            Err(failure) => into.end(Err(failure)).await,
        }
    }

    /// One that rests and still lives, or a new one.
    async fn connection(&self) -> Result<Connection, Failure> {
        loop {
            let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = resting else { break };
            if connection.is_alive().await {
                return Ok(connection);
            }
        }
        match self.dialer.clone().dial(self.origin.clone()).await? {
            Dialled::Http1(connection) => Ok(connection),
            Dialled::Http2 { .. } => {
                self.outdated.store(true, Ordering::Relaxed);
                Err(Failure::NotSent)
            }
        }
    }
}

impl Connection {
    /// Whether the service has not closed it meanwhile, as far as can be seen without waiting.
    async fn is_alive(&mut self) -> bool {
        tokio::select! {
            biased;
            () = &mut self.run => false,
            ready = self.requests.ready() => ready.is_ok(),
        }
    }

    async fn ask(&mut self, request: Request<Bytes>) -> Result<(Parts, Incoming), Failure> {
        let request = in_origin_form(request).ok_or(Failure::NotSent)?;
        let mut asked = Box::pin(self.requests.send_request(request));
        let answer = tokio::select! {
            biased;
            answer = &mut asked => answer,
            () = &mut self.run => asked.await,
        };
        match answer {
            Ok(response) => Ok(response.into_parts()),
            Err(error) if error.is_canceled() => Err(Failure::NotSent),
            Err(_) => Err(Failure::Lost),
        }
    }

    /// Reads a body to its end, so that the connection can be used again, unless it is longer than that. Whether it came to
    /// its end.
    async fn rest(&mut self, body: &mut Incoming, octets_max: usize, into: &mut BytesMut) -> bool {
        while into.len() <= octets_max {
            match self.piece(body).await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(piece)) => into.extend_from_slice(&piece),
            }
        }
        false
    }

    /// The next piece of a body; none at its end.
    async fn piece(&mut self, body: &mut Incoming) -> Option<Result<Bytes, Failure>> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let frame = tokio::select! {
                biased;
                frame = frame => frame,
                // Then what is left of the body is there, or is an error.
                () = &mut self.run => poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await,
            };
            match frame? {
                Ok(frame) => match frame.into_data() {
                    Ok(piece) => return Some(Ok(piece)),
                    Err(_trailers) => {}
                },
                Err(_) => return Some(Err(Failure::Lost)),
            }
        }
    }
}

/// A body on its connection.
struct Coming {
    connection: Connection,
    body: Incoming,
}

impl exchange::Pieces for Coming {
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        self.connection.piece(&mut self.body).await
    }

    fn taken(&mut self, _octets: usize) {}
}

/// RFC 9112 §3.2.1: the path alone, and the host in its field.
fn in_origin_form(request: Request<Bytes>) -> Option<Request<Whole>> {
    let (mut head, body) = request.into_parts();
    let host = HeaderValue::from_str(head.uri.authority()?.as_str()).ok()?;
    let path = head.uri.path_and_query().cloned()?;
    head.uri = Uri::from(path);
    head.version = Version::HTTP_11;
    head.headers.insert(header::HOST, host);
    Some(Request::from_parts(head, Whole(body)))
}

/// A body that is there, and whose length is told: WNS takes no chunks.
struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = std::mem::take(&mut self.0);
        Poll::Ready(body.has_remaining().then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }
}

/// Of a body that is longer than what is wanted of it, so much is read to keep the connection.
const DRAIN_OCTETS: usize = 16 * 1024;
/// hyper takes no less.
const HEAD_OCTETS_MIN: usize = 8192;
