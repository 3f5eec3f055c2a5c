//! What the examples share: everything that is the same on every runtime.
//!
//! - `service`: a push service inside of a program of one's own.
//! - `sender`: a message by an HTTP client that knows nothing of push.
//! - `user-agent`: receives, and goes on where it was after a restart.
//!
//! Each is there for tokio and for smol. In three terminals:
//!
//! ```text
//! cargo run -p examples --bin tokio-service -- ./data 127.0.0.1:8443
//! cargo run -p examples --bin smol-user-agent -- ./data/ca.pem https://localhost:8443/subscribe ./agent.state
//! cargo run -p examples --bin tokio-sender -- ./data/ca.pem '{"endpoint": .. what the user agent printed .. }' hello
//! ```

use std::{error::Error, fs, io, path::Path, path::PathBuf, sync::Arc};

use bytes::Bytes;
use push_crypto::{
    Subscription, aws_lc,
    capability::Keyring,
    message::{self, Padding},
    vapid::{Signer, SigningKey},
};
use push_driver::{ClientTls, Config, Limits, ServerTls, UserAgentOptions, system_clocks};
use push_proto::{
    Content, ContentField, PushUrl, Seed, Ttl, Urgency,
    application_server::{self, ReceiptRequest, Request, Send},
    autopush, service,
    user_agent::State,
    wire::{self, Door, PublicUrl},
};
use push_store::{Embedded, Quotas};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

/// Whatever goes wrong in an example.
pub type Result<T> = std::result::Result<T, Box<dyn Error + std::marker::Send + Sync>>;

/// A push service that keeps its messages, and the key that its URLs are sealed with, in `folder`. Without that key no
/// subscription works any more: back both up together.
///
/// # Errors
///
/// The folder cannot be used.
pub fn service(folder: &Path, url: &str) -> Result<Config> {
    let provider = aws_lc::provider();
    fs::create_dir_all(folder)?;
    let store = Embedded::open(folder.join("store"), Quotas::default())?;
    let key = folder.join("sealing.key");
    let keyring: Keyring = match fs::read_to_string(&key) {
        Ok(text) => text.parse()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keyring = Keyring::generate(&provider)?;
            fs::write(&key, keyring.to_text().expose())?;
            keyring
        }
        Err(error) => return Err(error.into()),
    };
    let mut seed = [0; 32];
    provider.fill(&mut seed)?;
    Ok(Config {
        door: Door::new(Arc::new(keyring), PublicUrl::parse(url)?, provider, wire::Limits::default()),
        store: Arc::new(store),
        seed: Seed::from_octets(seed),
        shards: 1,
        service: service::Limits::default(),
        limits: Limits::default(),
        autopush: autopush::Config::default(),
    })
}

/// A certificate for `localhost` that nobody else trusts, made at the first start; clients are to trust `ca.pem`. A real
/// service has one from an authority, and [`ServerTls::replace`] for when it is renewed.
///
/// # Errors
///
/// The folder cannot be used.
pub fn certificate(folder: &Path) -> Result<ServerTls> {
    fs::create_dir_all(folder)?;
    let (certificate, key) = (folder.join("ca.pem"), folder.join("key.pem"));
    if !key.exists() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
    }
    Ok(ServerTls::from_pem(&fs::read(certificate)?, &fs::read(key)?)?)
}

/// TLS for an HTTP client that trusts the certificates in `ca`, and speaks HTTP/1.1.
///
/// # Errors
///
/// There are none in it.
pub fn trust(ca: &str) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into())
}

/// A push message as a request that any HTTP client can send: encrypted for `to` alone, signed with a new key.
///
/// # Errors
///
/// The text is too long.
pub fn request(to: &Subscription, text: &str) -> Result<http::Request<Bytes>> {
    let provider = aws_lc::provider();
    // A real sender has one key, and keeps it: subscriptions are made for it.
    let signer = Signer::new(SigningKey::generate(&provider)?, Some("mailto:me@example.net".parse()?));
    let now = system_clocks().wall;
    let token = signer.sign(&provider, &to.endpoint.origin(), now.saturating_add_secs(3600), now)?;
    let body = message::encrypt(&provider, &to.recipient(), text.as_bytes(), Padding::None)?;
    let coding = (ContentField::Encoding, Bytes::from_static(b"aes128gcm"));
    let send = Send {
        to: to.endpoint.clone(),
        ttl: Ttl::from_secs(3600),
        urgency: Urgency::Normal,
        topic: None,
        receipt: ReceiptRequest::No,
        credentials: Some(application_server::Credentials::new(&token.authorization())),
        content: Content { body: body.into(), fields: Box::new([coding]) },
    };
    Ok(wire::application_server::request(&Request::Send(send))?)
}

/// A user agent of the push service at `url`, whose certificate is in `ca`, and what it knew when it was last kept in
/// `file`.
///
/// # Errors
///
/// No such URL, or what is in the file is no state.
pub fn user_agent(ca: &str, url: &str, file: &Path) -> Result<(UserAgentOptions, State)> {
    let state = match fs::read(file) {
        Ok(octets) => State::from_bytes(&octets)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
        Err(error) => return Err(error.into()),
    };
    // For a service that the whole world trusts: `ClientTls::native()`.
    let tls = ClientTls::from_pem(&fs::read(ca)?)?;
    Ok((UserAgentOptions::new(PushUrl::parse(url)?, aws_lc::provider(), tls), state))
}

/// Keeps a user agent's state in `file`, whole or not at all. It holds the keys that decrypt: keep it to yourself.
pub fn keep(file: PathBuf) -> impl FnMut(&State) + std::marker::Send + 'static {
    move |state| {
        let new = file.with_extension("new");
        let kept = fs::write(&new, state.to_bytes()).and_then(|()| fs::rename(&new, &file));
        if let Err(error) = kept {
            tell(&format!("cannot keep the state in {}: {error}", file.display()));
        }
    }
}

/// Comes back when standard input ends: a program that was started by another ends with it.
pub async fn told_to_stop() {
    let (ended, end) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _read = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    drop(end.await);
}

/// The arguments, which are as many as there are names for them.
///
/// # Errors
///
/// There are more or less of them.
pub fn arguments<const N: usize>(names: [&str; N]) -> Result<[String; N]> {
    let given: Vec<_> = std::env::args().skip(1).collect();
    given.try_into().map_err(|_| format!("arguments: {}", names.join(" ")).into())
}

/// Says something to whoever runs the example.
#[expect(clippy::print_stdout, reason = "an example says what it does")]
pub fn tell(text: &str) {
    println!("{text}");
}
