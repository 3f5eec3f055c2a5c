//! A plain HTTP/2 client without opinions: it shares no code with what is under trial.

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::Pin,
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client};
use http::{HeaderMap, Method, Request, StatusCode, header::HeaderName};
use tokio::net::TcpStream;

/// The connection ended, or the request on it did: whoever asked knows nothing.
#[derive(Debug)]
pub(super) struct Broken;

impl From<h2::Error> for Broken {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// One cleartext connection; clones share it.
#[derive(Clone)]
pub(super) struct Peer(client::SendRequest<Bytes>);

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Fields of a request.
pub(super) type Fields<'a> = &'a [(HeaderName, String)];

/// A GET that is open, and what is pushed on it.
pub(super) struct Monitor {
    response: client::ResponseFuture,
    promises: client::PushPromises,
    ended: Option<Result<StatusCode, Broken>>,
}

/// A push whose promise has come.
pub(super) struct Promised {
    pub(super) path: String,
    response: client::PushedResponseFuture,
}

impl Peer {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpStream::connect(address).await.map_err(|_| Broken)?;
        socket.set_nodelay(true).map_err(|_| Broken)?;
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .max_concurrent_streams(PUSHES);
        let (sender, connection) = builder.handshake(socket).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self(sender))
    }

    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        fields: Fields<'_>,
        body: Bytes,
    ) -> Result<Answer, Broken> {
        let mut sender = self.0.clone().ready().await?;
        let (response, mut stream) = sender.send_request(head(method, path, fields)?, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        let (head, body) = response.await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: read(body).await? })
    }

    pub(super) async fn monitor(&self, path: &str, fields: Fields<'_>) -> Result<Monitor, Broken> {
        let mut sender = self.0.clone().ready().await?;
        let (mut response, _) = sender.send_request(head(Method::GET, path, fields)?, true)?;
        let promises = response.push_promises();
        Ok(Monitor { response, promises, ended: None })
    }
}

impl Monitor {
    /// The next promise; `None` when there will be no more.
    pub(super) async fn next(&mut self) -> Option<Result<Promised, Broken>> {
        let promise = poll_fn(|context| {
            // h2 wakes nobody who waits for a promise when the response ends without one.
            if self.ended.is_none()
                && let Poll::Ready(response) = Pin::new(&mut self.response).poll(context)
            {
                self.ended = Some(response.map(|response| response.status()).map_err(Broken::from));
            }
            self.promises.poll_push_promise(context)
        });
        Some(match promise.await? {
            Ok(promise) => {
                let (request, response) = promise.into_parts();
                Ok(Promised { path: request.uri().path().to_owned(), response })
            }
            Err(error) => Err(error.into()),
        })
    }

    /// The status that the GET itself ended with.
    pub(super) async fn end(self) -> Result<StatusCode, Broken> {
        match self.ended {
            Some(ended) => ended,
            None => Ok(self.response.await?.status()),
        }
    }
}

impl Promised {
    pub(super) async fn answer(self) -> Result<Answer, Broken> {
        let (head, body) = self.response.await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: read(body).await? })
    }
}

fn head(method: Method, path: &str, fields: Fields<'_>) -> Result<Request<()>, Broken> {
    let mut request = Request::builder().method(method).uri(format!("http://push.test{path}"));
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.body(()).map_err(|_| Broken)
}

async fn read(mut body: RecvStream) -> Result<Bytes, Broken> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The path of an absolute URL.
pub(super) fn path_of(url: &str) -> Option<String> {
    url.parse::<http::Uri>().ok().map(|url| url.path().to_owned())
}

/// The path of what the link with this relation names.
pub(super) fn linked(headers: &HeaderMap, relation: &str) -> Option<String> {
    let wanted = format!("rel=\"{relation}\"");
    let values = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
    let found = values.flat_map(|value| value.split(',')).find(|value| value.contains(&wanted))?;
    path_of(found.trim().strip_prefix('<')?.split('>').next()?)
}

/// Pushes that a peer takes at once.
const PUSHES: u32 = 128;
