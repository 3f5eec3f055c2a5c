//! What flags say of user agents that connect by WebSocket.

use push_proto::wire::WebSocketAt;

/// Below the public URL, with a slash in front or without.
pub(crate) fn path(text: &str) -> Result<WebSocketAt, &'static str> {
    let path = text.strip_prefix('/').unwrap_or(text);
    WebSocketAt::below(path)
        .ok_or("a path is made of letters, digits, - and _, such as push/ws, and is not /subscribe")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_they_are_meant() {
        assert_eq!(path("/push/ws"), path("push/ws"));
        for wrong in ["", "/", "a//b", "subscribe", "a?b", "../a"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
        assert_eq!(broadcast("a/b=\"1=2\"").unwrap(), ("a/b".to_owned(), "\"1=2\"".to_owned()));
        for wrong in ["", "a", "a=", "=1"] {
            assert!(broadcast(wrong).is_err(), "{wrong}");
        }
    }
}
