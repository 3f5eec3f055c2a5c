//! What user agents say.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{ChannelId, Limits};
use crate::{KeyError, PublicKey, Urgency};

/// Broadcasts, each with the version that somebody has.
pub type Broadcasts = BTreeMap<String, String>;

/// A frame from a user agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Who it is, and what it has.
    Hello {
        /// What it was told to call itself.
        uaid: Option<Secret>,
        /// What it wants to hear of.
        broadcasts: Broadcasts,
    },
    /// A subscription is wanted.
    Register {
        /// Its name.
        channel: ChannelId,
        /// The only key whose holder may send, if there is one (RFC 8292 §4); what is wrong with it is for the reply.
        key: Option<Result<PublicKey, KeyError>>,
    },
    /// A subscription is not wanted any more.
    Unregister(ChannelId),
    /// Messages that were delivered (100), could not be decrypted (101) or were not delivered for another reason (102):
    /// all of them have ended.
    Ack(Vec<Secret>),
    /// A message that was acknowledged could not be handed to its application.
    Nack {
        /// 301 to 303: what went wrong there.
        code: Option<u16>,
    },
    /// More broadcasts to hear of.
    BroadcastSubscribe(Broadcasts),
    /// The lowest urgency that is wanted from now on (`8030-5.3-5`).
    Urgency(Urgency),
    /// Is somebody there?
    Ping,
}

/// A `uaid` or a `version`: a capability, so nobody sees it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The text itself.
    #[must_use]
    pub const fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Frame {
    /// Reads the text of a frame. Members that nobody knows mean nothing, as `use_webpush` and the `channelIDs` of old
    /// user agents do not.
    ///
    /// # Errors
    ///
    /// It means nothing.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, FrameError> {
        if text.len() > limits.frame_octets {
            return Err(FrameError::TooLarge);
        }
        let Object(members) = serde_json::from_str::<Object<Members<'_>>>(text)
            .map_err(|error| if error.is_data() { FrameError::Members } else { FrameError::Json })?;
        let Some(kind) = members.message_type.as_deref() else {
            return if members == Members::default() { Ok(Self::Ping) } else { Err(FrameError::NoType) };
        };
        match kind {
            "hello" => {
                let uaid = members.uaid.map(|uaid| Secret(uaid.into()));
                Ok(Self::Hello { uaid, broadcasts: broadcasts(members.broadcasts, limits)? })
            }
            "register" => {
                let key = members.key.filter(|key| !key.is_empty()).map(|key| key.parse());
                Ok(Self::Register { channel: channel(members.channel_id.as_deref())?, key })
            }
            "unregister" => Ok(Self::Unregister(channel(members.channel_id.as_deref())?)),
            "ack" => {
                let updates = members.updates.ok_or(FrameError::NoUpdates)?;
                if updates.len() > limits.updates {
                    return Err(FrameError::TooManyUpdates);
                }
                Ok(Self::Ack(
                    updates.into_iter().map(|Object(update)| Secret(update.version.into())).collect(),
                ))
            }
            "nack" => Ok(Self::Nack { code: members.code.and_then(|code| u16::try_from(code).ok()) }),
            "broadcast_subscribe" => {
                members.broadcasts.is_some().then_some(()).ok_or(FrameError::NoBroadcasts)?;
                Ok(Self::BroadcastSubscribe(broadcasts(members.broadcasts, limits)?))
            }
            "urgency" => {
                let least = members.min.and_then(|least| Urgency::parse(least.as_bytes()));
                least.map(Self::Urgency).ok_or(FrameError::NoUrgency)
            }
            "ping" => Ok(Self::Ping),
            _unknown => Err(FrameError::UnknownType),
        }
    }
}

fn channel(text: Option<&str>) -> Result<ChannelId, FrameError> {
    ChannelId::parse(text.ok_or(FrameError::NoChannel)?).ok_or(FrameError::Channel)
}

fn broadcasts(wanted: Option<Broadcasts>, limits: &Limits) -> Result<Broadcasts, FrameError> {
    let wanted = wanted.unwrap_or_default();
    if wanted.len() > limits.broadcasts { Err(FrameError::TooManyBroadcasts) } else { Ok(wanted) }
}

/// The members of any frame.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow, rename = "messageType")]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uaid: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "channelID")]
    channel_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    code: Option<i64>,
    #[serde(borrow)]
    updates: Option<Vec<Object<Update<'a>>>>,
    broadcasts: Option<Broadcasts>,
    #[serde(borrow)]
    min: Option<Cow<'a, str>>,
}

/// One acknowledgement. Its channel and its code say nothing that its version does not, or that counts.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Update<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

/// An object. What is derived alone would take an array for one, too, its elements for the members in their order.
#[derive(Debug, PartialEq, Eq)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData)).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<PhantomData<T>> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Why a frame means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not JSON.
    Json,
    /// It is no object, or a member is of the wrong type.
    Members,
    /// It is larger than [`Limits::frame_octets`].
    TooLarge,
    /// It has members, but no `messageType`.
    NoType,
    /// Its `messageType` is unknown.
    UnknownType,
    /// It has no `channelID`.
    NoChannel,
    /// Its `channelID` is no UUID in lower case with hyphens.
    Channel,
    /// It has no `updates`.
    NoUpdates,
    /// More than [`Limits::updates`].
    TooManyUpdates,
    /// It has no `broadcasts`.
    NoBroadcasts,
    /// More than [`Limits::broadcasts`].
    TooManyBroadcasts,
    /// Its `min` is none of the urgencies.
    NoUrgency,
}

impl FrameError {
    /// What is wrong, in at most 123 octets.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Json => "the frame is not JSON",
            Self::Members => "the frame is no object, or a member has the wrong type",
            Self::TooLarge => "the frame is too large",
            Self::NoType => "messageType is missing",
            Self::UnknownType => "messageType is unknown",
            Self::NoChannel => "channelID is missing",
            Self::Channel => "channelID must be a UUID in lower case with hyphens",
            Self::NoUpdates => "updates are missing",
            Self::TooManyUpdates => "too many updates in one frame",
            Self::NoBroadcasts => "broadcasts are missing",
            Self::TooManyBroadcasts => "too many broadcasts in one frame",
            Self::NoUrgency => "min must be very-low, low, normal or high",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for FrameError {}
