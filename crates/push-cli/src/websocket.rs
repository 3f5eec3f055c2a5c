//! What flags say of user agents that connect by WebSocket.

use http::Uri;
use push_proto::wire::WebSocketAt;

/// Below the public URL, with a slash in front or without.
pub(crate) fn path(text: &str) -> Result<WebSocketAt, &'static str> {
    let path = text.strip_prefix('/').unwrap_or(text);
    WebSocketAt::below(path)
        .ok_or("a path is made of letters, digits, - and _, such as push/ws, and is not /subscribe")
}

/// An origin as browsers write it (RFC 6454 §6.2): they are compared octet by octet.
pub(crate) fn origin(text: &str) -> Result<String, &'static str> {
    let wrong = "an origin is a scheme, a host and perhaps a port, with nothing behind: https://chat.example.org. \
        Without any origin pages of all may connect";
    let uri: Uri = text.parse().map_err(|_| wrong)?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(wrong)?;
    let has_more = text.len() != scheme.len() + SEPARATOR.len() + authority.as_str().len();
    let port = authority.port_u16();
    if has_more || authority.as_str().contains('@') || authority.host().contains('*') {
        return Err(wrong);
    }
    if authority.port().is_none() && authority.as_str().len() != authority.host().len() {
        return Err(wrong);
    }
    let by_default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port =
        port.filter(|port| Some(*port) != by_default).map_or_else(String::new, |port| format!(":{port}"));
    Ok(format!("{scheme}{SEPARATOR}{}{port}", authority.host()).to_ascii_lowercase())
}

/// A broadcast and its version.
pub(crate) fn broadcast(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((id, version)) if !id.is_empty() && !version.is_empty() => {
            Ok((id.to_owned(), version.to_owned()))
        }
        Some(_) | None => Err("a broadcast is written as ID=VERSION"),
    }
}

const SEPARATOR: &str = "://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_they_are_meant() {
        assert_eq!(path("/push/ws"), path("push/ws"));
        for wrong in ["", "/", "a//b", "subscribe", "a?b", "../a"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
        for (text, meant) in [
            ("https://x.example", "https://x.example"),
            ("HTTPS://X.example:443", "https://x.example"),
            ("http://x.example:443", "http://x.example:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("moz-extension://0a1b", "moz-extension://0a1b"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(meant));
        }
        for wrong in [
            "",
            "*",
            "null",
            "x.example",
            "x.example:443",
            "https://",
            "https://x.example/",
            "https://x.example/a",
            "https://x.example?a",
            "https://x.example#a",
            "https://u@x.example",
            "https://x.example:",
            "https://x.example:70000",
            "https://*.x.example",
            "https:x.example",
            " https://x.example",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert_eq!(broadcast("a/b=\"1=2\"").unwrap(), ("a/b".to_owned(), "\"1=2\"".to_owned()));
        for wrong in ["", "a", "a=", "=1"] {
            assert!(broadcast(wrong).is_err(), "{wrong}");
        }
    }
}
