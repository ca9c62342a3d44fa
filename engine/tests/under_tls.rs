//! TLS as the kernel side tells it: calls of libraries, ciphertext, the socket operations beneath.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stage;

use rover_engine::events::{self, CipherEvent, DataEvent, ProcessEvent, TlsEvent, TlsStateEvent};
use rover_engine::ledger::Cause;
use rover_engine::tls::Request;
use rover_reporters::record::Flag;

use self::stage::{bytes_of, get, ok, Stage, MS, PID, SERVER};

const SESSION: u64 = 0x7f00_1234;
const RX: usize = events::RX as usize;
const TX: usize = events::TX as usize;

/// One connection under TLS; offsets of its plaintext.
struct Tls {
    stage: Stage,
    plain: [u64; 2],
    session: u64,
    role: u32,
}

/// A record of application data whose payload nobody else's is like.
fn record(mark: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![23, 3, 3, (length >> 8) as u8, length as u8];
    bytes.extend((0..length).map(|at| (mark.wrapping_mul(0x9e37_79b9) >> (at % 24)) as u8 ^ at as u8));
    bytes
}

impl Tls {
    fn new() -> Tls {
        Tls { stage: Stage::new(), plain: [0, 0], session: SESSION, role: events::ROLE_SERVER }
    }

    fn socket(&mut self, direction: usize, bytes: &[u8]) -> &mut Tls {
        self.socket_of(SERVER, direction, bytes)
    }

    fn socket_of(&mut self, cookie: u64, direction: usize, bytes: &[u8]) -> &mut Tls {
        self.stage.now += MS;
        let at = self.stage.offsets[direction];
        let event = self.stage.event(direction as u32, at, bytes.len());
        let remote_port = event.remote_port + cookie as u16;
        self.stage.send(&DataEvent { cookie, remote_port, role: self.role as u8, ..event }, bytes);
        self.stage.offsets[direction] += bytes.len() as u64;
        self
    }

    /// Both hellos, as far as a server sees them, and the library's word that all is done.
    fn shaken(&mut self) -> &mut Tls {
        self.socket(RX, &[&[22, 3, 1, 0, 40, 1], &[7; 39][..]].concat());
        self.socket(TX, &[&[22, 3, 3, 0, 40, 2], &[8; 39][..]].concat());
        self.stage.now += MS;
        let event = TlsStateEvent {
            kind: events::EVENT_TLS_STATE,
            tgid: PID,
            session: self.session,
            opened_ns: 1,
            cookie: SERVER,
            start_ns: self.stage.now - 2 * MS,
            time_ns: self.stage.now,
            change: events::TLS_CHANGE_HANDSHAKE as u8,
            ..TlsStateEvent::default()
        };
        self.stage.core.event(&bytes_of(&event));
        self
    }

    /// A call of the library; `cookie` is 0 where it has no socket.
    fn call(&mut self, direction: usize, cookie: u64, text: &str) -> &mut Tls {
        self.stage.now += MS;
        let event = TlsEvent {
            kind: events::EVENT_TLS,
            tgid: PID,
            session: self.session,
            opened_ns: 1,
            cookie,
            // The operation that it made lies within.
            start_ns: self.stage.now - if cookie == 0 { MS / 2 } else { 3 * MS / 2 },
            end_ns: self.stage.now,
            offset: self.plain[direction],
            length: text.len() as u32,
            captured: text.len() as u32,
            direction: direction as u8,
            library: events::TLS_OPENSSL as u8,
            flags: if cookie == 0 { 0 } else { events::TLS_NESTED as u8 },
            ..TlsEvent::default()
        };
        self.plain[direction] += text.len() as u64;
        let mut raw = bytes_of(&event);
        raw.extend_from_slice(text.as_bytes());
        self.stage.core.event(&raw);
        self.stage.collect();
        self
    }

    fn cipher(&mut self, direction: usize, bytes: &[u8]) -> &mut Tls {
        let event = CipherEvent {
            kind: events::EVENT_CIPHER,
            tgid: PID,
            session: self.session,
            opened_ns: 1,
            time_ns: self.stage.now,
            length: bytes.len() as u32,
            captured: bytes.len().min(64) as u32,
            direction: direction as u8,
            ..CipherEvent::default()
        };
        let mut raw = bytes_of(&event);
        raw.extend_from_slice(&bytes[..bytes.len().min(64)]);
        self.stage.core.event(&raw);
        self.stage.collect();
        self
    }
}

#[test]
fn plaintext_has_the_operations_that_carried_it() {
    let mut tls = Tls::new();
    tls.shaken();
    tls.socket(RX, &record(1, 90)).call(RX, SERVER, &get("/a"));
    tls.socket(TX, &record(2, 60)).call(TX, SERVER, &ok("hi"));
    assert_eq!(tls.stage.lines(), ["GET /a 200"]);
    let record = &tls.stage.records[0];
    assert_eq!(&*record.tls.as_ref().unwrap().library, "openssl");
    assert_eq!(record.tls.as_ref().unwrap().handshake_ns, Some(2 * MS));
    let names: Vec<_> = record.timeline.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["read", "read_end", "tls_read", "tls_write", "write", "write_end"]);
    let (read, write) = (record.kernel_read.as_ref().unwrap(), record.kernel_write.as_ref().unwrap());
    assert_eq!((read.operations, write.operations), (1, 1));
    // Two of the handshake, two of records, two calls.
    tls.stage.finish(6);
    assert_eq!(tls.stage.core.ledger.lost(Cause::TlsControl), 2);
}

/// A record in three pieces: the plaintext comes with the last one, and all three are its operations.
#[test]
fn a_record_in_pieces_has_all_of_their_operations() {
    let mut tls = Tls::new();
    tls.shaken();
    let whole = record(1, 90);
    for piece in [&whole[..5], &whole[5..40], &whole[40..]] {
        tls.socket(RX, piece);
    }
    tls.call(RX, SERVER, &get("/a")).socket(TX, &record(2, 60)).call(TX, SERVER, &ok("hi"));
    let record = &tls.stage.records[0];
    assert_eq!(record.kernel_read.as_ref().unwrap().operations, 3);
    tls.stage.finish(8);
}

/// Calls that the library answers from its own buffer have no operation of their own.
#[test]
fn one_operation_may_carry_several_calls() {
    let mut tls = Tls::new();
    tls.shaken();
    tls.socket(RX, &record(1, 200)).call(RX, SERVER, &get("/a")[..10]).call(RX, SERVER, &get("/a")[10..]);
    tls.socket(TX, &record(2, 60)).call(TX, SERVER, &ok(""));
    assert_eq!(tls.stage.lines(), ["GET /a 200"]);
    assert_eq!(tls.stage.records[0].kernel_read.as_ref().unwrap().operations, 1);
    tls.stage.finish(7);
}

/// Without a socket the ciphertext says where a session belongs; what it wrote waits until that was sent.
#[test]
fn a_session_in_memory_is_bound_by_its_ciphertext() {
    let mut tls = Tls::new();
    let (request, response) = (record(1, 90), record(2, 60));
    tls.socket_of(8, RX, &record(9, 90)).stage.offsets = [0, 0];
    tls.socket(RX, &request).cipher(RX, &request[..5]).cipher(RX, &request[5..]).call(RX, 0, &get("/a"));
    tls.cipher(TX, &response).call(TX, 0, &ok("hi"));
    assert_eq!(tls.stage.lines(), [""; 0]);
    tls.socket(TX, &response);
    assert_eq!(tls.stage.lines(), ["GET /a 200"]);
    let record = &tls.stage.records[0];
    assert_eq!((record.connection.id, record.remote.port), (SERVER, 50_007));
    assert_eq!(record.end_ns, tls.stage.now);
    assert_eq!(record.kernel_write.as_ref().unwrap().operations, 1);
}

/// The ciphertext was asked for only when the session had begun: what it said before goes where it belongs, too.
#[test]
fn what_a_session_said_before_it_was_bound_is_not_lost() {
    let mut tls = Tls::new();
    tls.socket(RX, &record(1, 90)).call(RX, 0, &get("/a")).call(TX, 0, &ok("1")).socket(TX, &record(2, 60));
    let next = record(3, 90);
    assert_eq!(tls.stage.lines(), [""; 0]);
    tls.socket(RX, &next).cipher(RX, &next).call(RX, 0, &get("/b")).call(TX, 0, &ok("2")).socket(TX, &record(4, 60));
    assert_eq!(tls.stage.lines(), ["GET /a 200", "GET /b 200"]);
    assert!(tls.stage.records.iter().all(|record| record.connection.id == SERVER));
}

/// What it writes to memory is told in every process: others are asked for, which takes the kernel long.
#[test]
fn only_sessions_of_which_no_ciphertext_is_told_are_asked_for() {
    let mut tls = Tls::new();
    let hello = record(1, 90);
    tls.cipher(TX, &hello).socket(TX, &hello).call(TX, 0, &get("/a"));
    assert!(tls.stage.core.take_requests().is_empty());
    tls.session += 1;
    tls.call(TX, 0, &get("/b"));
    assert_eq!(tls.stage.core.take_requests(), [Request::Ciphertext(PID)]);
}

/// Never on a guessed peer.
#[test]
fn a_session_of_which_nobody_knows_the_connection_has_no_ends() {
    let mut tls = Tls::new();
    tls.socket(RX, &record(1, 90)).call(RX, 0, &get("/a")).call(TX, 0, &ok("1")).socket(TX, &record(2, 60));
    tls.stage.wait(1000).wait(2500);
    assert_eq!(tls.stage.lines(), ["GET /a 200 tls_unbound"]);
    let record = &tls.stage.records[0];
    assert!(record.flags.has(Flag::TlsUnbound) && !record.local.is_known() && !record.remote.is_known());
    tls.stage.finish(4);
}

/// Its operations were counted when they were made: without it they would be in no record and under no cause.
#[test]
fn what_a_session_without_a_connection_said_right_before_the_end_is_told() {
    let mut tls = Tls::new();
    tls.call(RX, 0, &get("/a")).call(TX, 0, &ok("1"));
    tls.stage.finish(2);
    assert_eq!(tls.stage.lines(), ["GET /a 200 tls_unbound"]);
}

/// No socket tells their end.
#[test]
fn sessions_without_a_connection_end_with_their_process() {
    let mut tls = Tls::new();
    for _ in 0..10 {
        tls.session += 1;
        tls.plain = [0, 0];
        tls.call(RX, 0, &get("/a"));
    }
    tls.stage.wait(1000).wait(2500);
    assert_eq!(tls.stage.core.connections(), 10);
    let exit = ProcessEvent {
        kind: events::EVENT_PROCESS,
        tgid: PID,
        time_ns: tls.stage.now,
        change: events::PROCESS_EXIT as u8,
        ..ProcessEvent::default()
    };
    tls.stage.core.event(&bytes_of(&exit));
    tls.stage.wait(2000).wait(100);
    assert_eq!(tls.stage.core.connections(), 0);
    assert_eq!(tls.stage.lines(), ["GET /a - tls_unbound,no_response"; 10]);
    tls.stage.finish(10);
}

/// The ciphertext of a connection is never parsed, whatever it looks like.
#[test]
fn ciphertext_that_looks_like_a_request_is_none() {
    let mut tls = Tls::new();
    tls.shaken();
    tls.socket(RX, &record(1, 90)).socket(RX, get("/forged").as_bytes()).call(RX, SERVER, &get("/a"));
    tls.socket(TX, &record(2, 60)).call(TX, SERVER, &ok("hi"));
    assert_eq!(tls.stage.lines(), ["GET /a 200"]);
}

/// CONNECT in clear, then TLS within the tunnel: both are exchanges, numbered in their order.
#[test]
fn tls_within_a_tunnel_is_an_exchange_of_its_own() {
    let mut tls = Tls::new();
    tls.stage.read("CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n\r\n").write("HTTP/1.1 200 OK\r\n\r\n");
    tls.socket(RX, &record(1, 90)).call(RX, SERVER, &get("/a"));
    tls.socket(TX, &record(2, 60)).call(TX, SERVER, &ok("hi"));
    assert_eq!(tls.stage.lines(), ["GET /a 200"]);
    assert_eq!(tls.stage.records[0].connection.exchange, 2);
    tls.stage.finish(6);
    assert_eq!(tls.stage.lines()[1], "CONNECT - 200 upgraded");
    assert!(tls.stage.records[1].tls.is_none());
}

/// Three exchanges over memory; what happens to the second message of the first one is the caller's to tell.
fn exchanges_after(tls: &mut Tls, marks: u64, directions: [usize; 2]) {
    for number in 1..4 {
        for (direction, text) in
            directions.into_iter().zip([get(&format!("/{number}")), ok(&"x".repeat(number as usize))])
        {
            let bytes = record(marks + 2 * number + direction as u64, text.len() + 22);
            if direction == RX {
                tls.socket(RX, &bytes).call(RX, 0, &text);
            } else {
                tls.call(TX, 0, &text).socket(TX, &bytes);
            }
        }
    }
}

/// A session in memory that is bound by its first record; `direction` of the requests.
fn bound(direction: usize) -> Tls {
    let mut tls = Tls::new();
    let hello = record(1, 90);
    tls.role = if direction == RX { events::ROLE_SERVER } else { events::ROLE_CLIENT };
    tls.socket(direction, &hello).cipher(direction, &hello);
    tls
}

/// The thread was stopped between its call of the library and the one of the socket, or the engine before it had read
/// of the latter.
#[test]
fn a_response_that_is_sent_late_shifts_no_pair() {
    let mut tls = bound(RX);
    exchanges_after(&mut tls, 10, [RX, TX]);
    tls.socket(RX, &record(80, 90)).call(RX, 0, &get("/late")).call(TX, 0, &ok("late")).stage.wait(700);
    tls.socket(TX, &record(81, 60));
    exchanges_after(&mut tls, 20, [RX, TX]);
    let pairs = ["GET /1 200", "GET /2 200", "GET /3 200"];
    assert_eq!(tls.stage.lines(), [&pairs[..], &["GET /late 200"], &pairs].concat());
    let bodies: Vec<_> = tls.stage.records.iter().filter_map(|r| r.response.body_bytes).collect();
    assert_eq!(bodies, [1, 2, 3, 4, 1, 2, 3]);
}

/// The same of a request, whose response is there meanwhile.
#[test]
fn a_request_of_which_the_operation_is_lost_shifts_no_pair() {
    let mut tls = bound(TX);
    tls.call(TX, 0, &get("/lost")).stage.offsets[TX] += 90;
    tls.socket(RX, &record(80, 60)).call(RX, 0, &ok("lost"));
    exchanges_after(&mut tls, 20, [TX, RX]);
    assert_eq!(tls.stage.lines(), ["GET /lost 200", "GET /1 200", "GET /2 200", "GET /3 200"]);
    let bodies: Vec<_> = tls.stage.records.iter().filter_map(|r| r.response.body_bytes).collect();
    assert_eq!(bodies, [4, 1, 2, 3]);
}

/// What a library gave may come from an operation that nobody saw: the one before it tells no time.
#[test]
fn a_response_of_which_the_operation_is_lost_shifts_no_pair() {
    for directions in [[RX, TX], [TX, RX]] {
        let mut tls = bound(directions[0]);
        exchanges_after(&mut tls, 10, directions);
        let asked = record(80, 90);
        if directions[0] == RX {
            tls.socket(RX, &asked).call(RX, 0, &get("/lost")).call(TX, 0, &ok("lost")).stage.offsets[TX] += 60;
        } else {
            tls.call(TX, 0, &get("/lost")).socket(TX, &asked).stage.offsets[RX] += 60;
            tls.call(RX, 0, &ok("lost"));
        }
        exchanges_after(&mut tls, 20, directions);
        tls.stage.wait(1200);
        let pairs = ["GET /1 200", "GET /2 200", "GET /3 200"];
        assert_eq!(tls.stage.lines(), [&pairs[..], &["GET /lost 200"], &pairs].concat());
        let bodies: Vec<_> = tls.stage.records.iter().filter_map(|r| r.response.body_bytes).collect();
        assert_eq!(bodies, [1, 2, 3, 4, 1, 2, 3]);
    }
}

/// What the ring had no room for is missed by its place in the plaintext, and what comes after it waits for it in vain.
#[test]
fn plaintext_that_is_lost_is_known_and_shifts_no_pair() {
    for directions in [[RX, TX], [TX, RX]] {
        for lost in [RX, TX] {
            let mut tls = bound(directions[0]);
            exchanges_after(&mut tls, 10, directions);
            for (direction, text) in directions.into_iter().zip([get("/lost"), ok("lost")]) {
                if direction == lost {
                    tls.socket(direction, &record(80, 90)).plain[direction] += text.len() as u64;
                } else {
                    tls.socket(direction, &record(81, 90)).call(direction, 0, &text);
                }
            }
            for number in [20, 30] {
                exchanges_after(&mut tls, number, directions);
                tls.stage.wait(1200);
            }
            let is_pair = |r: &&rover_reporters::record::Record| r.path.is_some() && r.status.is_some();
            let pairs: Vec<_> = tls.stage.records.iter().filter(is_pair).collect();
            for pair in &pairs {
                let path = pair.path.as_deref().unwrap();
                assert_eq!(
                    path.trim_start_matches('/').parse().ok(),
                    pair.response.body_bytes,
                    "{:?}",
                    tls.stage.lines()
                );
            }
            assert_eq!(pairs.len(), 9, "{:?}", tls.stage.lines());
            let is_told = |line: &String| line.contains("gap") || line.contains("no_request");
            assert!(tls.stage.lines().iter().any(is_told), "{:?}", tls.stage.lines());
        }
    }
}

/// An operation of lost plaintext is no part of the exchange that comes next: neither its time nor its count.
#[test]
fn the_operations_of_lost_plaintext_are_given_to_no_other_exchange() {
    for cookie in [SERVER, 0] {
        let mut tls = bound(RX);
        exchanges_after(&mut tls, 10, [RX, TX]);
        let reported = tls.stage.records.len();
        for direction in [RX, TX] {
            tls.socket(direction, &record(80, 90)).plain[direction] += 60;
        }
        tls.stage.wait(100);
        let since = tls.stage.now;
        tls.socket(RX, &record(81, 90)).call(RX, cookie, &get("/next"));
        tls.stage.wait(1200);
        if cookie == 0 {
            tls.call(TX, 0, &ok("next")).socket(TX, &record(82, 60));
        } else {
            tls.socket(TX, &record(82, 60)).call(TX, SERVER, &ok("next"));
        }
        tls.stage.wait(1200);
        let found = tls.stage.records[reported..].iter().find(|r| r.path.as_deref() == Some("/next")).unwrap();
        assert!(found.start_ns >= since, "{since} {found:?}");
        let (read, write) = (found.kernel_read.as_ref().unwrap(), found.kernel_write.as_ref().unwrap());
        assert_eq!((read.operations, write.operations), (1, 1), "{cookie}");
        assert!(tls.stage.lines()[reported..].iter().any(|line| line.contains("gap")), "{:?}", tls.stage.lines());
        assert_eq!(tls.stage.core.ledger.lost(Cause::TlsLost), 2, "{cookie}");
    }
}

/// Both were given to memory before either was sent: the second one waits for the operation of its own.
#[test]
fn what_was_lost_before_it_was_sent_still_has_its_turn() {
    let mut tls = bound(TX);
    exchanges_after(&mut tls, 10, [TX, RX]);
    tls.plain[TX] += 400;
    tls.call(TX, 0, &get("/second"));
    tls.socket(TX, &record(80, 422)).stage.wait(100);
    tls.socket(TX, &record(81, 90)).socket(RX, &record(82, 60)).call(RX, 0, &ok("second"));
    tls.stage.wait(1200);
    let found = tls.stage.records.iter().find(|r| r.path.as_deref() == Some("/second")).unwrap();
    let written = found.timeline.iter().find(|(name, _)| *name == "write_end").unwrap().1;
    assert!(written >= 100 * MS, "{:?}", found.timeline);
}

/// What was sent by an operation that the ring had no room for is not given to the next one, however soon that comes.
#[test]
fn a_message_of_which_the_operation_is_lost_takes_no_later_one() {
    let mut tls = bound(TX);
    exchanges_after(&mut tls, 10, [TX, RX]);
    let since = tls.stage.now;
    tls.call(TX, 0, &get("/unseen")).stage.offsets[TX] += 90;
    tls.stage.wait(100);
    tls.call(TX, 0, &get("/seen")).socket(TX, &record(80, 90));
    tls.socket(RX, &record(82, 60)).call(RX, 0, &ok("")).call(RX, 0, &ok("seen"));
    tls.stage.wait(1200);
    let found = |path| tls.stage.records.iter().find(|r| r.path.as_deref() == Some(path)).unwrap();
    assert!(found("/unseen").start_ns < since + 50 * MS, "{since} {:?}", found("/unseen"));
    assert_eq!(found("/seen").kernel_write.as_ref().unwrap().operations, 1);
}

/// Operations and plaintext were lost: whether the operation that comes is this message's cannot be known, so it is nobody's.
#[test]
fn after_both_were_lost_no_operation_is_guessed() {
    let mut tls = bound(TX);
    exchanges_after(&mut tls, 10, [TX, RX]);
    let reported = tls.stage.records.len();
    tls.plain[TX] += 60;
    tls.stage.offsets[TX] += 90;
    tls.call(TX, 0, &get("/first")).stage.wait(100);
    tls.socket(TX, &record(80, 90)).socket(RX, &record(81, 60)).call(RX, 0, &ok("first"));
    exchanges_after(&mut tls, 20, [TX, RX]);
    tls.stage.wait(1200);
    let found = tls.stage.records[reported..].iter().find(|r| r.path.as_deref() == Some("/first")).unwrap();
    let written = found.timeline.iter().find(|(name, _)| *name == "write_end").unwrap().1;
    assert!(written < 50 * MS, "{:?}", found.timeline);
    assert_eq!(tls.stage.core.ledger.lost(Cause::TlsLost), 1);
    let later = tls.stage.records.last().unwrap();
    assert_eq!(later.kernel_write.as_ref().unwrap().operations, 1);
}
