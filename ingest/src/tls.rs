//! TLS of the listener. Certificate and key may be renewed while it serves: connections that come then get the new ones.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::{ring, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::ServerConfig;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_rustls::TlsAcceptor;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::tokio_stream::Stream;

use crate::server::IngestError;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted, as without a free file descriptor.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that are ready and wait for the server.
const READY: usize = 16;

/// PEM files of a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate first, then those that lead to its authority.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// What the server shows, and where it is read from.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// # Errors
    /// A file cannot be read, or the two are no certificate and its key.
    pub fn open(files: TlsFiles) -> Result<Certificate, IngestError> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Certificate { files, current })
    }

    /// Reads the files again. If they cannot be used, what was there stays.
    ///
    /// # Errors
    /// As [`Certificate::open`].
    pub fn renew(&self) -> Result<(), IngestError> {
        let renewed = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// For HTTP/2 alone, as gRPC wants it.
    ///
    /// # Errors
    /// The versions of TLS that there are cannot be had.
    pub fn acceptor(self: Arc<Self>) -> Result<TlsAcceptor, IngestError> {
        let told = |error: rustls::Error| IngestError::Tls(self.files.cert_file.clone(), error.to_string());
        let versions = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config =
            versions.map_err(told)?.with_no_client_auth().with_cert_resolver(Arc::<Certificate>::clone(&self));
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, IngestError> {
    let bytes = |file: &PathBuf| std::fs::read(file).map_err(|error| IngestError::Tls(file.clone(), error.to_string()));
    let useless = |reason: String| {
        IngestError::Tls(files.cert_file.clone(), format!("no certificate and key for a server: {reason}"))
    };
    let (chain, key) = (bytes(&files.cert_file)?, bytes(&files.key_file)?);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(|error| useless(error.to_string()))?;
    if chain.is_empty() {
        return Err(useless("there is none in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| useless(error.to_string()))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| useless(error.to_string()))
}

/// The connections that have agreed on keys, as soon as each has: a slow one holds up no other.
pub fn encrypted<Incoming>(mut incoming: Incoming, acceptor: TlsAcceptor) -> impl Stream<Item = Accepted>
where
    Incoming: Stream<Item = std::io::Result<TcpStream>> + Unpin + Send + 'static,
{
    let (ready, accepted) = mpsc::channel(READY);
    tokio::spawn(async move {
        loop {
            let next = poll_fn(|context| Pin::new(&mut incoming).poll_next(context));
            let stream = tokio::select! {
                () = ready.closed() => return,
                next = next => match next {
                    Some(Ok(stream)) => stream,
                    Some(Err(_)) => {
                        sleep(PAUSE).await;
                        continue;
                    }
                    None => return,
                },
            };
            let (acceptor, ready) = (acceptor.clone(), ready.clone());
            tokio::spawn(async move {
                if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    // The server has ended: so does the connection.
                    let _ = ready.send(Ok(stream)).await;
                }
            });
        }
    });
    ReceiverStream::new(accepted)
}

type Accepted = std::io::Result<TlsStream<TcpStream>>;
