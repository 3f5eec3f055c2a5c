//! What a supervisor is told, by the protocol of sd_notify(3): a datagram to the socket that `NOTIFY_SOCKET` names.

#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
#[cfg(unix)]
use std::{env, ffi::OsString, io};

/// Who started this process and wants to know how it is; nobody, if it was not said.
pub(crate) struct Supervisor {
    #[cfg(unix)]
    socket: Option<OsString>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(crate) fn of_environment() -> Self {
        Self {
            #[cfg(unix)]
            socket: env::var_os("NOTIFY_SOCKET"),
        }
    }

    /// It serves: for the first time, or again after [`Supervisor::reloading`].
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// It reads its configuration again.
    pub(crate) fn reloading(&self) {
        // From when, by the clock that systemd compares it with.
        #[cfg(unix)]
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
    }

    /// It is about to end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Who serves goes on serving, whether or not it can be told.
    #[cfg(unix)]
    fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, state.as_bytes()) {
            tracing::warn!(%error, "the supervisor was not told: {state}");
        }
    }

    #[cfg(not(unix))]
    fn tell(&self, _: &str) {}
}

#[cfg(unix)]
fn send(socket: &OsString, state: &[u8]) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(socket.as_os_str()).strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
        return datagram.send_to_addr(state, &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    datagram.send_to(state, socket).map(drop)
}

#[cfg(unix)]
fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}
