//! On smol: sender, push service and user agent.

use push_driver::Fault;

pub use push_smol::{
    Config, Listen, Server, Smol, SubscribeError, SubscribeOptions, UserAgent, UserAgentOptions, block_on,
    serve, user_agent,
};

use crate::{Options, Sender, Vapid};

/// Starts a sender on smol's global executor.
///
/// # Errors
///
/// [`Fault::Random`]; [`Fault::Tls`] if no certificates are given and this machine has none.
pub fn sender(vapid: &Vapid, options: Options) -> Result<Sender, Fault> {
    options.start(vapid, push_smol::sender)
}
