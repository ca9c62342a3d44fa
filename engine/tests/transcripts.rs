//! The engine fed with events as the kernel side sends them: what comes out, whatever order they come in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stage;

use rover_engine::events::{self, DataEvent, TableEvent};
use rover_engine::ledger::Cause;
use rover_engine::options::Options;
use rover_engine::tls::Request;
use rover_reporters::record::{Flag, Kind, Side};

use self::stage::{get, ok, Stage, MS, PID, SERVER};

/// RFC 9112 §9.3.2: answers come in the order of the requests.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut stage = Stage::new();
    stage.read(&(get("/a") + &get("/b") + &get("/c"))).write(&ok("1")).write(&(ok("22") + &ok("333")));
    assert_eq!(stage.lines(), ["GET /a 200", "GET /b 200", "GET /c 200"]);
    assert_eq!(stage.records.iter().map(|r| r.response.body_bytes.unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    stage.finish(3);
}

#[test]
fn times_run_from_the_first_read_to_the_last_write() {
    let mut stage = Stage::new();
    stage.read("GET / HTTP/1.1\r\nHost: ").read("shop\r\n\r\n").write(&ok("")[..20]);
    let begin = 2 * MS;
    stage.write(&ok("")[20..]);
    let record = &stage.records[0];
    assert_eq!((record.start_ns, record.end_ns), (begin, stage.now));
    assert_eq!(record.duration_ns, Some(stage.now - begin));
    assert_eq!(record.first_byte_ns, Some(2 * MS));
    assert_eq!(record.side, Side::Server);
    assert_eq!(record.local.identity.as_ref().unwrap().service.as_deref(), Some("shop"));
    assert_eq!(
        record.timeline.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["read", "read_end", "write", "write_end"]
    );
}

/// Durations are of the clock that nobody sets; the time of a record is what the wall clock says when it is made.
#[test]
fn a_wall_clock_that_is_set_moves_no_duration_and_no_record_but_later_ones() {
    const NOON: u64 = 1_795_262_400_000_000_000;
    const HOUR: u64 = 3_600_000 * MS;
    let mut stage = Stage::new();
    stage.set_clock(NOON).read(&get("/before")).write(&ok(""));
    stage.read(&get("/amid")).set_clock(NOON + HOUR).write(&ok(""));
    stage.set_clock(NOON - HOUR).read(&get("/after")).write(&ok(""));
    let told = |number: usize| {
        stage.records.get(number).map(|record| (record.id.wall_ns - record.start_ns, record.duration_ns)).unwrap()
    };
    let duration = told(0).1;
    assert_eq!([told(0), told(1), told(2)], [(NOON, duration), (NOON + HOUR, duration), (NOON - HOUR, duration)]);
    let ids: std::collections::HashSet<String> = stage.records.iter().map(|record| record.id.to_string()).collect();
    assert_eq!(ids.len(), 3);
}

/// Its id begins with its time: a store that has it under the first one must find it again.
#[test]
fn an_unfinished_exchange_keeps_its_id_when_the_clock_is_set() {
    let mut stage = Stage::new();
    stage.set_clock(3_600_000 * MS).read(&get("/slow")).wait(61_000);
    stage.set_clock(1).write(&ok(""));
    let [unfinished, finished] = stage.records.as_slice() else { panic!("{:?}", stage.records) };
    assert!(unfinished.flags.has(Flag::Unfinished) && !finished.flags.has(Flag::Unfinished));
    assert_eq!(unfinished.id, finished.id);
}

/// The writer of a request may come back from its call after another thread has read the response.
#[test]
fn a_response_that_overtakes_its_request_waits_for_it() {
    let mut stage = Stage::new();
    let mut request = stage.event(events::RX, 0, get("/a").len());
    request.end_ns = stage.now;
    stage.write(&ok("x"));
    // Under a CPU quota its thread may stand still for a period, in the middle of the call.
    stage.wait(800);
    assert_eq!(stage.lines(), Vec::<String>::new());
    stage.offsets[0] = get("/a").len() as u64;
    stage.send(&request, get("/a").as_bytes());
    assert_eq!(stage.lines(), ["GET /a 200"]);
    stage.finish(2);
}

#[test]
fn a_response_without_request_is_told_after_a_while() {
    let mut stage = Stage::new();
    stage.write(&ok("x")).wait(1100);
    assert_eq!(stage.lines(), ["- - 200 no_request"]);
    assert_eq!(stage.records[0].duration_ns, None);
    stage.finish(1);
}

/// The two are told apart then, but the request must not take the next one's response.
#[test]
fn a_request_that_comes_after_its_response_was_told_does_not_shift_the_others() {
    let mut stage = Stage::new();
    let mut late = stage.event(events::RX, 0, get("/a").len());
    late.end_ns = stage.now;
    stage.write(&ok("1")).wait(1100);
    stage.send(&late, get("/a").as_bytes());
    stage.offsets[0] = get("/a").len() as u64;
    stage.read(&get("/b")).write(&ok("22")).read(&get("/c")).write(&ok("333"));
    let expected = ["- - 200 no_request", "GET /a - gap,no_response", "GET /b 200", "GET /c 200"];
    assert_eq!(stage.lines(), expected);
    assert_eq!(stage.records[2].response.body_bytes, Some(2));
    stage.finish(6);
}

/// A lost read costs its exchange the request, and none of the others anything.
#[test]
fn after_a_gap_the_next_exchange_is_whole() {
    let mut stage = Stage::new();
    stage.read(&get("/a")).write(&ok("1"));
    stage.miss(events::RX, 40).miss(events::TX, 50);
    stage.read(&get("/c")).write(&ok("3")).wait(1100);
    stage.read(&get("/d")).write(&ok("4")).wait(100);
    let lines = stage.lines();
    assert_eq!(lines[0], "GET /a 200");
    assert!(lines[1].starts_with("GET /c 200"), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "GET /d 200");
    stage.finish(6);
}

#[test]
fn operations_in_the_wrong_order_are_put_right() {
    let mut stage = Stage::new();
    let request = get("/a");
    let (first, second) = request.split_at(10);
    let (late, early) = (stage.event(events::RX, 0, 10), stage.event(events::RX, 10, second.len()));
    stage.send(&early, second.as_bytes());
    stage.send(&late, first.as_bytes());
    stage.offsets[0] = get("/a").len() as u64;
    stage.write(&ok("x"));
    assert_eq!(stage.lines(), ["GET /a 200"]);
    stage.finish(3);
}

#[test]
fn interim_responses_belong_to_the_exchange() {
    let mut stage = Stage::new();
    stage.read("POST /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    stage.write("HTTP/1.1 100 Continue\r\n\r\n").read("hi").write("HTTP/1.1 103 Early Hints\r\n\r\n").write(&ok("x"));
    assert_eq!(stage.lines(), ["POST /a 200"]);
    assert_eq!(stage.records[0].interim, [100, 103]);
    stage.finish(5);
}

/// RFC 9110 §10.1.1: a client that is refused need not send the body that it announced.
#[test]
fn a_refused_body_is_not_waited_for() {
    let mut stage = Stage::new();
    stage.read("PUT /a HTTP/1.1\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n");
    stage.write("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n").read(&get("/b")).write(&ok("x"));
    assert_eq!(stage.lines(), ["PUT /a 417", "GET /b 200"]);
    assert_eq!(stage.records[0].request.body_bytes, Some(0));
    stage.finish(4);
}

#[test]
fn a_websocket_counts_bytes_until_it_closes() {
    let mut stage = Stage::new();
    stage.read("GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    stage.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    stage.read("12345").write("123").read("6");
    assert!(stage.records.is_empty());
    stage.changed(events::CONNECTION_CLOSED).wait(100);
    assert_eq!(stage.lines(), ["GET /ws 101 upgraded"]);
    assert_eq!(stage.records[0].kind, Kind::Websocket);
    assert_eq!((stage.records[0].request.body_bytes, stage.records[0].response.body_bytes), (Some(6), Some(3)));
    stage.finish(5);
}

#[test]
fn a_body_without_length_ends_with_the_stream() {
    let mut stage = Stage::new();
    stage.read(&get("/a")).write("HTTP/1.0 200 OK\r\n\r\nall of").write(" it");
    assert!(stage.records.is_empty());
    stage.changed(events::CONNECTION_TX_END);
    assert_eq!(stage.lines(), ["GET /a 200"]);
    assert_eq!(stage.records[0].response.body_bytes, Some(9));
    stage.finish(3);
}

#[test]
fn a_reset_in_a_response_is_told_with_what_came() {
    let mut stage = Stage::new();
    stage.read(&get("/a")).write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    stage.changed(events::CONNECTION_RESET).wait(300);
    assert_eq!(stage.lines(), ["GET /a 200 reset"]);
    assert_eq!(stage.records[0].response.body_bytes, Some(4));
    stage.finish(2);
}

#[test]
fn what_lasts_long_is_told_twice_under_one_id() {
    let mut options = Options::default();
    options.capture.unfinished_seconds = 2.0;
    let mut stage = Stage::with(options);
    stage.read(&get("/slow")).wait(2500).write(&ok("x"));
    assert_eq!(stage.lines(), ["GET /slow - unfinished", "GET /slow 200"]);
    assert_eq!(stage.records[0].id, stage.records[1].id);
    stage.finish(2);
}

#[test]
fn what_is_not_http_is_left_alone() {
    let mut stage = Stage::new();
    stage.write("220 mail ESMTP\r\n").read("EHLO x\r\n").write("250 ok\r\n");
    assert!(stage.records.is_empty());
    assert_eq!(stage.core.ledger.lost(Cause::NotHttp), 3);
    stage.finish(3);
}

/// A decision on the program that forked says nothing of the one that it executed.
#[test]
fn a_decision_counts_for_the_program_it_was_made_for() {
    let mut stage = Stage::new();
    stage.execute(50 * MS);
    stage.read(&get("/a")).write(&ok("x"));
    assert!(!stage.decide(true, 49 * MS));
    assert!(stage.records.is_empty());
    assert!(stage.decide(false, 50 * MS));
    assert!(stage.records.is_empty());
    assert_eq!(stage.core.ledger.lost(Cause::Excluded), 2);
    stage.finish(2);
}

/// The question or the answer may have been lost; records wait, and the control plane is asked again.
#[test]
fn a_process_that_nobody_decided_on_is_asked_about_again() {
    let mut stage = Stage::new();
    let since_ns = 2 * MS;
    stage.execute(since_ns);
    stage.core.take_changes();
    stage.read(&get("/a")).write(&ok("x")).wait(4_000);
    assert!(stage.core.take_changes().is_empty());
    stage.wait(2_000);
    let asked: Vec<_> = stage.core.take_changes().iter().map(|change| (change.pid, change.time_ns)).collect();
    assert_eq!(asked, [(PID, since_ns)]);
    assert!(stage.decide(true, since_ns));
    assert_eq!(stage.lines(), ["GET /a 200"]);
    stage.finish(2);
}

/// RFC 9110 §7.8 and §9.3.6 apart, nothing may be invented from bytes of any kind.
#[test]
fn random_bytes_give_no_record_and_no_panic() {
    let mut seed = 12345u64;
    for _ in 0..200 {
        let mut stage = Stage::new();
        for round in 0..20 {
            let mut payload = Vec::new();
            for _ in 0..(seed % 97) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                payload.push((seed >> 33) as u8);
            }
            stage.now += MS;
            let event = stage.event(round % 2, stage.offsets[(round % 2) as usize], payload.len());
            stage.offsets[(round % 2) as usize] += payload.len() as u64;
            stage.send(&event, &payload);
        }
        stage.finish(20);
        assert!(stage.records.iter().all(|record| record.flags.has(Flag::NoRequest) || record.method.is_some()));
    }
}

/// Bytes of HTTP/2: 24 of preface, frames of no meaning, and what a test asks and answers.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// As the kernel side writes it.
fn piece(passed: u32, bytes: &[u8]) -> Vec<u8> {
    [&passed.to_ne_bytes()[..], &(bytes.len() as u32).to_ne_bytes(), bytes].concat()
}

/// A server that reads late reads preface, head and much of the body at once; the kernel side has been through it.
#[test]
fn a_connection_whose_first_operation_comes_in_pieces_is_recognised() {
    let mut stage = Stage::new();
    let head = frame(1, 0x4, 1, b"\x83\x84\x86");
    let body = frame(0, 0x1, 1, &[b'b'; 9000]);
    let pieces = piece(0, &[PREFACE, &head, &body[..15]].concat());
    let length = PREFACE.len() + head.len() + body.len();
    stage.now += MS;
    let mut event = stage.event(events::RX, 0, length);
    event.captured = pieces.len() as u32;
    event.flags = events::DATA_PIECES as u8;
    stage.send(&event, &pieces);
    let answer = [frame(4, 0, 0, b""), frame(1, 0x5, 1, b"\x88")].concat();
    let event = stage.event(events::TX, 0, answer.len());
    stage.send(&event, &answer);
    stage.finish(2);
    assert_eq!(stage.lines(), ["POST / 200"]);
    assert_eq!(stage.records[0].request.body_bytes, Some(9000));
}

/// The writer of the last frame comes back from its call after the peer has read it and closed. The server's own end comes
/// behind: a socket lives as long as a call on it.
#[test]
fn the_end_of_a_stream_that_is_told_after_the_peer_has_closed_ends_the_response() {
    let mut stage = Stage::new();
    let (mut late, bytes) = answered_but_for_the_end(&mut stage);
    stage.offsets[1] += bytes.len() as u64;
    stage.changed(events::CONNECTION_RX_END).wait(800);
    assert_eq!(stage.lines(), Vec::<String>::new());
    late.end_ns = stage.now;
    stage.send(&late, &bytes);
    stage.changed(events::CONNECTION_TX_END).changed(events::CONNECTION_CLOSED);
    assert_eq!(stage.lines(), ["GET / 200"]);
    stage.finish(3);
}

/// A client may leave with all that Content-Length announced. Go's server then never sends what ends the stream.
#[test]
fn a_response_of_which_the_end_was_never_sent_is_truncated() {
    let mut stage = Stage::new();
    answered_but_for_the_end(&mut stage);
    stage.changed(events::CONNECTION_RX_END).changed(events::CONNECTION_TX_END);
    assert_eq!(stage.lines(), ["GET / 200 truncated"]);
    stage.finish(2);
}

/// Request, head and content; what would end the stream: trailers, one literal without a name in the table.
fn answered_but_for_the_end(stage: &mut Stage) -> (DataEvent, Vec<u8>) {
    let request = [PREFACE, &frame(1, 0x5, 1, b"\x82\x84\x86")].concat();
    let answer = [frame(4, 0, 0, b""), frame(1, 0x4, 1, b"\x88"), frame(0, 0, 1, b"summed")].concat();
    for (direction, bytes) in [(events::RX, &request), (events::TX, &answer)] {
        stage.now += MS;
        let event = stage.event(direction, 0, bytes.len());
        stage.offsets[direction as usize] += bytes.len() as u64;
        stage.send(&event, bytes);
    }
    let end = frame(1, 0x5, 1, b"\0\x05x-sum\x0217");
    (stage.event(events::TX, stage.offsets[1], end.len()), end)
}

/// Go's servers take a frame's head and its payload one by one.
#[test]
fn an_older_connection_is_joined_at_a_frame_that_comes_in_two_operations() {
    let mut stage = Stage::new();
    let head = frame(1, 0x5, 7, b"\x82\x84\x86");
    let answer = frame(1, 0x5, 7, b"\x88");
    for (direction, offset, bytes) in
        [(events::RX, 0, &head[..9]), (events::RX, 9, &head[9..]), (events::TX, 0, &answer[..])]
    {
        stage.now += MS;
        let mut event = stage.event(direction, offset, bytes.len());
        event.flags = events::DATA_PRE_EXISTING as u8;
        (event.role, event.opened_ns) = (0, 0);
        stage.send(&event, bytes);
    }
    stage.finish(3);
    assert_eq!(stage.lines(), ["GET / 200 pre_existing"]);
}

/// A table event as the kernel side writes it: the newest entry first.
fn table(now: u64, cookie: u64, block: &[u8], entries: &[(&str, &str)]) -> Vec<u8> {
    let mut text = block.to_vec();
    for (name, value) in entries {
        text.extend((name.len() as u16).to_le_bytes());
        text.extend((value.len() as u16).to_le_bytes());
        text.extend([name.as_bytes(), value.as_bytes()].concat());
    }
    let event = TableEvent {
        kind: events::EVENT_TABLE,
        tgid: PID,
        cookie,
        time_ns: now,
        block_bytes: block.len() as u32,
        entries: entries.len() as u32,
        captured: text.len() as u32,
        ..TableEvent::default()
    };
    [stage::bytes_of(&event), text].concat()
}

/// Both ends of a connection that is older than rover move a request and its response.
fn exchange_at_both_ends(stage: &mut Stage, stream: u32, block: &[u8]) {
    let (request, response) = (frame(1, 0x5, stream, block), frame(1, 0x5, stream, b"\x88"));
    let client = (SERVER + 1, 50_000, 80);
    let server = (SERVER, 80, 50_000);
    for (end, direction, at, bytes) in [
        (client, events::TX, 0, &request),
        (server, events::RX, 0, &request),
        (server, events::TX, 1, &response),
        (client, events::RX, 1, &response),
    ] {
        stage.now += MS;
        let mut event = stage.event(direction, stage.offsets[at], bytes.len());
        (event.cookie, event.local_port, event.remote_port) = end;
        event.flags = events::DATA_PRE_EXISTING as u8;
        (event.role, event.opened_ns) = (0, 0);
        stage.send(&event, bytes);
    }
    stage.offsets[0] += request.len() as u64;
    stage.offsets[1] += response.len() as u64;
}

#[test]
fn a_table_that_one_end_was_seen_to_have_serves_both_from_the_next_block_on() {
    let mut stage = Stage::new();
    let block = b"\x82\x86\xbe";
    exchange_at_both_ends(&mut stage, 7, block);
    assert!(stage.core.take_requests().contains(&Request::Tables(PID)));
    exchange_at_both_ends(&mut stage, 9, block);
    // Once a second at most.
    assert!(stage.core.take_requests().is_empty());
    let mut other = table(stage.now, SERVER, b"\x82\x86\xbf", &[(":path", "/wrong")]);
    stage.core.event(&other);
    other.truncate(50);
    stage.core.event(&other);
    exchange_at_both_ends(&mut stage, 11, block);
    stage.core.event(&table(stage.now, SERVER, block, &[(":path", "/old"), ("x", "y")]));
    exchange_at_both_ends(&mut stage, 13, block);
    stage.finish(17);
    let partial = "GET - 200 hpack_partial,pre_existing";
    let whole = "GET /old 200 pre_existing";
    assert_eq!(stage.lines(), [partial, partial, partial, partial, partial, partial, whole, whole]);
}

/// Twenty milliseconds apart, an exchange of which rover sees no request or no response, and many that it sees whole, told
/// while the hole is still waited for. All records but the whole ones.
fn broken_of_busy_connection(lost: u32) -> Vec<String> {
    let mut stage = Stage::new();
    let (request, response) = (get("/lost"), ok("x"));
    for number in 0..200 {
        stage.wait(20);
        match number {
            5 if lost == events::RX => stage.miss(lost, request.len() as u64).write(&response),
            5 => stage.read(&request).miss(lost, response.len() as u64),
            _ => stage.read(&get(&format!("/{number}"))).write(&response),
        };
    }
    stage.wait(1100).finish(399);
    let lines = stage.lines();
    assert_eq!(lines.len(), 200, "{lines:#?}");
    let is_whole = |line: &String| line.starts_with("GET /") && line.ends_with(" 200");
    lines.into_iter().filter(|line| !is_whole(line)).collect()
}

#[test]
fn a_request_that_is_lost_costs_none_but_its_own_exchange() {
    assert_eq!(broken_of_busy_connection(events::RX), ["- - 200 no_request"]);
}

/// The next one may be what is left of it.
#[test]
fn a_response_that_is_lost_costs_none_but_its_own_exchange() {
    assert_eq!(broken_of_busy_connection(events::TX), ["GET /lost - gap,no_response", "GET /6 200 gap"]);
}
