//! A client that reads and writes HTTP/2 frames itself, so that it can behave as badly as it likes.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Listener, Service, connect, spawn};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;

pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The stream that a PUSH_PROMISE promises.
    pub fn promised(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap()) & !(1 << 31)
    }

    /// The error of a RST_STREAM or GOAWAY.
    pub fn error(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status at the beginning of a header block.
    pub fn status(&self) -> u16 {
        let mut block = self.payload.as_slice();
        while block[0] & 0xe0 == 0x20 {
            // Dynamic table size updates; ours are small.
            block = &block[if block[0] == 0x3f { 2 } else { 1 }..];
        }
        match block[0] {
            0x88 => 200,
            0x89 => 204,
            0x8b => 304,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            0x08 | 0x18 | 0x48 => {
                let length = usize::from(block[1] & 0x7f);
                let value = &block[2..2 + length];
                if block[1] & 0x80 == 0 {
                    std::str::from_utf8(value).unwrap().parse().unwrap()
                } else {
                    digits(value)
                }
            }
            other => panic!("no status: {other:#x}"),
        }
    }
}

/// Digits in HPACK's Huffman code: 0 to 2 have five bits, the others six.
fn digits(coded: &[u8]) -> u16 {
    let bits: Vec<_> =
        coded.iter().flat_map(|octet| (0..8).rev().map(move |bit| u16::from(octet >> bit & 1))).collect();
    let value = |bits: &[u16]| bits.iter().fold(0, |value, bit| value << 1 | bit);
    let (mut at, mut number) = (0, 0);
    while at + 5 <= bits.len() && number < 100 {
        let five = value(&bits[at..at + 5]);
        let (digit, length) = if five <= 2 { (five, 5) } else { (value(&bits[at..at + 6]) - 0x19 + 3, 6) };
        number = number * 10 + digit;
        at += length;
    }
    number
}

pub trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Unpin> Transport for Io {}

pub struct Raw {
    socket: Box<dyn Transport>,
    /// What is to be written at once.
    held: Option<Vec<u8>>,
    /// Frames that were read while waiting for another.
    pub read: VecDeque<Frame>,
    authority: String,
}

impl Raw {
    /// Sends the preface and these settings.
    pub async fn connect(service: &Service, settings: &[(u16, u32)]) -> Self {
        Self::over(connect(service.address).await, service, settings).await
    }

    /// As [`Raw::connect`], by a pipe that holds this many octets each way.
    pub async fn narrow(service: &Service, octets: usize, settings: &[(u16, u32)]) -> Self {
        let (ours, theirs) = tokio::io::duplex(octets);
        let server = service.server.clone();
        spawn(async move { server.serve_connection(theirs).await });
        Self::over(ours, service, settings).await
    }

    async fn over(socket: impl Transport + 'static, service: &Service, settings: &[(u16, u32)]) -> Self {
        let authority = format!("localhost:{}", service.address.port());
        let mut raw = Self { socket: Box::new(socket), held: None, read: VecDeque::new(), authority };
        raw.octets(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        // No dynamic table, so that what the service writes can be read without one.
        raw.settings(&[&[(HEADER_TABLE_SIZE, 0)], settings].concat()).await;
        raw
    }

    /// The other side: takes a client's connection, and has read its preface.
    pub async fn accept(listener: &mut Listener) -> Self {
        let mut socket = listener.accept().await;
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await.unwrap();
        let authority = format!("localhost:{}", listener.address.port());
        let mut raw = Self { socket: Box::new(socket), held: None, read: VecDeque::new(), authority };
        raw.settings(&[]).await;
        raw
    }

    /// Takes no new streams, and has looked at none above `last` (NO_ERROR).
    pub async fn go_away(&mut self, last: u32) {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await;
    }

    pub async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<_> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    pub async fn octets(&mut self, octets: &[u8]) {
        self.socket.write_all(octets).await.unwrap();
    }

    pub async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_write(kind, flags, stream, payload).await.unwrap();
    }

    /// Writes to a peer that may have gone.
    pub async fn try_write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        if let Some(held) = &mut self.held {
            held.extend(frame);
            return Ok(());
        }
        self.socket.write_all(&frame).await
    }

    /// Writes nothing until [`Raw::release`], and all of it at once then.
    pub fn hold(&mut self) {
        self.held = Some(Vec::new());
    }

    pub async fn release(&mut self) {
        let held = self.held.take().unwrap();
        self.octets(&held).await;
    }

    /// A request without a body.
    pub async fn request(&mut self, stream: u32, method: &str, path: &str, headers: &[(&str, &str)]) {
        self.head(stream, (method, path), headers, true).await;
    }

    pub async fn head(
        &mut self,
        stream: u32,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        whole: bool,
    ) {
        let authority = self.authority.clone();
        let mut block = Vec::new();
        let pseudo =
            [(":method", method), (":scheme", "http"), (":authority", authority.as_str()), (":path", path)];
        for (name, value) in pseudo.iter().chain(headers) {
            block.push(0);
            literal(&mut block, name);
            literal(&mut block, value);
        }
        let flags = 4 | if whole { END_STREAM } else { 0 };
        self.write(HEADERS, flags, stream, &block).await;
    }

    pub async fn get(&mut self, stream: u32, path: &str) {
        self.request(stream, "GET", path, &[]).await;
    }

    pub async fn reset(&mut self, stream: u32, error: u32) {
        self.write(RST_STREAM, 0, stream, &error.to_be_bytes()).await;
    }

    pub async fn window(&mut self, stream: u32, more: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &more.to_be_bytes()).await;
    }

    /// The next frame in order; `None` at the end of the connection. Settings and pings are answered.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next_unanswered().await?;
            match (frame.kind, frame.flags & ACK) {
                (SETTINGS, 0) => drop(self.try_write(SETTINGS, ACK, 0, &[]).await),
                (SETTINGS | WINDOW_UPDATE, _) => {}
                (PING, 0) => drop(self.try_write(PING, ACK, 0, &frame.payload).await),
                _ => return Some(frame),
            }
        }
    }

    /// The next frame in order, whatever it is; nothing is answered.
    pub async fn next_unanswered(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let mut payload = vec![0; length];
        self.socket.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this kind, unanswered; others are dropped.
    pub async fn until_unanswered(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next_unanswered().await.expect("the connection is alive");
            if frame.kind == kind && frame.flags & ACK == 0 {
                return frame;
            }
        }
    }

    /// Waits until everything that was written so far has been read: a ping comes back after it.
    pub async fn settle(&mut self) {
        self.write(PING, 0, 0, b"settle..").await;
        loop {
            let frame = self.next().await.expect("the connection is alive");
            if frame.kind == PING {
                return;
            }
            self.read.push_back(frame);
        }
    }

    /// The next frame for which `wanted` holds; the others are kept in `read`.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.read.iter().position(&wanted) {
            return self.read.remove(at).unwrap();
        }
        loop {
            let frame = self.next().await.expect("the connection is alive");
            if wanted(&frame) {
                return frame;
            }
            self.read.push_back(frame);
        }
    }

    /// The next PUSH_PROMISE's stream.
    pub async fn promise(&mut self) -> u32 {
        self.until(|frame| frame.kind == PUSH_PROMISE).await.promised()
    }

    /// The body of a stream, to its end.
    pub async fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame =
                self.until(|frame| frame.stream == stream && matches!(frame.kind, DATA | HEADERS)).await;
            if frame.kind == DATA {
                body.extend_from_slice(&frame.payload);
            }
            if frame.ends() {
                return body;
            }
        }
    }

    /// The status of a stream's response.
    pub async fn status(&mut self, stream: u32) -> u16 {
        self.until(|frame| frame.stream == stream && frame.kind == HEADERS).await.status()
    }

    pub fn has_read(&self, kind: u8) -> bool {
        self.read.iter().any(|frame| frame.kind == kind)
    }
}

fn literal(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length) if length < 127 => block.push(length),
        _ => {
            let mut rest = text.len() - 127;
            block.push(127);
            while rest >= 128 {
                block.push((rest % 128) as u8 | 0x80);
                rest /= 128;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}
