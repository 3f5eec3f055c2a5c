//! `Accept` (RFC 9110 §12.5.1): what a peer can read, and how much it wants it.

use http::{HeaderMap, HeaderValue, header};

use super::lexer::{Cursor, is_token};

/// A media range. Parameters other than the weight do not matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'a> {
    name: &'a [u8],
    /// In thousandths; 0 means "not this".
    pub(super) weight: u16,
}

impl Range<'_> {
    /// Whether it is this media type itself.
    pub(super) fn names(&self, media_type: &str) -> bool {
        self.name.eq_ignore_ascii_case(media_type.as_bytes())
    }

    /// How closely it says that type: the closest range counts.
    fn closeness(&self, media_type: &str) -> Option<Closeness> {
        if self.names(media_type) {
            return Some(Closeness::Named);
        }
        let kind = media_type.split('/').next().unwrap_or_default();
        match self.name.strip_suffix(b"/*")? {
            b"*" => Some(Closeness::Any),
            range if range.eq_ignore_ascii_case(kind.as_bytes()) => Some(Closeness::Kind),
            _ => None,
        }
    }
}

/// How a type is wanted: as much as the range says that is closest to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) weight: u16,
    pub(super) closeness: Closeness,
}

/// From the vaguest to the closest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closeness {
    /// `*/*`, or nothing at all.
    #[default]
    Any,
    /// Such as `application/*`.
    Kind,
    Named,
}

/// How much this type is wanted; by weight 0 if no range covers it.
pub(super) fn wanted(headers: &HeaderMap, media_type: &str) -> Wanted {
    let covers = |range: Range<'_>| Some((range.closeness(media_type)?, range.weight));
    // Of those that are as close the one that wants it most.
    let closest = ranges(headers).filter_map(covers).max();
    closest.map(|(closeness, weight)| Wanted { weight, closeness }).unwrap_or_default()
}

/// All media ranges. What is malformed says nothing, and after a quotation that never ends neither does its line.
pub(super) fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let lines = headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| {
            let mut cursor = Cursor::new(line);
            std::iter::from_fn(move || if cursor.is_at_end() { None } else { cursor.element(b',') })
        })
        .filter_map(range)
}

fn range(element: &[u8]) -> Option<Range<'_>> {
    let mut parts = Cursor::new(element);
    let name = parts.element(b';')?;
    while !parts.is_at_end() {
        let mut parameter = Cursor::new(parts.element(b';')?);
        if parameter.take_while(is_token).eq_ignore_ascii_case(b"q") {
            let weight = if parameter.eat(b'=') { weight(parameter.take_while(|_| true)) } else { None };
            return Some(Range { name, weight: weight? });
        }
    }
    Some(Range { name, weight: WHOLE })
}

/// A `qvalue` (RFC 9110 §12.4.2).
fn weight(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = decimals.iter().chain([b'0'; 3].iter()).take(3);
    let thousandths = padded
        .fold(0_u16, |sum, digit| sum.saturating_mul(10).saturating_add(u16::from(digit.wrapping_sub(b'0'))));
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(WHOLE),
        _ => None,
    }
}

/// The weight of what has none.
const WHOLE: u16 = 1000;
