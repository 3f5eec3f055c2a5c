//! Where a connection stands.

use alloc::string::String;

use super::{Broadcasts, ChannelId};
use crate::{AgentId, Handle, Mono, service::Named};

pub(super) enum Stage {
    /// `hello` has not come.
    Silent { fresh: AgentId, until: Mono },
    /// The monitor of the set that it claims is not open yet.
    Greeting { fresh: AgentId, claimed: Named, uaid: String, broadcasts: Broadcasts },
    /// `hello` is answered.
    Open(Party),
    /// A close frame was said.
    Closed,
}

impl Stage {
    /// Whose set is monitored.
    pub(super) const fn agent(&self) -> Option<AgentId> {
        match self {
            Self::Greeting { claimed, .. } => Some(claimed.agent),
            Self::Open(Party { agent, standing: Standing::Made { .. } }) => Some(*agent),
            Self::Silent { .. } | Self::Open(_) | Self::Closed => None,
        }
    }
}

/// Who is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) agent: AgentId,
    pub(super) standing: Standing,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// Nothing is known of it.
    Unmade,
    /// Its set is in the making.
    Making,
    /// It has a set, which is monitored, or is about to be, and then this channel is registered.
    Made { set: Named, registered: Option<ChannelId> },
}

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Register(ChannelId),
    Unregister(ChannelId),
    Acknowledge(Handle),
}
