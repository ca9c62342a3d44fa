//! Records for tests, benches and examples of this workspace: one with everything, one with nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::layers::Layers;
use crate::record::{
    Connection, Endpoint, Flag, Flags, Identity, KernelSums, Kind, Message, Operation, Protocol, Record, RecordId,
    Side, Syscall, Trace, TraceFormat,
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
        },
        connection: Connection {
            id: 0xab,
            exchange: 2,
            stream: None,
            role: Side::Server,
            opened_ns: Some(900_000),
            handshake_ns: Some(25_000),
            rtt_ns: None,
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
        local: Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 80, identity: None },
        remote: Endpoint { address: remote, port: 59970, identity: None },
        connection: Connection {
            id: 1,
            exchange: 1,
            stream: None,
            role: Side::Server,
            opened_ns: None,
            handshake_ns: None,
            rtt_ns: None,
        },
        kernel_write: None,
        kernel_read: None,
        timeline: Vec::new(),
        trace: None,
        flags: Flags::default(),
        operations: Vec::new(),
    }
}
