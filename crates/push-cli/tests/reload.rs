//! SIGHUP and sd_notify: the real process is told anew while it serves.
#![cfg(unix)]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails loudly, its helpers too"
)]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    process::{ChildStderr, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use http::Method;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use support::{
    Folder, Running, Service,
    http2::{Peer, link},
    webpush,
};
use tokio::net::TcpStream;

/// A service that serves by a file, with a certificate of the test's.
struct Told {
    folder: Folder,
    service: Service,
    log: BufReader<ChildStderr>,
    config: String,
}

impl Told {
    /// Started by this runtime, with the first certificate.
    fn start(runtime: &str) -> (Self, String) {
        let folder = Folder::new();
        let certificate = renew(&folder);
        let config = format!(
            "public-url = 'https://localhost'\nlisten = '127.0.0.1:0'\nruntime = '{runtime}'\nlog = 'info'\n\
             data = '{}'\ntls-cert = '{}'\ntls-key = '{}'\nshards = 2\n",
            folder.text("data"),
            folder.text("chain.pem"),
            folder.text("key.pem")
        );
        let file = folder.file("webpush.toml", &config);
        let mut command = webpush(["serve", "--config", &file]);
        command.stderr(Stdio::piped());
        let mut service = Service::ready(command);
        let log = service.process.stderr();
        (Self { folder, service, log, config }, certificate)
    }

    /// SIGHUP with this behind the file; the lines of the log up to the end of it.
    fn reload(&mut self, more: &str, until: &str) -> String {
        self.folder.file("webpush.toml", format!("{}{more}", self.config));
        self.service.process.signal("HUP");
        let mut lines = String::new();
        while !lines.lines().any(|line| line.contains(until)) {
            assert_ne!(self.log.read_line(&mut lines).unwrap(), 0, "it ended: {lines}");
        }
        lines
    }

    /// A connection of somebody who trusts this certificate only.
    async fn connect(&self, certificate: &str) -> Option<Peer> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(self.service.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let io = connector.connect("localhost".try_into().unwrap(), socket).await.ok()?;
        Some(Peer::over(io).await.unwrap())
    }
}

/// Another certificate and its key in the place of the old; the certificate.
fn renew(folder: &Folder) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.file("chain.pem", made.cert.pem());
    folder.file("key.pem", made.signing_key.serialize_pem());
    fs::set_permissions(folder.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    made.cert.pem()
}

/// The push resource of a new subscription.
async fn subscribe(peer: &Peer) -> String {
    let made = peer.request(Method::POST, "/subscribe", &[], Bytes::new()).await.unwrap();
    assert_eq!(made.status, 201);
    link(&made.headers, "urn:ietf:params:push")
}

async fn send(peer: &Peer, push: &str) -> u16 {
    let fields = [("ttl", "60")];
    peer.request(Method::POST, push, &fields, Bytes::from_static(b"x")).await.unwrap().status.as_u16()
}

async fn certificates_are_taken_from_their_files_again(runtime: &str) {
    let (mut told, first) = Told::start(runtime);
    let old = told.connect(&first).await.unwrap();
    subscribe(&old).await;
    let second = renew(&told.folder);
    assert!(told.connect(&second).await.is_none(), "nobody has asked for it yet");
    told.reload("", " INFO webpush::reload: reloaded");
    let new = told.connect(&second).await.unwrap();
    subscribe(&new).await;
    assert!(told.connect(&first).await.is_none());
    subscribe(&old).await;

    // Half of a pair: what works stays, with all connections.
    let pair = fs::read(told.folder.path("key.pem")).unwrap();
    renew(&told.folder);
    fs::write(told.folder.path("key.pem"), pair).unwrap();
    let log = told.reload("", " INFO webpush::reload: reloaded");
    let refused = log.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(refused.contains("the certificate in use stays") && refused.contains("chain.pem"), "{refused}");
    fs::remove_file(told.folder.path("key.pem")).unwrap();
    let log = told.reload("", " INFO webpush::reload: reloaded");
    assert!(log.contains("the certificate in use stays: cannot read"), "{log}");
    subscribe(&told.connect(&second).await.unwrap()).await;
    subscribe(&new).await;
}

#[tokio::test]
async fn certificates_are_taken_from_their_files_again_by_tokio() {
    certificates_are_taken_from_their_files_again("tokio").await;
}

#[tokio::test]
async fn certificates_are_taken_from_their_files_again_by_smol() {
    certificates_are_taken_from_their_files_again("smol").await;
}

async fn bounds_are_taken_from_the_file_again(runtime: &str) {
    let (mut told, certificate) = Told::start(runtime);
    let peer = told.connect(&certificate).await.unwrap();
    let push = subscribe(&peer).await;
    assert_eq!([send(&peer, &push).await, send(&peer, &push).await], [201, 201]);

    // Of a machine, of the store, of the connections.
    let lower = "[bounds]\nsubscription-rate = 1\nsubscription-burst = 1\n";
    let log = told.reload(lower, "reloaded");
    assert!(log.contains("changed=\"bounds.subscription-rate bounds.subscription-burst\""), "{log}");
    let push = subscribe(&peer).await;
    assert_eq!([send(&peer, &push).await, send(&peer, &push).await], [201, 429]);
    told.reload("[bounds]\nagent-messages = 1\ndropped = 0\n", "reloaded");
    let push = subscribe(&peer).await;
    assert_eq!([send(&peer, &push).await, send(&peer, &push).await], [201, 429]);
    told.reload("[bounds]\naddress-connections = 1\n", "reloaded");
    assert!(told.connect(&certificate).await.is_none());
    told.reload("", "reloaded");
    subscribe(&told.connect(&certificate).await.unwrap()).await;
    assert_eq!(send(&peer, &push).await, 201);
}

#[tokio::test]
async fn bounds_are_taken_from_the_file_again_by_tokio() {
    bounds_are_taken_from_the_file_again("tokio").await;
}

#[tokio::test]
async fn bounds_are_taken_from_the_file_again_by_smol() {
    bounds_are_taken_from_the_file_again("smol").await;
}

#[tokio::test]
async fn what_takes_a_restart_is_named_as_long_as_it_is_not_what_it_was() {
    let (mut told, certificate) = Told::start("tokio");
    told.config = told.config.replace("shards = 2", "shards = 3");
    for _ in 0..2 {
        let log = told.reload("draft-vapid = true\n", "reloaded");
        let warned: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        assert_eq!(warned.len(), 2, "{log}");
        assert!(log.contains("`shards` has changed, which takes a restart"), "{log}");
        assert!(log.contains("`draft-vapid` has changed, which takes a restart"), "{log}");
    }
    told.config = told.config.replace("shards = 3", "shards = 2");
    assert!(!told.reload("", "reloaded").contains(" WARN "));
    subscribe(&told.connect(&certificate).await.unwrap()).await;
}

/// Whoever has just written the new certificate does not know whether the service is ready.
#[test]
fn a_signal_before_it_is_ready_is_not_lost() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (folder.pipe("chain.pem"), folder.file("key.pem", made.signing_key.serialize_pem()));
    let mut command = webpush(["serve", "--public-url", "https://localhost", "--listen", "127.0.0.1:0"]);
    command.args(["--log", "info", "--data", &folder.text("data")]);
    command.args(["--tls-cert", &chain, "--tls-key", &key]).stderr(Stdio::piped());
    let mut process = Running::start(command);
    let mut log = process.stderr();
    // It waits for its certificate, and then for that which it was told to read again.
    let mut first = fs::File::create(&chain).unwrap();
    process.signal("HUP");
    first.write_all(made.cert.pem().as_bytes()).unwrap();
    drop(first);
    assert!(process.line().starts_with("listening on "));
    fs::write(&chain, made.cert.pem()).unwrap();
    let mut lines = String::new();
    while !lines.contains(" INFO webpush::reload: reloaded") {
        assert_ne!(log.read_line(&mut lines).unwrap(), 0, "it ended: {lines}");
    }
}

/// All or nothing: a file with a mistake changes nothing.
#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    let (mut told, certificate) = Told::start("tokio");
    let peer = told.connect(&certificate).await.unwrap();
    let log = told.reload("[bounds]\naddress-agent-burst = 1\nmesage-rate = 1\n", "ERROR");
    assert!(log.contains("nothing was reloaded: "), "{log}");
    assert!(
        log.contains("webpush.toml:11:1: unknown key `mesage-rate`; did you mean `message-rate`?"),
        "{log}"
    );
    let log = told.reload("dev = true\n", "ERROR");
    assert!(log.contains("exclude each other"), "{log}");
    for _ in 0..3 {
        subscribe(&peer).await;
    }
}

/// What a supervisor with this socket is told.
fn is_told(folder: &Folder, address: &str, socket: &UnixDatagram) {
    let next = || {
        let mut message = [0; 256];
        let octets = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..octets].to_vec()).unwrap()
    };
    let data = folder.text("data");
    let mut command = webpush(["serve", "--dev", "--cleartext", "--listen", "127.0.0.1:0", "--data", &data]);
    command.env("NOTIFY_SOCKET", address);
    let mut service = Service::ready(command);
    assert_eq!(next(), "READY=1");
    service.process.signal("HUP");
    let reloading = next();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(since.parse::<u64>().unwrap() > 0);
    assert_eq!(next(), "READY=1");
    service.process.signal("TERM");
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(service.process.exit_code(), Some(0));
}

#[test]
fn a_supervisor_is_told() {
    let folder = Folder::new();
    let address = folder.text("notify");
    is_told(&folder, &address, &UnixDatagram::bind(&address).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_supervisor_may_listen_without_a_file() {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
    let folder = Folder::new();
    let name = format!("webpush-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    is_told(&folder, &format!("@{name}"), &UnixDatagram::bind_addr(&address).unwrap());
}

/// Whoever cannot be told is no reason not to serve.
#[test]
fn a_supervisor_that_is_gone_does_no_harm() {
    let folder = Folder::new();
    let words = ["serve", "--dev", "--cleartext", "--listen", "127.0.0.1:0", "--data", &folder.text("data")];
    let mut command = webpush(words);
    command.env("NOTIFY_SOCKET", folder.path("nowhere")).stderr(Stdio::piped());
    let mut service = Service::ready(command);
    let mut log = service.process.stderr();
    let mut lines = String::new();
    while !lines.contains("the supervisor was not told") {
        assert_ne!(log.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    service.process.signal("TERM");
    assert_eq!(service.process.exit_code(), Some(0));
}
