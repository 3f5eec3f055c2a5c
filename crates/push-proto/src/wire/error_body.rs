//! The bodies of refusals. They say what is wrong and where it is written, and never echo the request.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use push_crypto::vapid::CHALLENGE;
use serde::Serialize;

use super::{accept, errno::errno, websocket::VERSION};
use crate::{Party, Refusal};

/// What a refusal is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorBody {
    /// Problem details (RFC 9457), `application/problem+json`.
    #[default]
    Problem,
    /// As senders know it from Mozilla's push service, `application/json`: `code`, which is the status, `errno` of
    /// [its table](https://mozilla-services.github.io/autopush-rs/errors.html), `error`, `message`, and `more_info`,
    /// where to read on, if that is an RFC.
    Mozilla,
}

impl ErrorBody {
    /// What a request with these fields accepts (RFC 9110 §12.5.1): `application/json` if it is wanted more than
    /// `application/problem+json`, or as much and named more closely. So `*/*` and no `Accept` at all mean problem
    /// details, and so does what takes neither.
    ///
    /// ```
    /// use push_proto::wire::ErrorBody;
    ///
    /// let (head, ()) = http::Request::post("/p/x").header("accept", "application/json, */*").body(())?.into_parts();
    /// assert_eq!(ErrorBody::accepted(&head.headers), ErrorBody::Mozilla);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Self {
        let (json, problem) = (accept::wanted(headers, JSON), accept::wanted(headers, PROBLEM));
        if json.weight > 0 && json > problem { Self::Mozilla } else { Self::Problem }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Problem => PROBLEM,
            Self::Mozilla => JSON,
        }
    }

    fn write(self, refusal: &Refusal, status: StatusCode) -> serde_json::Result<Vec<u8>> {
        let name = status.canonical_reason().unwrap_or_default();
        match self {
            Self::Problem => serde_json::to_vec(&Problem {
                kind: "about:blank",
                title: name,
                status: status.as_u16(),
                detail: refusal.detail(),
                reason: refusal.reason(),
                section: refusal.section(),
                exceeded_by: refusal.exceeded_by().map(Party::name),
            }),
            Self::Mozilla => serde_json::to_vec(&MozillaError {
                code: status.as_u16(),
                errno: errno(refusal.reason()),
                error: name,
                message: refusal.detail(),
                more_info: rfc_url(refusal.section()),
            }),
        }
    }

    /// The response to a refused request, without `Date`.
    pub(super) fn response(self, refusal: &Refusal) -> Response<Bytes> {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(self.write(refusal, status).unwrap_or_default().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type()));
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
}

/// Where a section such as `RFC 8030 §5.2` can be read.
fn rfc_url(section: &str) -> Option<String> {
    let (number, section) = section.strip_prefix("RFC ")?.split_once(" §")?;
    Some(format!("https://www.rfc-editor.org/rfc/rfc{number}#section-{section}"))
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

/// In the same order as Mozilla's documentation has them.
#[derive(Serialize)]
struct MozillaError {
    code: u16,
    errno: u16,
    error: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_info: Option<String>,
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
