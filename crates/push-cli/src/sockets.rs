//! Where `serve` listens: addresses, and sockets at a path.

#[cfg(unix)]
use std::os::unix::{
    fs::{FileTypeExt as _, MetadataExt as _},
    net::{UnixListener, UnixStream},
};
use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    str::FromStr,
};

use push_tokio::Listener;

use crate::error::{Error, Result};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Address(SocketAddr),
    /// For what runs on this machine.
    Path(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some("") => Err(format!("{UNIX} is followed by a path, such as {UNIX}/run/webpush/push.sock")),
            Some(_) if !cfg!(unix) => Err("there are no Unix sockets on this system".to_owned()),
            Some(path) => {
                check_length(path)?;
                Ok(Self::Path(path.into()))
            }
            None => text.parse().map(Self::Address).map_err(|_| {
                format!("an address is written as 127.0.0.1:8443 or [::1]:8443, a socket as {UNIX}/path")
            }),
        }
    }
}

/// Refuses what the system has no room for in the name of a socket.
fn check_length(path: &str) -> std::result::Result<(), String> {
    #[cfg(unix)]
    if let Err(error) = std::os::unix::net::SocketAddr::from_pathname(path) {
        return Err(format!(
            "this path cannot name a socket: {error}; choose a short one, such as below /run"
        ));
    }
    Ok(())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Path(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// A socket that listens. A path is removed when this is dropped, unless somebody else has taken it.
#[derive(Debug)]
pub(crate) struct Bound {
    /// As it is, whatever was asked for: the port is known.
    pub(crate) place: Place,
    #[cfg(unix)]
    file: Option<(u64, u64)>,
}

impl Bound {
    /// Listens there. `mode` is who may connect to a path, as of a file; without it the umask decides.
    ///
    /// # Errors
    ///
    /// Somebody else listens there, or it may not be done.
    pub(crate) fn bind(place: &Place, mode: Option<u32>) -> Result<(Self, Listener)> {
        match place {
            Place::Address(address) => {
                let bind = |address| {
                    let listener = TcpListener::bind(address)?;
                    Ok((listener.local_addr()?, listener))
                };
                let (address, listener) =
                    bind(*address).map_err(|error| cannot(place, &error, &OF_ADDRESSES))?;
                let bound = Self {
                    place: Place::Address(address),
                    #[cfg(unix)]
                    file: None,
                };
                Ok((bound, listener.into()))
            }
            #[cfg(unix)]
            Place::Path(path) => {
                let listener = bind_path(path, mode).map_err(|error| cannot(place, &error, &OF_PATHS))?;
                Ok((Self { place: place.clone(), file: identity(path) }, listener.into()))
            }
            #[cfg(not(unix))]
            Place::Path(_) => Err(cannot(place, &io::ErrorKind::Unsupported.into(), &[])),
        }
    }
}

#[cfg(unix)]
impl Drop for Bound {
    fn drop(&mut self) {
        if let Place::Path(path) = &self.place
            && self.file.is_some()
            && identity(path) == self.file
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(%error, "the socket was not removed");
        }
    }
}

/// Which file is at this path.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Listens at a path. What a process that has gone left there is replaced; what listens, or is no socket, is not.
#[cfg(unix)]
fn bind_path(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    match bind_as(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if !fs::symlink_metadata(path)?.file_type().is_socket() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            match UnixStream::connect(path) {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                    bind_as(path, mode)
                }
                _ => Err(error),
            }
        }
        bound => bound,
    }
}

/// Nobody whom the mode keeps out gets in between binding and a change of mode: there is none.
#[cfg(unix)]
fn bind_as(path: &Path, mode: Option<u32>) -> io::Result<UnixListener> {
    use rustix::{fs::Mode, process::umask};

    let Some(mode) = mode else { return UnixListener::bind(path) };
    let before = umask(Mode::from_raw_mode(MODE_MAX & !mode));
    let bound = UnixListener::bind(path);
    umask(before);
    bound
}

/// The mode of a socket, in octal as of `chmod`.
pub(crate) fn mode(text: &str) -> std::result::Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= MODE_MAX);
    mode.ok_or_else(|| "a mode is written as 660".to_owned())
}

fn cannot(place: &Place, error: &io::Error, known: &[(io::ErrorKind, &str, &str)]) -> Error {
    match known.iter().find(|(kind, ..)| *kind == error.kind()) {
        Some((_, why, hint)) => Error::failed(format!("cannot listen on {place}: {why}")).hint(*hint),
        None => Error::failed(format!("cannot listen on {place}: {error}")),
    }
}

const OF_ADDRESSES: [(io::ErrorKind, &str, &str); 3] = [
    (
        io::ErrorKind::AddrInUse,
        "something else listens there already",
        "end that, or choose another address with --listen; port 0 takes a free one",
    ),
    (
        io::ErrorKind::AddrNotAvailable,
        "this machine has no such address",
        "0.0.0.0 and [::] stand for all addresses of this machine",
    ),
    (
        io::ErrorKind::PermissionDenied,
        "permission denied",
        "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE on Linux)",
    ),
];

#[cfg(unix)]
const OF_PATHS: [(io::ErrorKind, &str, &str); 4] = [
    (
        io::ErrorKind::AddrInUse,
        "another process listens there",
        "end that, or choose another path with --listen; what a process left behind that has gone is replaced",
    ),
    (
        io::ErrorKind::AlreadyExists,
        "there is a file that is no socket",
        "choose another path with --listen; only a socket that nobody listens on is replaced",
    ),
    (io::ErrorKind::NotFound, "its folder does not exist", "make it, and let this user write to it"),
    (io::ErrorKind::PermissionDenied, "permission denied", "let this user write to its folder"),
];

/// What a path begins with.
const UNIX: &str = "unix:";

/// Everybody may do everything.
const MODE_MAX: u32 = 0o777;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_or_paths() {
        assert_eq!("127.0.0.1:80".parse(), Ok(Place::Address(([127, 0, 0, 1], 80).into())));
        assert_eq!("unix:/run/x.sock".parse(), Ok(Place::Path("/run/x.sock".into())));
        for text in ["", "localhost:80", "127.0.0.1", "unix:", "/run/x.sock"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("660"), Ok(0o660));
        assert_eq!(mode("0600"), Ok(0o600));
        for text in ["", "rw", "888", "1777", "-1"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
