//! Who takes part: the push service in a process of its own, user agents, an application server.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use push_crypto::{
    Provider, Subscription,
    message::{self, Padding},
    vapid::Signer,
};
use push_proto::{
    Content, ContentField, PublicKey, PushUrl, Topic, Ttl,
    application_server::{Accepted, Verdict},
    user_agent::{Backoff, State, Tag},
    wire::PublicUrl,
};
use push_tokio::{
    Addresses, AwaitedReceipt, ClientTls, Push, Sender, SenderOptions, Sent, Tokio, UserAgent,
    UserAgentOptions,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::error::{Error, Result};

/// `webpush serve`, as a child process. Killed when dropped.
pub(super) struct ServiceProcess {
    child: Child,
    folder: PathBuf,
    /// The address it listens on.
    pub(super) address: String,
    pub(super) url: PublicUrl,
}

impl ServiceProcess {
    /// Starts it, and waits until it says that it is ready.
    pub(super) async fn start(folder: &Path, listen: &str) -> Result<Self> {
        let failed = |what: String| Error::failed(format!("the push service does not start: {what}"));
        let program = std::env::current_exe().map_err(|error| failed(format!("no program: {error}")))?;
        let log = File::create(folder.join("serve.log")).map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--dev", "--listen", listen, "--shards", "2", "--data"])
            .arg(folder.join("data"));
        // The story is the same in every environment.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it says nothing".to_owned()))?;
        let ready = BufReader::new(stdout).lines().next_line().await.ok().flatten().unwrap_or_default();
        let ready = ready.strip_prefix("listening on ").and_then(|rest| rest.split_once(", public URL "));
        let log = || fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
        let (address, url) = ready.ok_or_else(|| failed(log()))?;
        let url = PublicUrl::parse(url).map_err(|error| failed(error.to_string()))?;
        Ok(Self { child, folder: folder.to_owned(), address: address.to_owned(), url })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Everything it keeps.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What its clients are to trust.
    pub(super) fn tls(&self) -> Result<ClientTls> {
        crate::tls::client(Some(&self.data().join("dev/ca.pem")))
    }

    /// Ends it without a chance to do anything about it, and makes sure that this is how it ended.
    pub(super) async fn kill(mut self) -> Result<()> {
        let failed = |what: &str| Error::failed(format!("the push service was not killed: {what}"));
        self.child.start_kill().map_err(|error| failed(&error.to_string()))?;
        let status = self.child.wait().await.map_err(|error| failed(&error.to_string()))?;
        if status.code().is_some() && cfg!(unix) {
            return Err(failed(&format!("it ended by itself, {status}")));
        }
        Ok(())
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("WEBPUSH_")
}

/// A user agent, and its disk.
pub(super) struct Device {
    pub(super) name: &'static str,
    agent: UserAgent,
    driver: JoinHandle<()>,
    kept: Arc<Mutex<State>>,
}

impl Device {
    /// Goes on from `state`.
    pub(super) fn start(name: &'static str, service: &ServiceProcess, state: State) -> Result<Self> {
        let failed = |what: &str| Error::failed(format!("{name} does not start: {what}"));
        let url = PushUrl::parse(&service.url.subscribe()).map_err(|error| failed(&error.to_string()))?;
        let mut options = UserAgentOptions::new(url, provider(), service.tls()?);
        options.config.limits.backoff = BACKOFF;
        let kept = Arc::new(Mutex::new(state.clone()));
        let disk = Arc::clone(&kept);
        let keep =
            move |state: &State| state.clone_into(&mut disk.lock().unwrap_or_else(PoisonError::into_inner));
        let connected = UserAgent::connect(Tokio, options, state, keep);
        let (agent, driver) = connected.map_err(|error| failed(&error.to_string()))?;
        Ok(Self { name, agent, driver: tokio::spawn(driver), kept })
    }

    pub(super) async fn subscribe(&self, restricted_to: Option<PublicKey>) -> Result<Subscription> {
        let made = self.agent.subscribe(Tag(1), restricted_to).await;
        made.map_err(|error| Error::failed(format!("{} got no subscription: {error}", self.name)))
    }

    /// The next message must be this. It is acknowledged.
    pub(super) async fn receives(&self, text: &str) -> Result<()> {
        let Some(message) = self.agent.next().await else {
            return Err(Error::failed(format!("{} stopped before it got {text:?}", self.name)));
        };
        if message.payload() != Some(text.as_bytes()) {
            let got = message.payload().map(String::from_utf8_lossy).map(|text| text.into_owned());
            return Err(Error::failed(format!("{} got {got:?} instead of {text:?}", self.name)));
        }
        message.acknowledge();
        Ok(())
    }

    /// Disconnects; what is left is what it kept.
    pub(super) async fn stop(self) -> State {
        self.agent.close().await;
        drop(self.agent);
        drop(self.driver.await);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An application server.
pub(super) struct AppServer {
    sender: Sender,
}

/// A message that the push service accepted.
pub(super) struct Posted {
    pub(super) ciphertext: Vec<u8>,
    pub(super) accepted: Accepted,
    pub(super) receipt: AwaitedReceipt,
}

impl AppServer {
    /// One that signs, or one that does not.
    pub(super) fn start(service: &ServiceProcess, signer: Option<Signer>) -> Result<Self> {
        let mut options = SenderOptions::new(provider(), signer, service.tls()?);
        options.addresses = Addresses::Any;
        options.config.limits.backoff = BACKOFF;
        let started = Sender::new(Tokio, options);
        let (sender, driver) = started.map_err(|error| Error::failed(format!("no sender: {error}")))?;
        // It ends with the last handle.
        drop(tokio::spawn(driver));
        Ok(Self { sender })
    }

    /// Encrypts and posts a message with a receipt; it must be accepted, with a promise of that receipt.
    pub(super) async fn post(&self, to: &Subscription, text: &str, topic: Option<&str>) -> Result<Posted> {
        let (ciphertext, sent) = self.send(to, text, topic).await?;
        let Sent { verdict: Verdict::Accepted(accepted), receipt: Some(receipt) } = sent else {
            return Err(Error::failed(format!(
                "{text:?} was not accepted with a receipt: {:?}",
                sent.verdict
            )));
        };
        if !accepted.receipt
            || accepted.message.is_none()
            || accepted.ttl > Some(TTL)
            || accepted.ttl == Some(Ttl::ZERO)
        {
            return Err(Error::failed(format!("{text:?} was accepted in a strange way: {accepted:?}")));
        }
        Ok(Posted { ciphertext, accepted, receipt })
    }

    /// Posts a message that must be refused for who we are; says with which status.
    pub(super) async fn is_refused(&self, to: &Subscription, text: &str) -> Result<u16> {
        let (_, sent) = self.send(to, text, None).await?;
        if let Verdict::Auth(why) = &sent.verdict
            && let Some(status) = why.status
        {
            return Ok(status);
        }
        Err(Error::failed(format!("a stranger's message was not refused: {:?}", sent.verdict)))
    }

    async fn send(&self, to: &Subscription, text: &str, topic: Option<&str>) -> Result<(Vec<u8>, Sent)> {
        let failed = |what: &str| Error::failed(format!("{text:?} was not sent: {what}"));
        let ciphertext = message::encrypt(&provider(), &to.recipient(), text.as_bytes(), Padding::None)
            .map_err(|error| failed(&error.to_string()))?;
        let fields = Box::new([(ContentField::Encoding, Bytes::from_static(b"aes128gcm"))]);
        let content = Content { body: Bytes::from(ciphertext.clone()), fields };
        let topic = topic.and_then(|topic| Topic::parse(topic.as_bytes()));
        let push = Push { topic, receipt: true, ..Push::new(TTL) };
        let sent = self.sender.send_content(&to.endpoint, content, push).await;
        Ok((ciphertext, sent.map_err(|error| failed(&error.to_string()))?))
    }
}

/// What everybody here computes with.
pub(super) const fn provider() -> Provider {
    push_crypto::aws_lc::provider()
}

/// How long the service is asked to keep each message.
const TTL: Ttl = Ttl::from_secs(3600);

/// On one machine nobody has to be patient.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
