//! Reading fields by themselves.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use push_proto::{
    Ttl, UnixTime,
    user_agent::RetryAfter,
    wire::{Preferences, Relation, granted_ttl, last_modified, link, links, location, retry_after},
};

pub(crate) fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    let line = |(name, value): &(&str, &[u8])| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        map.append(name, value);
    }
    map
}

/// `8030-8.4-3`, in both forms of RFC 9110 §10.2.3
#[test]
fn retry_after_is_seconds_or_a_date() {
    let delay = |secs| Some(RetryAfter::In(Duration::from_secs(secs)));
    let at = Some(RetryAfter::At(UnixTime::from_secs(784_111_777)));
    for (value, expected) in [
        ("0", delay(0)),
        (" 120 ", delay(120)),
        ("99999999999999999999999", delay(u64::from(u32::MAX))),
        ("Sun, 06 Nov 1994 08:49:37 GMT", at),
        ("Sunday, 06-Nov-94 08:49:37 GMT", at),
        ("Sun Nov  6 08:49:37 1994", at),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 06 Nov 1994 08:49:37 GMT", None),
        ("Thu, 01 Jan 1960 00:00:00 GMT", None),
        ("\u{e9}", None),
    ] {
        assert_eq!(retry_after(&headers(&[("retry-after", value.as_bytes())])), expected, "{value}");
    }
    assert_eq!(retry_after(&headers(&[("retry-after", b"1"), ("retry-after", b"2")])), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

/// `8030-5.2-6`, `8030-4-2`, `8030-7.2-2`
#[test]
fn other_fields() {
    assert_eq!(granted_ttl(&headers(&[("ttl", b"30")])), Some(Ttl::from_secs(30)));
    assert_eq!(granted_ttl(&headers(&[("ttl", b"x")])), None);
    assert_eq!(granted_ttl(&HeaderMap::new()), None);
    assert_eq!(location(&headers(&[("location", b" /s/1 ")])).unwrap().as_str(), "/s/1");
    assert_eq!(location(&headers(&[("location", b"/s/\xff")])), None);
    assert_eq!(location(&headers(&[("location", b"/1"), ("location", b"/2")])), None);
    let modified = headers(&[("last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(last_modified(&modified), Some(UnixTime::from_secs(784_111_777)));
}

/// `8030-9.2-1`, RFC 8288 §3
#[test]
fn links_are_read_from_all_lines() {
    let map = headers(&[
        ("link", b"</p/1>; rel=\"urn:ietf:params:push\", </a/2>;rel=\"URN:ietf:params:push:set\""),
        ("link", b"<broken; rel=\"urn:ietf:params:push\""),
        ("link", b"</n>; rel=next;;title*=UTF-8''x, </r/3> ; rel=\"x urn:ietf:params:push:receipt\t urn:ietf:params:push\" "),
        ("link", b"</q>; rel=\"urn:ietf:params:push\"; anchor=\"/else\", <\xff>; rel=\"urn:ietf:params:push\""),
        ("link", b"</t>; title=\"\\\"<x>; rel=\\\\\"; rel=urn:ietf:params:push:set,"),
    ]);
    let found: Vec<(Relation, String)> =
        links(&map).map(|(relation, target)| (relation, target.as_str().to_owned())).collect();
    let expected = [
        (Relation::Push, "/p/1"),
        (Relation::Set, "/a/2"),
        (Relation::Push, "/r/3"),
        (Relation::Receipt, "/r/3"),
        (Relation::Set, "/t"),
    ];
    assert_eq!(found, expected.map(|(relation, target)| (relation, target.to_owned())));
    assert_eq!(link(&map, Relation::Receipt).unwrap().as_str(), "/r/3");
    assert_eq!(link(&HeaderMap::new(), Relation::Push), None);
}

/// `7240-2-1`, `7240-4.3-1`
#[test]
fn preferences() {
    for (value, respond_async, wait) in [
        ("respond-async", true, None),
        ("RESPOND-ASYNC ;a=\"b;c,d\" ; e , wait=1", true, Some(1)),
        ("respond-async=\"\"", true, None),
        ("respond-async=1", false, None),
        ("respond-async x", false, None),
        ("a=\"respond-async\"", false, None),
        ("a=\"\\\",respond-async\", wait=\"2\"", false, Some(2)),
        (",,;, wait=4", false, Some(4)),
        ("é, wait=4", false, Some(4)),
        ("", false, None),
    ] {
        let read = Preferences::read(&headers(&[("prefer", value.as_bytes())]));
        let expected = Preferences { respond_async, wait: wait.map(Duration::from_secs) };
        assert_eq!(read, expected, "{value}");
    }
}
