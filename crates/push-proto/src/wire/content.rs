//! The fields that describe a body and travel with it (`8030-5-3`, `legacy-1`).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::lexer::{Cursor, is_token, trim};
use crate::{Content, ContentField, Refusal};

/// The content of a push message on its way in. The VAPID part of `Crypto-Key` is left out (`8292-4.2-10`).
pub(super) fn accept(headers: &HeaderMap, body: Bytes, octets_max: usize) -> Result<Content, Refusal> {
    let mut fields = Vec::new();
    let mut octets: usize = 0;
    for (field, value) in present(headers) {
        octets = octets.saturating_add(value.len());
        if octets > octets_max {
            return Err(Refusal::FIELDS_TOO_LARGE);
        }
        let kept = if field == ContentField::CryptoKey { without_vapid(value)? } else { Some(value) };
        fields.extend(kept.map(|value| (field, value)));
    }
    Ok(Content { body, fields: fields.into() })
}

/// The content of a pushed response, as it is.
pub(super) fn read(headers: &HeaderMap, body: Bytes) -> Content {
    Content { body, fields: present(headers).collect() }
}

/// Puts the fields of `content` into `headers`.
pub(super) fn write(content: &Content, headers: &mut HeaderMap) {
    for (field, value) in &content.fields {
        // A store may hold anything; what is no field value is not sent.
        if let Ok(value) = HeaderValue::from_maybe_shared(value.clone()) {
            headers.insert(name(*field), value);
        }
    }
}

/// The fields that are there. Several lines of one are put together (RFC 9110 §5.3).
fn present(headers: &HeaderMap) -> impl Iterator<Item = (ContentField, Bytes)> {
    ContentField::ALL.into_iter().filter_map(|field| lines(headers, name(field)).map(|value| (field, value)))
}

/// The one or more lines of a field as one.
fn lines(headers: &HeaderMap, name: HeaderName) -> Option<Bytes> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let rest: Vec<&HeaderValue> = lines.collect();
    if rest.is_empty() {
        return Some(Bytes::copy_from_slice(trim(first.as_bytes())));
    }
    let mut joined = trim(first.as_bytes()).to_vec();
    for line in rest {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(trim(line.as_bytes()));
    }
    Some(joined.into())
}

/// `Crypto-Key` (a list of sets of parameters) without the parameters named `p256ecdsa`; none if nothing is left.
fn without_vapid(value: Bytes) -> Result<Option<Bytes>, Refusal> {
    if !mentions_vapid(&value) {
        return Ok(Some(value));
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut entries = Cursor::new(&value);
    while !entries.is_at_end() {
        let entry = entries.element(b',').ok_or(Refusal::CRYPTO_KEY_MALFORMED)?;
        let mut parameters = Cursor::new(entry);
        let mut left: Vec<&[u8]> = Vec::new();
        while !parameters.is_at_end() {
            let parameter = parameters.element(b';').ok_or(Refusal::CRYPTO_KEY_MALFORMED)?;
            let name = Cursor::new(parameter).take_while(is_token);
            if !parameter.is_empty() && !name.eq_ignore_ascii_case(VAPID_PARAMETER) {
                left.push(parameter);
            }
        }
        if !left.is_empty() {
            kept.push(left.join(&b';'));
        }
    }
    let kept = kept.join(&b", "[..]);
    // Whatever trick hid it: the key does not go to the user agent.
    if mentions_vapid(&kept) {
        return Err(Refusal::CRYPTO_KEY_MALFORMED);
    }
    Ok((!kept.is_empty()).then(|| kept.into()))
}

/// The key of the older draft's credentials: the one parameter `p256ecdsa` of `Crypto-Key` (`vapid01-4-1`).
pub(super) fn draft_key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Refusal> {
    let mut found = None;
    for line in headers.get_all(name(ContentField::CryptoKey)) {
        let mut entries = Cursor::new(line.as_bytes());
        while !entries.is_at_end() {
            let mut parameters = Cursor::new(entries.element(b',').ok_or(Refusal::CRYPTO_KEY_MALFORMED)?);
            while !parameters.is_at_end() {
                let mut parameter =
                    Cursor::new(parameters.element(b';').ok_or(Refusal::CRYPTO_KEY_MALFORMED)?);
                if !parameter.take_while(is_token).eq_ignore_ascii_case(VAPID_PARAMETER) {
                    continue;
                }
                parameter.skip_whitespace();
                if !parameter.eat(b'=') {
                    return Err(Refusal::CRYPTO_KEY_MALFORMED);
                }
                parameter.skip_whitespace();
                let value = match parameter.quoted() {
                    Some(value) => value.into_owned(),
                    None => parameter.take_while(|_| true).to_vec(),
                };
                if found.replace(value).is_some() {
                    return Err(Refusal::CREDENTIALS_SEVERAL);
                }
            }
        }
    }
    Ok(found)
}

fn mentions_vapid(value: &[u8]) -> bool {
    value.windows(VAPID_PARAMETER.len()).any(|window| window.eq_ignore_ascii_case(VAPID_PARAMETER))
}

pub(super) const fn name(field: ContentField) -> HeaderName {
    match field {
        ContentField::Encoding => header::CONTENT_ENCODING,
        ContentField::Language => header::CONTENT_LANGUAGE,
        ContentField::Type => header::CONTENT_TYPE,
        ContentField::CryptoKey => HeaderName::from_static("crypto-key"),
        ContentField::Encryption => HeaderName::from_static("encryption"),
    }
}

/// The parameter of `Crypto-Key` in which the second draft of VAPID had its key (`vapid01-4-1`).
const VAPID_PARAMETER: &[u8] = b"p256ecdsa";
