//! How a WebSocket is asked for: by the upgrade of HTTP/1.1 (RFC 6455 §4), or by the extended CONNECT of HTTP/2 (RFC 8441).

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderName, Method, Version, header, request::Parts};

use super::{Door, PublicUrl, public_url::SUBSCRIBE};
use crate::Refusal;

/// Where user agents connect by WebSocket, and which may. By default all may, at the public URL itself.
///
/// ```
/// # use push_proto::wire::WebSocketAt;
/// let at = WebSocketAt::below("push/ws").unwrap().only_from(["https://push.example".to_owned()]);
/// assert!(WebSocketAt::below("/ws").is_none() && WebSocketAt::below("subscribe").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocketAt {
    path: String,
    origins: Vec<String>,
}

impl WebSocketAt {
    /// At this path below the public URL: steps of letters, digits, `-` and `_`, with slashes between them. None for what is
    /// no such path, or where user agents subscribe.
    #[must_use]
    pub fn below(path: &str) -> Option<Self> {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let is_path = path.split('/').all(|step| !step.is_empty() && step.bytes().all(plain));
        (is_path && path != SUBSCRIBE).then(|| Self { path: path.to_owned(), origins: Vec::new() })
    }

    /// The URL of it: to Firefox, `dom.push.serverURL`. `ws` for `http`, `wss` for `https` (RFC 6455 §3).
    #[must_use]
    pub fn url(&self, public_url: &PublicUrl) -> String {
        let url = public_url.to_string();
        let rest = url.strip_prefix("http").unwrap_or(&url);
        format!("ws{rest}/{}", self.path)
    }

    /// The same, for these values of `Origin` only; for all if there are none. Who sends no `Origin`, which only browsers' pages
    /// must, is let in as well.
    #[must_use]
    pub fn only_from(self, origins: impl IntoIterator<Item = String>) -> Self {
        Self { origins: origins.into_iter().collect(), ..self }
    }
}

impl Door {
    /// The URL to which user agents connect by WebSocket, if they may.
    #[must_use]
    pub fn websocket_url(&self) -> Option<String> {
        self.websocket.as_ref().map(|at| at.url(&self.url))
    }

    /// Whether a request is for a WebSocket here, and whether it may have one: its answer is 101, or 200 to HTTP/2.
    /// `protocol` is the pseudo-header field `:protocol` of that.
    ///
    /// # Errors
    ///
    /// 426 for a request without a WebSocket, 405, 400 for a handshake that is none, 403 for an origin that is not let in.
    pub fn opening(&self, head: &Parts, protocol: Option<&str>) -> Option<Result<(), Refusal>> {
        let at = self.websocket.as_ref()?;
        let here = self.url.below(head.uri.path()) == Some(at.path.as_str());
        here.then(|| opening(head, protocol, at))
    }
}

fn opening(head: &Parts, protocol: Option<&str>, at: &WebSocketAt) -> Result<(), Refusal> {
    let headers = &head.headers;
    match protocol {
        Some(protocol) if head.method == Method::CONNECT => {
            if !protocol.eq_ignore_ascii_case(WEBSOCKET) {
                return Err(Refusal::UPGRADE_REQUIRED);
            }
        }
        _ if head.method != Method::GET => return Err(Refusal::METHOD_GET_ONLY),
        // HTTP/1.0 knows no upgrade (RFC 9110 §7.8).
        _ if head.version != Version::HTTP_10 && names(headers, &header::UPGRADE, WEBSOCKET) => {
            let key = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
            let is_key = key.and_then(|key| std::str::from_utf8(key).ok()).is_some_and(is_nonce);
            if !names(headers, &header::CONNECTION, "upgrade") || !is_key {
                return Err(Refusal::HANDSHAKE_INVALID);
            }
        }
        _ => return Err(Refusal::UPGRADE_REQUIRED),
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(Refusal::UPGRADE_REQUIRED);
    }
    let refused = |origin: &http::HeaderValue| {
        !at.origins.is_empty() && !at.origins.iter().any(|known| origin == known.as_str())
    };
    if headers.get(header::ORIGIN).is_some_and(refused) {
        return Err(Refusal::ORIGIN_REFUSED);
    }
    Ok(())
}

/// Whether a list of tokens has this one.
fn names(headers: &HeaderMap, field: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(field).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
}

/// Sixteen octets in base64 (RFC 6455 §4.1).
fn is_nonce(key: &str) -> bool {
    let mut octets = [0; 18];
    Base64::decode(key.trim(), &mut octets).is_ok_and(|octets| octets.len() == 16)
}

/// What is asked for.
const WEBSOCKET: &str = "websocket";
/// RFC 6455 §4.1
pub(super) const VERSION: &str = "13";
