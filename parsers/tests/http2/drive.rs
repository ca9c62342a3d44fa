//! Drives a connection as the engine does and holds what must be true of every run.

use std::collections::HashMap;
use std::sync::Arc;

use rover_parsers::http2::{Complete, Connection, Event, Grpc, Head, KeepHeaders, Limits, Role, StreamRef};

use crate::wire::{settings, PREFACE};

#[derive(Clone, Debug)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
}

pub fn limits() -> Arc<Limits> {
    Arc::new(Limits { head_bytes: 4096, keep_headers: KeepHeaders::new(["X-Kept", "Cookie", "X-Checksum"]) })
}

#[derive(Default)]
struct Open {
    carried: [u64; 2],
    has_head: [bool; 2],
    is_complete: [bool; 2],
}

/// One run: what was told, rendered as text.
pub struct Run {
    pub connection: Connection,
    fed: [u64; 2],
    carried: [u64; 2],
    open: HashMap<u32, (u32, Open)>,
    time_ns: u64,
    pub heads: Vec<(u32, Role, Head)>,
    pub ends: Vec<(u32, Role, Complete)>,
    pub events: Vec<String>,
}

impl Run {
    pub fn of(connection: Connection) -> Run {
        Run {
            connection,
            fed: [0; 2],
            carried: [0; 2],
            open: HashMap::new(),
            time_ns: 1000,
            heads: Vec::new(),
            ends: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Preface and SETTINGS are through.
    pub fn begun() -> Run {
        let mut run = Run::of(Connection::new(limits()));
        run.request(&[PREFACE, &settings(&[])].concat());
        run.response(&settings(&[]));
        run
    }

    pub fn joining() -> Run {
        Run::of(Connection::joining(limits()))
    }

    pub fn request(&mut self, data: &[u8]) -> &mut Run {
        self.feed(Role::Request, &Piece::Bytes(data))
    }

    pub fn response(&mut self, data: &[u8]) -> &mut Run {
        self.feed(Role::Response, &Piece::Bytes(data))
    }

    pub fn gap(&mut self, role: Role, n: u64) -> &mut Run {
        self.feed(role, &Piece::Gap(n))
    }

    /// The time of a piece is 1000 plus its number.
    pub fn feed(&mut self, role: Role, piece: &Piece) -> &mut Run {
        let mut events = Vec::new();
        match piece {
            Piece::Bytes(data) => {
                self.fed[role as usize] += data.len() as u64;
                self.connection.feed(role, data, self.time_ns, &mut events);
            }
            Piece::Gap(n) => {
                self.fed[role as usize] += n;
                self.connection.gap(role, *n, self.time_ns, &mut events);
            }
        }
        self.time_ns += 1;
        events.into_iter().for_each(|event| self.tell(event));
        self
    }

    /// Ends the connection; all bytes must be accounted for then, and all streams closed.
    pub fn close(&mut self) -> &mut Run {
        let mut events = Vec::new();
        self.connection.close(&mut events);
        events.into_iter().for_each(|event| self.tell(event));
        assert_eq!(self.carried, self.fed, "{:#?}", self.events);
        assert!(self.open.is_empty() && self.connection.open_streams() == 0, "{:#?}", self.events);
        self
    }

    fn stream(&mut self, stream: StreamRef) -> &mut Open {
        let (id, open) = self.open.get_mut(&stream.slot).expect("opened");
        assert_eq!(*id, stream.id);
        open
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Opened { stream } => {
                assert!(self.open.insert(stream.slot, (stream.id, Open::default())).is_none());
            }
            Event::Carried { role, stream, bytes } => {
                self.carried[role as usize] += bytes;
                if let Some(stream) = stream {
                    self.stream(stream).carried[role as usize] += bytes;
                }
            }
            Event::Head { stream, role, head } => {
                let open = self.stream(stream);
                assert!(!std::mem::replace(&mut open.has_head[role as usize], true));
                assert!(role == Role::Request || head.method.is_none() && head.target.is_none());
                self.events.push(format!("{} {}", stream.id, render_head(role, &head)));
                self.heads.push((stream.id, role, *head));
            }
            Event::Interim { stream, status } => {
                assert!(!self.stream(stream).has_head[1]);
                self.events.push(format!("{} interim {status}", stream.id));
            }
            Event::Complete { stream, role, message } => {
                let open = self.stream(stream);
                assert!(open.has_head[role as usize]);
                assert!(!std::mem::replace(&mut open.is_complete[role as usize], true));
                if role == Role::Response || stream.id % 2 == 1 {
                    assert_eq!(open.carried[role as usize], message.bytes);
                }
                self.events.push(format!("{} {}", stream.id, render_end(role, &message)));
                self.ends.push((stream.id, role, message));
            }
            Event::Closed { stream, closed } => {
                let open = self.stream(stream);
                assert_eq!(open.has_head, open.is_complete);
                let has_head = open.has_head != [false; 2];
                assert!(open.carried.iter().zip(closed.total_bytes).all(|(carried, total)| *carried <= total));
                self.open.remove(&stream.slot);
                if let Some(reset) = closed.reset.filter(|_| has_head) {
                    let code = reset.code.map_or("?".into(), |code| code.to_string());
                    self.events.push(format!("{} reset by {:?} {code}", stream.id, reset.by));
                }
                if closed.dropped {
                    self.events.push(format!("{} dropped", stream.id));
                }
            }
            Event::Goaway { role, last_stream, code } => {
                self.events.push(format!("goaway {role:?} {last_stream:?} {code:?}"));
            }
            Event::NotHttp2 => self.events.push("not HTTP/2".into()),
        }
    }
}

/// `POST https://host/path …`: then only what is not the usual case.
pub fn render_head(role: Role, head: &Head) -> String {
    let known = |text: &Option<Arc<str>>| text.as_deref().unwrap_or("-").to_owned();
    let mut text = match role {
        Role::Request => {
            let target = [known(&head.scheme), "://".into(), known(&head.authority), known(&head.target)].concat();
            format!("{} {target}", known(&head.method))
        }
        Role::Response => head.status.map_or("-".into(), |status| status.to_string()),
    };
    text += &head.protocol.as_ref().map(|protocol| format!(" protocol={protocol}")).unwrap_or_default();
    text += &head.content_type.as_ref().map(|kind| format!(" type={kind}")).unwrap_or_default();
    text += match head.grpc {
        None => "",
        Some(Grpc::Grpc) => " grpc",
        Some(Grpc::Web) => " grpc-web",
        Some(Grpc::WebText) => " grpc-web-text",
    };
    let flags = [(head.hpack_partial, " partial"), (head.truncated, " truncated")];
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| text += name);
    head.headers.iter().for_each(|(name, value)| text += &format!(" {name}:{value}"));
    if let Some(trace) = &head.trace {
        text += &format!(" trace={}", trace.trace_id);
    }
    text
}

fn render_end(role: Role, end: &Complete) -> String {
    let body = end.body_bytes.map_or("?".into(), |bytes| bytes.to_string());
    let mut text = format!("{} body={body}", if role == Role::Request { "asked" } else { "end" });
    text += &end.grpc_status.map(|status| format!(" status={status}")).unwrap_or_default();
    text += &end.grpc_messages.map(|count| format!(" messages={count}")).unwrap_or_default();
    end.trailers.iter().for_each(|(name, value)| text += &format!(" {name}:{value}"));
    let flags = [
        (!end.complete, " incomplete"),
        (end.gap, " gap"),
        (end.hpack_partial, " partial"),
        (end.truncated, " truncated"),
    ];
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| text += name);
    text
}
