//! VAPID credentials of a request (RFC 8292), and what is wrong with them.

use http::{HeaderMap, HeaderValue, header};
use push_crypto::{
    message,
    vapid::{Credentials, DRAFT_SCHEMES, SCHEME, VapidError},
};

use super::{
    content,
    lexer::{Cursor, is_token, trim},
};
use crate::{Content, ContentField, Refusal};

/// The credentials, if there are any. Fields of other schemes are as absent, and so is `Proxy-Authorization`
/// (`8292-3-1`). Those of the older draft count if `drafts` says so and there are none of RFC 8292.
pub(super) fn credentials(headers: &HeaderMap, drafts: bool) -> Result<Option<Credentials>, Refusal> {
    if let Some(field) = the_one(headers, |scheme| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))? {
        return Credentials::parse(field).map(Some).map_err(refusal);
    }
    if !drafts {
        return Ok(None);
    }
    let key = content::draft_key(headers)?;
    let of_draft = |scheme: &[u8]| {
        // `Bearer` alone may be anybody's.
        let mut known = DRAFT_SCHEMES.iter().filter(|known| key.is_some() || **known != "Bearer");
        known.any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    };
    let Some(field) = the_one(headers, of_draft)? else { return Ok(None) };
    Credentials::parse_draft(field, key.as_deref()).map(Some).map_err(refusal)
}

/// The one Authorization field whose scheme is wanted.
fn the_one(headers: &HeaderMap, wanted: impl Fn(&[u8]) -> bool) -> Result<Option<&[u8]>, Refusal> {
    let scheme = |field: &&[u8]| wanted(Cursor::new(trim(field)).take_while(is_token));
    let mut fields = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).filter(scheme);
    match (fields.next(), fields.next()) {
        (field, None) => Ok(field),
        (_, Some(_)) => Err(Refusal::CREDENTIALS_SEVERAL),
    }
}

/// The key that signs must not be the key that encrypts (`8292-3.2-3`), in either content coding (`vapid01-4-2`).
pub(super) fn check_keys_differ(credentials: &Credentials, content: &Content) -> Result<(), Refusal> {
    let key = credentials.claimed_key();
    let in_body = message::sender_key(&content.body).is_some_and(|sender| sender == key.as_bytes());
    let text = key.to_string();
    let in_field = content.fields.iter().any(|(field, value)| {
        *field == ContentField::CryptoKey && value.windows(text.len()).any(|window| window == text.as_bytes())
    });
    if in_body || in_field { Err(Refusal::KEYS_IDENTICAL) } else { Ok(()) }
}

/// Never a part of the token: status, reason and section are those of the error.
pub(super) fn refusal(error: VapidError) -> Refusal {
    Refusal::new(error.status(), error.reason(), error.section(), detail(error))
}

const fn detail(error: VapidError) -> &'static str {
    match error {
        VapidError::Algorithm => "The token is not signed with ES256, the only algorithm there is.",
        VapidError::Audience => {
            "The token is for another push service: aud must be the origin of the push resource, with its port."
        }
        VapidError::DuplicateParameter => "A parameter of the credentials occurs twice.",
        VapidError::Expired => "The token has expired: make a new one, and check the clock.",
        VapidError::Expiry => "The exp of the token is not a number of seconds since 1970.",
        VapidError::Key(_) => "The parameter k is not an uncompressed P-256 key in unpadded base64url.",
        VapidError::Lifetime => {
            "The token expires more than 24 hours from now: make one that does not, and check the clock."
        }
        VapidError::MissingAudience => "The token has no aud: the origin of the push resource.",
        VapidError::MissingExpiry => "The token has no exp.",
        VapidError::MissingKey => "The public key is missing: the parameter k of Authorization.",
        VapidError::MissingToken => "The parameter t, the token, is missing in Authorization.",
        VapidError::Scheme => "The request has no vapid credentials.",
        VapidError::Signature => "The token is not signed with the key in k.",
        VapidError::Syntax => "Authorization cannot be read; it takes vapid with the parameters t and k.",
        VapidError::Token => "The parameter t is not a signed token of three parts in unpadded base64url.",
        VapidError::TooLong => "Authorization is too long.",
        _ => "The vapid credentials are not valid.",
    }
}
