//! TLS: files of certificates, read anew for each connection, because they are renewed while rover runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Keys of a section of TLS, which errors name.
const CA: &str = "ca_file";
const CERTIFICATE: &str = "cert_file";
const KEY: &str = "key_file";
const NAME: &str = "server_name";

/// What an error says, and the key to look at; empty: the section. The words are those of rustls and webpki.
const HINTS: [(&str, &str); 7] = [
    ("UnknownIssuer", CA),
    ("BadSignature", CA),
    ("CaUsedAsEndEntity", CA),
    ("not valid for name", NAME),
    ("CertificateRequired", CERTIFICATE),
    ("AlertReceived", CERTIFICATE),
    ("InvalidContentType", ""),
];

/// PEM files, each optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// Authorities that the backend's certificate has to come from; `None`: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What the backend is shown, and the key of it.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Name that the backend's certificate has to be for; `None`: the host of the address.
    pub server_name: Option<String>,
}

impl TlsFiles {
    /// Whether a connection could be tried with these files. The error names the key of `section` to look at.
    pub fn check(&self, section: &str) -> Result<(), String> {
        let endpoint = Endpoint::from_static("https://localhost");
        endpoint.tls_config(self.config(section)?).map(drop).map_err(|error| {
            let mut text = super::with_causes(&error);
            let key = match self.cert_file {
                Some(_) => format!("{section}.{CERTIFICATE} and {section}.{KEY}"),
                None => format!("{section}.{CA}"),
            };
            text.push_str(&format!(" (see {key})"));
            text
        })
    }

    /// As gRPC's transport wants it.
    pub fn config(&self, section: &str) -> Result<ClientTlsConfig, String> {
        let mut config = ClientTlsConfig::new();
        config = match &self.ca_file {
            Some(path) => config.ca_certificate(Certificate::from_pem(certificates(path, section, CA)?)),
            None => config.with_native_roots(),
        };
        if let Some((certificate, key)) = self.pair(section)? {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        Ok(match &self.server_name {
            Some(name) => config.domain_name(name),
            None => config,
        })
    }

    /// What the other end is shown, and the key of it, in PEM form.
    fn pair(&self, section: &str) -> Result<Option<(String, String)>, String> {
        match (&self.cert_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let key = read(key, section, KEY)?;
                if !key.contains("PRIVATE KEY-----") {
                    return Err(format!("{section}.{KEY}: has no private key in PEM form"));
                }
                Ok(Some((certificates(certificate, section, CERTIFICATE)?, key)))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(format!("{section}.{KEY} is missing: {section}.{CERTIFICATE} needs it")),
            (None, Some(_)) => Err(format!("{section}.{CERTIFICATE} is missing: {section}.{KEY} needs it")),
        }
    }

    /// As TLS under HTTP/1.1 wants it.
    pub fn client_config(&self, section: &str) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        let trusted = match &self.ca_file {
            Some(path) => parsed(&certificates(path, section, CA)?, section, CA)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        roots.add_parsable_certificates(trusted);
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("{section}: {error}"))?
            .with_root_certificates(roots);
        let Some((certificate, key)) = self.pair(section)? else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = parsed(&certificate, section, CERTIFICATE)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| format!("{section}.{KEY}: {error}"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| format!("{section}.{KEY}: {error}"))
    }
}

fn parsed(pem: &str, section: &str, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.map_err(|error| format!("{section}.{key}: {error}"))
}

fn certificates(path: &Path, section: &str, key: &str) -> Result<String, String> {
    let text = read(path, section, key)?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(text);
    }
    Err(format!("{section}.{key}: {} has no certificate in PEM form", path.display()))
}

fn read(path: &Path, section: &str, key: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{section}.{key}: {}: {error}", path.display()))
}

/// The key of `section` to look at for an error of a connection, if it has to do with TLS.
pub fn maybe_hint(section: &str, error: &str) -> Option<String> {
    let (_, key) = HINTS.iter().find(|(word, _)| error.contains(word))?;
    Some(if key.is_empty() { section.to_owned() } else { format!("{section}.{key}") })
}
