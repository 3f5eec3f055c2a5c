//! What a Firefox must be told to use this push service.

use push_proto::wire::PublicUrl;

/// The preferences of about:config, a line each: name and value.
///
/// The WebSocket door of a service is at its public URL with a slash behind.
pub(crate) fn preferences(public_url: &PublicUrl) -> Vec<String> {
    let url = public_url.to_string();
    // https becomes wss, http ws (RFC 6455 §3).
    let door = url.strip_prefix("http").unwrap_or(&url);
    let mut preferences = vec![format!("dom.push.serverURL = ws{door}/")];
    if !public_url.origin().is_https() {
        preferences.push("dom.push.testing.allowInsecureServerURL = true".to_owned());
    }
    preferences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_is_at_the_public_url() {
        let preferences = |url: &str| preferences(&PublicUrl::parse(url).unwrap());
        assert_eq!(preferences("https://push.example"), ["dom.push.serverURL = wss://push.example/"]);
        assert_eq!(preferences("https://e.example:444/x/"), ["dom.push.serverURL = wss://e.example:444/x/"]);
        assert_eq!(
            preferences("http://localhost:8443"),
            ["dom.push.serverURL = ws://localhost:8443/", "dom.push.testing.allowInsecureServerURL = true"]
        );
    }
}
