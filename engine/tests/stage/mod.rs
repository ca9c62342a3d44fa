//! An engine that is fed with events as the kernel side sends them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rover_engine::core::Core;
use rover_engine::events::{self, ConnectionEvent, DataEvent, ProcessEvent};
use rover_engine::options::Options;
use rover_engine::policy::NoSteering;
use rover_engine::processes::Decision;
use rover_engine::report::Report;
use rover_reporters::record::{Identity, Record};

pub const SERVER: u64 = 7;
pub const PID: u32 = 42;
pub const MS: u64 = 1_000_000;

/// One connection of a server process, seen from its open on.
pub struct Stage {
    pub core: Core,
    pub now: u64,
    pub offsets: [u64; 2],
    pub records: Vec<Record>,
    /// What the wall clock is ahead of the time since boot.
    pub wall_offset_ns: u64,
    /// Operations that were settled with records.
    pub reported: u64,
}

pub fn bytes_of<T: Copy>(value: &T) -> Vec<u8> {
    // SAFETY: the events are plain integers without padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }.to_vec()
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with(Options::default())
    }

    pub fn with(options: Options) -> Stage {
        let mut core = Core::new(options, Box::new(NoSteering), 1, 1);
        core.tick(MS, 0);
        core.introduce(PID);
        let stage = Stage { core, now: MS, offsets: [0, 0], wall_offset_ns: 0, records: Vec::new(), reported: 0 };
        stage.confirmed(true)
    }

    pub fn confirmed(mut self, is_watched: bool) -> Stage {
        self.decide(is_watched, u64::MAX);
        self
    }

    pub fn decide(&mut self, is_watched: bool, since_ns: u64) -> bool {
        let identity = Some(Identity { service: Some("shop".into()), ..Identity::default() });
        let is_taken = self.core.confirm(Decision { pid: PID, is_watched, identity, since_ns });
        self.collect();
        is_taken
    }

    /// The process becomes another program.
    pub fn execute(&mut self, time_ns: u64) {
        let exec = ProcessEvent {
            kind: events::EVENT_PROCESS,
            tgid: PID,
            time_ns,
            change: events::PROCESS_EXEC as u8,
            ..ProcessEvent::default()
        };
        self.core.event(&bytes_of(&exec));
    }

    pub fn event(&self, direction: u32, offset: u64, length: usize) -> DataEvent {
        DataEvent {
            kind: events::EVENT_DATA,
            tgid: PID,
            cookie: SERVER,
            start_ns: if direction == events::TX { self.now - 1000 } else { 0 },
            end_ns: self.now,
            offset,
            opened_ns: 1,
            length: length as u32,
            captured: length as u32,
            direction: direction as u8,
            role: events::ROLE_SERVER as u8,
            local_port: 80,
            remote_port: 50_000,
            ..DataEvent::default()
        }
    }

    pub fn send(&mut self, event: &DataEvent, payload: &[u8]) {
        let mut raw = bytes_of(event);
        raw.extend_from_slice(payload);
        self.core.event(&raw);
        self.collect();
    }

    pub fn moved(&mut self, direction: u32, payload: &str) -> &mut Stage {
        self.now += MS;
        let at = direction as usize;
        let event = self.event(direction, self.offsets[at], payload.len());
        self.offsets[at] += payload.len() as u64;
        self.send(&event, payload.as_bytes());
        self
    }

    /// The server reads.
    pub fn read(&mut self, payload: &str) -> &mut Stage {
        self.moved(events::RX, payload)
    }

    /// The server writes.
    pub fn write(&mut self, payload: &str) -> &mut Stage {
        self.moved(events::TX, payload)
    }

    /// Bytes that no event tells of.
    pub fn miss(&mut self, direction: u32, bytes: u64) -> &mut Stage {
        self.offsets[direction as usize] += bytes;
        self
    }

    pub fn wait(&mut self, ms: u64) -> &mut Stage {
        self.now += ms * MS;
        self.core.tick(self.now, self.wall_offset_ns);
        self.collect();
        self
    }

    /// Somebody sets the wall clock; the next look at the clocks shows it.
    pub fn set_clock(&mut self, wall_offset_ns: u64) -> &mut Stage {
        self.wall_offset_ns = wall_offset_ns;
        self.wait(0)
    }

    pub fn changed(&mut self, change: u32) -> &mut Stage {
        self.now += MS;
        let event = ConnectionEvent {
            kind: events::EVENT_CONNECTION,
            cookie: SERVER,
            time_ns: self.now,
            rx_end: self.offsets[0],
            tx_end: self.offsets[1],
            change: change as u8,
            ..ConnectionEvent::default()
        };
        self.core.event(&bytes_of(&event));
        self.collect();
        self
    }

    pub fn collect(&mut self) {
        for (record, operations) in self.core.take_records() {
            match record {
                Report::Exchange(record) => self.records.push(*record),
                Report::Activity(_) => {}
            }
            self.reported += operations;
        }
    }

    /// Method, path, status and flags of each record.
    pub fn lines(&self) -> Vec<String> {
        let text = |value: &Option<Box<str>>| value.as_deref().unwrap_or("-").to_owned();
        let line = |r: &Record| {
            let status = r.status.map_or("-".into(), |status| status.to_string());
            let flags: Vec<&str> = r.flags.names().collect();
            format!("{} {} {status} {}", text(&r.method), text(&r.path), flags.join(",")).trim_end().to_owned()
        };
        self.records.iter().map(line).collect()
    }

    /// Ends everything; no operation may be unaccounted for.
    pub fn finish(&mut self, operations: u64) {
        self.core.finish();
        self.collect();
        let lost: u64 = rover_engine::ledger::CAUSES.iter().map(|(cause, _)| self.core.ledger.lost(*cause)).sum();
        assert_eq!(self.reported + lost, operations, "{:?}", self.core.ledger);
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n")
}

pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
