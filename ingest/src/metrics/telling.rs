//! What a record tells metrics: the members of its JSON object that count, read without copies.
//!
//! Records of rover's own daemon, over the wire or in process, and those made of the messages of other agents have one
//! shape, so this is the one way in. What a connection did besides exchanges comes in the same shape, with `activity` as its
//! kind and the members `connect`, `accept` and `close`.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::Deserialize;

use super::columns::{Column, Figures};

/// Times of the application's latency target, in ms: OAP's default.
const APDEX_MS: u64 = 500;

#[derive(Debug, Deserialize)]
pub struct Telling<'a> {
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    tls: Option<IgnoredAny>,
    #[serde(borrow)]
    protocol: Option<Cow<'a, str>>,
    duration_ns: Option<u64>,
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub path: Option<Cow<'a, str>>,
    status: Option<u16>,
    #[serde(default)]
    request: Message,
    #[serde(default)]
    response: Message,
    #[serde(borrow)]
    pub local: End<'a>,
    #[serde(borrow)]
    pub remote: End<'a>,
    #[serde(default)]
    kernel: Kernel,
    #[serde(borrow, default)]
    flags: Vec<Cow<'a, str>>,
    connect: Option<Change>,
    accept: Option<Change>,
    close: Option<Change>,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    /// As on the wire.
    bytes: Option<u64>,
    head_bytes: Option<u64>,
    body_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct End<'a> {
    #[serde(borrow)]
    pub address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    identity: Option<Identity<'a>>,
}

#[derive(Debug, Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    service: Option<Cow<'a, str>>,
    #[serde(borrow)]
    instance: Option<Cow<'a, str>>,
}

impl Message {
    /// On the wire; of agents that do not tell, what head and body have.
    fn wire_bytes(&self) -> u64 {
        let parts = || self.head_bytes.unwrap_or_default().saturating_add(self.body_bytes.unwrap_or_default());
        self.bytes.unwrap_or_else(parts)
    }
}

impl End<'_> {
    /// Empty is unknown.
    pub fn service(&self) -> Option<&str> {
        self.identity.as_ref()?.service.as_deref().filter(|name| !name.is_empty())
    }

    pub fn instance(&self) -> Option<&str> {
        self.identity.as_ref()?.instance.as_deref().filter(|name| !name.is_empty())
    }
}

#[derive(Debug, Default, Deserialize)]
struct Kernel {
    write: Option<Sums>,
    read: Option<Sums>,
}

/// Figures of writes and of reads; those that were not measured are absent.
#[derive(Debug, Deserialize)]
struct Sums {
    operations: u64,
    bytes: u64,
    syscall_ns: Option<u64>,
    packets: Option<u64>,
    retransmits: Option<u64>,
    l4_ns: Option<u64>,
    l3_ns: Option<u64>,
    l3_local_ns: Option<u64>,
    l3_output_ns: Option<u64>,
    l3_receive_ns: Option<u64>,
    l2_ns: Option<u64>,
    l2_ready_ns: Option<u64>,
    l2_send_ns: Option<u64>,
    l2_to_queue_ns: Option<u64>,
    queue_wait_ns: Option<u64>,
    queue_entries: Option<u64>,
    resolve_count: Option<u64>,
    resolve_ns: Option<u64>,
    netfilter_count: Option<u64>,
    netfilter_ns: Option<u64>,
    #[serde(default)]
    drops: Vec<Drop>,
}

#[derive(Debug, Deserialize)]
struct Drop {
    count: u64,
}

/// Connections opened or closed.
#[derive(Debug, Deserialize)]
struct Change {
    count: u64,
    /// Absent: all of them.
    successes: Option<u64>,
    ns: u64,
}

impl Telling<'_> {
    /// Comes again when it is complete, and counts then.
    pub fn is_unfinished(&self) -> bool {
        self.flags.iter().any(|flag| flag == "unfinished")
    }

    pub fn is_server(&self) -> bool {
        self.side == "server"
    }

    /// Whether it is a call: an exchange whose request is known.
    pub fn is_call(&self) -> bool {
        self.kind != "activity" && !self.flags.iter().any(|flag| flag == "no_request")
    }

    /// Its path names a service and a method.
    pub fn is_grpc(&self) -> bool {
        self.kind == "grpc"
    }

    /// What was asked for is there.
    pub fn has_worked(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
    }

    pub fn add_to(&self, figures: &mut Figures) {
        let over = match (self.protocol.is_some(), self.tls.is_some()) {
            (true, false) => Column::OverHttp,
            (true, true) => Column::OverHttps,
            (false, false) => Column::OverTcp,
            (false, true) => Column::OverTls,
        };
        figures.add(over, 1);
        self.add_changes(figures);
        if let Some(write) = &self.kernel.write {
            add_writes(figures, write);
        }
        if let Some(read) = &self.kernel.read {
            add_reads(figures, read);
        }
        if self.is_call() {
            self.add_call(figures);
        }
    }

    fn add_changes(&self, figures: &mut Figures) {
        if let Some(connect) = &self.connect {
            figures.add(Column::Connects, connect.count);
            figures.add(Column::ConnectSuccesses, connect.successes.unwrap_or(connect.count));
            figures.add(Column::ConnectNs, connect.ns);
        }
        if let Some(accept) = &self.accept {
            figures.add(Column::Accepts, accept.count);
            figures.add(Column::AcceptNs, accept.ns);
        }
        if let Some(close) = &self.close {
            figures.add(Column::Closes, close.count);
            figures.add(Column::CloseNs, close.ns);
        }
    }

    fn add_call(&self, figures: &mut Figures) {
        figures.add(Column::HttpCalls, 1);
        let is_success = self.status.is_some_and(|status| status < 500);
        match self.status {
            None => figures.add(Column::HttpNoResponses, 1),
            Some(100..=199) => figures.add(Column::Status1xx, 1),
            Some(200..=299) => figures.add(Column::Status2xx, 1),
            Some(300..=399) => figures.add(Column::Status3xx, 1),
            Some(400..=499) => figures.add(Column::Status4xx, 1),
            Some(500..=599) => figures.add(Column::Status5xx, 1),
            Some(_) => {}
        }
        figures.add(Column::HttpSuccesses, u64::from(is_success));
        figures.add(Column::HttpBytes, self.request.wire_bytes().saturating_add(self.response.wire_bytes()));
        if let (Some(ns), Some(_)) = (self.duration_ns, self.status) {
            // OAP's clock of a call has milliseconds; what is averaged there is what is cut off here.
            let ms = ns / 1_000_000;
            figures.add(Column::HttpNsOf, 1);
            figures.add(Column::HttpNs, ns);
            figures.add(Column::HttpMs, ms);
            figures.durations.add(ns);
            figures.add(Column::ApdexSatisfied, u64::from(is_success && ms <= APDEX_MS));
            figures.add(Column::ApdexTolerated, u64::from(is_success && ms > APDEX_MS && ms <= 4 * APDEX_MS));
        }
        for (of, sum, bytes) in [
            (Column::RequestHeadBytesOf, Column::RequestHeadBytes, self.request.head_bytes),
            (Column::RequestBodyBytesOf, Column::RequestBodyBytes, self.request.body_bytes),
            (Column::ResponseHeadBytesOf, Column::ResponseHeadBytes, self.response.head_bytes),
            (Column::ResponseBodyBytesOf, Column::ResponseBodyBytes, self.response.body_bytes),
        ] {
            add_measured(figures, of, sum, bytes, 1);
        }
    }
}

/// A figure that is averaged over `count` operations, unless it was not measured.
fn add_measured(figures: &mut Figures, of: Column, sum: Column, value: Option<u64>, count: u64) {
    if let Some(value) = value {
        figures.add(of, count);
        figures.add(sum, value);
    }
}

fn add_writes(figures: &mut Figures, sums: &Sums) {
    figures.add(Column::Writes, sums.operations);
    figures.add(Column::WriteBytes, sums.bytes);
    for (of, sum, value) in [
        (Column::WriteNsOf, Column::WriteNs, sums.syscall_ns),
        (Column::WriteL4NsOf, Column::WriteL4Ns, sums.l4_ns),
        (Column::WriteL3NsOf, Column::WriteL3Ns, sums.l3_ns),
        (Column::WriteL3LocalNsOf, Column::WriteL3LocalNs, sums.l3_local_ns),
        (Column::WriteL3OutputNsOf, Column::WriteL3OutputNs, sums.l3_output_ns),
        (Column::WriteL2NsOf, Column::WriteL2Ns, sums.l2_ns),
        (Column::WriteL2ReadyNsOf, Column::WriteL2ReadyNs, sums.l2_ready_ns),
        (Column::WriteL2SendNsOf, Column::WriteL2SendNs, sums.l2_send_ns),
        (Column::WriteQueueEntriesOf, Column::WriteQueueEntries, sums.queue_entries),
    ] {
        add_measured(figures, of, sum, value, sums.operations);
    }
    for (sum, value) in [
        (Column::WritePackets, sums.packets),
        (Column::WriteRetransmits, sums.retransmits),
        (Column::WriteResolves, sums.resolve_count),
        (Column::WriteResolveNs, sums.resolve_ns),
        (Column::WriteNetfilters, sums.netfilter_count),
        (Column::WriteNetfilterNs, sums.netfilter_ns),
        (Column::WriteDrops, drops(sums)),
    ] {
        figures.add(sum, value.unwrap_or_default());
    }
}

fn add_reads(figures: &mut Figures, sums: &Sums) {
    figures.add(Column::Reads, sums.operations);
    figures.add(Column::ReadBytes, sums.bytes);
    for (of, sum, value) in [
        (Column::ReadNsOf, Column::ReadNs, sums.syscall_ns),
        (Column::ReadL4NsOf, Column::ReadL4Ns, sums.l4_ns),
        (Column::ReadL3NsOf, Column::ReadL3Ns, sums.l3_ns),
        (Column::ReadL3ReceiveNsOf, Column::ReadL3ReceiveNs, sums.l3_receive_ns),
        (Column::ReadL3LocalNsOf, Column::ReadL3LocalNs, sums.l3_local_ns),
        (Column::ReadToQueueNsOf, Column::ReadToQueueNs, sums.l2_to_queue_ns),
        (Column::ReadFromQueueNsOf, Column::ReadFromQueueNs, sums.queue_wait_ns),
    ] {
        add_measured(figures, of, sum, value, sums.operations);
    }
    for (sum, value) in [
        (Column::ReadPackets, sums.packets),
        (Column::ReadNetfilters, sums.netfilter_count),
        (Column::ReadNetfilterNs, sums.netfilter_ns),
        (Column::ReadDrops, drops(sums)),
    ] {
        figures.add(sum, value.unwrap_or_default());
    }
}

fn drops(sums: &Sums) -> Option<u64> {
    sums.drops.iter().map(|drop| drop.count).reduce(u64::saturating_add)
}
