//! The frames of a WebSocket (RFC 6455), one message at a time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, Sink as _, Stream as _};
use http::{HeaderValue, Response, StatusCode, header};
use push_proto::autopush::Came;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The 101 to an opening handshake of HTTP/1.1 (RFC 6455 §4.2.2). Neither a subprotocol nor an extension is chosen: nobody
/// needs the one, and the other costs more memory than everything else.
pub(crate) fn accept(key: &HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// A WebSocket that writes one message after the other.
pub(super) struct Socket<Io> {
    stream: WebSocketStream<Io>,
    /// Not given to the stream yet.
    next: Option<Message>,
}

/// What comes of reading.
pub(super) enum Read {
    Message(Received),
    /// What came is not to be read on: the code and reason of the close frame to say.
    Broken(u16, &'static str),
    /// Nobody is there.
    Gone,
}

/// A message that came.
pub(super) struct Received(Message);

impl Received {
    /// What it is to a session; none for a close frame, which is answered.
    pub(super) fn came(&self) -> Option<Came<'_>> {
        match &self.0 {
            Message::Text(text) => Some(Came::Text(text)),
            Message::Binary(_) => Some(Came::Binary),
            Message::Ping(_) | Message::Pong(_) => Some(Came::Control),
            Message::Close(_) | Message::Frame(_) => None,
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Socket<Io> {
    /// After the opening handshake; `read` was read beyond it, and is copied, so that the buffer it lies in is free.
    pub(super) fn new(io: Io, read: &[u8], octets_max: usize) -> Option<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_OCTETS)
            .write_buffer_size(0)
            .max_message_size(Some(octets_max))
            .max_frame_size(Some(octets_max));
        // Without a handshake there is nothing to wait for.
        let made = WebSocketStream::from_partially_read(io, read.to_vec(), Role::Server, Some(config));
        Some(Self { stream: made.now_or_never()?, next: None })
    }

    /// Takes a text message to write; one at a time.
    pub(super) fn begin(&mut self, text: String) {
        self.next = Some(Message::Text(Utf8Bytes::from(text)));
    }

    /// Takes a ping to write.
    pub(super) fn ping(&mut self) {
        self.next = Some(Message::Ping(Bytes::new()));
    }

    /// Takes a close frame to write, in place of whatever was taken and not begun.
    pub(super) fn close(&mut self, code: u16, reason: &'static str) {
        let reason = Utf8Bytes::from_static(reason);
        self.next = Some(Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason })));
    }

    /// Ready when everything that was taken is written to the transport.
    pub(super) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut stream = Pin::new(&mut self.stream);
        if self.next.is_some() {
            ready!(stream.as_mut().poll_ready(context))?;
            if let Some(message) = self.next.take() {
                stream.as_mut().start_send(message)?;
            }
        }
        stream.poll_flush(context)
    }

    /// Says to the transport that nothing more will be written.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.stream.get_mut()).poll_shutdown(context).map(drop)
    }

    /// Reads on without looking at it; how many octets, 0 at the end.
    pub(super) fn poll_skip(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        let mut octets = [0; BUFFER_OCTETS];
        let mut skipped = ReadBuf::new(&mut octets);
        let read = ready!(Pin::new(self.stream.get_mut()).poll_read(context, &mut skipped));
        Poll::Ready(read.map_or(0, |()| skipped.filled().len()))
    }

    /// The next message.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Read> {
        let read = ready!(Pin::new(&mut self.stream).poll_next(context));
        Poll::Ready(match read {
            Some(Ok(message)) => Read::Message(Received(message)),
            Some(Err(Error::Capacity(_))) => Read::Broken(1009, "the message is too large"),
            Some(Err(Error::Utf8(_))) => Read::Broken(1007, "text must be UTF-8"),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Read::Gone,
            Some(Err(Error::Protocol(_))) => Read::Broken(1002, "the frame is not as RFC 6455 has it"),
            Some(Err(_)) | None => Read::Gone,
        })
    }
}

/// What the stream reads at once, allocated as long as it is there: any frame but a large one.
const BUFFER_OCTETS: usize = 256;
