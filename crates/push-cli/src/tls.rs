//! Certificates from files.

use std::path::Path;

use push_tokio::{ClientTls, Fault, ServerTls};

use crate::{
    error::{Error, Result},
    files,
};

/// A server's certificate chain and key.
pub(crate) fn server(certificate: &Path, key: &Path) -> Result<ServerTls> {
    read(certificate, key, ServerTls::from_pem)
}

fn read<T>(
    certificate: &Path,
    key: &Path,
    and_use: impl FnOnce(&[u8], &[u8]) -> std::result::Result<T, Fault>,
) -> Result<T> {
    let chain = files::read_secret(certificate, PEM_OCTETS_MAX)?;
    let secret = files::read_secret(key, PEM_OCTETS_MAX)?;
    // A group of its own may be meant to.
    if let Some(mode) = files::mode_beyond_owner(key)?.filter(|mode| mode & 0o007 != 0) {
        tracing::warn!(
            "every user of this machine may use the key {} (mode {mode:03o}): chmod 640 or 600 keeps them out",
            key.display()
        );
    }
    and_use(&chain, &secret).map_err(|error| {
        Error::failed(format!("cannot use {} with {}: {error}", certificate.display(), key.display())).hint(
            "--tls-cert is the chain in PEM, our own certificate first; --tls-key its unencrypted key in PEM",
        )
    })
}

/// Uses what is in these files now, from the next connection on.
///
/// # Errors
///
/// Why not; then what is in use stays.
pub(crate) fn replace(in_use: &ServerTls, certificate: &Path, key: &Path) -> Result<()> {
    read(certificate, key, |chain, secret| in_use.replace(chain, secret))
}

/// Whom a client trusts: the certificates in `ca` only, or those of this machine.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientTls> {
    let Some(path) = ca else {
        return ClientTls::native().map_err(|error| {
            Error::failed(error.to_string()).hint(
                "install them (package ca-certificates), or name a file of certificates to trust with --ca",
            )
        });
    };
    let pem = files::read_secret(path, PEM_OCTETS_MAX)?;
    ClientTls::from_pem(&pem).map_err(|error| Error::file("trust the certificates in", path, error))
}

/// The certificates of a whole operating system have about 250 KiB.
const PEM_OCTETS_MAX: u64 = 4 * 1024 * 1024;
