//! What a Firefox must be told to use this push service.

use push_proto::wire::{PublicUrl, WebSocketAt};

/// The preferences of about:config, a line each: name and value.
pub(crate) fn preferences(public_url: &PublicUrl, at: &WebSocketAt) -> Vec<String> {
    let mut preferences = vec![format!("dom.push.serverURL = {}", at.url(public_url))];
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
        let preferences = |url: &str| preferences(&PublicUrl::parse(url).unwrap(), &WebSocketAt::default());
        assert_eq!(preferences("https://push.example"), ["dom.push.serverURL = wss://push.example/"]);
        assert_eq!(preferences("https://e.example:444/x/"), ["dom.push.serverURL = wss://e.example:444/x/"]);
        assert_eq!(
            preferences("http://localhost:8443"),
            ["dom.push.serverURL = ws://localhost:8443/", "dom.push.testing.allowInsecureServerURL = true"]
        );
    }
}
