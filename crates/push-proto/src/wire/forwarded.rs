//! Who a request came from before the last hop, as proxies tell it: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Anybody can write these fields. Whether to believe them, and how far, is for who knows the proxies.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::lexer::{Cursor, is_token, trim};

/// Somebody on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// At this address, whatever its port.
    Address(IpAddr),
    /// Not to be known: `unknown`, a name that somebody made up (RFC 7239 §6.3), or what cannot be read.
    Unknown,
}

/// The `for` parameters of `Forwarded`, the farthest first; none without the field. An element that has none, or cannot
/// be read, is [`Node::Unknown`].
#[must_use]
pub fn forwarded(headers: &HeaderMap) -> Option<Vec<Node>> {
    let mut way = Vec::new();
    for line in lines(headers, &header::FORWARDED)? {
        let mut elements = Cursor::new(line);
        while !elements.is_at_end() {
            let Some(element) = elements.element(b',') else {
                way.push(Node::Unknown);
                break;
            };
            if !element.is_empty() {
                way.push(forwarded_for(element).unwrap_or(Node::Unknown));
            }
        }
    }
    Some(way)
}

/// The addresses of `X-Forwarded-For`, the farthest first; none without the field.
#[must_use]
pub fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Node>> {
    let elements = lines(headers, &X_FORWARDED_FOR)?.flat_map(|line| line.split(|octet| *octet == b','));
    Some(elements.map(trim).filter(|element| !element.is_empty()).map(node).collect())
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
    let lines = headers.get_all(name);
    lines.iter().next()?;
    Some(lines.iter().map(HeaderValue::as_bytes))
}

/// The one `for` of an element (RFC 7239 §4: a parameter comes once).
fn forwarded_for(element: &[u8]) -> Option<Node> {
    let mut found = None;
    let mut pairs = Cursor::new(element);
    while !pairs.is_at_end() {
        let pair = pairs.element(b';')?;
        let mut cursor = Cursor::new(pair);
        let name = cursor.take_while(is_token);
        if !name.eq_ignore_ascii_case(b"for") {
            continue;
        }
        if !cursor.eat(b'=') {
            return None;
        }
        let value = cursor.quoted().unwrap_or_else(|| cursor.take_while(|_| true).into());
        if !cursor.is_at_end() || found.replace(node(&value)).is_some() {
            return None;
        }
    }
    found
}

/// An address with or without a port; an IPv6 address with a port is in brackets.
fn node(text: &[u8]) -> Node {
    let address = std::str::from_utf8(text).ok().and_then(|text| {
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return address.parse::<Ipv6Addr>().ok().filter(|_| whole).map(IpAddr::V6);
        }
        let (address, port) = text.split_once(':')?;
        address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::V4)
    });
    address.map_or(Node::Unknown, Node::Address)
}

/// A number, or a name that was made up (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    let text = text.strip_prefix('_').unwrap_or(text);
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-'))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
