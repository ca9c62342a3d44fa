//! TLS of the stream: files of certificates, read anew for each connection, because they are renewed while rover runs.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// The keys that errors name.
const CA: &str = "reporters.oap.tls.ca_file";
const CERTIFICATE: &str = "reporters.oap.tls.cert_file";
const KEY: &str = "reporters.oap.tls.key_file";
const NAME: &str = "reporters.oap.tls.server_name";
const SECTION: &str = "reporters.oap.tls";

/// What an error says, and the key to look at. The words are those of rustls and webpki.
const HINTS: [(&str, &str); 7] = [
    ("UnknownIssuer", CA),
    ("BadSignature", CA),
    ("CaUsedAsEndEntity", CA),
    ("not valid for name", NAME),
    ("CertificateRequired", CERTIFICATE),
    ("AlertReceived", CERTIFICATE),
    ("InvalidContentType", SECTION),
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
    /// Whether a connection could be tried with these files. The error names the key to look at.
    pub fn check(&self) -> Result<(), String> {
        let endpoint = Endpoint::from_static("https://localhost");
        endpoint.tls_config(self.config()?).map(drop).map_err(|error| {
            let mut text = super::link::with_causes(&error);
            let key = if self.cert_file.is_some() { format!("{CERTIFICATE} and {KEY}") } else { CA.to_owned() };
            text.push_str(&format!(" (see {key})"));
            text
        })
    }

    /// As the transport wants it.
    pub fn config(&self) -> Result<ClientTlsConfig, String> {
        let mut config = ClientTlsConfig::new();
        config = match &self.ca_file {
            Some(path) => config.ca_certificate(Certificate::from_pem(certificates(path, CA)?)),
            None => config.with_native_roots(),
        };
        match (&self.cert_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let key = read(key, KEY)?;
                if !key.contains("PRIVATE KEY-----") {
                    return Err(format!("{KEY}: has no private key in PEM form"));
                }
                config = config.identity(Identity::from_pem(certificates(certificate, CERTIFICATE)?, key));
            }
            (None, None) => {}
            (Some(_), None) => return Err(format!("{KEY} is missing: {CERTIFICATE} needs it")),
            (None, Some(_)) => return Err(format!("{CERTIFICATE} is missing: {KEY} needs it")),
        }
        Ok(match &self.server_name {
            Some(name) => config.domain_name(name),
            None => config,
        })
    }
}

fn certificates(path: &Path, key: &str) -> Result<String, String> {
    let text = read(path, key)?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(text);
    }
    Err(format!("{key}: {} has no certificate in PEM form", path.display()))
}

fn read(path: &Path, key: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{key}: {}: {error}", path.display()))
}

/// The key to look at for an error of a connection, if it has to do with TLS.
pub fn maybe_hint(error: &str) -> Option<&'static str> {
    HINTS.iter().find(|(word, _)| error.contains(word)).map(|(_, key)| *key)
}
