//! On smol: sender, push service and user agent.

use push_driver::Fault;

pub use push_smol::{
    Config, Listen, Server, Smol, SubscribeError, SubscribeOptions, UserAgent, UserAgentOptions, block_on,
    serve, user_agent,
};

use crate::{Options, Sender, Vapid};

/// Starts a sender, without a [`Vapid`] if the push services do not insist on one, on smol's global executor.
///
/// # Errors
///
/// [`Fault::Random`]; [`Fault::Tls`] if no certificates are given and this machine has none.
pub fn sender<'a>(vapid: impl Into<Option<&'a Vapid>>, options: Options) -> Result<Sender, Fault> {
    options.start(vapid.into(), push_smol::sender)
}
