//! Metrics and health over HTTP, for those who scrape and those who balance.
//!
//! `GET /metrics` answers in the text format of Prometheus, `GET /healthz` with status 200 if the
//! node is ready and 503 with the reasons if it is not. Nothing can be changed here. Connections,
//! their headers and the time that they take are bounded.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::agent::Agent;
use crate::telemetry;

/// Connections open at once; more wait.
const MAX_CONNECTIONS: usize = 16;

/// How long a client may take for its request, and how long it may be silent before it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last.
const LIFETIME: Duration = Duration::from_secs(60);

/// Bytes that the head of a request may have.
const MAX_HEAD: usize = 8192;

/// The pause after an error of the system on accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves clients for ever.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(target: "agent", "Failed to accept HTTP client: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let agent = Arc::clone(&agent);
                async move { Ok::<_, Infallible>(answer(&request, &agent).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(READ_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // How it ended is of no interest: requests change nothing.
            let _ = tokio::time::timeout(LIFETIME, connection).await;
            drop(place);
        });
    }
}

async fn answer(request: &Request<Incoming>, agent: &Agent) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "accepted is GET\n".to_owned(),
        );
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let node = match agent.handle.stats().await {
        Ok(node) => node,
        Err(stopped) => return text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
    };
    match request.uri().path() {
        "/metrics" => {
            let readings = agent.telemetry.read(&node);
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            respond(StatusCode::OK, kind, telemetry::render(&readings))
        }
        "/healthz" => {
            let health = agent.health(&node);
            let status = match health.is_ready() {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            let body = serde_json::to_string(&health).expect("plain data has a JSON form");
            respond(status, "application/json", body + "\n")
        }
        _ => {
            let paths = "accepted are /metrics and /healthz\n".to_owned();
            text(StatusCode::NOT_FOUND, paths)
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
