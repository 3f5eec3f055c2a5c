//! The application server's requests and responses as HTTP has them.

use core::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request as HttpRequest, Response as HttpResponse, StatusCode, header,
    request::Builder, response::Parts,
};

use super::{
    EVENT_STREAM, Relation, content, granted_ttl, link, location,
    prefer::PREFER,
    read::{date, only},
    request::{TOPIC, TTL, URGENCY},
    respond::secret,
    retry_after,
};
use crate::{
    PushUrl, Ttl, UnixTime, Urgency, Via,
    application_server::{
        Accepted, Class, Gone, PushedReceipt, REASON_OCTETS, ReceiptRequest, Rejection, Request, Response,
        Send, Throttled, Transient, Vendor, Verdict,
    },
    user_agent::{Reference, RetryAfter},
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
    if send.ttl == Ttl::ZERO && Vendor::of(&send.to) == Vendor::Wns {
        // Else it is 400 there: https://github.com/web-push-libs/pywebpush/issues/162
        headers.insert(wns::CACHE_POLICY, HeaderValue::from_static("cache"));
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
    read(head.status, &head.headers, reason)
}

fn read(status: StatusCode, headers: &HeaderMap, reason: Bytes) -> Response {
    let described = || {
        let described = only(headers, &wns::ERROR_DESCRIPTION);
        described.map(|text| Bytes::copy_from_slice(text.get(..REASON_OCTETS).unwrap_or(text)))
    };
    Response {
        status: status.as_u16(),
        location: location(headers),
        ttl: granted_ttl(headers),
        receipt: link(headers, Relation::Receipt),
        retry_after: retry_after(headers).or_else(|| wns::continue_after(headers)),
        notice: wns::notice(headers),
        reason: if reason.is_empty() { described().unwrap_or_default() } else { reason },
    }
}

impl Verdict {
    /// What one response to a message means, for whoever sends by an HTTP client of his own: whether and when to send it
    /// again is then his to decide. Of the body [`REASON_OCTETS`] are enough; a `Location` that is relative, which is
    /// rare, is left out.
    ///
    /// ```
    /// use push_proto::application_server::Verdict;
    ///
    /// let location = "https://push.example.net/m/1";
    /// let response = http::Response::builder().status(201).header("location", location).body("")?;
    /// let Verdict::Accepted(accepted) = Verdict::from_response(&response) else { panic!() };
    /// assert_eq!(accepted.message.unwrap().as_str(), location);
    ///
    /// let response = http::Response::builder().status(403).body(r#"{"reason":"BadJwtToken"}"#)?;
    /// let Verdict::Auth(rejection) = Verdict::from_response(&response) else { panic!() };
    /// assert_eq!(rejection.explanation().code.unwrap(), "BadJwtToken");
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn from_response<B: AsRef<[u8]>>(response: &HttpResponse<B>) -> Self {
        let (status, headers, body) = (response.status(), response.headers(), response.body().as_ref());
        let reason = if status.is_success() { &[][..] } else { body };
        let reason = Bytes::copy_from_slice(reason.get(..REASON_OCTETS).unwrap_or(reason));
        verdict_of(&read(status, headers, reason), only(headers, &header::DATE).and_then(date))
    }
}

/// What one response means by itself. `wall` is the time of the service, if it told it.
fn verdict_of(response: &Response, wall: Option<UnixTime>) -> Verdict {
    let rejection = Rejection { status: Some(response.status), reason: response.reason.clone() };
    match Class::of(response) {
        Class::Accepted => {
            let message =
                response.location.as_ref().and_then(|location| PushUrl::parse(location.as_str()).ok());
            let receipt = response.status == 202 && response.receipt.is_some();
            Verdict::Accepted(Accepted { message, ttl: response.ttl, receipt })
        }
        Class::Gone => Verdict::Gone(Gone::Ended(Some(rejection))),
        Class::KeyMismatch => Verdict::KeyMismatch(rejection),
        Class::Auth => Verdict::Auth(rejection),
        Class::Rejected => Verdict::Rejected(rejection),
        Class::Throttled(_) => {
            let wait = match (response.retry_after, wall) {
                (Some(RetryAfter::In(wait)), _) => wait,
                (Some(RetryAfter::At(at)), Some(wall)) => {
                    Duration::from_secs(at.as_secs().saturating_sub(wall.as_secs()))
                }
                (Some(RetryAfter::At(_)), None) | (None, _) => Duration::ZERO,
            };
            Verdict::Throttled(Throttled { wait, said: Some(rejection) })
        }
        Class::Transient => Verdict::Transient(Transient { said: Some(rejection), sent: true }),
    }
}

/// What WNS says in fields of its own (`RULES`).
mod wns {
    use http::{HeaderMap, HeaderName};

    use super::only;
    use crate::{application_server::Notice, user_agent::RetryAfter, wire::prefer::seconds};

    pub(super) const CACHE_POLICY: HeaderName = HeaderName::from_static("x-wns-cache-policy");
    pub(super) const ERROR_DESCRIPTION: HeaderName = HeaderName::from_static("x-wns-error-description");
    const STATUS: HeaderName = HeaderName::from_static("x-wns-status");
    /// What web push gets, beside the other or instead of it.
    const NOTIFICATION_STATUS: HeaderName = HeaderName::from_static("x-wns-notificationstatus");
    const CONTINUE_AFTER: HeaderName = HeaderName::from_static("x-wns-continue-after");

    pub(super) fn notice(headers: &HeaderMap) -> Option<Notice> {
        let status = only(headers, &STATUS).or_else(|| only(headers, &NOTIFICATION_STATUS))?;
        match status.to_ascii_lowercase().as_slice() {
            b"dropped" => Some(Notice::Dropped),
            b"channelthrottled" => Some(Notice::ResourceThrottled),
            b"appthrottled" => Some(Notice::SenderThrottled),
            _ => None,
        }
    }

    pub(super) fn continue_after(headers: &HeaderMap) -> Option<RetryAfter> {
        seconds(only(headers, &CONTINUE_AFTER)?).map(RetryAfter::In)
    }
}

/// A receipt that was pushed: the promised request and its response.
#[must_use]
pub fn receipt(promise: &HttpRequest<()>, response: &HttpResponse<()>) -> PushedReceipt {
    PushedReceipt { message: Reference::new(&promise.uri().to_string()), status: response.status().as_u16() }
}
