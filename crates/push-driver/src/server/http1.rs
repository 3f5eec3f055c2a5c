//! The server's side of an HTTP/1.1 connection: application servers send by it, user agents acknowledge by it. Pushing
//! needs HTTP/2.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request as HttpRequest, Response as HttpResponse, header};
use hyper::{
    body::{Body as HyperBody, Frame, Incoming, SizeHint},
    server::conn::http1::Builder,
    service::service_fn,
};
use push_proto::{Mono, Refusal, service::Request};
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Body, Broken, Local, drained};
use crate::{
    Runtime,
    io::HyperIo,
    runtime::{sleep_until, yield_now},
};

/// Serves a connection until it ends. Dropping the future closes it; the service is told of a request that was open.
pub(super) async fn serve<R: Runtime, Io: AsyncRead + AsyncWrite + Unpin + 'static>(
    local: Rc<Local<R>>,
    io: Io,
) {
    let patience = Rc::new(Patience { busy: Cell::new(false), since: Cell::new(local.runtime.now().mono) });
    let respond = {
        let (local, patience) = (Rc::clone(&local), Rc::clone(&patience));
        service_fn(move |request| {
            let (local, patience) = (Rc::clone(&local), Rc::clone(&patience));
            async move {
                patience.busy.set(true);
                let response = respond(&local, request).await;
                patience.busy.set(false);
                patience.since.set(local.runtime.now().mono);
                response.map(|response| response.map(Whole::new))
            }
        })
    };
    let mut builder = Builder::new();
    builder.max_buf_size(
        usize::try_from(local.limits.header_octets).unwrap_or(usize::MAX).max(BUFFER_OCTETS_MIN),
    );
    let connection = RefCell::new(Box::pin(builder.serve_connection(HyperIo(io), respond)));
    let served = poll_fn(|context| connection.borrow_mut().as_mut().poll(context));
    let shut = async {
        drained(Rc::clone(&local)).await;
        connection.borrow_mut().as_mut().graceful_shutdown();
        // hyper closes an idle connection when it is polled, and nothing else may come to wake it.
        yield_now().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        result = served => if let Err(error) = result {
            tracing::debug!(%error, "connection failed");
        },
        () = patience.end(&local) => tracing::debug!("idle"),
        () = shut => {}
    }
}

/// Answers one request; an error closes the connection.
async fn respond<R: Runtime>(
    local: &Local<R>,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Bytes>, CutShort> {
    let (head, body) = request.into_parts();
    let mut body = Invited { is_coming: !head.headers.contains_key(header::EXPECT), body };
    match local.understand(head, &mut body).await {
        Ok(Ok(Request::Monitor(_))) => Ok(local.refuse(&Refusal::PUSH_UNSUPPORTED)),
        Ok(Ok(request)) => Ok(local.answer(request).await),
        Ok(Err(refusal)) => Ok(local.refuse(&refusal)),
        Err(Broken) => Err(CutShort),
    }
}

/// How long a connection may take for its next head. It also ends one whose peer does not read its response.
struct Patience {
    busy: Cell<bool>,
    since: Cell<Mono>,
}

impl Patience {
    async fn end<R: Runtime>(&self, local: &Local<R>) {
        loop {
            let now = local.runtime.now().mono;
            let end = if self.busy.get() { now } else { self.since.get() }.after(local.limits.head);
            if end <= now {
                return;
            }
            sleep_until(local.runtime.clone(), end).await;
        }
    }
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
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await? {
                Ok(frame) => match frame.into_data() {
                    Ok(piece) => return Some(Ok(piece)),
                    Err(_trailers) => {}
                },
                Err(_) => return Some(Err(Broken)),
            }
        }
    }

    fn is_coming(&self) -> bool {
        self.is_coming
    }
}

/// A response's body, in one piece.
struct Whole(Option<Bytes>);

impl Whole {
    fn new(body: Bytes) -> Self {
        Self(Some(body).filter(|body| !body.is_empty()))
    }
}

impl HyperBody for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |body| u64::try_from(body.len()).unwrap_or(u64::MAX)))
    }
}

/// What hyper insists on.
const BUFFER_OCTETS_MIN: usize = 8 * 1024;
