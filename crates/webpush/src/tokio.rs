//! On tokio: sender, push service and user agent.

use push_driver::Fault;

pub use push_tokio::{
    Config, Listen, Server, SubscribeError, SubscribeOptions, Tokio, UserAgent, UserAgentOptions, serve,
    user_agent,
};

use crate::{Options, Sender, Vapid};

/// Starts a sender on the current runtime.
///
/// # Errors
///
/// [`Fault::Random`]; [`Fault::Tls`] if no certificates are given and this machine has none.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn sender(vapid: &Vapid, options: Options) -> Result<Sender, Fault> {
    options.start(vapid, push_tokio::sender)
}
