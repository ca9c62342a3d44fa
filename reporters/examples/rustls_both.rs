//! A server and a client over rustls in one process, for the tests of what rover says of such a process.
//!
//! Arguments: port, certificate, key, requests. Each is answered on one connection; then waits for the end of its input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (port, requests): (u16, usize) = (words[1].parse().unwrap(), words[4].parse().unwrap());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&words[2]).unwrap().map(Result::unwrap).collect();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.clone());
    let key = PrivateKeyDer::from_pem_file(&words[3]).unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serving = std::thread::spawn(move || {
        let session = ServerConnection::new(Arc::new(server)).unwrap();
        let mut stream = StreamOwned::new(session, listener.accept().unwrap().0);
        let mut request = [0; REQUEST.len()];
        for _ in 0..requests {
            stream.read_exact(&mut request).unwrap();
            stream.write_all(RESPONSE).unwrap();
        }
    });
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(("127.0.0.1", port)).unwrap());
    let mut response = [0; RESPONSE.len()];
    for _ in 0..requests {
        stream.write_all(REQUEST).unwrap();
        stream.read_exact(&mut response).unwrap();
        assert_eq!(response, RESPONSE);
    }
    serving.join().unwrap();
    println!("done");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
