//! Web links (RFC 8288), and the three relations of RFC 8030 among them.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderValue,
    header::{LINK, ValueIter},
};

use super::lexer::{Cursor, is_token, is_whitespace};
use crate::user_agent::Reference;

/// A link relation type of RFC 8030 (`8030-9.2-1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The push resource.
    Push,
    /// The subscription set.
    Set,
    /// The receipt subscription.
    Receipt,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Push, Self::Set, Self::Receipt];

    /// Its name.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::Push => "urn:ietf:params:push",
            Self::Set => "urn:ietf:params:push:set",
            Self::Receipt => "urn:ietf:params:push:receipt",
        }
    }

    /// The relation of this name; letter case does not matter (RFC 8288 §2.1.2).
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| name.eq_ignore_ascii_case(relation.urn().as_bytes()))
    }

    /// The value of a `Link` field with this relation.
    ///
    /// ```
    /// # use push_proto::wire::Relation;
    /// assert_eq!(Relation::Set.link("/a/xyz"), r#"</a/xyz>; rel="urn:ietf:params:push:set""#);
    /// ```
    #[must_use]
    pub fn link(self, target: &str) -> String {
        format!("<{target}>; rel=\"{}\"", self.urn())
    }
}

/// The links of RFC 8030's relations in all `Link` field lines, in order. Malformed ones are passed over: this is for
/// readers of responses.
pub fn links(headers: &HeaderMap) -> impl Iterator<Item = (Relation, Reference)> {
    Links::new(headers).filter_map(Result::ok).flat_map(|link| {
        let target = link.target();
        let relations = Relation::ALL.into_iter().filter(move |relation| link.has(*relation));
        relations.filter_map(move |relation| Some((relation, target.clone()?)))
    })
}

/// The target of the first link with this relation.
#[must_use]
pub fn link(headers: &HeaderMap, relation: Relation) -> Option<Reference> {
    links(headers).find(|(found, _)| *found == relation).map(|(_, target)| target)
}

/// One link whose context is the request URL.
#[derive(Clone, Debug)]
pub(super) struct Link<'a> {
    target: &'a [u8],
    relations: [bool; Relation::ALL.len()],
}

impl Link<'_> {
    pub(super) fn has(&self, relation: Relation) -> bool {
        Relation::ALL.iter().zip(self.relations).any(|(known, has)| has && *known == relation)
    }

    /// None if it is no text.
    pub(super) fn target(&self) -> Option<Reference> {
        std::str::from_utf8(self.target).ok().map(Reference::new)
    }
}

/// A link cannot be read; the rest of its line is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads links one by one, over all lines. Links with an anchor are about something else and left out.
pub(super) struct Links<'a> {
    lines: ValueIter<'a, HeaderValue>,
    line: Cursor<'a>,
}

impl<'a> Links<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        Self { lines: headers.get_all(LINK).iter(), line: Cursor::new(b"") }
    }

    /// One `link-value` and the comma after it; none if it has an anchor.
    fn link(&mut self) -> Result<Option<Link<'a>>, Malformed> {
        if !self.line.eat(b'<') {
            return Err(Malformed);
        }
        let target = self.line.take_until(b'>').ok_or(Malformed)?;
        let mut link = Link { target, relations: [false; 3] };
        let (mut anchored, mut related) = (false, false);
        loop {
            self.line.skip_whitespace();
            if self.line.is_at_end() || self.line.eat(b',') {
                return Ok((!anchored).then_some(link));
            }
            if !self.line.eat(b';') {
                return Err(Malformed);
            }
            let (name, value) = self.parameter()?;
            anchored |= name.eq_ignore_ascii_case(b"anchor");
            // Only the first `rel` counts (RFC 8288 §3.3).
            if name.eq_ignore_ascii_case(b"rel") && !related {
                related = true;
                let names = value.split(|octet| is_whitespace(*octet));
                let known: Vec<Relation> = names.filter_map(Relation::parse).collect();
                link.relations = Relation::ALL.map(|relation| known.contains(&relation));
            }
        }
    }

    /// A parameter and its value; both empty where two semicolons follow each other.
    fn parameter(&mut self) -> Result<(&'a [u8], Cow<'a, [u8]>), Malformed> {
        self.line.skip_whitespace();
        let name = self.line.take_while(is_token);
        self.line.skip_whitespace();
        if !self.line.eat(b'=') {
            return Ok((name, Default::default()));
        }
        self.line.skip_whitespace();
        if self.line.peek() == Some(b'"') {
            return self.line.quoted().map(|value| (name, value)).ok_or(Malformed);
        }
        // Wider than a token: an unquoted URN is common.
        let value = self.line.take_while(|octet| !matches!(octet, b';' | b',' | b' ' | b'\t' | b'"'));
        Ok((name, value.into()))
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<Link<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.take_while(|octet| is_whitespace(octet) || octet == b',');
            if self.line.is_at_end() {
                self.line = Cursor::new(self.lines.next()?.as_bytes());
                continue;
            }
            match self.link() {
                Ok(Some(link)) => return Some(Ok(link)),
                Ok(None) => {}
                Err(malformed) => {
                    self.line = Cursor::new(b"");
                    return Some(Err(malformed));
                }
            }
        }
    }
}
