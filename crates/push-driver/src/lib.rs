//! Drives the machines of [`push_proto`] over any transport and runtime: HTTP/2 with server push, HTTP/1.1, TLS.
//!
//! The driver is generic at exactly what a [`Runtime`] is: sockets, threads with a local executor, timers, clocks. It
//! never asks a clock itself, and stores no waker: everything that wakes it is a channel, a timer or h2.
#![forbid(unsafe_code)]

mod client;
mod fault;
mod io;
mod limits;
mod network;
mod runtime;
mod server;
mod socket;
mod tls;

pub use client::{
    Addresses, Allowed, AllowedError, AwaitedReceipt, ClientLimits, Message, Proxy, ProxyError, Push,
    Resolve, Resolver, Resolving, SendError, Sender, SenderOptions, Sent, SubscribeError, SubscribeOptions,
    UserAgent, UserAgentOptions,
};
pub use fault::Fault;
pub use limits::{HealthLimits, Limits};
pub use runtime::{Runtime, system_clocks};
pub use server::{Census, Config, Listen, Metrics, Server, TrustedProxies, TrustedProxyError};
pub use socket::{Connected, Either, Listener};
pub use tls::{ClientTls, ServerTls};
