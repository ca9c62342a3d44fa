//! A connection to a collector, over gRPC or over HTTP/1.1, and what its answers mean.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::Compression;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{handshake, SendRequest};
use hyper_util::rt::TokioIo;
use prost::Message;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::{PathAndQuery, Uri};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{OtlpOptions, Protocol, TLS_SECTION};
use crate::transport::{with_causes, Ready, CONNECT, KEEPALIVE};

/// An answer has a few words; more is no answer.
const ANSWER_BYTES: usize = 64 << 10;

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn grpc_path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        })
    }

    fn http_path(self) -> &'static str {
        match self {
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
        }
    }
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another attempt may succeed, at once or after what the collector asks for.
    Later { reason: String, after: Option<Duration> },
    /// No attempt will.
    Never { reason: String },
}

impl Refusal {
    fn later(reason: String) -> Refusal {
        Refusal::Later { reason, after: None }
    }

    pub fn reason(&self) -> &str {
        match self {
            Refusal::Later { reason, .. } | Refusal::Never { reason } => reason,
        }
    }
}

/// Field 1 of every `Export…ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// How many of a request's items the collector threw away, and what it says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub rejected: u64,
    pub message: String,
}

fn taken(answer: Bytes) -> Taken {
    // Whoever answers with something else has taken all the same.
    let partial = Answer::decode(answer).ok().and_then(|answer| answer.partial_success).unwrap_or_default();
    Taken { rejected: u64::try_from(partial.rejected).unwrap_or(0), message: partial.error_message }
}

/// An open connection.
#[derive(Debug)]
pub enum Connection {
    Grpc(Box<Grpc<Channel>>),
    Http { requests: SendRequest<Full<Bytes>>, driver: JoinHandle<()>, authority: String, prefix: String },
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Connection::Http { driver, .. } = self {
            driver.abort();
        }
    }
}

impl Connection {
    /// Connects to `endpoint`, which has the form of a URL.
    pub async fn open(endpoint: &str, options: &OtlpOptions) -> Result<Connection, Refusal> {
        let opened = async {
            match options.protocol {
                Protocol::Grpc => open_grpc(endpoint, options).await,
                Protocol::Http => open_http(endpoint, options).await,
            }
        };
        match timeout(CONNECT, opened).await {
            Ok(opened) => opened.map_err(Refusal::later),
            Err(_) => Err(Refusal::later(format!("no connection within {} s", CONNECT.as_secs()))),
        }
    }

    /// Sends one request and waits for its answer.
    pub async fn export(&mut self, signal: Signal, body: &Bytes, options: &OtlpOptions) -> Result<Taken, Refusal> {
        let answer = async {
            match self {
                Connection::Grpc(client) => export_grpc(client, signal, body.clone(), options).await,
                Connection::Http { requests, authority, prefix, .. } => {
                    let path = format!("{prefix}{}", signal.http_path());
                    export_http(requests, (authority, &path), body, options).await
                }
            }
        };
        match timeout(options.answer_timeout(), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::later(format!("no answer within {} s", options.answer_seconds))),
        }
    }
}

async fn open_grpc(address: &str, options: &OtlpOptions) -> Result<Connection, String> {
    let mut endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|error| error.to_string())?
        .connect_timeout(CONNECT)
        .tcp_keepalive(Some(KEEPALIVE));
    if address.starts_with("https:") {
        let config = options.tls.config(TLS_SECTION)?;
        endpoint = endpoint.tls_config(config).map_err(|error| with_causes(&error))?;
    }
    let channel = endpoint.connect().await.map_err(|error| with_causes(&error))?;
    let client = Grpc::new(channel);
    Ok(Connection::Grpc(Box::new(match options.is_compressed {
        true => client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip),
        false => client,
    })))
}

async fn export_grpc(
    client: &mut Grpc<Channel>,
    signal: Signal,
    body: Bytes,
    options: &OtlpOptions,
) -> Result<Taken, Refusal> {
    client.ready().await.map_err(|error| Refusal::later(with_causes(&error)))?;
    let mut request = Request::new(body);
    for (name, value) in &options.headers {
        let name: Result<MetadataKey<Ascii>, _> = name.parse();
        let value: Result<MetadataValue<Ascii>, _> = value.parse();
        if let (Ok(name), Ok(value)) = (name, value) {
            request.metadata_mut().insert(name, value);
        }
    }
    let answer = client.unary(request, signal.grpc_path(), Ready).await;
    answer.map(|answer| taken(answer.into_inner())).map_err(|status| grpc_refusal(&status))
}

/// The protocol names which statuses a request may be repeated after.
fn grpc_refusal(status: &Status) -> Refusal {
    let mut reason = format!("{:?}: {}", status.code(), status.message());
    if let Some(source) = std::error::Error::source(status) {
        reason.push_str(": ");
        reason.push_str(&with_causes(source));
    }
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted
        // Neither of these has to do with what was sent, and somebody may put it right.
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::Unimplemented
        // The transport's own.
        | Code::Unknown => Refusal::later(reason),
        _ => Refusal::Never { reason },
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn open_http(address: &str, options: &OtlpOptions) -> Result<Connection, String> {
    let uri: Uri = address.parse().map_err(|error| format!("{error}"))?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let has_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
    let socket = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream: Box<dyn Stream> = if has_tls {
        let name = options.tls.server_name.clone().unwrap_or(host);
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(options.tls.client_config(TLS_SECTION)?));
        Box::new(connector.connect(name, socket).await.map_err(|error| with_causes(&error))?)
    } else {
        Box::new(socket)
    };
    let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| with_causes(&error))?;
    // Its error is the one that the request gets as well.
    let driver = tokio::spawn(async move { connection.await.unwrap_or_default() });
    let prefix = uri.path().trim_end_matches('/').to_owned();
    Ok(Connection::Http { requests, driver, authority, prefix })
}

async fn export_http(
    requests: &mut SendRequest<Full<Bytes>>,
    (authority, path): (&str, &str),
    body: &Bytes,
    options: &OtlpOptions,
) -> Result<Taken, Refusal> {
    let never = |reason: String| Refusal::Never { reason };
    requests.ready().await.map_err(|error| Refusal::later(with_causes(&error)))?;
    let mut request = hyper::Request::post(path)
        .header("host", authority)
        .header("content-type", "application/x-protobuf")
        .header("user-agent", concat!("rover/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &options.headers {
        request = request.header(name, value);
    }
    let content = if options.is_compressed {
        request = request.header("content-encoding", "gzip");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(body).and_then(|()| encoder.finish());
        Bytes::from(packed.map_err(|error| never(error.to_string()))?)
    } else {
        body.clone()
    };
    let request = request.body(Full::new(content)).map_err(|error| never(error.to_string()))?;
    let answer = requests.send_request(request).await.map_err(|error| Refusal::later(with_causes(&error)))?;
    let (head, content) = answer.into_parts();
    let content = Limited::new(content, ANSWER_BYTES).collect().await;
    let content = content.map_err(|error| Refusal::later(error.to_string()))?.to_bytes();
    if head.status.is_success() {
        return Ok(taken(content));
    }
    let reason = format!("status {}", head.status);
    let after = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Err(match head.status.as_u16() {
        // As above; 404: the collector does not have this signal, or the prefix is wrong.
        401 | 403 | 404 | 408 | 429 | 500 | 502 | 503 | 504 => {
            Refusal::Later { reason, after: after.map(Duration::from_secs) }
        }
        _ => Refusal::Never { reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_success_tells_how_many_were_thrown_away() {
        let partial_success = Some(PartialSuccess { rejected: 3, error_message: "too old".to_owned() });
        let answer = Answer { partial_success }.encode_to_vec();
        assert_eq!(taken(answer.into()), Taken { rejected: 3, message: "too old".to_owned() });
        assert_eq!(taken(Bytes::new()), Taken::default());
        assert_eq!(taken(Bytes::from_static(b"<html>")), Taken::default());
    }

    #[test]
    fn only_what_was_sent_is_given_up_for() {
        assert!(matches!(grpc_refusal(&Status::unavailable("")), Refusal::Later { .. }));
        assert!(matches!(grpc_refusal(&Status::unauthenticated("")), Refusal::Later { .. }));
        assert!(matches!(grpc_refusal(&Status::invalid_argument("")), Refusal::Never { .. }));
    }
}
