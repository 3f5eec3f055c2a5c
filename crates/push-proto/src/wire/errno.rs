//! Mozilla's numbers for what goes wrong, as senders know them:
//! <https://mozilla-services.github.io/autopush-rs/errors.html>.

/// The number for a refusal with this reason. What Mozilla has none for is its "unknown error".
pub(super) fn errno(reason: &str) -> u16 {
    let known = ERRNOS.iter().find(|(known, _)| *known == reason);
    known.and_then(|(_, errno)| *errno).unwrap_or(UNKNOWN)
}

/// Every reason that a peer may be told, with its number, or without one where Mozilla has none.
///
/// Ours is one 404 for what never was and what has gone, so 103, 105 and 106 (410) have no row; 108 and those from 900 on
/// are of bridges. Their 401 with 109 is our 401 or 403.
const ERRNOS: &[(&str, Option<u16>)] = &[
    ("not-found", Some(INVALID_ENDPOINT)),
    ("body-too-large", Some(TOO_LARGE)),
    ("vapid-absent", Some(INVALID_AUTHENTICATION)),
    ("vapid-algorithm", Some(INVALID_AUTHENTICATION)),
    ("vapid-audience", Some(INVALID_AUTHENTICATION)),
    ("vapid-duplicate-parameter", Some(INVALID_AUTHENTICATION)),
    ("vapid-expired", Some(INVALID_AUTHENTICATION)),
    ("vapid-expiry", Some(INVALID_AUTHENTICATION)),
    ("vapid-key", Some(INVALID_AUTHENTICATION)),
    ("vapid-key-mismatch", Some(INVALID_AUTHENTICATION)),
    ("vapid-lifetime", Some(INVALID_AUTHENTICATION)),
    ("vapid-missing", Some(INVALID_AUTHENTICATION)),
    ("vapid-missing-audience", Some(INVALID_AUTHENTICATION)),
    ("vapid-missing-expiry", Some(INVALID_AUTHENTICATION)),
    ("vapid-missing-key", Some(INVALID_AUTHENTICATION)),
    ("vapid-missing-token", Some(INVALID_AUTHENTICATION)),
    ("vapid-several", Some(INVALID_AUTHENTICATION)),
    ("vapid-signature", Some(INVALID_AUTHENTICATION)),
    ("vapid-syntax", Some(INVALID_AUTHENTICATION)),
    ("vapid-token", Some(INVALID_AUTHENTICATION)),
    ("vapid-too-long", Some(INVALID_AUTHENTICATION)),
    ("crypto-key-malformed", Some(INVALID_CRYPTO_KEYS)),
    ("keys-identical", Some(INVALID_CRYPTO_KEYS)),
    ("ttl-missing", Some(MISSING_FIELD)),
    ("ttl-invalid", Some(INVALID_TTL)),
    ("topic-invalid", Some(INVALID_TOPIC)),
    ("address-agents-exceeded", Some(BACK_OFF)),
    ("address-rate-exceeded", Some(BACK_OFF)),
    ("agents-exceeded", Some(BACK_OFF)),
    ("crowded", Some(BACK_OFF)),
    ("draining", Some(BACK_OFF)),
    ("memory-short", Some(BACK_OFF)),
    ("monitors-exceeded", Some(BACK_OFF)),
    ("overloaded", Some(BACK_OFF)),
    ("queue-full", Some(BACK_OFF)),
    ("rate-exceeded", Some(BACK_OFF)),
    ("sender-rate-exceeded", Some(BACK_OFF)),
    ("set-full", Some(BACK_OFF)),
    ("store-unavailable", Some(BACK_OFF)),
    ("subscription-rate-exceeded", Some(BACK_OFF)),
    ("unsigned-rate-exceeded", Some(BACK_OFF)),
    // Mozilla never says these.
    ("body-slow", None),
    ("handshake-invalid", None),
    ("origin-refused", None),
    ("subscription-differs", None),
    ("upgrade-required", None),
    ("fields-too-large", None),
    ("link-malformed", None),
    ("method-not-allowed", None),
    ("push-unsupported", None),
    ("receipt-subscription-invalid", None),
    ("set-invalid", None),
    ("subscription-options-malformed", None),
    ("urgency-invalid", None),
];

/// Every reason of [`Refusal::reason`](crate::Refusal::reason) that a peer may be told, for whoever counts by them. What a
/// service says of its own health is not among them.
pub fn reasons() -> impl ExactSizeIterator<Item = &'static str> {
    ERRNOS.iter().map(|(reason, _)| *reason)
}

const INVALID_ENDPOINT: u16 = 102;
const TOO_LARGE: u16 = 104;
const INVALID_AUTHENTICATION: u16 = 109;
const INVALID_CRYPTO_KEYS: u16 = 110;
const MISSING_FIELD: u16 = 111;
const INVALID_TTL: u16 = 112;
const INVALID_TOPIC: u16 = 113;
const BACK_OFF: u16 = 201;
const UNKNOWN: u16 = 999;
