//! The two ways by which messages come: server push over HTTP/2, and the event stream.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::way::{Hop, Line, PROXY, Trouble, Way, in_time};

/// A monitor that takes server pushes.
pub(super) struct Pushes {
    response: h2::client::ResponseFuture,
    promises: h2::client::PushPromises,
}

/// What came of waiting for a push.
pub(super) enum Pushed {
    /// The body that was pushed, and the URL by which it is acknowledged.
    Message(String, Bytes),
    /// This status came instead.
    Refused(StatusCode),
}

impl Pushes {
    pub(super) async fn open(line: Line, url: &str) -> Hop<Self> {
        let failed = |error: h2::Error| Trouble::new(format!("HTTP/2 fails: {error}"), PROXY);
        let (sender, connection) =
            in_time("HTTP/2 does not come about", h2::client::handshake(line.transport))
                .await?
                .map_err(failed)?;
        drop(tokio::spawn(connection));
        let mut sender = in_time("HTTP/2 does not come about", sender.ready()).await?.map_err(failed)?;
        let request = Request::get(url).body(());
        let request = request
            .map_err(|error| Trouble::new(format!("the service named a strange URL: {error}"), PROXY))?;
        let (mut response, _) = sender.send_request(request, true).map_err(failed)?;
        let promises = response.push_promises();
        Ok(Self { response, promises })
    }

    pub(super) async fn next(mut self) -> Hop<Pushed> {
        let failed = |error: h2::Error| Trouble::new(format!("the HTTP/2 connection breaks: {error}"), PROXY);
        in_time("neither a push nor a refusal comes", async {
            tokio::select! {
                promise = self.promises.push_promise() => match promise {
                    Some(promise) => {
                        let (request, response) = promise.map_err(failed)?.into_parts();
                        let mut stream = response.await.map_err(failed)?.into_body();
                        let mut body = Vec::new();
                        while let Some(piece) = stream.data().await {
                            body.extend_from_slice(&piece.map_err(failed)?);
                        }
                        Ok(Pushed::Message(request.uri().to_string(), body.into()))
                    }
                    None => Ok(Pushed::Refused((&mut self.response).await.map_err(failed)?.status())),
                },
                response = &mut self.response => Ok(Pushed::Refused(response.map_err(failed)?.status())),
            }
        })
        .await?
    }
}

/// An event stream.
pub(super) struct Events {
    body: Incoming,
    read: Vec<u8>,
}

/// One event.
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: Value,
}

impl Events {
    pub(super) async fn open(way: &Way, path: &str) -> Hop<Self> {
        let request = way.request(Method::GET, path, &[("accept", "text/event-stream")], "")?;
        let response = way.send(request).await?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        if response.status() != StatusCode::OK || kind.is_none_or(|kind| kind != "text/event-stream") {
            let what = format!("there is no event stream, but {}", response.status());
            return Err(Trouble::new(
                what,
                "see that a proxy passes the Accept field on, and answers as they come",
            ));
        }
        Ok(Self { body: response.into_body(), read: Vec::new() })
    }

    /// The next event; comments are passed over.
    pub(super) async fn next(&mut self) -> Hop<Event> {
        let broken = |what: &str| Trouble::new(format!("the event stream {what}"), PROXY);
        loop {
            if let Some(event) = self.take() {
                return event.ok_or_else(|| broken("makes no sense"));
            }
            if self.read.len() > EVENT_OCTETS_MAX {
                return Err(broken("has an event without an end"));
            }
            let frame = self.body.frame().await.ok_or_else(|| broken("ends"))?;
            let frame = frame.map_err(|error| broken(&format!("breaks off: {error}")))?;
            self.read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    }

    /// What was read of an event with its end; `Some(None)` if it is none.
    fn take(&mut self) -> Option<Option<Event>> {
        loop {
            let end = self.read.windows(2).position(|octets| octets == b"\n\n")?;
            let block: Vec<u8> = self.read.drain(..end.saturating_add(2)).collect();
            let text = String::from_utf8_lossy(&block);
            if text.starts_with(':') {
                continue;
            }
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let data = field("data: ").and_then(|data| serde_json::from_str(data).ok());
            return Some(
                field("event: ").zip(data).map(|(kind, data)| Event { kind: kind.to_owned(), data }),
            );
        }
    }
}

impl Event {
    /// A field of it, as text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Of a message: what was sent.
    pub(super) fn body(&self) -> Vec<u8> {
        Base64UrlUnpadded::decode_vec(self.text("body")).unwrap_or_default()
    }
}

/// A message has at most 4 KiB, and its event half as much again.
const EVENT_OCTETS_MAX: usize = 64 * 1024;
