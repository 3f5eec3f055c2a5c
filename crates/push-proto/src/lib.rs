//! Sans-IO state machines of RFC 8030 (Generic Event Delivery Using HTTP Push) for all three parties: the push
//! service, the application server and the user agent.
//!
//! Each machine is a value that one owner drives by `&mut`: `handle(input, now)` takes one input and never blocks or
//! fails; `poll(now)` gives the next effect until it answers `Wait`. There is no IO, clock, randomness source, thread
//! or runtime in here: time, a [`Seed`] and the store's completions are inputs.
#![cfg_attr(not(feature = "wire"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod application_server;
#[cfg(feature = "wire")]
pub mod autopush;
mod entropy;
mod id;
mod keepalive;
mod message;
mod refusal;
pub mod service;
pub mod store;
mod time;
pub mod user_agent;
mod via;
#[cfg(feature = "wire")]
pub mod wire;

pub use entropy::{Entropy, Seed};
pub use id::{AgentId, Handle, ID_OCTETS, MessageId, Slot, SubscriptionId};
pub use message::{Content, ContentField, Message, Outcome, Receipt, Topic, Ttl, Urgency};
pub use push_crypto::{KeyError, Origin, PublicKey, PushUrl, capability::KeyId as SealingKeyId};
pub use refusal::{Party, Refusal};
pub use time::{Mono, Now, UnixTime};
pub use via::Via;
