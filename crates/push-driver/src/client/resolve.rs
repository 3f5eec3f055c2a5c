//! How names become addresses, if not as the system has it.

use std::{fmt, io, net::SocketAddr, pin::Pin, sync::Arc};

/// Addresses of a name, when they are known.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names: a DNS client of one's own, or a table in a test. What it gives is checked like anything else
/// ([`Addresses`](super::Addresses)).
///
/// A function that knows the answer at once is one:
///
/// ```
/// use std::{io, net::SocketAddr, sync::Arc};
/// use push_driver::Resolver;
///
/// let here = |_host: &str, port: u16| -> io::Result<Vec<SocketAddr>> { Ok(vec![([127, 0, 0, 1], port).into()]) };
/// let resolver = Resolver::new(here);
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a host, at this port.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

impl<F> Resolve for F
where
    F: Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
{
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let resolved = self(host, port);
        Box::pin(async { resolved })
    }
}

/// A [`Resolve`] for options. Clones are the same.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Resolve>);

impl Resolver {
    /// Resolves by this.
    pub fn new(resolve: impl Resolve) -> Self {
        Self(Arc::new(resolve))
    }

    pub(super) fn resolve(&self, host: &str, port: u16) -> Resolving {
        self.0.resolve(host, port)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver(..)")
    }
}
