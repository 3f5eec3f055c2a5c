//! Monitoring without server push (A-12): the same messages and receipts as an event stream, for clients and carriers
//! that cannot take pushes. A monitor gets one if it names `text/event-stream` in `Accept`.
//!
//! Each event is two lines and an empty one, its data one JSON object:
//!
//! ```text
//! event: message
//! data: {"message":"https://..","push":"https://..","headers":{"content-encoding":"aes128gcm",..},"body":"base64url"}
//!
//! event: receipt
//! data: {"message":"https://..","status":204}
//!
//! event: end
//! data: {"status":404,"reason":"not-found"}
//! ```
//!
//! `end` comes last, with the status that the monitor would have had; `retry_after` in it is in seconds. A line with a
//! colon alone keeps the connection alive. Messages are acknowledged as ever, by DELETE.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response as HttpResponse, header};
use serde::Serialize;

use super::{Door, accept, content, respond::date};
use crate::{Message, Receipt, UnixTime, Via, service::Response, store::Item};

/// The media type of an event stream.
pub const EVENT_STREAM: &str = "text/event-stream";

/// What to write when there was nothing else to write for a while.
pub const KEEPALIVE: &[u8] = b":\n\n";

impl Door {
    /// The head of an event stream. Its body has no length.
    #[must_use]
    pub fn event_stream(&self, now: UnixTime) -> HttpResponse<()> {
        let mut head = HttpResponse::new(());
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        // Not a standard, but what keeps a proxy of the most common kind from saving events up.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        headers.insert(header::DATE, date(now));
        head
    }

    /// One message or receipt as an event. Urgency, topic and credentials are not in it (`8030-5.3-2`, `8030-5.4-9`,
    /// `8292-4.2-10`).
    #[must_use]
    pub fn event(&self, item: &Item) -> Bytes {
        match item {
            Item::Message(message) => event("message", &self.message_event(message)),
            Item::Receipt(receipt) => event("receipt", &self.receipt_event(receipt)),
        }
    }

    /// The last event of a stream, for the response that would have ended its monitor.
    #[must_use]
    pub fn last_event(&self, response: &Response) -> Bytes {
        let end = match response {
            Response::Refused(refusal) => {
                let wait = refusal.retry_after();
                End {
                    status: refusal.status(),
                    reason: Some(refusal.reason()),
                    retry_after: wait.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
                }
            }
            Response::Subscribed(_)
            | Response::Accepted(_)
            | Response::Message(_)
            | Response::Done
            | Response::MonitorEnded { .. } => End { status: 200, reason: None, retry_after: None },
        };
        event("end", &end)
    }

    fn message_event(&self, message: &Message) -> MessageEvent {
        let fields = message.content.fields.iter();
        let fields = fields.map(|(field, value)| (content::name(*field), isomorphic(value)));
        let modified = (header::LAST_MODIFIED, isomorphic(date(message.accepted).as_bytes()));
        let headers = fields.chain([modified]).map(|(name, value)| (name.as_str().to_owned(), value));
        MessageEvent {
            message: self.message_url(message.handle, message.sealed_by),
            push: self.push_url_of(message),
            headers: headers.collect(),
            body: Base64UrlUnpadded::encode_string(&message.content.body),
        }
    }

    fn receipt_event(&self, receipt: &Receipt) -> ReceiptEvent {
        let message = self.message_url(receipt.message, receipt.sealed_by);
        ReceiptEvent { message, status: receipt.outcome.status() }
    }
}

/// The members in the order in which they are written.
#[derive(Serialize)]
struct MessageEvent {
    message: String,
    push: String,
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Serialize)]
struct ReceiptEvent {
    message: String,
    status: u16,
}

#[derive(Serialize)]
struct End {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// JSON has no line ends of its own in it, so its data is one line.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// A field value as text, octet by octet: it may have any octets but control characters.
fn isomorphic(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

/// How a monitor with these fields is served. Only `text/event-stream` itself asks for a stream, since clients that
/// know nothing of it say `*/*`; what is malformed in `Accept` says nothing.
pub(super) fn via(headers: &HeaderMap) -> Via {
    let asked = accept::ranges(headers).any(|range| range.names(EVENT_STREAM) && range.weight > 0);
    if asked { Via::Stream } else { Via::Push }
}
