//! The page, and what it asks for. Only programs on this machine reach it, and only this page may use it: the Host field
//! must name this machine, so that no other name can be pointed here (DNS rebinding), and what changes something must
//! come from the page itself (Origin), as JSON.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{self, HeaderName},
    uri::Authority,
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use push_crypto::{MAX_SUBSCRIPTION_LEN, Subscription};
use serde_json::{Value, json};

use super::visitor::{Outcome, Visitor, line};
use crate::output;

/// What is served.
pub(super) struct Site {
    visitor: Visitor,
    /// The names that it may be called by.
    authorities: [String; 2],
}

/// A response without a body that is long in coming.
type Answer = Response<Full<Bytes>>;

impl Site {
    /// On this port of this machine.
    pub(super) fn new(port: u16, visitor: Visitor) -> Self {
        let authorities = ["localhost", "127.0.0.1"].map(|host| match port {
            80 => host.to_owned(),
            port => format!("{host}:{port}"),
        });
        Self { visitor, authorities }
    }

    pub(super) const fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Answers one request.
    pub(super) async fn respond(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let mut answer = if self.is_meant(&head.headers, head.uri.authority()) {
            match head.method {
                Method::GET | Method::HEAD => self.show(head.uri.path()),
                Method::POST => self.take(head.uri.path(), &head.headers, body).await,
                _ => said(StatusCode::METHOD_NOT_ALLOWED, "GET or POST"),
            }
        } else {
            said(StatusCode::MISDIRECTED_REQUEST, "open this page as http://localhost, with the port")
        };
        for (name, value) in FIELDS {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    /// The request names us, and nobody else.
    fn is_meant(&self, fields: &HeaderMap, authority: Option<&Authority>) -> bool {
        let is_ours = |name: &str| self.authorities.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        let mut hosts = fields.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        hosts.next().is_none()
            && host.is_some_and(is_ours)
            && authority.is_none_or(|authority| is_ours(authority.as_str()))
    }

    /// Our own page sends it.
    fn is_ours(&self, fields: &HeaderMap) -> bool {
        let origin = fields.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let from = origin.and_then(|origin| origin.strip_prefix("http://"));
        from.is_some_and(|from| self.authorities.iter().any(|ours| ours == from))
    }

    fn show(&self, path: &str) -> Answer {
        if path == "/key" {
            return respond(
                StatusCode::OK,
                JSON,
                json!({ "key": self.visitor.key().to_string() }).to_string(),
            );
        }
        match FILES.iter().find(|(name, ..)| *name == path) {
            Some((_, kind, content)) => respond(StatusCode::OK, kind, *content),
            None => said(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    async fn take(&self, path: &str, fields: &HeaderMap, body: Incoming) -> Answer {
        if !self.is_ours(fields) {
            return said(StatusCode::FORBIDDEN, "only the page itself may send this");
        }
        let kind = fields.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind != Some(JSON.as_bytes()) {
            return said(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json is expected");
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let Ok(body) = str::from_utf8(&body) else {
            return said(StatusCode::BAD_REQUEST, "the body is not UTF-8");
        };
        match path {
            "/subscription" => self.subscribe(body),
            "/unsubscribed" => self.unsubscribe(),
            "/message" => self.send(body).await,
            "/event" => tell(body),
            _ => said(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    fn subscribe(&self, json: &str) -> Answer {
        match json.parse::<Subscription>() {
            Ok(subscription) => {
                let origin = self.visitor.subscribe(subscription);
                told(&format!("subscribed: the browser takes messages from {origin}"));
                said(StatusCode::OK, &format!("The demo has it. Messages go to {origin}."))
            }
            Err(error) => {
                told(&format!("the browser gave no usable subscription: {error}"));
                said(StatusCode::BAD_REQUEST, &format!("This is no usable subscription: {error}."))
            }
        }
    }

    fn unsubscribe(&self) -> Answer {
        if self.visitor.unsubscribe() {
            told("unsubscribed");
        }
        said(StatusCode::OK, "The demo has forgotten the subscription.")
    }

    async fn send(&self, json: &str) -> Answer {
        let Some(text) = member(json, "text") else {
            return said(StatusCode::BAD_REQUEST, "a JSON object with a member text is expected");
        };
        let (status, what) = match self.visitor.send(&text).await {
            Outcome::Accepted(what) => (StatusCode::OK, what),
            Outcome::Failed(what) => (StatusCode::BAD_GATEWAY, what),
            Outcome::Unsubscribed(what) => (StatusCode::GONE, what),
        };
        told(&format!("message of {} octets: {what}", text.len()));
        said(status, &what)
    }
}

/// What happened in the browser: something went wrong there, or a message arrived.
fn tell(json: &str) -> Answer {
    match (member(json, "problem"), member(json, "arrived")) {
        (Some(problem), _) => told(&format!("the browser says: {}", line(&problem))),
        (None, Some(text)) => told(&format!("arrived in the browser: {:?}", line(&text))),
        (None, None) => {
            return said(
                StatusCode::BAD_REQUEST,
                "a JSON object with a member problem or arrived is expected",
            );
        }
    }
    said(StatusCode::OK, "told")
}

/// A member of a JSON object, if it is text.
fn member(json: &str, name: &str) -> Option<String> {
    let json: Value = serde_json::from_str(json).ok()?;
    json.get(name)?.as_str().map(str::to_owned)
}

/// The whole body, or why not.
async fn read(body: Incoming) -> Result<Bytes, Answer> {
    let whole = Limited::new(body, BODY_OCTETS_MAX).collect();
    match tokio::time::timeout(BODY_WAIT, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(said(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {BODY_OCTETS_MAX} octets, please")))
        }
        Ok(Err(_)) => Err(said(StatusCode::BAD_REQUEST, "the body was cut short")),
        Err(_) => Err(said(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn said(status: StatusCode, what: &str) -> Answer {
    respond(status, JSON, json!({ "said": what }).to_string())
}

fn respond(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// To the terminal, if it is still there: the page is told in any case.
fn told(what: &str) {
    if let Err(error) = output::line(what) {
        output::error(&error);
    }
}

const JSON: &str = "application/json";

const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("page.html")),
    ("/icon.svg", "image/svg+xml", include_str!("icon.svg")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
    ("/worker.js", "text/javascript; charset=utf-8", include_str!("worker.js")),
];

/// In every response. Nothing comes from elsewhere, nothing is kept, nobody frames it.
const FIELDS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a subscription may have; messages are shorter.
const BODY_OCTETS_MAX: usize = MAX_SUBSCRIPTION_LEN;

/// It comes from this machine.
const BODY_WAIT: Duration = Duration::from_secs(10);
