//! A monitor whose messages come as an event stream, for those to whom nothing can be pushed: the reader's side.
//!
//! The grammar is that of `text/event-stream` in the HTML standard, read leniently: each of its three line ends, a
//! byte order mark, comments, and fields and events of other names are taken and ignored.

use core::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use serde::Deserialize;

use crate::{
    Content, ContentField,
    application_server::PushedReceipt,
    user_agent::{Pushed, Reference, RetryAfter},
};

/// Reads an event stream piece by piece. It keeps the line and the event that are not whole yet, and nothing else.
///
/// ```
/// use push_proto::wire::{EventReader, StreamEvent};
///
/// let mut reader = EventReader::new(1024);
/// let mut octets: &[u8] = b": still here\n\nevent: end\ndata: {\"status\":200}\n\n";
/// let Ok(Some(StreamEvent::End(end))) = reader.next(&mut octets) else { panic!() };
/// assert_eq!(end.status, 200);
/// assert!(octets.is_empty());
/// ```
#[derive(Debug)]
pub struct EventReader {
    octets_max: usize,
    line: Octets,
    kind: Kind,
    data: Octets,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_return: bool,
    /// Nothing has been read yet, so that a byte order mark may come.
    at_start: bool,
}

/// The event that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Message,
    Receipt,
    End,
    #[default]
    Other,
}

/// Octets of the stream. Payloads never reach logs (G6).
#[derive(Default)]
struct Octets(Vec<u8>);

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Octets").field("count", &self.0.len()).finish()
    }
}

/// One event of a monitor.
#[derive(Clone, Debug)]
pub enum StreamEvent {
    /// A message, as if it had been pushed.
    Message(Box<Pushed>),
    /// A receipt, as if it had been pushed.
    Receipt(PushedReceipt),
    /// The monitor's response, as if it had come without a stream. Nothing follows.
    End(StreamEnd),
    /// One of these by its name, and not by what it says.
    Malformed,
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// The status code.
    pub status: u16,
    /// What people may want to read; the peer's words.
    pub reason: Option<String>,
    /// As `Retry-After`.
    pub retry_after: Option<RetryAfter>,
}

/// Why a stream cannot be read on: it must be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamFault {
    /// A line is longer than the reader takes.
    LineTooLong,
    /// The data of an event are larger than the reader takes.
    EventTooLarge,
}

impl std::fmt::Display for StreamFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "a line of the event stream is too long",
            Self::EventTooLarge => "an event of the event stream is too large",
        })
    }
}

impl std::error::Error for StreamFault {}

impl EventReader {
    /// A reader at the beginning of a stream. No line, and no event's data, may be longer than this.
    #[must_use]
    pub fn new(octets_max: usize) -> Self {
        Self {
            octets_max,
            line: Octets::default(),
            kind: Kind::default(),
            data: Octets::default(),
            after_return: false,
            at_start: true,
        }
    }

    /// Takes octets up to the end of the next event, and gives that. Without one all are taken.
    ///
    /// # Errors
    ///
    /// The stream is beyond the reader's bound, and so is everything after it.
    pub fn next(&mut self, octets: &mut &[u8]) -> Result<Option<StreamEvent>, StreamFault> {
        while let Some((first, rest)) = octets.split_first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                *octets = rest;
                continue;
            }
            let end = octets.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
            let (piece, rest) = octets.split_at_checked(end.unwrap_or(octets.len())).unwrap_or_default();
            if piece.len() > self.octets_max.saturating_sub(self.line.0.len()) {
                return Err(StreamFault::LineTooLong);
            }
            self.line.0.extend_from_slice(piece);
            let Some((ends, rest)) = rest.split_first() else {
                *octets = rest;
                break;
            };
            *octets = rest;
            self.after_return = *ends == b'\r';
            let line = std::mem::take(&mut self.line.0);
            if let Some(event) = self.line(&line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<StreamEvent>, StreamFault> {
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.at_start => rest,
            _ => line,
        };
        self.at_start = false;
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data).0);
            return Ok(if data.is_empty() { None } else { kind.read(&data) });
        }
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
        let (field, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.kind = Kind::named(value),
            b"data" => {
                let data = &mut self.data.0;
                if value.len().saturating_add(1) > self.octets_max.saturating_sub(data.len()) {
                    return Err(StreamFault::EventTooLarge);
                }
                data.extend_from_slice(value);
                // White space in JSON, so the last one does no harm.
                data.push(b'\n');
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Kind {
    fn named(name: &[u8]) -> Self {
        match name {
            b"message" => Self::Message,
            b"receipt" => Self::Receipt,
            b"end" => Self::End,
            _ => Self::Other,
        }
    }

    fn read(self, data: &[u8]) -> Option<StreamEvent> {
        let read = match self {
            Self::Message => message(data),
            Self::Receipt => receipt(data),
            Self::End => end(data),
            Self::Other => return None,
        };
        Some(read.unwrap_or(StreamEvent::Malformed))
    }
}

#[derive(Deserialize)]
struct Message {
    message: String,
    push: Option<String>,
    #[serde(default)]
    headers: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    body: String,
}

fn message(data: &[u8]) -> Option<StreamEvent> {
    let Message { message, push, headers, body } = serde_json::from_slice(data).ok()?;
    let body = Bytes::from(Base64UrlUnpadded::decode_vec(body.trim_end_matches('=')).ok()?);
    let field = |field: ContentField| {
        let value = headers.get(field.name())?.as_str()?;
        Some((field, Bytes::copy_from_slice(value.as_bytes())))
    };
    let fields = ContentField::ALL.into_iter().filter_map(field).collect();
    Some(StreamEvent::Message(Box::new(Pushed {
        message: Reference::new(&message),
        promised_for: push.as_deref().map(Reference::new),
        pushed_for: None,
        status: 200,
        content: Content { body, fields },
    })))
}

#[derive(Deserialize)]
struct Receipt {
    message: String,
    status: u16,
}

fn receipt(data: &[u8]) -> Option<StreamEvent> {
    let Receipt { message, status } = serde_json::from_slice(data).ok()?;
    Some(StreamEvent::Receipt(PushedReceipt { message: Reference::new(&message), status }))
}

#[derive(Deserialize)]
struct End {
    status: u16,
    reason: Option<String>,
    retry_after: Option<u64>,
}

fn end(data: &[u8]) -> Option<StreamEvent> {
    let End { status, reason, retry_after } = serde_json::from_slice(data).ok()?;
    let retry_after = retry_after.map(|seconds| RetryAfter::In(Duration::from_secs(seconds)));
    Some(StreamEvent::End(StreamEnd { status, reason, retry_after }))
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
