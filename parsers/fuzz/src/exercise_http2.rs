//! What must hold for any bytes on an HTTP/2 connection.

use std::collections::HashMap;
use std::sync::Arc;

use rover_parsers::http2::{Connection, Event, Head, KeepHeaders, Limits, Role};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Names that tell every field of [`blocks`].
const NAMES: [&str; 12] = [
    ":method",
    ":path",
    ":scheme",
    ":authority",
    ":status",
    "accept-encoding",
    "user-agent",
    "via",
    "a",
    "b",
    "x-kept",
    "cookie",
];

/// Frames in both directions: the input as one of them, in pieces, and as a list of operations: a byte that tells
/// direction (bit 0), whether the bytes were seen (bit 1) and the length (the rest, times 8 for gaps), then the bytes.
pub fn frames(data: &[u8]) {
    for role in [Role::Request, Role::Response] {
        let whole = direction(role, data, data.len());
        let bytes = direction(role, data, 1);
        direction(role, data, 10);
        let is_clean = |observer: &Observer| observer.connection.counters().skipped_bytes == 0;
        if is_clean(&whole) && is_clean(&bytes) {
            assert_eq!(whole.told, bytes.told, "the same whole and byte by byte");
        }
    }
    for connection in [Connection::new(limits(1024)), Connection::joining(limits(1024))] {
        operations(Observer::new(connection), data);
    }
}

fn direction(role: Role, data: &[u8], size: usize) -> Observer {
    let mut observer = Observer::new(Connection::new(limits(1 << 20)));
    observer.bytes(Role::Request, &[PREFACE, SETTINGS].concat());
    observer.bytes(Role::Response, SETTINGS);
    data.chunks(size.max(1)).for_each(|slice| observer.bytes(role, slice));
    observer.close();
    observer
}

fn operations(mut observer: Observer, mut data: &[u8]) {
    while let [operation, rest @ ..] = data {
        data = rest;
        let length = usize::from(operation >> 2);
        let role = if operation & 1 == 0 { Role::Request } else { Role::Response };
        if operation & 2 != 0 {
            observer.gap(role, length as u64 * 8);
        } else {
            let (bytes, rest) = data.split_at(length.min(data.len()));
            data = rest;
            observer.bytes(role, bytes);
        }
    }
    observer.close();
}

/// Header blocks: the input is a list of lengths and blocks. Who knows the table from the beginning and who joins later must
/// not disagree: what the latter tells is a part of what the former tells.
pub fn blocks(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else {
        return;
    };
    let mut blocks = Vec::new();
    while let [length, behind @ ..] = rest {
        let (block, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        // A pseudo-header field, so that it is the head of a request.
        blocks.push([block, &[0x82]].concat());
        rest = behind;
    }
    let known = heads(Connection::new(limits(1 << 20)), &[PREFACE, SETTINGS].concat(), &blocks, 0);
    let join = if blocks.is_empty() { 0 } else { usize::from(*first) % blocks.len() };
    let joined = heads(Connection::joining(limits(1 << 20)), b"", &blocks, join);
    for n in join..blocks.len() {
        let id = 2 * n as u32 + 1;
        let Some(whole) = known.get(&id).filter(|head| !head.truncated && !head.hpack_partial) else {
            // No encoder writes that, or the table is larger than what is kept: there are no two of one mind from here on.
            return;
        };
        let part = &joined[&id];
        assert!(!part.truncated, "{part:?} of {whole:?}");
        let mut fields = whole.headers.iter();
        assert!(part.headers.iter().all(|field| fields.any(|other| other == field)), "{part:?} of {whole:?}");
        assert!(part.hpack_partial || part.headers.len() == whole.headers.len(), "{part:?} of {whole:?}");
    }
}

fn heads(connection: Connection, begin: &[u8], blocks: &[Vec<u8>], from: usize) -> HashMap<u32, Head> {
    let mut observer = Observer::new(connection);
    observer.bytes(Role::Request, begin);
    for (n, block) in blocks.iter().enumerate().skip(from) {
        let (length, stream) = ((block.len() as u32).to_be_bytes(), (2 * n as u32 + 1).to_be_bytes());
        observer.bytes(Role::Request, &[&length[1..], &[1, 5], &stream, block].concat());
    }
    let heads = |event| match event {
        Event::Head { stream, head, .. } => Some((stream.id, *head)),
        _ => None,
    };
    observer.close();
    observer.told.into_iter().filter_map(heads).collect()
}

fn limits(head_bytes: usize) -> Arc<Limits> {
    Arc::new(Limits { head_bytes, keep_headers: KeepHeaders::new(NAMES) })
}

#[derive(Default)]
struct Open {
    carried: [u64; 2],
    has_head: [bool; 2],
    is_complete: [bool; 2],
}

struct Observer {
    connection: Connection,
    events: Vec<Event>,
    time_ns: u64,
    fed: [u64; 2],
    carried: [u64; 2],
    open: HashMap<u32, (u32, Open)>,
    told: Vec<Event>,
}

impl Observer {
    fn new(connection: Connection) -> Observer {
        Observer {
            connection,
            events: Vec::new(),
            time_ns: 0,
            fed: [0; 2],
            carried: [0; 2],
            open: HashMap::new(),
            told: Vec::new(),
        }
    }

    fn bytes(&mut self, role: Role, data: &[u8]) {
        self.fed[role as usize] += data.len() as u64;
        self.connection.feed(role, data, self.time_ns, &mut self.events);
        self.hear();
    }

    fn gap(&mut self, role: Role, n: u64) {
        self.fed[role as usize] += n;
        self.connection.gap(role, n, self.time_ns, &mut self.events);
        self.hear();
    }

    fn close(&mut self) {
        self.connection.close(&mut self.events);
        self.hear();
        assert_eq!(self.carried, self.fed, "bytes unaccounted for");
        assert!(self.open.is_empty());
    }

    fn hear(&mut self) {
        for event in std::mem::take(&mut self.events) {
            self.check(&event);
            if !matches!(event, Event::Carried { .. }) {
                self.told.push(event);
            }
        }
        assert_eq!(self.open.len(), self.connection.open_streams());
        assert!(self.open.len() <= 1024);
    }

    fn check(&mut self, event: &Event) {
        match event {
            Event::Opened { stream } => {
                assert!(self.open.insert(stream.slot, (stream.id, Open::default())).is_none());
            }
            Event::Carried { role, stream, bytes } => {
                self.carried[*role as usize] += bytes;
                if let Some(stream) = stream {
                    self.of(stream.slot, stream.id).carried[*role as usize] += bytes;
                }
            }
            Event::Head { stream, role, head } => {
                let open = self.of(stream.slot, stream.id);
                assert!(!open.has_head[*role as usize]);
                open.has_head[*role as usize] = true;
                assert!(*role == Role::Request || head.method.is_none() && head.target.is_none());
                assert!(head.headers.iter().all(|(name, value)| &**name != "cookie" || &**value == "*"));
            }
            Event::Interim { stream, status } => {
                assert!((100..200).contains(status) && !self.of(stream.slot, stream.id).has_head[1]);
            }
            Event::Complete { stream, role, message } => {
                let open = self.of(stream.slot, stream.id);
                assert!(open.has_head[*role as usize] && !open.is_complete[*role as usize]);
                open.is_complete[*role as usize] = true;
                let is_promised = *role == Role::Request && open.carried[0] == 0;
                assert!(is_promised || open.carried[*role as usize] == message.bytes);
                assert!(message.bytes >= message.head_bytes + message.body_bytes.unwrap_or(0));
            }
            Event::Closed { stream, closed } => {
                let (id, open) = self.open.remove(&stream.slot).expect("opened");
                assert_eq!((id, open.has_head), (stream.id, open.is_complete));
                assert!(open.carried.iter().zip(closed.total_bytes).all(|(carried, total)| *carried <= total));
            }
            Event::Goaway { .. } | Event::NotHttp2 => {}
        }
    }

    fn of(&mut self, slot: u32, id: u32) -> &mut Open {
        let (its, open) = self.open.get_mut(&slot).expect("opened");
        assert_eq!(*its, id);
        open
    }
}
