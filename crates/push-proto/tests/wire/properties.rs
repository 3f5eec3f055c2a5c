//! What holds for any input.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*};
use push_proto::{
    AgentId, Handle, MessageId, PushUrl, Slot, SubscriptionId,
    service::{Request, Target},
    user_agent::{Reference, Request as AgentRequest},
    wire::{
        Preferences, Relation, granted_ttl, last_modified, link, links, location, retry_after, user_agent,
    },
};

use crate::fixture::{KEY, Knock, door};

/// Field values: any octets that the http crate lets through, and such as come close to being right.
fn value() -> impl Strategy<Value = HeaderValue> {
    let octets = vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..60);
    let pieces = vec(
        prop::sample::select(vec![
            "<",
            ">",
            ";",
            ",",
            " ",
            "\"",
            "\\",
            "=",
            "/",
            "a",
            "rel=",
            "wait",
            "respond-async",
            "0",
            "15",
            "low",
            "vapid",
            " t=",
            ", k=",
            "p256ecdsa=",
            "dh=",
            "urn:ietf:params:push:set",
            "urn:ietf:params:push:receipt",
            "https://push.example.net/",
            "..",
            "?",
            "#",
            "anchor",
            "\u{e9}",
        ]),
        0..12,
    );
    prop_oneof![
        octets.prop_map(|octets| HeaderValue::from_bytes(&octets).unwrap()),
        pieces.prop_map(|pieces| HeaderValue::from_bytes(pieces.concat().as_bytes()).unwrap()),
    ]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let names = prop::sample::select(vec![
        "ttl",
        "urgency",
        "topic",
        "prefer",
        "link",
        "authorization",
        "content-type",
        "content-encoding",
        "crypto-key",
        "encryption",
        "content-length",
        "location",
        "retry-after",
        "last-modified",
        "x-other",
    ]);
    vec((names, value()), 0..8).prop_map(|lines| {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), value);
        }
        map
    })
}

fn target_url() -> impl Strategy<Value = String> {
    let door = door();
    let (agent, subscription) = (AgentId::from_octets([1; 16]), SubscriptionId::from_octets([2; 16]));
    let urls = vec![
        door.url().subscribe(),
        door.push_url(agent, subscription),
        door.subscription_url(agent, subscription),
        door.set_url(agent),
        door.receipts_url(agent),
    ];
    prop_oneof![4 => prop::sample::select(urls), 1 => "/[a-zA-Z0-9/._~-]{0,80}"]
}

proptest! {
    /// Any request is understood or refused with a status of the peer's fault, and a refusal can be written.
    #[test]
    fn any_request_is_a_request_or_a_refusal(
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "HEAD", "X"]),
        url in target_url(),
        headers in headers(),
        body in vec(any::<u8>(), 0..200),
    ) {
        let knock = Knock { method: method.parse().unwrap(), url, headers, body: Bytes::from(body) };
        if let Err(refusal) = knock.go() {
            prop_assert!((400..500).contains(&refusal.status()));
            let response = door().refuse(&refusal, crate::fixture::NOW);
            prop_assert_eq!(response.status().as_u16(), refusal.status());
        }
    }

    /// Readers take anything.
    #[test]
    fn readers_never_panic(headers in headers()) {
        let _ = Preferences::read(&headers);
        let _ = (granted_ttl(&headers), location(&headers), retry_after(&headers), last_modified(&headers));
        prop_assert!(links(&headers).count() < 100);
    }

    /// No key of the legacy field gets through, however it is written.
    #[test]
    fn no_vapid_part_gets_through(values in vec(value(), 1..4)) {
        let mut knock = Knock::send();
        for value in values {
            knock.headers.append("crypto-key", value);
        }
        if let Ok(Request::Send(send)) = knock.go() {
            for (_, value) in &send.content.fields {
                let lower = value.to_ascii_lowercase();
                prop_assert!(!lower.windows(9).any(|window| window == b"p256ecdsa"));
            }
        }
    }

    /// What we write we read.
    #[test]
    fn links_roundtrip(
        targets in vec(("[a-zA-Z0-9/._~?&=;,:@!$'()*+-]{0,40}", prop::sample::select(Relation::ALL.to_vec())), 0..6),
        one_line in any::<bool>(),
    ) {
        let written: Vec<String> = targets.iter().map(|(target, relation)| relation.link(target)).collect();
        let lines = if one_line { vec![written.join(", ")] } else { written };
        let mut map = HeaderMap::new();
        for line in lines {
            map.append("link", line.parse().unwrap());
        }
        let read: Vec<(String, Relation)> =
            links(&map).map(|(relation, target)| (target.as_str().to_owned(), relation)).collect();
        prop_assert_eq!(read, targets);
    }

    /// Every URL that is handed out leads back to what it was made of, and no two kinds are alike.
    #[test]
    fn sealed_urls_lead_back(agent: [u8; 16], subscription: [u8; 16], slot: [u8; 16], id: [u8; 16]) {
        let door = door();
        let (agent, subscription) = (AgentId::from_octets(agent), SubscriptionId::from_octets(subscription));
        let handle =
            Handle { agent, subscription, slot: Slot::from_octets(slot), id: MessageId::from_octets(id) };
        let monitored = |url: &str| match Knock::new("GET", url).go() {
            Ok(Request::Monitor(monitor)) => Some(monitor.target),
            _ => None,
        };
        let (push, message) = (door.push_url(agent, subscription), door.message_url(handle, KEY));
        let sent = Knock::new("POST", &push).header("ttl", "0").sent();
        prop_assert_eq!((sent.agent, sent.subscription, sent.sealed_by), (agent, subscription, KEY));
        let own = door.subscription_url(agent, subscription);
        prop_assert_eq!(monitored(&own), Some(Target::Subscription(agent, subscription)));
        let (set, receipts) = (door.set_url(agent), door.receipts_url(agent));
        prop_assert_eq!(monitored(&set), Some(Target::Set(agent)));
        prop_assert_eq!(monitored(&receipts), Some(Target::Receipts(agent)));
        let read = Knock::new("GET", &message).go();
        prop_assert!(matches!(read, Ok(Request::Read(read)) if read == handle));
        // 8030-8.2-1 to 8030-8.2-3: beyond the kind and the key's number, nothing is shared.
        let tokens = [push, own, set, receipts, message].map(|url| url.rsplit('/').next().unwrap()[3..11].to_owned());
        for (index, token) in tokens.iter().enumerate() {
            prop_assert!(!tokens[..index].contains(token));
        }
    }

    /// A changed token opens nothing.
    #[test]
    fn tampered_urls_are_not_found(at in any::<prop::sample::Index>(), octet in "[A-Za-z0-9_-]") {
        let url = door().push_url(AgentId::from_octets([1; 16]), SubscriptionId::from_octets([2; 16]));
        let (path, token) = url.rsplit_once('/').unwrap();
        let at = at.index(token.len());
        let changed = format!("{}{octet}{}", &token[..at], &token[at + 1..]);
        let result = Knock::new("POST", format!("{path}/{changed}")).header("ttl", "0").go();
        prop_assert_eq!(result.is_ok(), changed == token);
    }

    /// Every URL that a machine may hold can be put into a request.
    #[test]
    fn every_push_url_can_be_requested(text in "https://[a-z0-9.-]{1,20}(:[1-9][0-9]{0,3})?[a-zA-Z0-9/._~?&=;,:@!$'()*+-]{0,30}") {
        if let Ok(url) = PushUrl::parse(&text) {
            let request = user_agent::request(&AgentRequest::Acknowledge { url });
            prop_assert!(request.is_ok(), "{}", text);
        }
    }

    /// Reading a push never panics, and keeps what is a reference.
    #[test]
    fn any_push_can_be_read(promise in headers(), pushed in headers(), status in 100_u16..1000) {
        let mut request = http::Request::new(());
        *request.headers_mut() = promise;
        let mut response = http::Response::new(Bytes::new());
        *response.headers_mut() = pushed;
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        let expected: Option<Reference> = link(response.headers(), Relation::Push);
        let read = user_agent::pushed(&request, response);
        prop_assert_eq!(read.status, status);
        prop_assert!(read.pushed_for == expected);
    }
}
