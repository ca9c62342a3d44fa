//! The server's life: bind, serve on a thread of its own, hand out rows, stop.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rover_reporters::proto::{compat, v3};
use rover_reporters::row::Row;
use rover_reporters::token::Token;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::service::InterceptorLayer;
use tonic::transport::server::TcpIncoming;
use tonic::transport::Server;

use crate::auth::CallCheck;
use crate::limits::{Admitted, Limits};
use crate::processes::{Process, Processes};
use crate::rows::Rows;
use crate::services;
use crate::stats::{Counters, IngestStats};
use crate::tls::{encrypted, Certificate, TlsFiles};

/// Streams that one connection may have open at a time; an agent needs two.
const STREAMS: u32 = 64;

/// How long running calls may take to hear that the server stops.
const STOP: Duration = Duration::from_millis(500);

/// What the server can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestOptions {
    /// Calls must carry it as the metadata `authentication`.
    pub token: Option<String>,
    /// Its first line is the token instead, as it is at each call.
    pub token_file: Option<PathBuf>,
    /// What one peer may do a second, ten times that at once; 0: no limit.
    pub connections_per_second: f64,
    pub calls_per_second: f64,
    /// Rows that may wait for the store, about 3 KiB each.
    pub waiting_rows: usize,
    /// Answer a stream only when its rows are stored, that is when [`Ingest::take_rows`] was called again after it gave
    /// them out. Needs a store that takes rows all the time; makes delivery at least once across a crash.
    pub hold_answers: bool,
    /// Tell agents of rover that whole records are taken; without it they speak OAP's protocol alone.
    pub announce: bool,
    /// Serve TLS with these.
    pub tls: Option<TlsFiles>,
}

impl Default for IngestOptions {
    fn default() -> IngestOptions {
        IngestOptions {
            token: None,
            token_file: None,
            connections_per_second: 50.0,
            calls_per_second: 500.0,
            waiting_rows: 8192,
            hold_answers: false,
            announce: true,
            tls: None,
        }
    }
}

impl IngestOptions {
    /// From a JSON object; what it does not name has its default.
    pub fn from_json(text: &str) -> Result<IngestOptions, IngestError> {
        serde_json::from_str(text).map_err(|error| IngestError::Options(error.to_string()))
    }
}

/// Why the server cannot be started.
#[derive(Debug)]
pub enum IngestError {
    Options(String),
    /// The address, and why it cannot be listened on.
    Bind(String, io::Error),
    Runtime(io::Error),
    /// The file, and what is wrong with it.
    Tls(PathBuf, String),
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IngestError::Options(reason) => write!(f, "ingest options: {reason}"),
            IngestError::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
            IngestError::Runtime(error) => write!(f, "event loop: {error}"),
            IngestError::Tls(file, reason) => write!(f, "{}: {reason}", file.display()),
        }
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IngestError::Options(_) | IngestError::Tls(..) => None,
            IngestError::Bind(_, error) | IngestError::Runtime(error) => Some(error),
        }
    }
}

/// A running server. May be used from several threads; rows come out of one queue.
#[derive(Debug)]
pub struct Ingest {
    address: SocketAddr,
    counters: Arc<Counters>,
    processes: Arc<Processes>,
    rows: Arc<Rows>,
    /// None: without TLS.
    certificate: Option<Arc<Certificate>>,
    stop: watch::Sender<bool>,
    /// Gone once the server was stopped.
    running: Mutex<Option<(Runtime, JoinHandle<()>)>>,
}

impl Ingest {
    /// Listens on `address` (`host:port`, port 0 for any free one) and serves on one thread of its own.
    ///
    /// # Errors
    /// The address is in use, not on this machine, or not an address; the files of TLS cannot be used.
    pub fn start(address: &str, options: IngestOptions) -> Result<Ingest, IngestError> {
        let certificate = options.tls.clone().map(Certificate::open).transpose()?.map(Arc::new);
        let acceptor = certificate.clone().map(Certificate::acceptor).transpose()?;
        let bind = |error| IngestError::Bind(address.to_owned(), error);
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rover-ingest")
            .enable_all()
            .build()
            .map_err(IngestError::Runtime)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(bind)?
        };
        let (stop, stopping) = watch::channel(false);
        let ingest = Ingest {
            address: bound,
            counters: Arc::default(),
            processes: Arc::default(),
            rows: Rows::new(options.waiting_rows),
            certificate,
            stop,
            running: Mutex::new(None),
        };
        let serving = runtime.spawn(ingest.server(acceptor, listener, &options, stopping));
        *ingest.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((runtime, serving));
        Ok(ingest)
    }

    fn server(
        &self,
        acceptor: Option<TlsAcceptor>,
        listener: tokio::net::TcpListener,
        options: &IngestOptions,
        stopping: watch::Receiver<bool>,
    ) -> impl std::future::Future<Output = ()> {
        use v3::continuous_profiling_service_server::ContinuousProfilingServiceServer;
        use v3::ebpf_access_log_service_server::EbpfAccessLogServiceServer;
        use v3::ebpf_process_service_server::EbpfProcessServiceServer;
        use v3::ebpf_profiling_service_server::EbpfProfilingServiceServer;
        use v3::management_service_server::ManagementServiceServer;

        let counters = || Arc::clone(&self.counters);
        let token = Token::new(options.token.as_deref(), options.token_file.clone());
        let access_log = services::access_log::AccessLog {
            rows: Arc::clone(&self.rows),
            counters: counters(),
            stopping: stopping.clone(),
            holds_answers: options.hold_answers,
        };
        let process = services::process::Process {
            processes: Arc::clone(&self.processes),
            counters: counters(),
            announces: options.announce,
        };
        let mut stopping = stopping;
        let stopped = async move {
            // An error is the end of this object, which is a reason to stop as well.
            let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
        };
        let limits = Arc::new(Limits::new(options.connections_per_second, options.calls_per_second));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let admitted = Admitted { incoming, limits: Arc::clone(&limits), counters: counters() };
        let router = Server::builder()
            .max_concurrent_streams(STREAMS)
            .layer(InterceptorLayer::new(CallCheck { token, limits, counters: counters() }))
            .add_service(EbpfAccessLogServiceServer::new(access_log))
            .add_service(EbpfProcessServiceServer::new(process))
            .add_service(ManagementServiceServer::new(services::management::Management))
            .add_service(compat::management_service_server::ManagementServiceServer::new(
                services::management::Management,
            ))
            .add_service(EbpfProfilingServiceServer::new(services::polls::Polls))
            .add_service(ContinuousProfilingServiceServer::new(services::polls::Polls));
        async move {
            let serving = match acceptor {
                Some(acceptor) => router.serve_with_incoming_shutdown(encrypted(admitted, acceptor), stopped).await,
                None => router.serve_with_incoming_shutdown(admitted, stopped).await,
            };
            // The listener is bound: what ends the server is the shutdown.
            let _ = serving;
        }
    }

    /// Reads certificate and key again, for the connections that come from now on.
    ///
    /// # Errors
    /// They cannot be used; those that were there stay.
    pub fn renew_certificate(&self) -> Result<(), IngestError> {
        self.certificate.as_ref().map_or(Ok(()), |certificate| certificate.renew())
    }

    /// Where it listens; the port is known here when it was asked for as 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// At most `most` rows in the order of their arrival; waits up to `timeout` for the first.
    /// Goes on giving out what is left after [`Ingest::stop`].
    pub fn take_rows(&self, timeout: Duration, most: usize) -> Vec<Row> {
        self.rows.take(timeout, most)
    }

    /// Processes reported since the last call.
    pub fn take_processes(&self) -> Vec<Process> {
        self.processes.take()
    }

    pub fn stats(&self) -> IngestStats {
        self.counters.snapshot(self.rows.waiting())
    }

    /// Ends all calls and frees the port. Streams that are open fail, so their agents send them again.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((runtime, serving)) = running {
            // Agents hear why their calls end; one that does not listen is cut off.
            let _ = runtime.block_on(async { tokio::time::timeout(STOP, serving).await });
            runtime.shutdown_timeout(STOP);
        }
        self.rows.close();
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.stop();
    }
}
