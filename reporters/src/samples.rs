//! Records for tests, benches and examples of this workspace: one with everything, one with nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::layers::{Layers, Read, Write};
use crate::record::{
    Activity, Closing, Connection, Dropped, Endpoint, Flag, Flags, Identity, KernelSums, Kind, Message, Opening,
    Operation, OperationSum, Protocol, Record, RecordId, Side, Syscall, Trace, TraceFormat,
};

/// 2026-11-21T11:46:15.678901234Z
pub const WALL_NS: u64 = 1_795_261_575_678_901_234;

/// A GET answered with 200, every figure known that a plain exchange can have.
pub fn exchange() -> Record {
    let mut flags = Flags::default();
    flags.set(Flag::PreExisting);
    flags.set(Flag::Gap);
    let identity = Identity {
        service: Some("nginx".to_owned()),
        instance: Some("nginx@node-a".to_owned()),
        process: Some("nginx".to_owned()),
        pid: Some(163),
        ..Identity::default()
    };
    Record {
        id: RecordId { wall_ns: WALL_NS, run: 0x0bad_cafe, sequence: 7 },
        start_ns: 1_000_000,
        end_ns: 2_500_000,
        duration_ns: Some(1_500_000),
        first_byte_ns: Some(1_400_000),
        method: Some("GET".into()),
        host: Some("shop.local".into()),
        path: Some("/item/1".into()),
        query: Some("q=*".into()),
        status: Some(200),
        interim: vec![100, 103],
        request: Message {
            bytes: Some(90),
            head_bytes: Some(90),
            body_bytes: Some(0),
            headers: [("accept", "a"), ("x-id", "7"), ("accept", "b")].map(|(n, v)| (n.into(), v.into())).to_vec(),
            trailers: Vec::new(),
        },
        response: Message { bytes: Some(210), head_bytes: Some(148), body_bytes: Some(62), ..Message::default() },
        local: Endpoint {
            address: IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)),
            port: 80,
            identity: Some(Arc::new(identity)),
            via: None,
        },
        connection: Connection {
            id: 0xab,
            exchange: 2,
            stream: None,
            role: Side::Server,
            opened_ns: Some(900_000),
            handshake_ns: Some(25_000),
            rtt_ns: None,
            tcp: None,
        },
        kernel_write: Some(KernelSums { operations: 1, bytes: 210, syscall_ns: Some(40_000), ..KernelSums::default() }),
        kernel_read: Some(KernelSums { operations: 1, bytes: 90, syscall_ns: None, ..KernelSums::default() }),
        timeline: vec![("read", 0), ("write", 1_400_000)],
        trace: Some(Trace {
            format: TraceFormat::Sw8,
            trace_id: "a1b2".into(),
            span_id: Some("3".into()),
            segment_id: Some("e5f6".into()),
            sampled: Some(true),
        }),
        flags,
        operations: vec![
            Operation {
                is_write: false,
                syscall: Syscall::Recvfrom,
                start_ns: Some(990_000),
                end_ns: 1_000_000,
                bytes: 90,
                layers: Layers::default(),
                interface: 0,
            },
            Operation {
                is_write: true,
                syscall: Syscall::Writev,
                start_ns: Some(2_460_000),
                end_ns: 2_500_000,
                bytes: 210,
                layers: Layers::default(),
                interface: 0,
            },
        ],
        ..unknown()
    }
}

/// A dozen shapes that matter on the wire, in turn; each number has a path and a place of its own.
pub fn shape(number: u32) -> Record {
    let mut record = exchange();
    record.id.sequence = number;
    record.path = Some(format!("/item/{number}").into());
    record.connection.id = u64::from(number / 3);
    record.connection.exchange = number % 3 + 1;
    match number % 12 {
        1 => record.method = Some("PROPFIND".into()),
        2 => record.status = None,
        3 => record.method = None,
        4 => record.side = Side::Client,
        5 => record.remote.identity = named("curl"),
        6 => record.flags.set(Flag::Unfinished),
        7 => record.operations.iter_mut().for_each(|operation| operation.start_ns = None),
        8 => record.operations.iter_mut().for_each(|operation| operation.syscall = Syscall::IoUring),
        9 => record.path = None,
        10 => record.trace.iter_mut().for_each(|trace| trace.format = TraceFormat::W3c),
        11 => record.protocol = Protocol::Http10,
        _ => {}
    }
    record
}

fn named(service: &str) -> Option<Arc<Identity>> {
    Some(Arc::new(Identity { service: Some(service.to_owned()), ..Identity::default() }))
}

/// Every figure of a write, each a number of its own.
pub fn write_layers() -> Layers {
    let mut layers = Layers::default();
    for (figure, value) in [
        (Write::Packets, 101),
        (Write::PacketBytes, 102),
        (Write::Retransmits, 103),
        (Write::L4Ns, 104),
        (Write::L3Ns, 105),
        (Write::L3LocalNs, 106),
        (Write::L3OutputNs, 107),
        (Write::L2Ns, 108),
        (Write::L2ReadyNs, 109),
        (Write::L2SendNs, 110),
        (Write::QueueEntries, 111),
        (Write::NetfilterCount, 112),
        (Write::NetfilterNs, 113),
        (Write::ResolveCount, 114),
        (Write::ResolveNs, 115),
    ] {
        layers.set_write(figure, value);
    }
    layers
}

/// Every figure of a read, each a number of its own.
pub fn read_layers() -> Layers {
    let mut layers = Layers::default();
    for (figure, value) in [
        (Read::Packets, 201),
        (Read::PacketBytes, 202),
        (Read::L2ToQueueNs, 203),
        (Read::QueueWaitNs, 204),
        (Read::L3Ns, 205),
        (Read::L3ReceiveNs, 206),
        (Read::L3LocalNs, 207),
        (Read::L4Ns, 208),
        (Read::NetfilterCount, 209),
        (Read::NetfilterNs, 210),
    ] {
        layers.set_read(figure, value);
    }
    layers
}

/// [`exchange`] on a machine whose kernel lets every layer be measured, with packets lost on the way out.
pub fn layered() -> Record {
    let mut record = exchange();
    for (operation, interface) in record.operations.iter_mut().zip([3, 2]) {
        operation.layers = if operation.is_write { write_layers() } else { read_layers() };
        operation.interface = interface;
    }
    let dropped =
        |location: &str, reason: &str, count| Dropped { reason: reason.into(), location: location.into(), count };
    if let Some(sums) = &mut record.kernel_write {
        sums.drops = vec![dropped("nf_hook_slow", "NETFILTER_DROP", 2), dropped("__dev_queue_xmit", "QDISC_DROP", 1)];
    }
    record
}

/// A connection that a client opened and closed, with three writes and two reads between, none of them HTTP.
pub fn activity() -> Activity {
    let sample = layered();
    let operations = sample.operations.iter().zip([2, 3]);
    Activity {
        local: sample.local.clone(),
        remote: sample.remote.clone(),
        connection: Connection { exchange: 0, role: Side::Client, ..sample.connection.clone() },
        protocol: None,
        is_tls: false,
        opening: Some(Opening { is_connect: true, start_ns: 400_000, end_ns: 450_000, is_success: true }),
        closing: Some(Closing { start_ns: 3_000_000, end_ns: 3_020_000, is_success: true }),
        operations: operations.map(|(last, count)| OperationSum { last: last.clone(), count }).collect(),
        totals: None,
    }
}

/// A record of which nothing is known but that bytes moved between two addresses.
pub fn unknown() -> Record {
    let remote = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3));
    Record {
        id: RecordId { wall_ns: WALL_NS, run: 1, sequence: 1 },
        start_ns: 1,
        end_ns: 1,
        duration_ns: None,
        first_byte_ns: None,
        side: Side::Server,
        protocol: Protocol::Http11,
        kind: Kind::Http,
        tls: None,
        method: None,
        scheme: None,
        host: None,
        path: None,
        query: None,
        status: None,
        interim: Vec::new(),
        grpc: None,
        request: Message::default(),
        response: Message::default(),
        local: Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 80, identity: None, via: None },
        remote: Endpoint { address: remote, port: 59970, identity: None, via: None },
        connection: Connection {
            id: 1,
            exchange: 1,
            stream: None,
            role: Side::Server,
            opened_ns: None,
            handshake_ns: None,
            rtt_ns: None,
            tcp: None,
        },
        kernel_write: None,
        kernel_read: None,
        timeline: Vec::new(),
        trace: None,
        flags: Flags::default(),
        operations: Vec::new(),
    }
}
