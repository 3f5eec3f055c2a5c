//! The user agent's requests and responses as HTTP has them.

use bytes::Bytes;
use http::{HeaderValue, Method, Request as HttpRequest, Response as HttpResponse, header, response::Parts};
use push_crypto::vapid::OPTIONS_MEDIA_TYPE;

use super::{
    EVENT_STREAM, Relation, content, link, location, request::URGENCY, respond::secret, retry_after,
};
use crate::{
    Via,
    user_agent::{Pushed, Reference, Request, Response},
};

/// The HTTP request. HTTP/2 and server push are up to whoever sends it.
///
/// # Errors
///
/// The URL is none for the http crate.
pub fn request(request: &Request) -> Result<HttpRequest<Bytes>, http::Error> {
    let method = match request {
        Request::Subscribe { .. } => Method::POST,
        Request::Monitor { .. } => Method::GET,
        Request::Acknowledge { .. } | Request::Unsubscribe { .. } => Method::DELETE,
    };
    let mut built = HttpRequest::builder().method(method).uri(request.url().as_str()).body(Bytes::new())?;
    match request {
        Request::Subscribe { set, restricted_to, .. } => {
            if let Some(set) = set {
                built.headers_mut().insert(header::LINK, secret(Relation::Set.link(set.as_str())));
            }
            if let Some(key) = restricted_to {
                built
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static(OPTIONS_MEDIA_TYPE));
                *built.body_mut() = format!("{{\"vapid\":\"{key}\"}}").into();
            }
        }
        Request::Monitor { urgency, via, .. } => {
            let headers = built.headers_mut();
            if let Some(urgency) = urgency {
                headers.insert(URGENCY, HeaderValue::from_static(urgency.as_str()));
            }
            if *via == Via::Stream {
                headers.insert(header::ACCEPT, HeaderValue::from_static(EVENT_STREAM));
            }
        }
        Request::Acknowledge { .. } | Request::Unsubscribe { .. } => {}
    }
    Ok(built)
}

/// What matters of a response. Its body does not.
#[must_use]
pub fn response(head: &Parts) -> Response {
    Response {
        status: head.status.as_u16(),
        location: location(&head.headers),
        push: link(&head.headers, Relation::Push),
        set: link(&head.headers, Relation::Set),
        retry_after: retry_after(&head.headers),
    }
}

/// A push that arrived whole: the promised request and its response.
#[must_use]
pub fn pushed(promise: &HttpRequest<()>, response: HttpResponse<Bytes>) -> Pushed {
    let (head, body) = response.into_parts();
    Pushed {
        message: Reference::new(&promise.uri().to_string()),
        promised_for: link(promise.headers(), Relation::Push),
        pushed_for: link(&head.headers, Relation::Push),
        status: head.status.as_u16(),
        content: content::read(&head.headers, body),
    }
}
