#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{json, Value};

use super::*;
use crate::record::{Container, Flag, Flags, Kubernetes, Tls};
use crate::samples;

fn encoded(record: &Record) -> Value {
    let mut out = Vec::new();
    JsonEncoder::default().encode(record, &mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    serde_json::from_slice(&out).unwrap()
}

/// The whole object, member by member, against the record's contract.
#[test]
fn a_full_record_has_every_member() {
    let expected = json!({
        "id": "18ea0ce4313fbbf20badcafe00000007",
        "time": "2026-11-21T11:46:15.678901234Z",
        "start_ns": 1_000_000, "end_ns": 2_500_000, "duration_ns": 1_500_000, "first_byte_ns": 1_400_000,
        "side": "server", "protocol": "HTTP/1.1", "kind": "http", "tls": null,
        "method": "GET", "scheme": null, "host": "shop.local", "path": "/item/1", "query": "q=*", "status": 200,
        "interim": [100, 103], "grpc": null,
        "request": {"bytes": 90, "head_bytes": 90, "body_bytes": 0, "headers": {"accept": "a, b", "x-id": "7"}, "trailers": {}},
        "response": {"bytes": 210, "head_bytes": 148, "body_bytes": 62, "headers": {}, "trailers": {}},
        "local": {"address": "10.9.0.2", "port": 80, "identity": {"service": "nginx", "instance": "nginx@node-a", "process": "nginx", "pid": 163}},
        "remote": {"address": "fd00::3", "port": 59970, "identity": null},
        "connection": {"id": "00000000000000ab", "exchange": 2, "stream": null, "role": "server",
                       "opened_ns": 900_000, "handshake_ns": 25_000, "rtt_ns": null},
        "kernel": {"write": {"operations": 1, "bytes": 210, "syscall_ns": 40_000}, "read": {"operations": 1, "bytes": 90}},
        "timeline": [["read", 0], ["write", 1_400_000]],
        "trace": {"format": "sw8", "trace_id": "a1b2", "span_id": "3", "segment_id": "e5f6", "sampled": true},
        "flags": ["gap", "pre_existing"],
    });
    let got = encoded(&samples::exchange());
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&got[key], value, "{key}");
    }
    assert_eq!(got.as_object().unwrap().len(), expected.as_object().unwrap().len());
    assert_eq!(got["id"].as_str().unwrap(), samples::exchange().id.to_string());
}

#[test]
fn what_was_not_measured_is_null_and_absent_in_kernel() {
    let got = encoded(&samples::unknown());
    for key in ["duration_ns", "first_byte_ns", "method", "host", "path", "query", "status", "tls", "grpc", "trace"] {
        assert_eq!(got[key], Value::Null, "{key}");
        assert!(got.as_object().unwrap().contains_key(key), "{key}");
    }
    assert_eq!(got["kernel"], json!({}));
    assert_eq!(
        got["request"],
        json!({"bytes": null, "head_bytes": null, "body_bytes": null, "headers": {}, "trailers": {}})
    );
    assert_eq!((&got["interim"], &got["timeline"], &got["flags"]), (&json!([]), &json!([]), &json!([])));
}

#[test]
fn every_character_survives_and_no_control_byte_is_written() {
    let mut record = samples::exchange();
    let path: String = (0u32..0x250).chain([0x2028, 0x1f600]).filter_map(char::from_u32).collect();
    record.path = Some(path.as_str().into());
    let mut out = Vec::new();
    JsonEncoder::default().encode(&record, &mut out);
    assert!(out.iter().all(|byte| *byte == b'\n' || (*byte >= 0x20 && *byte != 0x7f)));
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["path"], Value::String(path));
}

#[test]
fn tls_flags_and_the_whole_identity_are_written() {
    let mut record = samples::exchange();
    record.tls = Some(Tls { library: "openssl".into(), ..Tls::default() });
    record.flags = Flags::default();
    Flag::ALL.iter().for_each(|(flag, _)| record.flags.set(*flag));
    record.remote.identity = Some(Arc::new(Identity {
        executable: Some("/usr/bin/\"x\"".into()),
        container: Some(Container { id: "c1".into(), name: None, runtime: Some("docker".into()), image: None }),
        kubernetes: Some(Kubernetes { pod: Some("web-0".into()), ..Kubernetes::default() }),
        unit: Some("nginx.service".into()),
        ..Identity::default()
    }));
    let got = encoded(&record);
    assert_eq!(
        got["tls"],
        json!({
            "library": "openssl", "version": null, "server_name": null, "alpn": null, "cipher": null, "handshake_ns": null
        })
    );
    assert_eq!(got["flags"].as_array().unwrap().len(), Flag::ALL.len());
    assert_eq!(
        got["remote"]["identity"],
        json!({"executable": "/usr/bin/\"x\"", "container": {"id": "c1", "runtime": "docker"},
               "kubernetes": {"pod": "web-0"}, "unit": "nginx.service"})
    );
}

#[test]
fn the_cache_of_identities_is_bounded_and_right() {
    let mut encoder = JsonEncoder::default();
    let mut record = samples::exchange();
    for pid in 0..(IDENTITIES as u32 * 2) {
        record.local.identity = Some(Arc::new(Identity { pid: Some(pid), ..Identity::default() }));
        let mut out = Vec::new();
        encoder.encode(&record, &mut out);
        assert!(String::from_utf8(out).unwrap().contains(&format!("\"identity\":{{\"pid\":{pid}}}")));
        assert!(encoder.identities.len() <= IDENTITIES);
    }
}

#[test]
fn time_changes_with_the_second_in_both_directions() {
    let mut encoder = JsonEncoder::default();
    let mut times = Vec::new();
    for wall_ns in [1_999_999_999, 2_000_000_000, 999_999_999] {
        let mut out = Vec::new();
        encoder.push_time(&mut out, wall_ns);
        times.push(String::from_utf8(out).unwrap());
    }
    assert_eq!(
        times,
        ["1970-01-01T00:00:01.999999999Z", "1970-01-01T00:00:02.000000000Z", "1970-01-01T00:00:00.999999999Z"]
    );
}
