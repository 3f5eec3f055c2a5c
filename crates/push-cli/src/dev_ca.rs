//! A certificate for trying things out: an authority of our own, and one certificate by it.
//!
//! ```text
//! DIR/dev/ca.pem         what clients are to trust
//! DIR/dev/server.pem     the certificate
//! DIR/dev/server.key     its key, mode 0600
//! DIR/dev/names          the hosts it is for; written last
//! ```
//!
//! The authority's key is forgotten at once, so nobody can make another certificate that clients would trust. The
//! certificate never expires in practice: it is for machines of one's own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::{
    error::{Error, Result},
    files,
};

/// Where everything is.
#[derive(Debug)]
pub(crate) struct DevCertificate {
    folder: PathBuf,
}

impl DevCertificate {
    /// The certificate in this data folder for localhost and `host`, made if there is none for them.
    pub(crate) fn ensure(data: &Path, host: &str) -> Result<Self> {
        let certificate = Self { folder: data.join("dev") };
        let names = names(host);
        let wanted = names.join("\n");
        let path = certificate.path("names");
        match fs::read_to_string(&path) {
            Ok(there) if there.trim_end() == wanted => return Ok(certificate),
            Ok(_) => tracing::info!("the development certificate is for other hosts: making another"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("read", &path, files::why(&error))),
        }
        files::create_private_folder(&certificate.folder)?;
        certificate
            .make(names)
            .map_err(|error| Error::failed(format!("cannot make a certificate: {error}")))??;
        files::write_private(&path, format!("{wanted}\n").as_bytes())?;
        Ok(certificate)
    }

    /// What clients are to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn make(&self, names: Vec<String>) -> std::result::Result<Result<()>, rcgen::Error> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name = named("webpush development CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let root = authority.self_signed(&authority_key)?;

        let mut server = CertificateParams::new(names)?;
        server.distinguished_name = named("webpush development");
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let leaf = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;

        let write = || {
            files::write_private(&self.key(), key.serialize_pem().as_bytes())?;
            files::write_private(&self.certificate(), leaf.pem().as_bytes())?;
            files::write_private(&self.ca(), root.pem().as_bytes())
        };
        Ok(write())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// This machine's names for itself, and the one that the operator wants.
fn names(host: &str) -> Vec<String> {
    let mut names: Vec<String> = LOCAL.into_iter().map(str::to_owned).collect();
    // An IPv6 address stands in brackets in a URL, and without in a certificate.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if !LOCAL.contains(&host) {
        names.push(host.to_owned());
    }
    names
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use push_tokio::{ClientTls, ServerTls};

    use super::*;

    #[test]
    fn a_certificate_is_made_once_for_the_same_hosts() {
        let data = tempfile::tempdir().unwrap();
        let made = DevCertificate::ensure(data.path(), "localhost").unwrap();
        let read = |path: PathBuf| fs::read(path).unwrap();
        ServerTls::from_pem(&read(made.certificate()), &read(made.key())).unwrap();
        let ca = read(made.ca());
        ClientTls::from_pem(&ca).unwrap();
        assert_eq!(read(DevCertificate::ensure(data.path(), "127.0.0.1").unwrap().ca()), ca);
        assert_ne!(read(DevCertificate::ensure(data.path(), "[2001:db8::1]").unwrap().ca()), ca);
    }
}
