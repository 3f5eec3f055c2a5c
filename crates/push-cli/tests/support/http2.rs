//! A plain HTTP/2 client without opinions: it knows nothing of the code under test.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, client};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// The connection ended, or the request on it did.
#[derive(Debug)]
pub(crate) struct Broken;

impl From<h2::Error> for Broken {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// One connection.
#[derive(Clone)]
pub(crate) struct Peer(client::SendRequest<Bytes>);

pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A message that was pushed.
pub(crate) struct Pushed {
    /// The path of the promised request.
    pub(crate) path: String,
    pub(crate) response: Response,
}

/// A request without an end; reset when dropped.
#[expect(dead_code, reason = "held, not used")]
pub(crate) struct Begun((client::ResponseFuture, h2::SendStream<Bytes>));

/// A request that is open, and what is pushed on it.
pub(crate) struct Monitor {
    response: client::ResponseFuture,
    promises: client::PushPromises,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpStream::connect(address).await.map_err(|_| Broken)?;
        socket.set_nodelay(true).unwrap();
        Self::over(socket).await
    }

    /// One over any transport.
    pub(crate) async fn over(
        transport: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Broken> {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .max_concurrent_streams(100);
        let (sender, connection) = builder.handshake(transport).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self(sender))
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        fields: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Response, Broken> {
        let mut sender = self.0.clone().ready().await?;
        let end = body.is_empty();
        let (response, mut stream) = sender.send_request(head(method, path, fields), end)?;
        if !end {
            stream.send_data(body, true)?;
        }
        let (head, body) = response.await?.into_parts();
        Ok(Response { status: head.status, headers: head.headers, body: read(body).await? })
    }

    /// Sends a head, and never its body.
    pub(crate) async fn begin(&self, path: &str, fields: &[(&'static str, &str)]) -> Result<Begun, Broken> {
        let mut sender = self.0.clone().ready().await?;
        Ok(Begun(sender.send_request(head(Method::POST, path, fields), false)?))
    }

    pub(crate) async fn monitor(
        &self,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Monitor, Broken> {
        let mut sender = self.0.clone().ready().await?;
        let (mut response, _) = sender.send_request(head(Method::GET, path, fields), true)?;
        let promises = response.push_promises();
        Ok(Monitor { response, promises })
    }
}

impl Monitor {
    /// The next message; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Result<Pushed, Broken>> {
        let promise = match self.promises.push_promise().await? {
            Ok(promise) => promise,
            Err(error) => return Some(Err(error.into())),
        };
        let (request, response) = promise.into_parts();
        let path = request.uri().path().to_owned();
        Some(pushed(path, response).await)
    }

    /// The response to the request itself, and everything that was pushed until then.
    pub(crate) async fn all(self) -> Result<(StatusCode, Vec<Pushed>), Broken> {
        let Self { response, mut promises } = self;
        let status = response.await?.status();
        let mut all = Vec::new();
        while let Some(promise) = promises.push_promise().await {
            let (request, response) = promise?.into_parts();
            all.push(pushed(request.uri().path().to_owned(), response).await?);
        }
        Ok((status, all))
    }

    /// The response to the request itself.
    pub(crate) async fn response(self) -> Result<StatusCode, Broken> {
        Ok(self.response.await?.status())
    }
}

async fn pushed(path: String, response: client::PushedResponseFuture) -> Result<Pushed, Broken> {
    let (head, body) = response.await?.into_parts();
    let response = Response { status: head.status, headers: head.headers, body: read(body).await? };
    Ok(Pushed { path, response })
}

fn head(method: Method, path: &str, fields: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://push.test{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
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
pub(crate) fn path_of(url: &str) -> String {
    url.parse::<http::Uri>().unwrap().path().to_owned()
}

/// The target of the link with this relation.
pub(crate) fn link(headers: &HeaderMap, relation: &str) -> String {
    let wanted = format!("rel=\"{relation}\"");
    let values = headers.get_all("link").iter().map(|value| value.to_str().unwrap());
    let found = values.flat_map(|value| value.split(',')).find(|value| value.contains(&wanted));
    let target = found.unwrap().trim().strip_prefix('<').unwrap().split('>').next().unwrap();
    path_of(target)
}

/// A user agent that is not connected, and its sender.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) subscription: String,
    pub(crate) push: String,
}

impl Agent {
    pub(crate) async fn subscribe(peer: &Peer) -> Self {
        let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
        assert_eq!(made.status, StatusCode::CREATED);
        let subscription = path_of(made.headers["location"].to_str().unwrap());
        Self { subscription, push: link(&made.headers, "urn:ietf:params:push") }
    }
}
