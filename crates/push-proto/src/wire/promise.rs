//! Messages and receipts as server pushes (RFC 8030 §6, §6.1, §6.3; RFC 9113 §8.4).

use core::fmt;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::{
    Door,
    respond::{date, uri},
};
use crate::{Message, Receipt, UnixTime, store::Item};

/// One server push. An empty `body` means that the headers of the response end the stream.
#[derive(Clone)]
pub struct Promise {
    /// For the PUSH_PROMISE: a GET of the message URL (`8030-6-3`).
    pub request: Request<()>,
    /// The pushed response.
    pub response: Response<()>,
    /// Its body.
    pub body: Bytes,
}

/// A promise is made of capabilities and a payload: logs get the status and the length (G6).
impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.response.status().as_u16();
        f.debug_struct("Promise")
            .field("status", &status)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Door {
    /// What to push for this item. Its `:scheme`, `:authority` and `:path` are those of the public URL
    /// (`9113-8.4-3`).
    #[must_use]
    pub fn promise(&self, item: &Item, now: UnixTime) -> Promise {
        let mut promise = match item {
            Item::Message(message) => self.promise_message(message),
            Item::Receipt(receipt) => self.promise_receipt(receipt),
        };
        promise.response.headers_mut().insert(header::DATE, date(now));
        promise
    }

    /// The push resource is named in the promise and in the response: the RFC has it both ways (A-10, `8030-6-4`,
    /// `8030-6.1-2`).
    fn promise_message(&self, message: &Message) -> Promise {
        let mut request = Request::new(());
        *request.uri_mut() = uri(self.message_url(message.handle, message.sealed_by));
        request.headers_mut().insert(header::LINK, self.push_link(message));
        let mut response = Response::new(());
        self.write_message(message, response.headers_mut());
        Promise { request, response, body: message.content.body.clone() }
    }

    /// Only a status (`8030-6.3-3`).
    fn promise_receipt(&self, receipt: &Receipt) -> Promise {
        let mut request = Request::new(());
        *request.uri_mut() = uri(self.message_url(receipt.message, receipt.sealed_by));
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(receipt.outcome.status()).unwrap_or_default();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        Promise { request, response, body: Bytes::new() }
    }
}
