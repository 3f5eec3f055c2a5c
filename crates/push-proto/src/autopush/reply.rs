//! What the service says.

use alloc::{borrow::Cow, collections::BTreeMap, string::String};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::{Serialize, Serializer};

use super::{Broadcasts, ChannelId};
use crate::{Content, ContentField, Message};

/// A frame to a user agent.
#[derive(Serialize)]
#[serde(tag = "messageType", rename_all = "snake_case")]
pub(super) enum Reply<'a> {
    Hello {
        uaid: &'a str,
        status: u16,
        use_webpush: bool,
        broadcasts: Broadcasts,
    },
    Register {
        #[serde(rename = "channelID")]
        channel: ChannelId,
        status: u16,
        /// Empty where there is none: user agents insist on a string.
        #[serde(rename = "pushEndpoint")]
        endpoint: String,
    },
    Unregister {
        #[serde(rename = "channelID")]
        channel: ChannelId,
        status: u16,
    },
    Notification(Notification<'a>),
    Broadcast {
        broadcasts: BTreeMap<String, Broadcast>,
    },
    Urgency {
        status: u16,
    },
}

/// A version, or what is wrong with each that was asked for.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Broadcast {
    Version(String),
    Errors(BTreeMap<String, &'static str>),
}

/// A message. User agents take an empty `data` for an error, so a message without a body has none, nor `headers`.
#[derive(Serialize)]
pub(super) struct Notification<'a> {
    #[serde(rename = "channelID")]
    channel: ChannelId,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers<'a>>,
}

/// How its body is encrypted; the older codings say more here than in the body (`legacy-1`).
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypto_key: Option<Cow<'a, str>>,
}

impl<'a> Notification<'a> {
    /// Neither urgency nor topic nor credentials are in it (`8030-5.3-2`, `8030-5.4-9`, `8292-4.2-10`).
    pub(super) fn of(message: &'a Message, version: String) -> Self {
        let Content { body, .. } = &message.content;
        let field = |wanted| {
            let value = message.content.fields.iter().find(|(field, _)| *field == wanted);
            value.map(|(_, value)| String::from_utf8_lossy(value))
        };
        let headers = || Headers {
            encoding: field(ContentField::Encoding),
            encryption: field(ContentField::Encryption),
            crypto_key: field(ContentField::CryptoKey),
        };
        Self {
            channel: message.handle.subscription.into(),
            version,
            data: (!body.is_empty()).then(|| Base64UrlUnpadded::encode_string(body)),
            headers: (!body.is_empty()).then(headers),
        }
    }
}

impl Serialize for ChannelId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Reply<'_> {
    /// The text of the frame. There is nothing in it that JSON cannot say.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What both sides say for "somebody is there".
pub(super) const PONG: &str = "{}";
