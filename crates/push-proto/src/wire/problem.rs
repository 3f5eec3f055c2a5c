//! Refusals as problem details (RFC 9457). They say what is wrong and where it is written, and never echo the request.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use push_crypto::vapid::CHALLENGE;
use serde::Serialize;

use super::websocket::VERSION;
use crate::{Party, Refusal};

/// The response to a refused request, without `Date`.
pub(super) fn response(refusal: &Refusal) -> Response<Bytes> {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: refusal.detail(),
        reason: refusal.reason(),
        section: refusal.section(),
        exceeded_by: refusal.exceeded_by().map(Party::name),
    };
    let mut response = Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = refusal.retry_after() {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = match *refusal {
            Refusal::METHOD_POST_ONLY => "POST",
            Refusal::METHOD_GET_ONLY => "GET, HEAD",
            _ => "GET, DELETE",
        };
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}

/// The members in the order in which they are written.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    reason: &'static str,
    section: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exceeded_by: Option<&'static str>,
}
