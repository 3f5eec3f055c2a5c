//! User agents of Mozilla's push protocol by a stream of HTTP/2 (RFC 8441).

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request};
use push_driver::Limits;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{
    memory::counted,
    support::{
        Service, Setup,
        browser::channel,
        clocked::Clocked,
        peer::Peer,
        raw::{DATA, INITIAL_WINDOW_SIZE, Raw},
        run,
    },
};

#[test]
fn they_speak_over_a_stream_of_http2() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("{}/", peer.base))
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        std::future::poll_fn(|context| peer.requests.poll_ready(context)).await.unwrap();
        let (response, send) = peer.requests.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let io = OverHttp2 { send, receive: response.into_body(), rest: Bytes::new() };
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        socket.send(Message::text(json!({"messageType": "hello"}).to_string())).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap();
        assert!(hello.to_text().unwrap().contains("\"status\":200"));
        let register = json!({"messageType": "register", "channelID": channel(7)});
        socket.send(Message::text(register.to_string())).await.unwrap();
        let reply = socket.next().await.unwrap().unwrap();
        let reply: Value = serde_json::from_str(reply.to_text().unwrap()).unwrap();
        let path = reply["pushEndpoint"].as_str().unwrap().strip_prefix(&peer.base).unwrap();
        // By another stream of the same connection.
        peer.send(path, &[7; 4096]).await;
        let pushed = socket.next().await.unwrap().unwrap();
        assert!(pushed.to_text().unwrap().len() > 5000);
        socket.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    });
}

/// A WebSocket on the first stream of a connection that may behave as badly as it likes.
struct Stream {
    raw: Raw,
    /// Octets of it that were read.
    read: Vec<u8>,
}

impl Stream {
    async fn open(mut raw: Raw) -> Self {
        ask_for(&mut raw, 1, "13").await;
        assert_eq!(raw.status(1).await, 200);
        Self { raw, read: Vec::new() }
    }

    /// One that has introduced itself and has a channel; the path of its push resource.
    async fn subscribed(service: &Service, mut raw: Raw) -> (Self, String) {
        raw.window(0, 1 << 24).await;
        let mut stream = Self::open(raw).await;
        stream.say(&json!({"messageType": "hello"})).await;
        assert_eq!(stream.hear().await["status"], 200);
        stream.say(&json!({"messageType": "register", "channelID": channel(7)})).await;
        let reply = stream.hear().await;
        let path = reply["pushEndpoint"].as_str().unwrap().splitn(4, '/').nth(3).unwrap();
        assert!(service.server.census().monitors > 0);
        (stream, format!("/{path}"))
    }

    /// Masked by nothing.
    async fn say(&mut self, frame: &Value) {
        let text = frame.to_string();
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let octets = [&[0x81, 0x80 | 126][..], &length, &[0; 4], text.as_bytes()].concat();
        self.raw.write(DATA, 0, 1, &octets).await;
    }

    /// The next text.
    async fn hear(&mut self) -> Value {
        loop {
            if let [0x81, length, rest @ ..] = self.read.as_slice() {
                let (length, rest) = match (length, rest) {
                    (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                    (length, rest) => (usize::from(*length), rest),
                };
                if let Some((text, rest)) = rest.split_at_checked(length) {
                    let heard = serde_json::from_slice(text).unwrap();
                    self.read = rest.to_vec();
                    return heard;
                }
            }
            let more = self.raw.until(|frame| frame.kind == DATA && frame.stream == 1).await;
            self.read.extend(more.payload);
        }
    }
}

async fn ask_for(raw: &mut Raw, stream: u32, version: &str) {
    let fields = [(":protocol", "websocket"), ("sec-websocket-version", version)];
    raw.head(stream, ("CONNECT", "/"), &fields, false).await;
}

/// G5: a WebSocket beside its monitors does not keep a connection from being cut off that does not read.
#[test]
fn who_does_not_read_is_cut_off_with_a_websocket_as_well() {
    run(async {
        let limits = Limits { cut_octets: 20 * 1024, ..Limits::default() };
        let service = Setup { limits, shards: 1, ..Setup::default() }.start();
        let mut peer = Peer::connect(&service).await;
        let subscription = peer.subscribe().await;
        let raw = Raw::narrow(&service, 512, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let mut stream = Stream::open(raw).await;
        stream.raw.get(3, &subscription.set).await;
        stream.raw.settle().await;
        for _ in 0..10 {
            peer.send(&subscription.push, &[0; 4096]).await;
        }
        while stream.raw.next().await.is_some() {}
        counted(&service, |census| census.octets() == 0).await;
    });
}

/// G5: what h2 holds back counts until it has passed to the transport.
#[test]
fn notifications_that_are_not_read_count() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start();
        let raw = Raw::narrow(&service, 512, &[(INITIAL_WINDOW_SIZE, 1 << 24)]).await;
        let (mut stream, path) = Stream::subscribed(&service, raw).await;
        let mut peer = Peer::connect(&service).await;
        for _ in 0..20 {
            peer.send(&path, &[0; 4096]).await;
        }
        // As many as the connection may have at once.
        counted(&service, |census| census.push_octets == 8 * 4096).await;
        for _ in 0..20 {
            assert_eq!(stream.hear().await["messageType"], "notification");
        }
        counted(&service, |census| census.push_octets == 0).await;
    });
}

/// G4: what was read counts, although the connection ended with it.
#[test]
fn an_acknowledgement_that_comes_with_the_end_counts() {
    run(async {
        let service = Setup::default().start();
        let mut peer = Peer::connect(&service).await;
        for _ in 0..10 {
            let raw = Raw::narrow(&service, 1 << 16, &[]).await;
            let (mut stream, path) = Stream::subscribed(&service, raw).await;
            let url = peer.send(&path, b"x").await;
            let version = stream.hear().await["version"].take();
            stream.raw.hold();
            let updates = json!([{"channelID": channel(7), "version": version, "code": 100}]);
            stream.say(&json!({"messageType": "ack", "updates": updates})).await;
            stream.raw.go_away(0).await;
            stream.raw.release().await;
            drop(stream);
            peer.until_gone(&url).await;
        }
    });
}

/// A tunnel has no end that could be waited for.
#[test]
fn a_refusal_does_not_wait_for_the_end_of_a_body() {
    run(async {
        let service = Setup { shards: 1, ..Setup::default() }.start_on(Clocked::new());
        let mut raw = Raw::connect(&service, &[]).await;
        ask_for(&mut raw, 1, "8").await;
        assert_eq!(raw.status(1).await, 426);
    });
}

/// A stream of HTTP/2 as a client has it.
struct OverHttp2 {
    send: h2::SendStream<Bytes>,
    receive: h2::RecvStream,
    rest: Bytes,
}

mod over_http2 {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use bytes::{Buf as _, Bytes};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::OverHttp2;

    impl AsyncRead for OverHttp2 {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            while self.rest.is_empty() {
                let Some(octets) = ready!(self.receive.poll_data(context)) else {
                    return Poll::Ready(Ok(()));
                };
                self.rest = octets.map_err(io::Error::other)?;
                let length = self.rest.len();
                self.receive.flow_control().release_capacity(length).map_err(io::Error::other)?;
            }
            let length = self.rest.len().min(into.remaining());
            into.put_slice(&self.rest[..length]);
            self.rest.advance(length);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for OverHttp2 {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            let sent = self.send.send_data(Bytes::copy_from_slice(octets), false);
            Poll::Ready(sent.map(|()| octets.len()).map_err(io::Error::other))
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(io::Error::other))
        }
    }
}
