//! A sender and user agents made of the h2 crate, on one thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, PushPromise, PushPromises, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{Method, Request, StatusCode, Uri};
use push_proto::wire::{Relation, link, location};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use super::{BODY, Place};

/// Who asks: lanes that go on side by side.
pub(super) struct Client {
    lanes: VecDeque<Lane>,
    tasks: LocalSet,
    runtime: Runtime,
}

/// A user agent with a connection of its own, and a share in the sender's connection.
struct Lane {
    user_agent: SendRequest<Bytes>,
    sender: SendRequest<Bytes>,
    /// The monitor's response, which comes when it ends.
    monitor: Option<ResponseFuture>,
    pushes: PushPromises,
    push: Uri,
    echo: Uri,
    base: String,
    body: Bytes,
}

impl Client {
    /// Lanes that have subscribed and monitor.
    pub(super) fn new(place: &Place, lanes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let tasks = LocalSet::new();
        let lanes = tasks.block_on(&runtime, async {
            let sender = connect(place).await;
            let mut made = VecDeque::new();
            for _ in 0..lanes {
                made.push_back(Lane::new(place, sender.clone()).await);
            }
            made
        });
        Self { lanes, tasks, runtime }
    }

    /// So many messages in each lane, pushed, acknowledged and answered. The result is how long they took from the POST
    /// to the end of the push, summed up over one lane.
    pub(super) fn push(&mut self, steps: u64) -> Duration {
        let works = self.lanes.drain(..).map(|mut lane| async move {
            let mut elapsed = Duration::ZERO;
            for _ in 0..steps {
                elapsed += lane.message().await;
            }
            (lane, elapsed)
        });
        let mut longest = Duration::ZERO;
        for (lane, elapsed) in all(&self.tasks, &self.runtime, works) {
            self.lanes.push_back(lane);
            longest = longest.max(elapsed);
        }
        longest
    }

    /// So many exchanges in each lane, POST and the same octets back.
    pub(super) fn echo(&mut self, steps: u64) {
        let works = self.lanes.drain(..).map(|mut lane| async move {
            for _ in 0..steps {
                lane.echo().await;
            }
            lane
        });
        self.lanes = all(&self.tasks, &self.runtime, works).into();
    }

    /// One message in each lane, accepted. The result is where they are.
    pub(super) fn store(&mut self) -> Vec<Uri> {
        let works = self.lanes.drain(..).map(|mut lane| async move {
            let message = lane.store().await;
            (lane, message)
        });
        let (lanes, messages): (Vec<_>, _) = all(&self.tasks, &self.runtime, works).into_iter().unzip();
        self.lanes = lanes.into();
        messages
    }

    /// Acknowledges what [`Client::store`] sent.
    pub(super) fn acknowledge(&mut self, messages: Vec<Uri>) {
        let works = self.lanes.drain(..).zip(messages).map(|(mut lane, message)| async move {
            expect(begin(&mut lane.user_agent, Method::DELETE, &message, None).await, 204).await;
            lane
        });
        self.lanes = all(&self.tasks, &self.runtime, works).into();
    }

    /// From here on messages are stored.
    pub(super) fn stop_monitoring(&mut self) {
        let works = self.lanes.drain(..).map(|mut lane| async move {
            lane.stop_monitoring().await;
            lane
        });
        self.lanes = all(&self.tasks, &self.runtime, works).into();
    }
}

/// All of them side by side.
fn all<F: Future<Output: 'static> + 'static>(
    tasks: &LocalSet,
    runtime: &Runtime,
    works: impl Iterator<Item = F>,
) -> Vec<F::Output> {
    let running: Vec<_> = works.map(|work| tasks.spawn_local(work)).collect();
    tasks.block_on(runtime, async {
        let mut done = Vec::with_capacity(running.len());
        for work in running {
            done.push(work.await.expect("a lane"));
        }
        done
    })
}

impl Lane {
    async fn new(place: &Place, sender: SendRequest<Bytes>) -> Self {
        let base = place.base();
        let mut user_agent = connect(place).await;
        let subscribe = uri(&base, "/subscribe");
        let response =
            begin(&mut user_agent, Method::POST, &subscribe, None).await.await.expect("a response");
        assert_eq!(response.status(), StatusCode::CREATED);
        let monitor = location(response.headers()).expect("a subscription");
        let push = link(response.headers(), Relation::Push).expect("a push resource");
        let monitor = uri(&base, monitor.as_str());
        let mut monitor = begin(&mut user_agent, Method::GET, &monitor, None).await;
        let pushes = monitor.push_promises();
        let echo = uri(&base, "/echo");
        let (response, _) = sync(&mut user_agent, &echo).await;
        expect(response, 404).await;
        Self {
            user_agent,
            sender,
            monitor: Some(monitor),
            pushes,
            push: uri(&base, push.as_str()),
            echo,
            base,
            body: vec![7; BODY].into(),
        }
    }

    async fn message(&mut self) -> Duration {
        let begun = Instant::now();
        let accepted = begin(&mut self.sender, Method::POST, &self.push, Some(self.body.clone())).await;
        let promise: PushPromise = self.pushes.push_promise().await.expect("monitors").expect("a promise");
        let (promise, response) = promise.into_parts();
        let response = response.await.expect("a push");
        assert_eq!(collect(response.into_body()).await, BODY);
        let elapsed = begun.elapsed();
        let message = uri(&self.base, &promise.uri().to_string());
        let acknowledged = begin(&mut self.user_agent, Method::DELETE, &message, None).await;
        expect(acknowledged, 204).await;
        expect(accepted, 201).await;
        elapsed
    }

    async fn echo(&mut self) {
        let response = begin(&mut self.sender, Method::POST, &self.echo, Some(self.body.clone())).await;
        let response = response.await.expect("a response");
        assert_eq!(collect(response.into_body()).await, BODY);
    }

    async fn store(&mut self) -> Uri {
        let response = begin(&mut self.sender, Method::POST, &self.push, Some(self.body.clone())).await;
        let response = response.await.expect("a response");
        assert_eq!(response.status(), StatusCode::CREATED);
        uri(&self.base, location(response.headers()).expect("a message").as_str())
    }

    /// Resets the monitor, and sees to it that the service has read that.
    async fn stop_monitoring(&mut self) {
        drop(self.monitor.take());
        // The iterator of pushes holds on to the stream as well.
        let (response, pushes) = sync(&mut self.user_agent, &self.echo).await;
        self.pushes = pushes;
        expect(response, 404).await;
        let (response, _) = sync(&mut self.user_agent, &self.echo).await;
        expect(response, 404).await;
    }
}

/// Asks for nothing: when the response is there, what was sent before has been read.
async fn sync(connection: &mut SendRequest<Bytes>, nothing: &Uri) -> (ResponseFuture, PushPromises) {
    let mut response = begin(connection, Method::GET, nothing, None).await;
    let pushes = response.push_promises();
    (response, pushes)
}

/// Sends a request: with a body it is a message.
async fn begin(
    connection: &mut SendRequest<Bytes>,
    method: Method,
    uri: &Uri,
    body: Option<Bytes>,
) -> ResponseFuture {
    let mut request = Request::builder().method(method).uri(uri.clone());
    if body.is_some() {
        request = request.header("ttl", "3600").header("content-encoding", "aes128gcm");
    }
    let request = request.body(()).expect("a request");
    let mut connection = connection.clone().ready().await.expect("a connection");
    let (response, mut stream) = connection.send_request(request, body.is_none()).expect("a stream");
    if let Some(body) = body {
        stream.send_data(body, true).expect("sends");
    }
    response
}

async fn expect(response: ResponseFuture, status: u16) {
    let response = response.await.expect("a response");
    assert_eq!(response.status().as_u16(), status);
    collect(response.into_body()).await;
}

/// Reads a body and says how long it is.
async fn collect(mut body: RecvStream) -> usize {
    let mut octets = 0;
    while let Some(piece) = body.data().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) if error.reason() == Some(Reason::NO_ERROR) => break,
            Err(error) => panic!("{error}"),
        };
        body.flow_control().release_capacity(piece.len()).expect("a window");
        octets += piece.len();
    }
    octets
}

/// A URL of the server's, which it may have written as a path.
fn uri(base: &str, reference: &str) -> Uri {
    let text = if reference.starts_with('/') { format!("{base}{reference}") } else { reference.to_owned() };
    text.parse().expect("a URL")
}

async fn connect(place: &Place) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(place.address).await.expect("connects");
    socket.set_nodelay(true).expect("a socket");
    match &place.certificate {
        None => over(socket).await,
        Some(certificate) => over(handshake(socket, certificate).await).await,
    }
}

async fn handshake(socket: TcpStream, certificate: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake")
}

async fn over(io: impl AsyncRead + AsyncWrite + Unpin + 'static) -> SendRequest<Bytes> {
    let (requests, connection) = Builder::new().enable_push(true).handshake(io).await.expect("HTTP/2");
    tokio::task::spawn_local(async move {
        // It ends with the server, when the contest is over.
        drop(connection.await);
    });
    requests
}
