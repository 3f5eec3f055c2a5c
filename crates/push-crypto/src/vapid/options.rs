//! The body of a subscribe request that asks for a restricted subscription.

use core::fmt;

use serde_json::Value;

use super::MAX_OPTIONS_LEN;
use crate::key::{KeyError, PublicKey};

/// The key in a body of type [`super::OPTIONS_MEDIA_TYPE`] (`8292-4.1-1`); `None` if it has no member `vapid`. Unknown
/// members are ignored (`8292-4.1-5`, `8292-4.1-4`). A body of any other type must not be given to this (`8292-4.1-3`).
///
/// # Errors
///
/// What is wrong with the body. To answer it with an unrestricted subscription would be worse than to refuse.
pub fn restriction_from_json(body: &[u8]) -> Result<Option<PublicKey>, OptionsError> {
    if body.len() > MAX_OPTIONS_LEN {
        return Err(OptionsError::TooLong);
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| OptionsError::NotJson)?;
    let members = value.as_object().ok_or(OptionsError::NotAnObject)?;
    match members.get("vapid") {
        None => Ok(None),
        Some(Value::String(key)) => PublicKey::parse_strict(key).map(Some).map_err(OptionsError::Key),
        Some(_) => Err(OptionsError::WrongType),
    }
}

/// What is wrong with the body: the user agent's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// The member `vapid` is not a key.
    Key(KeyError),
    /// JSON, but not an object.
    NotAnObject,
    /// Not JSON.
    NotJson,
    /// Longer than [`MAX_OPTIONS_LEN`].
    TooLong,
    /// The member `vapid` is not a string.
    WrongType,
}

impl OptionsError {
    /// The section of the standard that the body broke.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        "RFC 8292 §4.1"
    }

    /// A short reason for machines.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "options-vapid-key",
            Self::NotAnObject => "options-not-an-object",
            Self::NotJson => "options-not-json",
            Self::TooLong => "options-too-long",
            Self::WrongType => "options-vapid-type",
        }
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => write!(f, "the member vapid: {error}"),
            Self::NotAnObject => f.write_str("the subscription options are not a JSON object"),
            Self::NotJson => f.write_str("the subscription options are not JSON"),
            Self::TooLong => f.write_str("the subscription options are too long"),
            Self::WrongType => f.write_str("the member vapid is not a string"),
        }
    }
}

impl core::error::Error for OptionsError {}
