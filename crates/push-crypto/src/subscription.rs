//! What a browser hands to an application: where to send, and for whose eyes.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::base64;
use crate::key::{KeyError, PublicKey};
use crate::message::Recipient;
use crate::receiver::AuthSecret;
use crate::time::UnixMillis;
use crate::url::{PushUrl, UrlError};

/// The longest JSON that is read, in octets. Real ones have about 400.
pub const MAX_SUBSCRIPTION_LEN: usize = 16 * 1024;

/// A push subscription.
///
/// `FromStr` reads the JSON of the browser's `PushSubscription.toJSON()` and forgives what the world does to it: extra
/// members, padded or standard base64, any `expirationTime`. What it cannot forgive it names.
///
/// ```
/// use push_crypto::Subscription;
///
/// let json = r#"{"endpoint":"https://push.example.net/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV","expirationTime":null,
///     "keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4=",
///     "auth":"BTBZMqHH6r4Tts7J/aSIgg=="}}"#;
/// let subscription: Subscription = json.parse()?;
/// assert_eq!(subscription.endpoint.origin().as_str(), "https://push.example.net");
/// # Ok::<(), push_crypto::SubscriptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The push resource. A secret.
    pub endpoint: PushUrl,
    /// The user agent's public key.
    pub p256dh: PublicKey,
    /// The secret shared with the user agent.
    pub auth: AuthSecret,
    /// When the user agent says that the subscription ends, if it does.
    pub expiration_time: Option<UnixMillis>,
}

impl Subscription {
    /// Whom to encrypt to.
    #[must_use]
    pub const fn recipient(&self) -> Recipient<'_> {
        Recipient { p256dh: &self.p256dh, auth: &self.auth }
    }

    /// The JSON of the browser's `toJSON()`. Holds secrets.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing here needs escaping: base64url, digits, and a URL without quotes and backslashes.
        let mut json = String::from("{\"endpoint\":\"");
        json.push_str(self.endpoint.as_str());
        json.push_str("\",\"expirationTime\":");
        match self.expiration_time {
            Some(time) => json.push_str(&alloc::format!("{}", time.as_millis())),
            None => json.push_str("null"),
        }
        json.push_str(",\"keys\":{\"p256dh\":\"");
        json.push_str(&base64::encode(self.p256dh.as_bytes()));
        json.push_str("\",\"auth\":\"");
        json.push_str(&Zeroizing::new(base64::encode(self.auth.expose())));
        json.push_str("\"}}");
        json
    }

    fn from_value(value: &Value) -> Result<Self, SubscriptionError> {
        let top = value.as_object().ok_or(SubscriptionError::NotAnObject)?;
        let keys = match top.get("keys") {
            None => return Err(SubscriptionError::Missing("keys")),
            Some(keys) => keys.as_object().ok_or(SubscriptionError::WrongType("keys"))?,
        };
        let endpoint = text(top, "endpoint", "endpoint")?;
        let p256dh = text(keys, "p256dh", "keys.p256dh")?;
        Ok(Self {
            endpoint: PushUrl::parse(endpoint).map_err(SubscriptionError::Endpoint)?,
            p256dh: p256dh.parse().map_err(SubscriptionError::P256dh)?,
            auth: parse_auth(text(keys, "auth", "keys.auth")?)?,
            expiration_time: top.get("expirationTime").and_then(parse_expiration),
        })
    }
}

impl FromStr for Subscription {
    type Err = SubscriptionError;

    fn from_str(json: &str) -> Result<Self, SubscriptionError> {
        if json.len() > MAX_SUBSCRIPTION_LEN {
            return Err(SubscriptionError::TooLong);
        }
        let value: Value = serde_json::from_str(json).map_err(|_| SubscriptionError::NotJson)?;
        Self::from_value(&value)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Subscription {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let auth = Zeroizing::new(base64::encode(self.auth.expose()));
        let keys = [("p256dh", &*base64::encode(self.p256dh.as_bytes())), ("auth", auth.as_str())];
        let keys = alloc::collections::BTreeMap::from(keys);
        let mut top = serializer.serialize_struct("Subscription", 3)?;
        top.serialize_field("endpoint", self.endpoint.as_str())?;
        top.serialize_field("expirationTime", &self.expiration_time.map(UnixMillis::as_millis))?;
        top.serialize_field("keys", &keys)?;
        top.end()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Subscription {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).map_err(serde::de::Error::custom)
    }
}

/// What is wrong with the JSON of a subscription. Names the member and shows nothing of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// `keys.auth` is not base64.
    AuthBase64,
    /// `keys.auth` is not 16 octets but this many (`8291-3.2-1`).
    AuthLength(usize),
    /// `endpoint` is not a URL to push to.
    Endpoint(UrlError),
    /// A member that must be there is not.
    Missing(&'static str),
    /// JSON, but not an object.
    NotAnObject,
    /// Not JSON.
    NotJson,
    /// `keys.p256dh` is not a P-256 key.
    P256dh(KeyError),
    /// Longer than [`MAX_SUBSCRIPTION_LEN`].
    TooLong,
    /// A member has a type that it must not have.
    WrongType(&'static str),
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthBase64 => f.write_str("keys.auth: not base64url"),
            Self::AuthLength(length) => write!(f, "keys.auth: {length} octets instead of 16"),
            Self::Endpoint(error) => write!(f, "endpoint: {error}"),
            Self::Missing(member) => write!(f, "{member}: missing"),
            Self::NotAnObject => f.write_str("the subscription is not a JSON object"),
            Self::NotJson => f.write_str("the subscription is not JSON"),
            Self::P256dh(error) => write!(f, "keys.p256dh: {error}"),
            Self::TooLong => f.write_str("the subscription is longer than 16 KiB"),
            Self::WrongType(member) => write!(f, "{member}: wrong JSON type"),
        }
    }
}

impl core::error::Error for SubscriptionError {}

fn text<'a>(
    object: &'a Map<String, Value>,
    member: &str,
    name: &'static str,
) -> Result<&'a str, SubscriptionError> {
    match object.get(member) {
        None | Some(Value::Null) => Err(SubscriptionError::Missing(name)),
        Some(value) => value.as_str().ok_or(SubscriptionError::WrongType(name)),
    }
}

fn parse_auth(text: &str) -> Result<AuthSecret, SubscriptionError> {
    let octets = base64::decode_lenient(text).map(Zeroizing::new).ok_or(SubscriptionError::AuthBase64)?;
    AuthSecret::from_bytes(&octets).map_err(|error| SubscriptionError::AuthLength(error.0))
}

/// Any number that is a time at all; everything else is as if the member were not there.
fn parse_expiration(value: &Value) -> Option<UnixMillis> {
    let millis = match value.as_u64() {
        Some(millis) => millis,
        // The cast saturates: what is negative becomes 0 and what is too large the latest time there is.
        None => value.as_f64()? as u64,
    };
    Some(UnixMillis::from_millis(millis))
}

impl<'a> From<&'a Subscription> for Recipient<'a> {
    fn from(subscription: &'a Subscription) -> Self {
        subscription.recipient()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_expiration_time_is_read() {
        let cases = [("null", None), ("\"x\"", None), ("{}", None), ("1.5e3", Some(1500)), ("-3", Some(0))];
        for (json, millis) in cases {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(parse_expiration(&value).map(UnixMillis::as_millis), millis, "{json}");
        }
    }
}
