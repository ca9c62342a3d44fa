//! Events in, records out. No clock, no thread, no BPF: a recording replays through the same code.

mod activity;
mod build;
mod peers;
mod query;
mod tables;
mod tls;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use rover_parsers::http1::Limits;
use rover_reporters::record::{Activity, Record, RecordId, Side};
use rustc_hash::{FxHashMap, FxHashSet};

pub use self::activity::Told;
use self::build::Heads;
pub use self::peers::Far;
use self::peers::{Departed, Ends};
use self::tls::Waiting;
use crate::addresses::AddressBook;
use crate::connection::Connection;
use crate::conversation::Surroundings;
use crate::copies::Copies;
use crate::effort::{is_in_sample, Effort};
use crate::event::{maybe_event, Event, LayersBefore, ProcessText};
use crate::events::{self, ActivityEvent, ConnectionEvent, DataEvent, DropEvent, InterfaceEvent, ProcessEvent};
use crate::exchange::{DroppedPackets, Exchange};
use crate::hooks::Figures;
use crate::layers::Measured;
use crate::ledger::{Cause, Ledger};
use crate::names::KernelNames;
use crate::options::{Capture, Options};
use crate::patience::Patience;
use crate::policy::{Policy, Steering};
use crate::processes::{Decision, Gate, Passing, ProcessChange, Processes};
use crate::report::Report;
use crate::sessions::{SessionKey, Sessions};
use crate::tls::Request;
use crate::translations::{NoTranslating, Translating};

/// How often what lasts long is looked for.
const SWEEP_NS: u64 = 1_000_000_000;
/// When the table is full, the share of it that is given up at once: the longest idle ones.
const EVICTED_SHARE: usize = 16;

/// Both ends of a connection as seen from one side.
type Tuple = ([u8; 16], u16, [u8; 16], u16);

/// The engine's state.
pub struct Core {
    pub ledger: Ledger,
    pub processes: Processes,
    /// Who is behind the addresses of other nodes.
    pub addresses: AddressBook,
    /// What the kernel makes of addresses; nobody knows in a replay.
    pub translating: Box<dyn Translating + Send>,
    options: Options,
    limits: Arc<Limits>,
    steering: Box<dyn Steering + Send>,
    connections: FxHashMap<u64, Connection>,
    /// Cookie by tuple: the other end of a connection within this node is the reversed tuple.
    tuples: FxHashMap<Tuple, u64>,
    departed: Departed,
    attention: FxHashSet<u64>,
    patience: Patience,
    effort: Effort,
    /// Connections that are left out of the sample.
    left_out: FxHashSet<u64>,
    copies: Copies,
    /// TLS sessions without a socket of their own, and what they said while their connection is not known.
    sessions: Sessions,
    waiting: FxHashMap<SessionKey, Waiting>,
    waiting_bytes: usize,
    finished: Vec<Exchange>,
    records: Vec<(Report, u64)>,
    changes: Vec<ProcessChange>,
    /// What the attached hooks can fill in.
    pub figures: Figures,
    /// Operations whose layers contradict each other, because the kernel left out a run of a hook.
    pub contradictions: u64,
    /// The kernel's names for drops.
    pub names: KernelNames,
    /// Somebody wants to know what connections do besides exchanges.
    pub has_activity: bool,
    /// Names of interfaces, each kept once.
    interfaces: FxHashMap<[u8; 16], Arc<str>>,
    /// Of a connection that is about to have its first operation.
    interface: Option<(u64, u32, Arc<str>)>,
    /// Openings of connections of which it is not known yet what they speak, each with its process.
    openings: FxHashMap<u64, (u32, Box<Activity>)>,
    /// What is to be followed in processes: TLS sessions of which no socket is known, HPACK tables that lack entries.
    requests: Vec<Request>,
    /// When processes were asked for their HPACK tables.
    tables_asked: FxHashMap<u32, u64>,
    run: u32,
    sequence: u32,
    number: u64,
    now_ns: u64,
    wall_offset_ns: u64,
    swept_ns: u64,
    own_pid: u32,
}

/// Openings that wait at most; the next ones are told at once.
const OPENINGS: usize = 4096;

impl Core {
    /// `run` makes record ids of different runs differ; `own_pid` is rover itself.
    pub fn new(options: Options, steering: Box<dyn Steering + Send>, run: u32, own_pid: u32) -> Core {
        Core {
            ledger: Ledger::default(),
            processes: Processes::new(options.held_records),
            addresses: AddressBook::default(),
            translating: Box::new(NoTranslating),
            limits: options.limits(),
            options,
            steering,
            connections: FxHashMap::default(),
            tuples: FxHashMap::default(),
            departed: Departed::default(),
            attention: FxHashSet::default(),
            patience: Patience::default(),
            effort: Effort::default(),
            left_out: FxHashSet::default(),
            copies: Copies::default(),
            sessions: Sessions::default(),
            waiting: FxHashMap::default(),
            waiting_bytes: 0,
            finished: Vec::new(),
            records: Vec::new(),
            changes: Vec::new(),
            figures: Figures::default(),
            contradictions: 0,
            names: KernelNames::default(),
            has_activity: false,
            interfaces: FxHashMap::default(),
            interface: None,
            openings: FxHashMap::default(),
            requests: Vec::new(),
            tables_asked: FxHashMap::default(),
            run,
            sequence: 0,
            number: 0,
            now_ns: 0,
            wall_offset_ns: 0,
            swept_ns: 0,
            own_pid,
        }
    }

    /// Takes over what can change while it runs. What parsers need holds for connections that begin from now on.
    pub fn reconfigure(&mut self, options: Options) {
        let Options { capture, filters, .. } = options;
        self.options.filters = filters;
        self.options.capture = Capture {
            payload_bytes: self.options.capture.payload_bytes,
            layers: self.options.capture.layers,
            ..capture
        };
        self.limits = self.options.limits();
    }

    /// Does more or less for each exchange from now on.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
        if effort < Effort::Sampled {
            for cookie in std::mem::take(&mut self.left_out) {
                // Met again at its next operation, as one that is older than rover.
                self.steering.steer(cookie, Policy::default());
            }
        }
    }

    /// Whether an operation is of a connection that is not in the sample. One that was followed until now ends there.
    fn is_left_out(&mut self, cookie: u64) -> bool {
        if self.effort < Effort::Sampled || is_in_sample(cookie) || self.left_out.contains(&cookie) {
            return !self.left_out.is_empty() && self.left_out.contains(&cookie);
        }
        if self.connections.get(&cookie).is_some_and(|connection| connection.is_own) {
            return false;
        }
        if self.left_out.len() >= self.options.connections {
            self.left_out.clear();
        }
        self.with_connection(cookie, |connection, s| connection.finish(s));
        self.forget(cookie);
        self.steering.steer(cookie, Policy::OPERATIONS);
        self.left_out.insert(cookie);
        true
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Records that have passed, each with the operations it accounts for; to be reported, then settled in the ledger.
    pub fn take_records(&mut self) -> Vec<(Report, u64)> {
        std::mem::take(&mut self.records)
    }

    /// The same into a list whose room is used again: an empty one is given for the full one.
    pub fn swap_records(&mut self, with: &mut Vec<(Report, u64)>) {
        std::mem::swap(&mut self.records, with);
    }

    pub fn take_changes(&mut self) -> Vec<ProcessChange> {
        std::mem::take(&mut self.changes)
    }

    /// One record of the ring buffer.
    pub fn event(&mut self, raw: &[u8]) {
        match maybe_event(raw) {
            Some(Event::Data(event, layers, payload)) if self.copies.is_empty() => self.data(&event, &layers, payload),
            Some(Event::Data(event, layers, payload)) => self.data_after_copies(event, &layers, payload),
            Some(Event::Copy(event, payload)) => self.copies.keep(&event, payload),
            Some(Event::Connection(event)) => self.connection_changed(&event),
            Some(Event::Drop(event)) => self.packets_dropped(&event),
            Some(Event::Interface(event)) => self.interface_named(&event),
            Some(Event::Activity(event)) => self.other_operations(&event),
            Some(Event::Process(event, text)) => self.process_changed(&event, text),
            Some(Event::Tls(event, payload)) => self.tls(&event, payload),
            Some(Event::Cipher(event, payload)) => self.cipher(&event, payload),
            Some(Event::TlsState(event)) => self.tls_state(&event),
            Some(Event::Table(event, told)) => self.table(&event, &told),
            None => self.ledger.lose(Cause::BadEvent, 1),
        }
    }

    /// Time has passed: all events up to `now_ns` since boot are known; and what to add for the wall clock.
    pub fn tick(&mut self, now_ns: u64, wall_offset_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.wall_offset_ns = wall_offset_ns;
        let waiting: Vec<u64> = self.attention.iter().copied().collect();
        let mut held_bytes = 0;
        for id in waiting {
            self.with_connection(id, |connection, s| {
                connection.tick(s);
                held_bytes += connection.held_bytes();
            });
        }
        self.patience.judge(now_ns, self.ledger.lost(Cause::RingFull), held_bytes);
        if now_ns.saturating_sub(self.swept_ns) >= SWEEP_NS {
            self.swept_ns = now_ns;
            self.report_unfinished();
            self.tell_overdue_openings();
            self.tell_unbound(false);
            self.sweep_tables();
            let ids: Vec<u64> = self.connections.iter().filter(|(_, c)| c.has_loose()).map(|(id, _)| *id).collect();
            for id in ids {
                self.tell_loose(id, false);
            }
            for (pid, since_ns) in self.processes.take_unanswered(now_ns) {
                self.ask_about(pid, since_ns);
            }
            self.addresses.sweep(now_ns);
            self.departed.sweep(now_ns);
            self.translating.refresh();
            let discarded = self.processes.sweep(now_ns, false);
            self.ledger.lose(Cause::Unconfirmed, discarded);
            self.let_nameless_go();
        }
    }

    /// The control plane's decision over a process.
    /// False if it comes too late: the process has become another program.
    pub fn confirm(&mut self, decision: Decision) -> bool {
        let Some(settled) = self.processes.confirm(decision) else {
            return false;
        };
        self.ledger.lose(Cause::Excluded, settled.discarded);
        for passing in settled.released {
            self.let_go(passing);
        }
        true
    }

    /// A process that ran before rover: to be confirmed like a new one.
    pub fn introduce(&mut self, pid: u32) {
        if !self.processes.is_known(pid) {
            self.processes.begin(pid, self.now_ns);
            self.ask_about(pid, self.now_ns);
        }
    }

    /// A process of which no fork or exec tells.
    fn ask_about(&mut self, pid: u32, time_ns: u64) {
        self.changes.push(ProcessChange {
            change: "exec",
            pid,
            parent: 0,
            time_ns,
            uid: 0,
            comm: String::new(),
            executable: String::new(),
            arguments: Vec::new(),
        });
    }

    /// Nothing more will come: everything open is reported as it is.
    pub fn finish(&mut self) {
        self.tell_unbound(true);
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.with_connection(id, |connection, s| connection.finish(s));
        }
        let discarded = self.processes.sweep(self.now_ns, true);
        self.ledger.lose(Cause::Unconfirmed, discarded);
        self.let_nameless_go();
    }

    /// Some receive has left its payload ahead; if it is this one, it gets it back.
    fn data_after_copies(&mut self, mut event: DataEvent, layers: &LayersBefore, payload: &[u8]) {
        if event.captured > 0 || u32::from(event.direction) != events::RX {
            return self.data(&event, layers, payload);
        }
        let payload = self.copies.take(&event);
        let skipped = (event.skipped as usize).min(payload.len());
        event.captured = (payload.len() - skipped) as u32;
        event.tail = 0;
        self.data(&event, layers, &payload[skipped..]);
    }

    fn data(&mut self, event: &DataEvent, layers: &LayersBefore, payload: &[u8]) {
        self.number += 1;
        self.now_ns = self.now_ns.max(event.end_ns);
        if self.is_left_out(event.cookie) {
            return self.ledger.lose(Cause::NotSampled, 1);
        }
        let owner = self.connections.get(&event.cookie).map(|connection| connection.owner);
        if owner != Some(event.tgid) && !self.processes.is_known(event.tgid) {
            self.introduce(event.tgid);
        }
        if owner.is_none() {
            self.open(event);
        }
        let number = self.number;
        self.with_connection(event.cookie, |connection, s| connection.data(event, layers, payload, number, s));
        self.ciphertext_of_socket(event, payload);
    }

    fn open(&mut self, event: &DataEvent) {
        if self.connections.len() >= self.options.connections {
            self.evict();
        }
        let mut connection = Connection::new(event);
        let own = &self.options.own_ports;
        let is_own_port = own.contains(&event.local_port) || own.contains(&event.remote_port);
        if event.tgid == self.own_pid && is_own_port {
            connection.disown(&mut *self.steering);
        }
        if let Some((cookie, index, name)) = self.interface.take_if(|(cookie, _, _)| *cookie == event.cookie) {
            debug_assert_eq!(cookie, event.cookie);
            connection.name_interface(index, name);
        }
        connection.has_opening = self.openings.contains_key(&event.cookie);
        // Where no hook shows the accept, the first operation tells of it.
        if self.has_activity && !connection.has_opening && !connection.is_own && connection.role == Some(Side::Server) {
            if let Some(activity) = activity::of_acceptance(&connection) {
                connection.has_opening = true;
                self.openings.insert(event.cookie, (event.tgid, Box::new(activity)));
            }
        }
        self.tuples.insert(tuple_of(&connection), event.cookie);
        self.connections.insert(event.cookie, connection);
    }

    fn connection_changed(&mut self, event: &ConnectionEvent) {
        self.now_ns = self.now_ns.max(event.time_ns);
        self.tell_change(event);
        if u32::from(event.change) == events::CONNECTION_CLOSED {
            self.left_out.remove(&event.cookie);
        }
        if u32::from(event.change) <= events::CONNECTION_CLOSED {
            self.with_connection(event.cookie, |connection, s| connection.changed(event, s));
        }
    }

    /// Opened, failed, accepted, closed: of interest to those who want more than exchanges.
    fn tell_change(&mut self, event: &ConnectionEvent) {
        let change = u32::from(event.change);
        let is_opening = change > events::CONNECTION_CLOSED;
        if !is_opening && change != events::CONNECTION_CLOSED {
            return;
        }
        let connection = self.connections.get(&event.cookie);
        if connection.as_ref().is_some_and(|connection| connection.is_own) {
            return;
        }
        let activity = activity::of_change(event, connection);
        if !self.processes.is_known(event.tgid) {
            self.introduce(event.tgid);
        }
        if change == events::CONNECTION_OPENED || change == events::CONNECTION_ACCEPTED {
            self.hold_opening(event.cookie, event.tgid, activity);
        } else {
            self.tell_opening(event.cookie);
            self.tell_loose(event.cookie, true);
            self.pass_activity(event.cookie, event.tgid, activity);
        }
    }

    /// Operations that are in no exchange, from before the kernel knew that there would be none.
    fn tell_loose(&mut self, id: u64, is_last: bool) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.is_own) else {
            return;
        };
        let operations = connection.take_loose(is_last);
        if operations.is_empty() {
            return;
        }
        let tgid = connection.owner;
        let activity = activity::of_loose(connection, operations);
        self.tell_opening(id);
        self.pass_activity(id, tgid, activity);
    }

    /// An opening is told before the connection's first exchange: by then it is known what is spoken, and an other end on
    /// this node has been seen. At the latest after a second, or at the connection's end.
    fn hold_opening(&mut self, id: u64, tgid: u32, activity: Activity) {
        if !self.has_activity || self.openings.len() >= OPENINGS {
            return self.pass_activity(id, tgid, activity);
        }
        self.openings.insert(id, (tgid, Box::new(activity)));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.has_opening = true;
        }
    }

    fn tell_opening(&mut self, id: u64) {
        let Some((tgid, mut activity)) = self.openings.remove(&id) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.has_opening = false;
            (activity.protocol, activity.is_tls) = (connection.spoken(), connection.is_tls());
        }
        self.pass_activity(id, tgid, *activity);
    }

    fn tell_overdue_openings(&mut self) {
        let before = self.now_ns.saturating_sub(SWEEP_NS);
        let is_due = |activity: &Activity| activity.opening.is_none_or(|opening| opening.end_ns <= before);
        let due: Vec<u64> =
            self.openings.iter().filter(|(_, (_, activity))| is_due(activity)).map(|(id, _)| *id).collect();
        for id in due {
            self.tell_opening(id);
        }
    }

    fn packets_dropped(&mut self, event: &DropEvent) {
        let drop = DroppedPackets {
            is_sent: u32::from(event.direction) == events::TX,
            reason: self.names.reason(event.reason),
            location: self.names.location(event.location),
            count: u64::from(event.packets),
        };
        if let Some(connection) = self.connections.get_mut(&event.cookie) {
            connection.dropped(drop);
        }
    }

    fn interface_named(&mut self, event: &InterfaceEvent) {
        let end = event.name.iter().position(|byte| *byte == 0).unwrap_or(event.name.len());
        let name =
            self.interfaces.entry(event.name).or_insert_with(|| String::from_utf8_lossy(&event.name[..end]).into());
        let name = Arc::clone(name);
        match self.connections.get_mut(&event.cookie) {
            Some(connection) => connection.name_interface(event.ifindex, name),
            // Told just before the first operation.
            None => self.interface = Some((event.cookie, event.ifindex, name)),
        }
    }

    /// Operations of a connection that is not HTTP: in the ledger already, by the kernel's count.
    fn other_operations(&mut self, event: &ActivityEvent) {
        self.now_ns = self.now_ns.max(event.time_ns);
        self.tell_loose(event.cookie, false);
        let Some(connection) = self.connections.get_mut(&event.cookie).filter(|connection| !connection.is_own) else {
            return;
        };
        let (is_v6, is_older, figures) = (connection.is_v6(), connection.is_pre_existing, &self.figures);
        let has_layers = event.send.epoch != 0;
        let l4_ns = None;
        let (sent, received) = if has_layers {
            let meter = &mut connection.meter;
            (meter.sent(&event.send, figures, is_v6, is_older, l4_ns), meter.received(&event.receive, figures, is_v6))
        } else {
            (Measured::default(), Measured::default())
        };
        self.contradictions += u64::from(sent.is_contradictory);
        let mut told = std::mem::take(&mut connection.told);
        let activity = activity::of_operations(event, connection, &mut told, sent, received);
        connection.told = told;
        if let Some(activity) = activity {
            self.pass_activity(event.cookie, event.tgid, activity);
        }
    }

    fn pass_activity(&mut self, id: u64, tgid: u32, mut activity: Activity) {
        if !self.has_activity {
            return;
        }
        let own = &self.options.own_ports;
        let is_own_port = own.contains(&activity.local.port) || own.contains(&activity.remote.port);
        if tgid == self.own_pid && is_own_port {
            return;
        }
        let opening_ns = activity.opening.map(|opening| opening.start_ns);
        let is_client = activity.connection.role == Side::Client;
        let since_ns = activity.connection.opened_ns.or(opening_ns).unwrap_or(self.now_ns);
        let ends = Ends { local: &activity.local, remote: &mut activity.remote, is_client, since_ns };
        let peer = self.name_remote(id, ends);
        let passing = Passing { report: Report::Activity(Box::new(activity)), operations: 0, peer };
        if let Gate::Pass(passing) = self.processes.gate(tgid, passing) {
            self.let_go(passing);
        }
    }

    fn process_changed(&mut self, event: &ProcessEvent, text: ProcessText<'_>) {
        self.now_ns = self.now_ns.max(event.time_ns);
        let change = match u32::from(event.change) {
            events::PROCESS_FORK => "fork",
            events::PROCESS_EXEC => "exec",
            _ => "exit",
        };
        if change == "exit" {
            self.processes.end(event.tgid, event.time_ns);
            self.sessions.end_process(event.tgid);
        } else {
            let discarded = self.processes.begin(event.tgid, event.time_ns);
            self.ledger.lose(Cause::Unconfirmed, discarded);
        }
        let comm = event.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        let arguments = text.arguments.strip_suffix(&[0]).unwrap_or(text.arguments);
        self.changes.push(ProcessChange {
            change,
            pid: event.tgid,
            parent: event.parent,
            time_ns: event.time_ns,
            uid: event.uid,
            comm: String::from_utf8_lossy(comm).into_owned(),
            executable: String::from_utf8_lossy(text.executable).into_owned(),
            arguments: if arguments.is_empty() {
                Vec::new()
            } else {
                arguments.split(|byte| *byte == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect()
            },
        });
    }

    /// Runs `act` on a connection, then takes what it finished and forgets it if it is over.
    fn with_connection(&mut self, id: u64, act: impl FnOnce(&mut Connection, &mut Surroundings<'_>)) {
        let Some(connection) = self.connections.get_mut(&id) else {
            self.attention.remove(&id);
            return;
        };
        let mut surroundings = Surroundings {
            limits: &self.limits,
            ledger: &mut self.ledger,
            steering: &mut *self.steering,
            now_ns: self.now_ns,
            patience: self.patience,
            figures: &self.figures,
            contradictions: &mut self.contradictions,
            effort: self.effort,
            finished: &mut self.finished,
            lacks_table: false,
        };
        act(connection, &mut surroundings);
        let lacks_table = surroundings.lacks_table;
        if connection.needs_attention() != connection.is_attended {
            connection.is_attended = !connection.is_attended;
            if connection.is_attended {
                self.attention.insert(id);
            } else {
                self.attention.remove(&id);
            }
        }
        let is_over = connection.is_over();
        if connection.has_opening && (is_over || !self.finished.is_empty()) {
            self.tell_opening(id);
        }
        if !self.finished.is_empty() {
            // Back afterwards with its room.
            let mut finished = std::mem::take(&mut self.finished);
            for exchange in finished.drain(..) {
                self.report(id, exchange);
            }
            self.finished = finished;
        }
        if lacks_table {
            self.ask_for_tables(id);
        }
        if is_over {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id) {
            let tuple = tuple_of(&connection);
            if self.tuples.get(&tuple) == Some(&id) {
                self.tuples.remove(&tuple);
                self.departed.keep(tuple, connection.owner, self.now_ns);
            }
        }
        self.attention.remove(&id);
    }

    /// Gives up the connections that were idle longest; what they had under way is lost, and counted.
    fn evict(&mut self) {
        let mut idle: Vec<(u64, u64)> = self.connections.iter().map(|(id, c)| (c.last_active_ns, *id)).collect();
        let share = (idle.len() / EVICTED_SHARE).max(1);
        if share < idle.len() {
            idle.select_nth_unstable(share);
        }
        for (_, id) in idle.into_iter().take(share) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.abandon(Cause::StreamOverflow, &mut self.ledger);
            }
            self.forget(id);
        }
    }

    fn report_unfinished(&mut self) {
        let after = self.options.unfinished_ns();
        let now = self.now_ns;
        let mut due = Vec::new();
        for (id, connection) in &mut self.connections {
            for exchange in connection.open_exchanges() {
                let since = exchange.unfinished_ns.unwrap_or_else(|| exchange.begin_ns());
                if now.saturating_sub(since) >= after {
                    exchange.unfinished_ns = Some(now);
                    due.push((*id, exchange.number));
                }
            }
        }
        for (id, number) in due {
            self.report_open(id, number);
        }
    }

    /// Reports an exchange that goes on.
    fn report_open(&mut self, id: u64, number: u32) {
        let fresh = self.next_id();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(exchange) = connection.open_exchanges().find(|exchange| exchange.number == number) else {
            return;
        };
        let record_id = *exchange.id.get_or_insert(fresh);
        let operations = exchange.events() - exchange.reported_events;
        exchange.reported_events += operations;
        let tgid = exchange.tgid();
        let heads = Heads::copy(exchange);
        let Some((connection, exchange)) =
            self.connections.get(&id).and_then(|c| Some((c, c.maybe_open_exchange(number)?)))
        else {
            return;
        };
        let mut record = build::record(record_id, exchange, heads, connection, &self.setting(), true);
        record.operations = build::copy_operations(exchange);
        let told_id = record.id;
        if let Some(open) = self.connections.get_mut(&id).and_then(|c| c.open_exchanges().find(|e| e.number == number))
        {
            open.id = Some(told_id);
        }
        self.pass(id, tgid, record, operations);
    }

    fn report(&mut self, id: u64, mut exchange: Exchange) {
        let record_id = exchange.id.unwrap_or(self.next_id());
        let operations = exchange.events() - exchange.reported_events;
        let Some(connection) = self.connections.get(&id) else {
            self.ledger.lose(Cause::StreamOverflow, operations);
            return;
        };
        let mut tgid = exchange.tgid();
        if tgid == 0 {
            tgid = connection.owner;
        }
        let heads = Heads::take(&mut exchange);
        let mut record = build::record(record_id, &exchange, heads, connection, &self.setting(), false);
        record.operations = build::take_operations(&mut exchange);
        self.pass(id, tgid, record, operations);
    }

    fn setting(&self) -> build::Setting<'_> {
        build::Setting {
            options: &self.options,
            figures: &self.figures,
            wall_offset_ns: self.wall_offset_ns,
            is_reduced: self.effort > Effort::Full,
        }
    }

    fn next_id(&mut self) -> RecordId {
        self.sequence = self.sequence.wrapping_add(1);
        RecordId { wall_ns: 0, run: self.run, sequence: self.sequence }
    }

    /// Filters, peers, confirmation.
    fn pass(&mut self, id: u64, tgid: u32, mut record: Box<Record>, operations: u64) {
        let filters = &self.options.filters;
        let is_port = |port: &u16| *port == record.local.port || *port == record.remote.port;
        let is_wanted = (filters.ports.is_empty() || filters.ports.iter().any(is_port))
            && filters.side.is_none_or(|side| record.side == side.into());
        if !is_wanted {
            self.ledger.lose(Cause::Filtered, operations);
            return;
        }
        record.local.identity = self.processes.maybe_identity(tgid);
        let connection = self.connections.get(&id);
        let since_ns =
            connection.map_or(record.start_ns, |connection| connection.opened_ns.unwrap_or(connection.seen_ns));
        let is_client = record.connection.role == Side::Client;
        let Record { local, remote, .. } = &mut *record;
        let peer = self.name_remote(id, Ends { local, remote, is_client, since_ns });
        match self.processes.gate(tgid, Passing { report: Report::Exchange(record), operations, peer }) {
            Gate::Pass(passing) => self.let_go(passing),
            Gate::Held => {}
            Gate::Excluded => self.ledger.lose(Cause::Excluded, operations),
            Gate::Overflow => self.ledger.lose(Cause::Unconfirmed, operations),
        }
    }
}

fn tuple_of(connection: &Connection) -> Tuple {
    (connection.local, connection.local_port, connection.remote, connection.remote_port)
}

/// IPv4-mapped addresses as IPv4.
fn address(bytes: [u8; 16]) -> IpAddr {
    let address = Ipv6Addr::from(bytes);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}
