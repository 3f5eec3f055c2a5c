use http::{HeaderMap, HeaderValue, header::LINK};
use push_proto::wire::{Relation, link, links};

/// `Link` field lines. What is read and written again is read the same; a line that is malformed costs the lines before
/// it nothing.
pub fn link_fields(octets: &[u8]) {
    let lines: Vec<_> =
        octets.split(|octet| *octet == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let headers = fields(lines.iter().cloned());
    let found: Vec<_> = links(&headers).collect();

    let written = found.iter().map(|(relation, target)| relation.link(target.as_str()));
    let written = fields(written.map(|value| HeaderValue::from_bytes(value.as_bytes()).unwrap()));
    let again: Vec<_> = links(&written).collect();
    assert_eq!(again, found, "what was written is read");

    for relation in Relation::ALL {
        let first = found.iter().find(|(of, _)| *of == relation).map(|(_, target)| target.clone());
        assert_eq!(link(&headers, relation), first);
        assert_eq!(Relation::parse(relation.urn().to_ascii_uppercase().as_bytes()), Some(relation));
    }
    let each: Vec<_> =
        lines.iter().flat_map(|line| links(&fields([line.clone()])).collect::<Vec<_>>()).collect();
    assert_eq!(each, found, "lines are read one by one");
}

fn fields(lines: impl IntoIterator<Item = HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(LINK, line);
    }
    headers
}
