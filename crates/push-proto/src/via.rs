//! How a monitor is served.

/// How what a monitor waits for reaches it: for the party that asks and for the service alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// By server push (RFC 8030 §6, §6.3).
    #[default]
    Push,
    /// As an event stream in the body of the response, where nothing can be pushed.
    Stream,
}
