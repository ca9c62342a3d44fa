#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use prost::Message;

use super::*;
use crate::layers::Layers;
use crate::proto::v3;
use crate::proto::v3::access_log_kernel_log::Operation as Log;
use crate::proto::v3::connection_address::Address;
use crate::record::{Operation, Syscall, Tls};
use crate::samples;

fn named(record: &mut Record) {
    let identity = Identity { service: Some("curl".to_owned()), ..Identity::default() };
    record.remote.identity = Some(Arc::new(identity));
}

fn encode(record: &Record) -> (Encoded, v3::EbpfAccessLogMessage) {
    encode_with(&mut OapEncoder::new(UnknownEnd::Ip), record)
}

fn encode_with(encoder: &mut OapEncoder, record: &Record) -> (Encoded, v3::EbpfAccessLogMessage) {
    let mut out = Vec::new();
    let encoded = encoder.encode(record, &mut out);
    let message = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
    assert_eq!(message.encode_to_vec(), out, "the generated messages write the same bytes");
    (encoded, message)
}

fn http(message: &v3::EbpfAccessLogMessage) -> &v3::AccessLogHttpProtocol {
    let v3::access_log_protocol_logs::Protocol::Http(http) =
        message.protocol_log.as_ref().unwrap().protocol.as_ref().unwrap();
    http
}

fn at(offset: u64) -> Option<v3::EbpfTimestamp> {
    let offset = v3::EbpfOffsetTimestamp { offset };
    Some(v3::EbpfTimestamp { timestamp: Some(v3::ebpf_timestamp::Timestamp::Offset(offset)) })
}

#[test]
fn an_exchange_is_one_message_with_its_kernel_logs() {
    let (encoded, message) = encode(&samples::exchange());
    let local = Address::Kubernetes(v3::KubernetesProcessAddress {
        service_name: "nginx".to_owned(),
        pod_name: "nginx@node-a".to_owned(),
        container_name: String::new(),
        process_name: "nginx".to_owned(),
        port: 80,
    });
    let remote = Address::Ip(v3::IpAddress { host: "fd00::3".to_owned(), port: 59970 });
    let read = v3::AccessLogKernelReadOperation {
        start_time: at(990_000),
        end_time: at(1_000_000),
        syscall: v3::AccessLogKernelReadSyscall::RecvFrom as i32,
        l2_metrics: Some(v3::AccessLogKernelReadL2Metrics { total_package_size: 90, ..Default::default() }),
        ..Default::default()
    };
    let write = v3::AccessLogKernelWriteOperation {
        start_time: at(2_460_000),
        end_time: at(2_500_000),
        syscall: v3::AccessLogKernelWriteSyscall::Writev as i32,
        l4_metrics: Some(v3::AccessLogKernelWriteL4Metrics { total_package_size: 210, ..Default::default() }),
        ..Default::default()
    };
    let expected = v3::EbpfAccessLogMessage {
        node: None,
        connection: Some(v3::AccessLogConnection {
            local: Some(v3::ConnectionAddress { address: Some(local) }),
            remote: Some(v3::ConnectionAddress { address: Some(remote) }),
            role: v3::DetectPoint::Server as i32,
            tls_mode: v3::AccessLogConnectionTlsMode::Plain as i32,
            protocol: v3::AccessLogProtocolType::Http1 as i32,
            attachment: None,
        }),
        kernel_logs: [Log::Read(read), Log::Write(write)]
            .map(|operation| v3::AccessLogKernelLog { operation: Some(operation) })
            .to_vec(),
        protocol_log: Some(v3::AccessLogProtocolLogs {
            protocol: Some(v3::access_log_protocol_logs::Protocol::Http(v3::AccessLogHttpProtocol {
                start_time: at(1_000_000),
                end_time: at(2_500_000),
                version: v3::AccessLogHttpProtocolVersion::Http1 as i32,
                request: Some(v3::AccessLogHttpProtocolRequest {
                    method: v3::AccessLogHttpProtocolRequestMethod::Get as i32,
                    path: "/item/1".to_owned(),
                    size_of_headers_bytes: 90,
                    size_of_body_bytes: 0,
                    trace: Some(v3::AccessLogTraceInfo {
                        provider: v3::AccessLogTraceInfoProvider::SkyWalking as i32,
                        trace_id: "a1b2".to_owned(),
                        trace_segment_id: "e5f6".to_owned(),
                        span_id: "3".to_owned(),
                    }),
                    host: "shop.local".to_owned(),
                }),
                response: Some(v3::AccessLogHttpProtocolResponse {
                    status_code: 200,
                    size_of_headers_bytes: 148,
                    size_of_body_bytes: 62,
                }),
            })),
        }),
        rover_record: String::new(),
    };
    assert_eq!((encoded, message), (Encoded::Whole, expected));
}

/// OAP books a message without connection on the one before, so only messages that cannot fail to resolve inherit.
#[test]
fn only_runs_between_named_ends_inherit_their_connection() {
    let mut record = samples::exchange();
    let mut encoder = OapEncoder::new(UnknownEnd::Ip);
    for _ in 0..2 {
        assert!(encode_with(&mut encoder, &record).1.connection.is_some(), "an address may fail to resolve");
    }
    named(&mut record);
    let has_connection =
        |encoder: &mut OapEncoder, record: &Record| encode_with(encoder, record).1.connection.is_some();
    assert!(has_connection(&mut encoder, &record));
    assert!(!has_connection(&mut encoder, &record));
    encoder.start_run();
    assert!(has_connection(&mut encoder, &record), "first of a batch");
    record.connection.id += 1;
    assert!(has_connection(&mut encoder, &record), "another connection");
    named(&mut record);
    assert!(has_connection(&mut encoder, &record), "an identity that became known");
    record.tls = Some(Tls { library: "openssl".into(), version: None });
    assert!(has_connection(&mut encoder, &record), "TLS that became known");
    assert!(!has_connection(&mut encoder, &record));
    record.remote.identity = None;
    assert!(has_connection(&mut encoder, &record) && has_connection(&mut encoder, &record));
}

#[test]
fn methods_outside_the_list_never_become_get() {
    let mut record = samples::exchange();
    for (method, number) in [("GET", 0), ("CONNECT", 8), ("PATCH", 5), ("get", 127), ("PROPFIND", 127), ("", 127)] {
        record.method = Some(method.into());
        assert_eq!(http(&encode(&record).1).request.as_ref().unwrap().method, number, "{method}");
    }
}

#[test]
fn a_path_is_never_empty_and_keeps_no_query() {
    let mut record = samples::exchange();
    for (path, sent) in [(Some("/a%20b"), "/a%20b"), (Some("*"), "*"), (Some(""), "/"), (None, "/")] {
        record.path = path.map(Into::into);
        assert_eq!(http(&encode(&record).1).request.as_ref().unwrap().path, sent);
    }
}

#[test]
fn half_exchanges_send_kernel_logs_only() {
    let mut record = samples::exchange();
    record.status = None;
    let (encoded, message) = encode(&record);
    assert_eq!((encoded, message.kernel_logs.len(), message.protocol_log), (Encoded::KernelOnly, 2, None));
    record = samples::exchange();
    record.method = None;
    assert_eq!(encode(&record).0, Encoded::KernelOnly);
    record.operations.clear();
    assert_eq!(encode(&record), (Encoded::Nothing, v3::EbpfAccessLogMessage::default()));
}

#[test]
fn an_unfinished_record_waits_for_its_end() {
    let mut record = samples::exchange();
    record.flags.set(Flag::Unfinished);
    assert_eq!(encode(&record).0, Encoded::Nothing);
}

/// A kernel log without operation, or a write without times, damages what OAP stores.
#[test]
fn every_kernel_log_has_its_operation_and_both_times() {
    let syscalls = [
        (Syscall::Read, 0, 127),
        (Syscall::Readv, 1, 127),
        (Syscall::Recvfrom, 3, 127),
        (Syscall::Recvmsg, 4, 127),
        (Syscall::Recvmmsg, 5, 127),
        (Syscall::Write, 127, 0),
        (Syscall::Writev, 127, 1),
        (Syscall::Sendto, 127, 3),
        (Syscall::Sendmsg, 127, 4),
        (Syscall::Sendmmsg, 127, 5),
        (Syscall::Sendfile, 127, 6),
        (Syscall::Splice, 127, 127),
        (Syscall::IoUring, 127, 127),
        (Syscall::Other, 127, 127),
    ];
    let mut record = samples::exchange();
    for (syscall, as_read, as_write) in syscalls {
        record.operations = [false, true]
            .map(|is_write| Operation {
                is_write,
                syscall,
                start_ns: None,
                end_ns: 5_000,
                bytes: 0,
                layers: Layers::default(),
                interface: 0,
            })
            .to_vec();
        let logs = encode(&record).1.kernel_logs;
        match (&logs[0].operation, &logs[1].operation) {
            (Some(Log::Read(read)), Some(Log::Write(write))) => {
                assert_eq!((read.syscall, write.syscall), (as_read, as_write));
                for time in [read.start_time, read.end_time, write.start_time, write.end_time] {
                    assert_eq!(time, at(5_000));
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_unknown_end_can_be_named_by_its_address() {
    let record = samples::unknown();
    let mut record = Record { operations: samples::exchange().operations, ..record };
    let mut encoder = OapEncoder::new(UnknownEnd::Name);
    let connection = encode_with(&mut encoder, &record).1.connection.unwrap();
    let name = |end: Option<v3::ConnectionAddress>| match end.unwrap().address.unwrap() {
        Address::Kubernetes(end) => (end.service_name, end.pod_name, end.port),
        other => panic!("{other:?}"),
    };
    assert_eq!(name(connection.local), ("127.0.0.1".to_owned(), String::new(), 80));
    assert_eq!(name(connection.remote), ("fd00::3".to_owned(), String::new(), 59970));
    record.connection.exchange += 1;
    assert!(encode_with(&mut encoder, &record).1.connection.is_none());
}

#[test]
fn a_trace_the_protocol_cannot_name_is_left_out() {
    let mut record = samples::exchange();
    for (format, provider) in [(TraceFormat::B3, Some(0)), (TraceFormat::Sw8, Some(1)), (TraceFormat::W3c, None)] {
        record.trace.as_mut().unwrap().format = format;
        let request = http(&encode(&record).1).request.clone().unwrap();
        assert_eq!(request.trace.map(|trace| trace.provider), provider);
    }
}

#[test]
fn the_record_of_our_own_is_a_field_that_others_skip() {
    let mut out = Vec::new();
    push_rover_record(&mut out, b"{\"id\":\"1\"}");
    let message = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
    assert_eq!(message.rover_record, "{\"id\":\"1\"}");
    assert_eq!(v3::EbpfAccessLogDownstream::decode(out.as_slice()).unwrap(), v3::EbpfAccessLogDownstream {});
}
