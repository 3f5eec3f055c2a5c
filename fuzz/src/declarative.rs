use push_crypto::{
    MAX_URL_LEN,
    declarative::{Action, Link, MAX_PAYLOAD_LEN, Notification},
};
use serde_json::Value;

use crate::script::Script;

/// Payloads that may be notifications, read within three scopes or none: what was read and written again is read the same,
/// whatever the scope; what a user agent would not create is not read; bounds.
pub fn declarative(octets: &[u8]) {
    let mut script = Script::new(octets);
    let scope: Option<Link> = script.pick(&SCOPES).map(|scope| scope.parse().unwrap());
    let payload = script.rest();
    let Some(read) = Notification::parse(payload, scope.as_ref()) else { return };
    assert!(payload.len() <= MAX_PAYLOAD_LEN);
    assert_eq!(format!("{read:?}"), "Notification(..)", "G6");
    possible(&read);
    let json = read.to_json();
    assert!(serde_json::from_str::<Value>(&json).is_ok_and(|value| value.is_object()));
    let again = Notification::parse(json.as_bytes(), None);
    if json.len() > MAX_PAYLOAD_LEN {
        // URLs are written whole.
        return assert!(again.is_none());
    }
    let Some(again) = again else { panic!("what was written is not read") };
    assert!(again == read, "what was written is read otherwise");
    for scope in SCOPES.into_iter().flatten() {
        let scope = scope.parse().unwrap();
        assert!(
            Notification::parse(json.as_bytes(), Some(&scope)).as_ref() == Some(&read),
            "it depends on the scope"
        );
    }
    assert_eq!(again.to_json(), json);
}

/// `dwp-8`, and URLs that lead somewhere.
fn possible(read: &Notification) {
    assert!(!read.renotify() || read.tag().is_some_and(|tag| !tag.is_empty()));
    assert!(read.silent() != Some(true) || read.vibrate().is_none());
    let pictures = [read.image(), read.icon(), read.badge()].into_iter().flatten();
    let actions = read.actions().iter().flat_map(|action| [Some(action.navigate()), Action::icon(action)]);
    for link in pictures.chain(actions.flatten()).chain([read.navigate()]) {
        assert!(link.as_str().len() <= MAX_URL_LEN);
        assert!(link.as_str().starts_with(link.origin().as_str()));
        assert!(["http://", "https://"].into_iter().any(|scheme| link.as_str().starts_with(scheme)));
        assert_eq!(link.as_str().parse::<Link>().as_ref(), Ok(link));
    }
}

const SCOPES: [Option<&str>; 4] = [
    None,
    Some("https://app.example/dir/page?q=1#top"),
    Some("http://a.example:8080"),
    Some("https://[2001:db8::1]/a/../b/?#"),
];
