//! TLS for both sides: version 1.2 or later, ALPN, PEM in.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use crate::Fault;

/// A server's certificate and key, which can be replaced while it serves. Clones share them.
#[derive(Clone)]
pub struct ServerTls(Arc<RwLock<Arc<ServerConfig>>>);

impl ServerTls {
    /// A certificate chain and its key, both PEM.
    ///
    /// # Errors
    ///
    /// [`Fault::Tls`]: they cannot be read, or do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Fault> {
        Ok(Self(Arc::new(RwLock::new(server_config(certificates, key)?))))
    }

    /// Uses these from the next connection on; what is open stays as it is. Whoever renews certificates keeps a clone of
    /// what the listener has:
    ///
    /// ```no_run
    /// # fn example(listener: std::net::TcpListener) -> Result<(), push_driver::Fault> {
    /// use push_driver::{Listen, ServerTls};
    ///
    /// let read = || Ok::<_, std::io::Error>((std::fs::read("chain.pem")?, std::fs::read("key.pem")?));
    /// let (certificates, key) = read()?;
    /// let tls = ServerTls::from_pem(&certificates, &key)?;
    /// let listen = Listen::new(listener, Some(tls.clone()));
    /// // Later, when the files are new:
    /// let (certificates, key) = read()?;
    /// tls.replace(&certificates, &key)?;
    /// # drop(listen);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ServerTls::from_pem`]; then nothing changes.
    pub fn replace(&self, certificates: &[u8], key: &[u8]) -> Result<(), Fault> {
        let config = server_config(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(..)")
    }
}

/// Whom a client trusts.
#[derive(Clone)]
pub struct ClientTls {
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// What a client offers to speak (RFC 9113 §3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alpn {
    Http2,
    Either,
    /// To a proxy, which is asked for a tunnel.
    Http1,
}

impl ClientTls {
    /// The certificates that this machine trusts.
    ///
    /// # Errors
    ///
    /// [`Fault::Tls`]: none were found.
    pub fn native() -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Fault::Tls("this machine has no trusted certificates"));
        }
        Self::new(roots)
    }

    /// Only these certificates, PEM.
    ///
    /// # Errors
    ///
    /// [`Fault::Tls`]: there are none in it.
    pub fn from_pem(certificates: &[u8]) -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(certificates)? {
            roots.add(certificate).map_err(|_| Fault::Tls("a certificate cannot be trusted"))?;
        }
        Self::new(roots)
    }

    /// Nobody: for cleartext only.
    ///
    /// # Errors
    ///
    /// [`Fault::Tls`]: the TLS library fails.
    pub fn nobody() -> Result<Self, Fault> {
        Self::new(RootCertStore::empty())
    }

    fn new(roots: RootCertStore) -> Result<Self, Fault> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| Fault::Tls("no TLS version"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
        let either = Arc::new(config.clone());
        config.alpn_protocols = vec![HTTP1.to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![H2.to_vec()];
        Ok(Self { http2: Arc::new(config), either, http1 })
    }

    pub(crate) fn config(&self, alpn: Alpn) -> Arc<ClientConfig> {
        Arc::clone(match alpn {
            Alpn::Http2 => &self.http2,
            Alpn::Either => &self.either,
            Alpn::Http1 => &self.http1,
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls(..)")
    }
}

fn server_config(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, Fault> {
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| Fault::Tls("there is no private key in the PEM"))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|_| Fault::Tls("no TLS version"))?
        .with_no_client_auth()
        .with_single_cert(read_certificates(certificates)?, key)
        .map_err(|_| Fault::Tls("the certificate and the key do not belong together"))?;
    config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
    Ok(Arc::new(config))
}

fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| Fault::Tls("the certificates are not PEM"))?;
    if certificates.is_empty() {
        return Err(Fault::Tls("there is no certificate in the PEM"));
    }
    Ok(certificates)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// HTTP/2 by ALPN (RFC 9113 §3.2).
pub(crate) const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";
