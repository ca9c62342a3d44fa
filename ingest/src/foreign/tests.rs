//! Messages captured from the reference agent (`tests/wire/vectors/README.md`), and the odd ones it may send.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use prost::Message;
use rover_reporters::oap::{OapEncoder, UnknownEnd};
use rover_reporters::samples;
use serde_json::{json, Value};

use super::*;

fn vector(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wire/vectors");
    fs::read(folder.join(name)).unwrap()
}

fn captured(name: &str) -> v3::EbpfAccessLogMessage {
    v3::EbpfAccessLogMessage::decode(vector(name).as_slice()).unwrap()
}

/// A stream whose node and connection are those of 01.
fn stream() -> StreamState {
    let mut state = StreamState::default();
    assert!(matches!(state.read(captured("01-node-conn-accept.bin")), Told::Logs(1, _)));
    state
}

fn exchange(state: &mut StreamState, message: v3::EbpfAccessLogMessage) -> (Row, Value) {
    match state.read(message) {
        Told::Exchange(row, _) => {
            let record = serde_json::from_str(&row.record).unwrap();
            (*row, record)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_captured_exchange_becomes_a_record() {
    let (row, record) = exchange(&mut stream(), captured("02-http1-get-200.bin"));
    let kernel = json!({
        "write": {"operations": 1, "bytes": 210, "syscall_ns": 659_119, "packets": 1, "retransmits": 0, "l4_ns": 593_761, "l3_ns": 497_008,
                  "l3_local_ns": 4_717, "l3_output_ns": 29_353, "resolve_count": 1, "resolve_ns": 438_240,
                  "netfilter_count": 1, "netfilter_ns": 14_562, "l2_ns": 424_620, "queue_entries": 1,
                  "l2_ready_ns": 18_448, "l2_send_ns": 16_364},
        "read": {"operations": 1, "bytes": 65, "syscall_ns": 223_221, "packets": 1, "l2_to_queue_ns": 33_870,
                 "queue_wait_ns": 5_817_012, "l3_ns": 243_442, "l3_receive_ns": 0, "l3_local_ns": 2_955, "netfilter_count": 0,
                 "netfilter_ns": 0, "l4_ns": 212_555},
    });
    let expected = json!({
        "id": row.id, "time": "2026-11-21T11:50:08.398768836Z",
        "start_ns": 232_547_493_172_u64, "end_ns": 232_551_207_003_u64, "duration_ns": 3_713_831, "first_byte_ns": null,
        "side": "server", "protocol": "HTTP/1", "kind": "http", "tls": null,
        "method": "GET", "scheme": null, "host": "shop.local", "path": "/s1w/item/1", "query": null, "status": 200,
        "interim": [], "grpc": null,
        "request": {"bytes": null, "head_bytes": 65, "body_bytes": 0, "headers": {}, "trailers": {}},
        "response": {"bytes": null, "head_bytes": 148, "body_bytes": 62, "headers": {}, "trailers": {}},
        "local": {"address": null, "port": 80,
                  "identity": {"service": "web.demo", "instance": "web-0", "process": "nginx", "container": {"name": "web"}}},
        "remote": {"address": "10.9.0.3", "port": 59970, "identity": null},
        "connection": {"id": null, "exchange": null, "stream": null, "role": "server", "opened_ns": null,
                       "handshake_ns": null, "rtt_ns": null},
        "kernel": kernel,
        "timeline": [], "trace": null, "flags": [],
    });
    assert_eq!(record, expected);
    assert_eq!(row.id.len(), 32);
    assert_eq!(
        (row.service.as_deref(), row.instance.as_deref(), row.method.as_deref(), row.status, row.duration_ns),
        (Some("web.demo"), Some("web-0"), Some("GET"), Some(200), Some(3_713_831))
    );
    // The store reads rows of either form alike.
    assert_eq!(crate::native::row(row.record.clone()), Some(row));
}

#[test]
fn every_captured_exchange_is_taken() {
    let table = [
        ("03-http1-get-404.bin", "GET", 404),
        ("04-http1-get-500.bin", "GET", 500),
        ("05-http1-post-body-2reads.bin", "POST", 200),
        ("06-http1-head-bogus-body.bin", "HEAD", 200),
        ("09-http1-1mb-response-33logs.bin", "GET", 200),
        ("10-http1-split-request.bin", "GET", 200),
        ("11-http1-204.bin", "GET", 204),
        ("12-http1-path-decoded.bin", "GET", 200),
        ("13-http1-expect-100.bin", "POST", 200),
        ("14-http1-pipelined-first-of-10.bin", "GET", 200),
    ];
    for (name, method, status) in table {
        let (row, _) = exchange(&mut stream(), captured(name));
        assert_eq!((row.method.as_deref(), row.status), (Some(method), Some(status)), "{name}");
    }
}

#[test]
fn trace_contexts_and_tls_are_kept() {
    let (_, sw8) = exchange(&mut stream(), captured("07-http1-trace-sw8.bin"));
    assert_eq!(
        sw8["trace"],
        json!({"format": "sw8", "trace_id": "a1b2c3d4", "span_id": "3", "segment_id": "e5f6a7b8", "sampled": null})
    );
    let (_, b3) = exchange(&mut stream(), captured("08-http1-trace-b3.bin"));
    assert_eq!(
        b3["trace"],
        json!({"format": "b3", "trace_id": "80f198ee56343ba864fe8b2a57d3eff7", "span_id": "e457b5a2e4d86bd1", "sampled": null})
    );
    let (_, tls) = exchange(&mut StreamState::default(), captured("21-tls-http1.bin"));
    assert_eq!(tls["tls"], json!({"library": null, "version": null}));
}

#[test]
fn messages_without_an_exchange_make_no_row() {
    for (name, logs) in [
        ("15-close-only.bin", 1),
        ("16-tls-as-plain-tcp-kernel-logs.bin", 10),
        ("18-client-role-connect.bin", 1),
        ("19-both-ends-kubernetes.bin", 1),
    ] {
        let told = StreamState::default().read(captured(name));
        assert!(matches!(told, Told::Logs(told, _) if told == logs), "{name}: {told:?}");
    }
}

/// The only row of a message of kernel logs, as the object that it holds.
fn activity(name: &str) -> (Row, Value) {
    match StreamState::default().read(captured(name)) {
        Told::Logs(_, rows) => {
            let [row] = rows.as_slice() else { panic!("{rows:?}") };
            (row.clone(), serde_json::from_str(&row.record).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn kernel_logs_of_no_exchange_become_an_activity() {
    let (row, told) = activity("18-client-role-connect.bin");
    assert_eq!((row.kind.as_ref(), row.side.as_ref(), row.id.as_str()), ("activity", "client", ""));
    assert_eq!((&told["connect"]["count"], &told["connect"]["successes"]), (&json!(1), &json!(1)));
    assert_eq!(row.time_ns % 60_000_000_000, 0);
    let (_, closed) = activity("15-close-only.bin");
    assert_eq!((&closed["close"]["count"], &closed["kernel"]), (&json!(1), &json!({})));
    let (row, traffic) = activity("16-tls-as-plain-tcp-kernel-logs.bin");
    assert_eq!((&traffic["protocol"], &traffic["kind"]), (&Value::Null, &json!("activity")));
    let operations = |name: &str| traffic["kernel"][name]["operations"].as_u64().unwrap_or(0);
    let changes = ["connect", "accept", "close"].iter().filter(|name| traffic[**name].is_object()).count() as u64;
    assert_eq!(operations("write") + operations("read") + changes, 10);
    // The store reads rows of either form alike.
    assert_eq!(crate::native::row(row.record.clone()), Some(row));
}

/// The reference agent sends what belongs to a connection with its first exchange.
#[test]
fn a_connection_opened_with_an_exchange_is_told_apart() {
    let mut message = captured("02-http1-get-200.bin");
    message.kernel_logs.extend(captured("01-node-conn-accept.bin").kernel_logs);
    match stream().read(message) {
        Told::Exchange(row, activities) => {
            assert_eq!(activities.len(), 1);
            let told: Value = serde_json::from_str(&activities[0].record).unwrap();
            assert_eq!((&told["accept"]["count"], &told["kernel"]), (&json!(1), &json!({})));
            assert!(row.record.contains("\"operations\":1"));
        }
        other => panic!("{other:?}"),
    }
}

/// Connections come with the message before, as for exchanges.
#[test]
fn kernel_logs_of_no_exchange_need_a_connection_too() {
    let mut loose = captured("15-close-only.bin");
    loose.connection = None;
    assert!(matches!(StreamState::default().read(loose.clone()), Told::NoConnection));
    assert!(matches!(stream().read(loose.clone()), Told::Logs(1, _)));
    let mut alone = captured("15-close-only.bin");
    alone.kernel_logs.clear();
    let mut state = StreamState::default();
    assert!(matches!(state.read(alone), Told::Nothing));
    assert!(matches!(state.read(loose), Told::Logs(1, _)));
}

#[test]
fn a_node_alone_tells_nothing() {
    let node = v3::EbpfAccessLogMessage { node: captured("01-node-conn-accept.bin").node, ..Default::default() };
    assert!(matches!(StreamState::default().read(node), Told::Nothing));
}

/// What our own encoder makes of a connection's life.
#[test]
fn activities_of_rover_are_no_exchange_and_leave_exchanges_alone() {
    let mut encoder = OapEncoder::new(UnknownEnd::Ip);
    let mut state = stream();
    let mut out = Vec::new();
    let logs = encoder.encode_activity(&samples::activity(), &mut out).logs;
    let told = state.read(v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap());
    assert!(matches!(told, Told::Logs(told, _) if told as u64 == logs), "{told:?}");
    out.clear();
    encoder.encode(&samples::layered(), &mut out);
    let (row, record) = exchange(&mut state, v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap());
    assert_eq!((row.side.as_ref(), row.protocol.as_ref()), ("server", "HTTP/1"));
    let losses = json!([{"reason": null, "location": "nf_hook_slow:NETFILTER_DROP", "count": 2},
                        {"reason": null, "location": "__dev_queue_xmit:QDISC_DROP", "count": 1}]);
    assert_eq!(record["kernel"]["write"]["drops"], losses);
    assert_eq!(
        (&record["kernel"]["write"]["l3_output_ns"], &record["kernel"]["read"]["l4_ns"]),
        (&json!(107), &json!(208))
    );
}

#[test]
fn a_connection_holds_until_the_next_is_told() {
    let mut state = stream();
    let port = |state: &mut StreamState| exchange(state, captured("02-http1-get-200.bin")).1["remote"]["port"].clone();
    assert_eq!((port(&mut state), port(&mut state)), (json!(59970), json!(59970)));
    state.read(captured("15-close-only.bin"));
    assert_eq!(port(&mut state), 43728);
}

/// Twenty exchanges; node and connection come with the first.
#[test]
fn a_captured_stream_is_taken_whole() {
    let bytes = vector("20-whole-stream.lp");
    let (mut rest, mut state) = (bytes.as_slice(), StreamState::default());
    let mut ports = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (message, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        rest = tail;
        let (_, record) = exchange(&mut state, v3::EbpfAccessLogMessage::decode(message).unwrap());
        assert!(record["time"].as_str().unwrap().starts_with("2026-11-21T"), "{record}");
        ports.push(record["remote"]["port"].as_i64().unwrap());
    }
    assert_eq!(ports, [47768; 20]);
}

#[test]
fn an_exchange_before_any_connection_is_told_apart() {
    assert!(matches!(StreamState::default().read(captured("02-http1-get-200.bin")), Told::NoConnection));
}

/// Without a node there is no boot time: the time of arrival stands in for it.
#[test]
fn a_missing_node_leaves_the_time_of_arrival() {
    let mut first = captured("01-node-conn-accept.bin");
    first.node = None;
    let mut state = StreamState::default();
    state.read(first);
    let before = now_ns();
    let (row, record) = exchange(&mut state, captured("02-http1-get-200.bin"));
    assert!((before..=now_ns()).contains(&(row.time_ns as u64)));
    assert_eq!(record["duration_ns"], 3_713_831);
}

#[test]
fn what_the_message_does_not_say_is_null() {
    let mut message = captured("02-http1-get-200.bin");
    message.kernel_logs = vec![v3::AccessLogKernelLog { operation: None }];
    let Some(Protocol::Http(http)) = message.protocol_log.as_mut().and_then(|log| log.protocol.as_mut()) else {
        panic!("vector without protocol log")
    };
    *http = v3::AccessLogHttpProtocol {
        request: Some(v3::AccessLogHttpProtocolRequest {
            method: 127,
            path: "/a?b=secret&c".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let (row, record) = exchange(&mut stream(), message);
    for key in ["start_ns", "end_ns", "duration_ns", "method", "host", "status", "trace"] {
        assert_eq!(record[key], Value::Null, "{key}");
    }
    assert_eq!((&record["path"], &record["query"]), (&json!("/a"), &json!("b=*&c")));
    assert_eq!((&record["flags"], &record["kernel"]), (&json!(["no_response"]), &json!({})));
    assert_eq!((row.flags.as_str(), row.status, row.method), ("no_response", None, None));
}

#[test]
fn a_proxy_is_on_the_server_side() {
    let mut first = captured("01-node-conn-accept.bin");
    first.connection.as_mut().unwrap().role = v3::DetectPoint::Proxy as i32;
    let mut state = StreamState::default();
    state.read(first);
    assert_eq!(exchange(&mut state, captured("02-http1-get-200.bin")).0.side, "server");
}
