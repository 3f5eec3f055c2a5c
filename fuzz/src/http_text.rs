//! Heads as text: one line for what it is, field lines, an empty line, the body. Control octets stand for capability
//! URLs and credentials, which no fuzzer can guess.

use http::{HeaderMap, HeaderName, HeaderValue};
use push_proto::{AgentId, Handle, MessageId, SealingKeyId, Slot, SubscriptionId, wire::Door};

use crate::fixture::AUTHORIZATION;

pub(crate) const AGENT: AgentId = AgentId::from_octets([0xa1; 16]);
pub(crate) const RECEIPTS: AgentId = AgentId::from_octets([0xc3; 16]);
pub(crate) const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_octets([0xb2; 16]);
pub(crate) const HANDLE: Handle = Handle {
    agent: AGENT,
    subscription: SUBSCRIPTION,
    slot: Slot::from_octets([0xd4; 16]),
    id: MessageId::from_octets([0xe5; 16]),
};

/// The first line, the fields in order, and the body.
pub(crate) struct Head {
    pub(crate) first: Vec<u8>,
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Head {
    /// None if that is no head; lines that cannot be fields are left out.
    pub(crate) fn read(octets: &[u8], door: &Door) -> Self {
        let (head, body) = match octets.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&octets[..at], &octets[at + 2..]),
            None => (octets, &[][..]),
        };
        let mut lines = head.split(|octet| *octet == b'\n');
        let first = spell_out(lines.next().unwrap_or_default(), door);
        let field = |line: &[u8]| {
            let colon = line.iter().position(|octet| *octet == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = spell_out(line[colon + 1..].trim_ascii_start(), door);
            Some((name, HeaderValue::from_bytes(&value).ok()?))
        };
        Self { first, fields: lines.filter_map(field).collect(), body: body.to_vec() }
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.fields.iter().cloned().collect_map()
    }

    /// The same fields with the names in another order; lines of one name stay in theirs.
    pub(crate) fn headers_in_another_order(&self) -> HeaderMap {
        let mut fields = self.fields.clone();
        fields.sort_by(|(one, _), (other, _)| other.as_str().cmp(one.as_str()));
        fields.into_iter().collect_map()
    }
}

trait CollectMap {
    fn collect_map(self) -> HeaderMap;
}

impl<I: Iterator<Item = (HeaderName, HeaderValue)>> CollectMap for I {
    fn collect_map(self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self {
            map.append(name, value);
        }
        map
    }
}

/// Puts URLs in the place of the control octets 1 to 7.
fn spell_out(line: &[u8], door: &Door) -> Vec<u8> {
    let mut spelt = Vec::with_capacity(line.len());
    for octet in line {
        let text = match octet {
            1 => door.push_url(AGENT, SUBSCRIPTION),
            2 => door.message_url(HANDLE, SealingKeyId::from_u8(0)),
            3 => door.subscription_url(AGENT, SUBSCRIPTION),
            4 => door.set_url(AGENT),
            5 => door.receipts_url(RECEIPTS),
            6 => AUTHORIZATION.clone(),
            7 => door.url().subscribe(),
            other => {
                spelt.push(*other);
                continue;
            }
        };
        spelt.extend_from_slice(text.as_bytes());
    }
    spelt
}
