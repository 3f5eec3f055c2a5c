//! The application server's requests and responses as HTTP has them.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request as HttpRequest, Response as HttpResponse, header, request::Builder,
    response::Parts,
};

use super::{
    EVENT_STREAM, Relation, content, granted_ttl, link, location,
    prefer::PREFER,
    request::{TOPIC, TTL, URGENCY},
    respond::secret,
    retry_after,
};
use crate::{
    Urgency, Via,
    application_server::{PushedReceipt, ReceiptRequest, Request, Response, Send},
    user_agent::Reference,
};

/// The HTTP request.
///
/// # Errors
///
/// The URL or the credentials are none for the http crate.
pub fn request(request: &Request) -> Result<HttpRequest<Bytes>, http::Error> {
    match request {
        Request::Send(send) => message(send),
        Request::MonitorReceipts { url, via: Via::Push } => to(Method::GET, url.as_str()).body(Bytes::new()),
        Request::MonitorReceipts { url, via: Via::Stream } => {
            to(Method::GET, url.as_str()).header(header::ACCEPT, EVENT_STREAM).body(Bytes::new())
        }
        Request::EndReceipts { url } => to(Method::DELETE, url.as_str()).body(Bytes::new()),
    }
}

fn message(send: &Send) -> Result<HttpRequest<Bytes>, http::Error> {
    let mut built = to(Method::POST, send.to.as_str()).body(send.content.body.clone())?;
    let headers = built.headers_mut();
    content::write(&send.content, headers);
    headers.insert(TTL, send.ttl.as_secs().into());
    if send.urgency != Urgency::default() {
        headers.insert(URGENCY, HeaderValue::from_static(send.urgency.as_str()));
    }
    if let Some(topic) = &send.topic {
        headers.insert(TOPIC, HeaderValue::from_str(topic.as_str())?);
    }
    if send.receipt != ReceiptRequest::No {
        headers.insert(PREFER, HeaderValue::from_static("respond-async"));
    }
    if let ReceiptRequest::On(receipts) = &send.receipt {
        headers.insert(header::LINK, secret(Relation::Receipt.link(receipts.as_str())));
    }
    if let Some(credentials) = &send.credentials {
        let mut credentials = HeaderValue::from_str(credentials.expose())?;
        credentials.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, credentials);
    }
    Ok(built)
}

fn to(method: Method, url: &str) -> Builder {
    HttpRequest::builder().method(method).uri(url)
}

/// What matters of a response. `reason` is the beginning of its body, if it is an error.
#[must_use]
pub fn response(head: &Parts, reason: Bytes) -> Response {
    Response {
        status: head.status.as_u16(),
        location: location(&head.headers),
        ttl: granted_ttl(&head.headers),
        receipt: link(&head.headers, Relation::Receipt),
        retry_after: retry_after(&head.headers),
        reason,
    }
}

/// A receipt that was pushed: the promised request and its response.
#[must_use]
pub fn receipt(promise: &HttpRequest<()>, response: &HttpResponse<()>) -> PushedReceipt {
    PushedReceipt { message: Reference::new(&promise.uri().to_string()), status: response.status().as_u16() }
}
