//! What `serve` tells Prometheus, at an address of its own: `GET /metrics` by HTTP/1.1.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use push_proto::UnixTime;
use push_tokio::{Metrics, Server};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Answers until it is dropped. One connection is one answer.
pub(crate) async fn serve(listener: TcpListener, server: Server, started: UnixTime) {
    let places = Arc::new(Semaphore::new(SCRAPERS));
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            // Usually there are no file descriptors left. Some connection will end.
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics was not accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("a connection for metrics was closed: there are as many as there can be");
            continue;
        };
        let server = server.clone();
        tokio::spawn(async move {
            if timeout(PATIENCE, answer(socket, &server, started)).await.is_err() {
                tracing::debug!("a connection for metrics was cut off: it is slow");
            }
            drop(place);
        });
    }
}

async fn answer(socket: TcpStream, server: &Server, started: UnixTime) {
    let respond = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, server, started);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    let served =
        builder.keep_alive(false).max_buf_size(HEAD_OCTETS).serve_connection(TokioIo::new(socket), respond);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for metrics failed");
    }
}

fn respond(request: &Request<Incoming>, server: &Server, started: UnixTime) -> Response<Full<Bytes>> {
    let allowed = request.method() == Method::GET || request.method() == Method::HEAD;
    if request.uri().path() != "/metrics" {
        return told(StatusCode::NOT_FOUND, "only /metrics is here\n".to_owned());
    }
    if !allowed {
        let mut response = told(StatusCode::METHOD_NOT_ALLOWED, "this takes GET and HEAD\n".to_owned());
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut text = server.metrics().to_string();
    text.push_str(&format!(
        "# HELP process_start_time_seconds When the process began to serve, in seconds since 1970.\n\
         # TYPE process_start_time_seconds gauge\n\
         process_start_time_seconds {}\n",
        started.as_secs()
    ));
    if let Some(octets) = resident() {
        text.push_str(&format!(
            "# HELP process_resident_memory_bytes Memory that the process has.\n\
             # TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {octets}\n"
        ));
    }
    told(StatusCode::OK, text)
}

fn told(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(Metrics::MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// As Linux tells it; elsewhere nobody does.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Connections at once: who scrapes needs one, and a person who looks another. One more is closed.
const SCRAPERS: usize = 8;
/// What a connection may take, from its beginning to the end of its answer. Who scrapes waits for 10 s by default.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest head; hyper wants no less.
const HEAD_OCTETS: usize = 8 * 1024;
/// How long to wait when the machine gives no connection.
const PAUSE: Duration = Duration::from_millis(100);
