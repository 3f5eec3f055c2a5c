//! The few shapes that header field values are made of (RFC 9110 §5.6), over octets that may be anything.

use std::borrow::Cow;

/// Walks over a field value. Nothing here fails hard: what is not there is not taken.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `octet` if it is next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// OWS and BWS.
    pub(super) fn skip_whitespace(&mut self) {
        self.take_while(is_whitespace);
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|octet| wanted(**octet)).count();
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// What is before `octet`, which is taken too; nothing is taken if it never comes.
    pub(super) fn take_until(&mut self, octet: u8) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let taken = ahead.take_while(|next| next != octet);
        if !ahead.eat(octet) {
            return None;
        }
        *self = ahead;
        Some(taken)
    }

    /// A quoted string without its quotes and escapes, if one starts here and ends.
    pub(super) fn quoted(&mut self) -> Option<Cow<'a, [u8]>> {
        let mut ahead = self.clone();
        if !ahead.eat(b'"') {
            return None;
        }
        let plain = ahead.take_while(|octet| !matches!(octet, b'"' | b'\\'));
        if ahead.eat(b'"') {
            *self = ahead;
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        while let Some((first, rest)) = ahead.rest.split_first() {
            ahead.rest = rest;
            match first {
                b'"' => {
                    *self = ahead;
                    return Some(Cow::Owned(text));
                }
                b'\\' => {
                    let (escaped, rest) = ahead.rest.split_first()?;
                    ahead.rest = rest;
                    text.push(*escaped);
                }
                other => text.push(*other),
            }
        }
        None
    }

    /// Everything before `end` that is not inside a quoted string, trimmed; `end` is taken too. None if a quoted
    /// string never ends.
    pub(super) fn element(&mut self, end: u8) -> Option<&'a [u8]> {
        let start = self.rest;
        while let Some(next) = self.peek() {
            if next == end {
                break;
            }
            if next == b'"' {
                self.quoted()?;
            } else {
                self.eat(next);
            }
        }
        let length = start.len().saturating_sub(self.rest.len());
        self.eat(end);
        start.get(..length).map(trim)
    }
}

/// Without white space at either end, as RFC 9110 §5.5 has field values.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_whitespace(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_whitespace(*last)
    {
        value = rest;
    }
    value
}

pub(super) const fn is_whitespace(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
