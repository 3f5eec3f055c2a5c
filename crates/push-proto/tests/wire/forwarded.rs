//! What proxies tell of who was before them.

use http::HeaderMap;
use proptest::{collection::vec, prelude::*};
use push_proto::wire::{Node, forwarded, x_forwarded_for};

use crate::fields::headers;

fn nodes(way: &[&str]) -> Option<Vec<Node>> {
    let node = |text: &&str| text.parse().map_or(Node::Unknown, Node::Address);
    Some(way.iter().map(node).collect())
}

fn lines(name: &str, lines: &[&str]) -> HeaderMap {
    headers(&lines.iter().map(|line| (name, line.as_bytes())).collect::<Vec<_>>())
}

/// RFC 7239 §4 to §6: addresses with and without ports, quoted or not; what is none stands for somebody unknown.
#[test]
fn forwarded_is_read_as_its_rfc_has_it() {
    for (value, way) in [
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"][..], &["192.0.2.60"][..]),
        (&["For=\"[2001:db8:cafe::17]:4711\""], &["2001:db8:cafe::17"]),
        (&["for=\"[2001:db8::1]\""], &["2001:db8::1"]),
        (&["for=192.0.2.43, for=198.51.100.17"], &["192.0.2.43", "198.51.100.17"]),
        (&["for=192.0.2.43", "proto=https;for=198.51.100.17"], &["192.0.2.43", "198.51.100.17"]),
        (&["for=\"192.0.2.43:80\" , for=\"192.0.2.44:_port\""], &["192.0.2.43", "192.0.2.44"]),
        (&["for=_hidden, for=unknown, for=\"_SEVKISEK:1\""], &["_", "_", "_"]),
        (&["by=203.0.113.43, for=192.0.2.1"], &["_", "192.0.2.1"]),
        (&[",, for=192.0.2.1 ,"], &["192.0.2.1"]),
        (&["for=192.0.2.1;for=192.0.2.2"], &["_"]),
        (&["for=\"a,b\";host=\"x,y\", for=192.0.2.1"], &["_", "192.0.2.1"]),
        (&["for=\"192.0.2.1, for=192.0.2.2"], &["_"]),
        (
            &["for 192.0.2.1", "for=", "x", "for=192.0.2.1:x:y", "for=\"[192.0.2.1]\"", "for=\"[::1]x\""],
            &["_"; 6],
        ),
        (&[""], &[]),
    ] {
        assert_eq!(forwarded(&lines("forwarded", value)), nodes(way), "{value:?}");
    }
    assert_eq!(forwarded(&HeaderMap::new()), None);
}

#[test]
fn x_forwarded_for_is_a_list_of_addresses() {
    for (value, way) in [
        (&["192.0.2.1"][..], &["192.0.2.1"][..]),
        (&["192.0.2.1, 2001:db8::1 ,192.0.2.3"], &["192.0.2.1", "2001:db8::1", "192.0.2.3"]),
        (&["192.0.2.1", "192.0.2.2"], &["192.0.2.1", "192.0.2.2"]),
        (&["192.0.2.1:4711, [2001:db8::1]:80"], &["192.0.2.1", "2001:db8::1"]),
        (&["unknown, evil\", 192.0.2.1,"], &["_", "_", "192.0.2.1"]),
        (&["192.0.2.256, 192.0.2.1:, 1.2.3"], &["_", "_", "_"]),
        (&[""], &[]),
    ] {
        assert_eq!(x_forwarded_for(&lines("x-forwarded-for", value)), nodes(way), "{value:?}");
    }
    assert_eq!(x_forwarded_for(&HeaderMap::new()), None);
}

proptest! {
    /// Whatever somebody wrote before, what the proxy adds in a line of its own is the last.
    #[test]
    fn what_is_added_is_the_last(before in vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..60)) {
        let expected = Some(Node::Address([192, 0, 2, 1].into()));
        let map = headers(&[("forwarded", before.as_slice()), ("forwarded", b"for=192.0.2.1")]);
        prop_assert_eq!(forwarded(&map).and_then(|way| way.last().copied()), expected);
        let appended = [before.as_slice(), b", 192.0.2.1"].concat();
        let map = headers(&[("x-forwarded-for", appended.as_slice())]);
        prop_assert_eq!(x_forwarded_for(&map).and_then(|way| way.last().copied()), expected);
    }
}
