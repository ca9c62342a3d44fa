//! What the handshake of TLS says in clear: who is asked for, what was agreed on (RFC 8446 §4, RFC 6066, RFC 7301).

use tls_parser::{
    parse_tls_extensions, parse_tls_plaintext, parse_tls_server_hello_extensions, TlsCipherSuite, TlsExtension,
    TlsMessage, TlsMessageHandshake, TlsRecordType, TlsVersion,
};

/// Types of records that never carry plaintext of the application: change_cipher_spec, alert, handshake.
const CONTROL: std::ops::RangeInclusive<u8> = TlsRecordType::ChangeCipherSpec.0..=TlsRecordType::Handshake.0;

/// A hello is looked for in so many bytes of a direction: with post-quantum keys it takes 2 KiB.
const HELLO_BYTES: usize = 8192;
/// Random bytes of a ServerHello that asks for another ClientHello (RFC 8446 §4.1.3).
const HELLO_RETRY: &[u8] = &[
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// As far as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    pub server_name: Option<Box<str>>,
    /// Chosen by the server; TLS 1.3 hides it.
    pub alpn: Option<Box<str>>,
    pub version: Option<&'static str>,
    pub cipher: Option<&'static str>,
    /// By direction, until they are read.
    hellos: [Vec<u8>; 2],
    start_ns: Option<u64>,
    pub end_ns: Option<u64>,
    has_server_hello: bool,
}

/// Whether the bytes begin with the head of a TLS record.
pub fn is_record(begin: &[u8]) -> bool {
    matches!(begin, [20..=24, 3, 0..=4, high, _, ..] if *high <= 0x48)
}

impl Handshake {
    /// Its first message was seen.
    pub fn is_seen(&self) -> bool {
        self.start_ns.is_some()
    }

    pub fn duration_ns(&self) -> Option<u64> {
        Some(self.end_ns?.saturating_sub(self.start_ns?))
    }

    /// The library says that it is done.
    pub fn done(&mut self, start_ns: u64, end_ns: u64) {
        self.start_ns.get_or_insert(start_ns);
        self.end_ns.get_or_insert(end_ns);
        self.hellos = [Vec::new(), Vec::new()];
    }

    /// What an operation moved, from its first byte on. True if that is no record with plaintext of the application.
    pub fn read(&mut self, direction: usize, begin: &[u8], time_ns: u64) -> bool {
        let is_control = is_record(begin) && CONTROL.contains(&begin[0]);
        let is_data = is_record(begin) && begin[0] == TlsRecordType::ApplicationData.0;
        if is_data {
            self.hellos[direction] = Vec::new();
        }
        if self.has_server_hello || self.end_ns.is_some() || is_data {
            return is_control;
        }
        let bytes = &mut self.hellos[direction];
        // A library may read the head of a record by itself: what follows is not a record's begin then.
        let is_continued = !bytes.is_empty() && bytes.len() < HELLO_BYTES;
        if is_continued || (is_control && begin[0] == TlsRecordType::Handshake.0) {
            self.start_ns.get_or_insert(time_ns);
            bytes.extend_from_slice(&begin[..begin.len().min(HELLO_BYTES - bytes.len())]);
            let bytes = std::mem::take(bytes);
            self.read_hello(&bytes);
            if self.has_server_hello {
                self.hellos = [Vec::new(), Vec::new()];
            } else {
                self.hellos[direction] = bytes;
            }
            return true;
        }
        is_control
    }

    fn read_hello(&mut self, begin: &[u8]) {
        let Ok((_, record)) = parse_tls_plaintext(begin) else {
            return;
        };
        for message in record.msg {
            match message {
                TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) => self.client_hello(hello.ext),
                TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello)) => {
                    self.has_server_hello = hello.random != HELLO_RETRY;
                    self.version = version_name(hello.version);
                    self.cipher = TlsCipherSuite::from_id(hello.cipher.0).map(|suite| suite.name);
                    self.server_hello(hello.ext);
                }
                _ => {}
            }
        }
    }

    fn client_hello(&mut self, extensions: Option<&[u8]>) {
        let Some((_, extensions)) = extensions.and_then(|bytes| parse_tls_extensions(bytes).ok()) else {
            return;
        };
        for extension in extensions {
            if let TlsExtension::SNI(names) = extension {
                let name = names.first().and_then(|(_, name)| std::str::from_utf8(name).ok());
                self.server_name = name.map(Box::from);
            }
        }
    }

    fn server_hello(&mut self, extensions: Option<&[u8]>) {
        let extensions = extensions.and_then(|bytes| parse_tls_server_hello_extensions(bytes).ok());
        for extension in extensions.map(|(_, extensions)| extensions).unwrap_or_default() {
            match extension {
                TlsExtension::SupportedVersions(versions) => {
                    self.version = versions.first().and_then(|version| version_name(*version));
                }
                TlsExtension::ALPN(names) => {
                    self.alpn = names.first().map(|name| String::from_utf8_lossy(name).into());
                }
                _ => {}
            }
        }
    }
}

fn version_name(version: TlsVersion) -> Option<&'static str> {
    match version {
        TlsVersion::Ssl30 => Some("SSLv3"),
        TlsVersion::Tls10 => Some("TLSv1.0"),
        TlsVersion::Tls11 => Some("TLSv1.1"),
        TlsVersion::Tls12 => Some("TLSv1.2"),
        TlsVersion::Tls13 => Some("TLSv1.3"),
        _ => None,
    }
}
