//! What the first bytes say about the protocol.

use rover_parsers::http2::{look, maybe_sender, Look, Role};

use crate::wire::*;

#[test]
fn preface_and_settings_are_recognised_from_the_first_byte_on() {
    let request = [PREFACE, &settings(&[])].concat();
    let response = settings(&[(3, 100)]);
    for (role, data, enough) in [(Role::Request, &request, 24), (Role::Response, &response, 9)] {
        (0..enough).for_each(|length| assert_eq!(look(role, &data[..length]), Look::Short, "{length}"));
        assert_eq!(look(role, data), Look::Yes);
    }
}

#[test]
fn other_protocols_are_not() {
    for data in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 200 OK\r\n",
        b"\0\0\0\x04\x01",
    ] {
        assert_eq!((look(Role::Request, data), look(Role::Response, data)), (Look::No, Look::No), "{data:?}");
        assert_eq!(maybe_sender(data, data.len() as u64), None);
    }
}

#[test]
fn frames_within_a_connection_tell_their_sender() {
    let sender = |data: &[u8]| maybe_sender(data, data.len() as u64);
    assert_eq!(sender(&headers(END_STREAM, 7, get("/a"))), Some(Role::Request));
    assert_eq!(sender(&[data(0, 7, b"a"), headers(END_STREAM, 9, get("/a"))].concat()), Some(Role::Request));
    assert_eq!(sender(&[data(0, 7, b"a"), data(0, 7, b"b")].concat()), None);
}
