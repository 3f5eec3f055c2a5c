//! What header fields are made of (RFC 9110 section 5.6): tokens, quoted strings, parameters.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Something is not as the grammar has it. Callers say what it means to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformed;

/// What has not been read yet.
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) const fn new(field: &'a [u8]) -> Self {
        Self(field)
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// `token BWS "=" BWS ( value / quoted-string )`; the name in lower case. What a value without quotes is, `bare`
    /// says.
    pub(crate) fn parameter(
        &mut self,
        bare: impl FnOnce(&mut Self) -> Result<&'a [u8], Malformed>,
    ) -> Result<(Vec<u8>, String), Malformed> {
        let name = self.token()?.to_ascii_lowercase();
        self.skip_white_space();
        if !self.take(b'=') {
            return Err(Malformed);
        }
        self.skip_white_space();
        let value = if self.take(b'"') { self.quoted()? } else { text(bare(self)?)?.to_string() };
        Ok((name, value))
    }

    /// At least one `tchar`.
    pub(crate) fn token(&mut self) -> Result<&'a [u8], Malformed> {
        self.run_of(is_token_char)
    }

    /// At least one octet of which `legal` holds, and all that follow.
    pub(crate) fn run_of(&mut self, legal: impl Fn(u8) -> bool) -> Result<&'a [u8], Malformed> {
        let end = self.0.iter().position(|&octet| !legal(octet)).unwrap_or(self.0.len());
        match self.0.split_at_checked(end) {
            Some((run, rest)) if !run.is_empty() => {
                self.0 = rest;
                Ok(run)
            }
            _ => Err(Malformed),
        }
    }

    /// What is between the quotes, without the backslashes. A value that means something is ASCII; others are ignored, so
    /// their further octets become a replacement character.
    fn quoted(&mut self) -> Result<String, Malformed> {
        let mut value = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => return Ok(String::from_utf8_lossy(&value).into_owned()),
                Some(b'\\') => match self.next() {
                    Some(octet) if is_quotable(octet) => value.push(octet),
                    _ => return Err(Malformed),
                },
                Some(octet) if is_quotable(octet) => value.push(octet),
                _ => return Err(Malformed),
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (&octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(octet)
    }

    pub(crate) fn take(&mut self, wanted: u8) -> bool {
        match self.0.split_first() {
            Some((&octet, rest)) if octet == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Whether one of these is next.
    #[cfg(feature = "aesgcm")]
    pub(crate) fn is_before(&self, any: &[u8]) -> bool {
        self.0.first().is_some_and(|octet| any.contains(octet))
    }

    pub(crate) fn skip_white_space(&mut self) {
        while self.take(b' ') || self.take(b'\t') {}
    }
}

pub(crate) fn text(octets: &[u8]) -> Result<&str, Malformed> {
    core::str::from_utf8(octets).map_err(|_| Malformed)
}

/// `tchar`.
pub(crate) fn is_token_char(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// `HTAB / SP / VCHAR / obs-text`.
fn is_quotable(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}
