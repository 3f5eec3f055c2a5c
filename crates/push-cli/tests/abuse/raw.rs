//! A client that writes HTTP/2 frames itself, so that it can behave as badly as it likes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame, as far as it matters here.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    payload: Vec<u8>,
}

/// A connection that a peer of bad manners has.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// Sends the preface and these settings.
    pub(crate) async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        raw.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let settings: Vec<_> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        raw.write(SETTINGS, 0, 0, &settings).await.unwrap();
        // What holds it up is to be the windows of its streams.
        raw.write(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await.unwrap();
        raw
    }

    /// Fails when the service has had enough.
    pub(crate) async fn write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await
    }

    /// The next frame; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, _flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    }

    /// Reads to a frame about this stream, or to the end of the connection.
    pub(crate) async fn until_answered(&mut self, stream: u32) {
        while let Some(frame) = self.next().await {
            if frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM) {
                return;
            }
        }
    }

    /// Reads to the body on this stream: of a refusal, which says in JSON what its head says in codes.
    pub(crate) async fn problem(&mut self, stream: u32) -> String {
        loop {
            let frame = self.next().await.unwrap();
            if frame.stream == stream && frame.kind == DATA {
                return String::from_utf8(frame.payload).unwrap();
            }
        }
    }

    /// Reads to the end of the connection. Whether it was told to go.
    pub(crate) async fn is_told_to_go(&mut self) -> bool {
        let mut told = false;
        while let Some(frame) = self.next().await {
            told |= frame.kind == GOAWAY;
        }
        told
    }
}

/// A header block without any compression.
pub(crate) fn block(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "push.test"), (":path", path)];
    let mut block = Vec::new();
    for (name, value) in pseudo.iter().chain(fields) {
        block.push(0);
        literal(&mut block, name);
        literal(&mut block, value);
    }
    block
}

/// A string with its length before it (RFC 7541 §5.2).
pub(crate) fn literal(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend(text.as_bytes());
}
