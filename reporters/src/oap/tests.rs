#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use prost::Message;

use super::*;
use crate::layers::{Layers, Read, Write};
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
    record.tls = Some(Tls { library: "openssl".into(), ..Tls::default() });
    assert!(has_connection(&mut encoder, &record), "TLS that became known");
    assert!(!has_connection(&mut encoder, &record));
    record.remote.identity = None;
    assert!(has_connection(&mut encoder, &record) && has_connection(&mut encoder, &record));
}

/// Order and numbers of the layers differ between writes and reads.
#[test]
fn every_figure_of_the_layers_has_its_field() {
    let logs = encode(&samples::layered()).1.kernel_logs;
    let (Some(Log::Read(read)), Some(Log::Write(write))) = (&logs[0].operation, &logs[1].operation) else {
        panic!("{logs:?}")
    };
    assert_eq!(
        read.l2_metrics,
        Some(v3::AccessLogKernelReadL2Metrics {
            ifindex: 3,
            total_package_count: 201,
            total_package_size: 90,
            total_package_to_queue_duration: 203,
            total_rcv_package_from_queue_duration: 204,
        })
    );
    assert_eq!(
        read.l3_metrics,
        Some(v3::AccessLogKernelReadL3Metrics {
            total_duration: 205,
            total_recv_duration: 206,
            total_local_duration: 207,
            total_net_filter_count: 209,
            total_net_filter_duration: 210,
        })
    );
    assert_eq!(read.l4_metrics, Some(v3::AccessLogKernelReadL4Metrics { total_duration: 208 }));
    let loss = |location: &str, count| v3::AccessLogLossPackageMetrics { location: location.to_owned(), count };
    assert_eq!(
        write.l4_metrics,
        Some(v3::AccessLogKernelWriteL4Metrics {
            total_duration: 104,
            total_transmit_package_count: 101,
            total_retransmit_package_count: 103,
            loss_package_metrics: vec![loss("nf_hook_slow:NETFILTER_DROP", 2), loss("__dev_queue_xmit:QDISC_DROP", 1)],
            total_package_size: 210,
        })
    );
    assert_eq!(
        write.l3_metrics,
        Some(v3::AccessLogKernelWriteL3Metrics {
            total_duration: 105,
            total_local_duration: 106,
            total_output_duration: 107,
            total_resolve_mac_count: 114,
            total_resolve_mac_duration: 115,
            total_net_filter_count: 112,
            total_net_filter_duration: 113,
        })
    );
    assert_eq!(
        write.l2_metrics,
        Some(v3::AccessLogKernelWriteL2Metrics {
            total_duration: 108,
            ifindex: 2,
            total_enter_queue_buffer_count: 111,
            total_ready_send_duration: 109,
            total_net_device_send_duration: 110,
        })
    );
}

/// A layer that was measured has its message even where all of it is zero; one that was not has none.
#[test]
fn a_measured_zero_is_told_from_an_unknown_figure() {
    let mut record = samples::exchange();
    for operation in &mut record.operations {
        if operation.is_write {
            operation.layers.set_write(Write::L3Ns, 0);
        } else {
            operation.layers.set_read(Read::L4Ns, 0);
        }
    }
    let logs = encode(&record).1.kernel_logs;
    let (Some(Log::Read(read)), Some(Log::Write(write))) = (&logs[0].operation, &logs[1].operation) else {
        panic!("{logs:?}")
    };
    assert_eq!((read.l3_metrics, read.l4_metrics), (None, Some(Default::default())));
    assert_eq!((write.l3_metrics, write.l2_metrics), (Some(Default::default()), None));
}

/// Signed and 32-bit fields: what does not fit must not come out negative or as a small number.
#[test]
fn figures_beyond_their_type_stay_at_its_end() {
    let mut record = samples::layered();
    record.kernel_write.as_mut().unwrap().drops.iter_mut().for_each(|drop| drop.count = u64::MAX);
    for operation in &mut record.operations {
        operation.bytes = u64::MAX;
        operation.layers = operation.layers.map(|_, _| u64::MAX);
    }
    let logs = encode(&record).1.kernel_logs;
    let (Some(Log::Read(read)), Some(Log::Write(write))) = (&logs[0].operation, &logs[1].operation) else {
        panic!("{logs:?}")
    };
    assert_eq!(read.l2_metrics.unwrap().total_package_count, u32::MAX);
    let l4 = write.l4_metrics.clone().unwrap();
    assert_eq!(
        (l4.total_duration, l4.total_transmit_package_count, l4.total_retransmit_package_count, l4.total_package_size),
        (u64::MAX, i64::MAX, i64::MAX, i64::MAX)
    );
    assert!(l4.loss_package_metrics.iter().all(|loss| loss.count == i32::MAX));
}

/// They are known for the exchange: OAP would add up what several logs tell.
#[test]
fn losses_are_told_once_by_the_last_write() {
    let mut record = samples::layered();
    let write = record.operations[1].clone();
    let read = record.operations[0].clone();
    record.operations.extend([write, read]);
    let losses = |record: &Record| -> Vec<usize> {
        let count = |log: &v3::AccessLogKernelLog| match &log.operation {
            Some(Log::Write(write)) => write.l4_metrics.as_ref().unwrap().loss_package_metrics.len(),
            _ => 0,
        };
        encode(record).1.kernel_logs.iter().map(count).collect()
    };
    assert_eq!(losses(&record), [0, 0, 2, 0]);
    record.operations.retain(|operation| !operation.is_write);
    assert_eq!(losses(&record), [0, 0], "no write is invented to carry them");
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
