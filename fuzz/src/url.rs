use push_crypto::{MAX_URL_LEN, Origin, PushUrl};
use push_proto::{
    service::{Request, Target},
    user_agent::Reference,
    wire::PublicUrl,
};

use crate::{
    fixture::{DOORS, KEYRING},
    script::Script,
};

/// URLs: what parses prints as something that parses to the same, references resolve once and for all, and an operator's
/// word ends only what this service sealed.
pub fn url(octets: &[u8]) {
    let mut script = Script::new(octets);
    let which = script.octet();
    let base = String::from_utf8_lossy(script.string()).into_owned();
    let Ok(text) = std::str::from_utf8(script.rest()) else { return };
    absolute(text);
    public(text);
    let base = PushUrl::parse_allow_http(&base);
    resolved(text, &base.unwrap_or_else(|_| PushUrl::parse("https://push.example.net/m/1?q").unwrap()));
    ending(text, usize::from(which) % DOORS.len());
}

fn absolute(text: &str) {
    let Ok(url) = PushUrl::parse_allow_http(text) else {
        assert!(PushUrl::parse(text).is_err(), "https is http, and more");
        return;
    };
    assert!(url.as_str().len() <= MAX_URL_LEN + 1, "G5");
    assert_eq!(PushUrl::parse(text).is_ok(), url.is_https());
    assert_eq!(PushUrl::parse_allow_http(url.as_str()).as_ref(), Ok(&url), "what was printed parses");
    let origin = url.origin();
    assert_eq!(origin.as_str().parse::<Origin>().as_ref(), Ok(&origin));
    assert_eq!((origin.host(), origin.port(), origin.is_https()), (url.host(), url.port(), url.is_https()));
    assert!(url.path_and_query().starts_with(['/', '?']) && !url.path_and_query().contains('#'));
    assert!(url.as_str().parse::<http::Uri>().is_ok(), "a URL that cannot be requested");
}

fn public(text: &str) {
    let Ok(url) = PublicUrl::parse(text) else { return };
    assert_eq!(PublicUrl::parse(&url.to_string()).as_ref(), Ok(&url));
    let subscribe = PushUrl::parse_allow_http(&url.subscribe()).unwrap();
    assert_eq!(subscribe.origin(), *url.origin());
}

fn resolved(text: &str, base: &PushUrl) {
    let Some(url) = Reference::new(text).resolve(base) else { return };
    let again = Reference::from(&url).resolve(base);
    assert_eq!(again.as_ref(), Some(&url), "resolved is resolved");
    let elsewhere = PushUrl::parse("https://elsewhere.example/x/y?z").unwrap();
    assert_eq!(Reference::from(&url).resolve(&elsewhere).as_ref(), Some(&url), "absolute is absolute");
    let path = url.path_and_query().split('?').next().unwrap();
    assert!(!path.split('/').any(|step| matches!(step, "." | "..")), "RFC 3986 §5.2.4");
}

fn ending(text: &str, which: usize) {
    let door = &DOORS[which];
    let Some(request) = door.ending(text) else { return };
    let token = text.rsplit('/').next().unwrap().split(['?', '#']).next().unwrap();
    assert!(KEYRING.open(token).is_ok(), "only what was sealed ends anything");
    assert!(matches!(
        request,
        Request::Drop(_)
            | Request::Unsubscribe(Target::Set(_) | Target::Subscription(..) | Target::Receipts(_))
    ));
}
