use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use push_proto::{
    PushUrl, Ttl,
    application_server::{Class, REASON_OCTETS, Verdict},
    user_agent::RetryAfter,
    wire::{Relation, application_server, last_modified, links, user_agent},
};

use crate::{fixture::DOORS, http_text::Head};

/// Any response that a push service could send, read by the user agent and by the application server: both see the same
/// in it, and what they see keeps its bounds.
pub fn response(octets: &[u8]) {
    let head = Head::read(octets, &DOORS[0]);
    let Ok(status) = StatusCode::from_bytes(&head.first) else { return };
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = head.headers();
    let body = Bytes::copy_from_slice(&head.body);
    let (parts, ()) = response.clone().into_parts();

    let ours = user_agent::response(&parts);
    let theirs = application_server::response(&parts, body.slice(..body.len().min(REASON_OCTETS)));
    assert_eq!((ours.status, &ours.location), (theirs.status, &theirs.location));
    // Theirs may be in a field of WNS.
    assert!(ours.retry_after.is_none() || ours.retry_after == theirs.retry_after);
    assert!(theirs.ttl.is_none_or(|ttl| ttl <= Ttl::MAX), "8030-5.2-4");
    if let Some(RetryAfter::In(wait)) = ours.retry_after {
        assert!(wait <= Duration::from_secs(u64::from(u32::MAX)));
    }
    let _ = last_modified(response.headers());
    let class = Class::of(&theirs);
    let verdict = Verdict::from_response(&response.clone().map(|()| body.clone()));
    assert_eq!(class == Class::Accepted, matches!(verdict, Verdict::Accepted(_)));
    if let Verdict::Rejected(rejection) | Verdict::Auth(rejection) = verdict {
        assert!(rejection.reason.len() <= REASON_OCTETS);
        let _ = rejection.explanation();
    }
    let found: Vec<_> = links(response.headers()).collect();
    for (relation, read) in [(Relation::Push, &ours.push), (Relation::Set, &ours.set)] {
        let first = found.iter().find(|(of, _)| *of == relation).map(|(_, target)| target);
        assert_eq!(first, read.as_ref(), "the first link counts");
    }

    // The same fields on a push.
    let promise = http::Request::get("https://push.example.net/m/1").body(()).unwrap();
    let receipt = application_server::receipt(&promise, &response);
    let (mut promise, ()) = promise.into_parts();
    promise.headers = head.headers_in_another_order();
    let promise = http::Request::from_parts(promise, ());
    let pushed = user_agent::pushed(&promise, response.map(|()| body.clone()));
    assert_eq!(receipt.message, pushed.message);
    assert_eq!(pushed.promised_for, pushed.pushed_for, "the order of names matters");
    assert_eq!(pushed.content.body, body);
    let base = PushUrl::parse("https://push.example.net/m/0").unwrap();
    assert!(pushed.message.resolve(&base).is_some());
}
