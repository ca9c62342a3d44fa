//! What our engine would have handed over had it seen what the reference agent saw: the way back from a captured message,
//! by the field names of the generated messages.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rover_reporters::layers::{Layers, Read, Write};
use rover_reporters::proto::v3;
use rover_reporters::proto::v3::access_log_kernel_log::Operation as Log;
use rover_reporters::proto::v3::access_log_protocol_logs::Protocol::Http;
use rover_reporters::proto::v3::connection_address::Address;
use rover_reporters::record::{
    Activity, Closing, Connection, Container, Endpoint, Identity, Message, Opening, Operation, OperationSum, Protocol,
    Record, Side, Syscall, Tls, Trace, TraceFormat,
};
use rover_reporters::samples;

/// Of a message with a protocol log.
pub fn record(message: &v3::EbpfAccessLogMessage) -> Record {
    let Some(Http(http)) = message.protocol_log.clone().and_then(|log| log.protocol) else { panic!("no exchange") };
    let (request, response) = (http.request.unwrap(), http.response.unwrap());
    let sizes = |head_bytes, body_bytes| Message {
        head_bytes: Some(head_bytes),
        body_bytes: Some(body_bytes),
        ..Message::default()
    };
    let mut record = Record {
        start_ns: at(&http.start_time),
        end_ns: at(&http.end_time),
        method: Some(request.method().as_str_name().to_uppercase().into()),
        path: Some(request.path.clone().into()),
        host: Some(request.host.clone().into()),
        status: Some(response.status_code.try_into().unwrap()),
        request: sizes(request.size_of_headers_bytes, request.size_of_body_bytes),
        response: sizes(response.size_of_headers_bytes, response.size_of_body_bytes),
        trace: request.trace.as_ref().map(trace),
        operations: message.kernel_logs.iter().map(|log| operation(log.operation.as_ref().unwrap()).unwrap()).collect(),
        ..samples::unknown()
    };
    if let Some(connection) = &message.connection {
        record.side = side(connection);
        record.tls = is_tls(connection).then(|| Tls { library: "openssl".into(), ..Tls::default() });
        (record.local, record.remote) = (endpoint(&connection.local), endpoint(&connection.remote));
    }
    record
}

/// Of a message without one.
pub fn activity(message: &v3::EbpfAccessLogMessage) -> Activity {
    let connection = message.connection.as_ref().unwrap();
    let logs = || message.kernel_logs.iter().map(|log| log.operation.as_ref().unwrap());
    let opening = |log: &Log| {
        let (is_connect, start_time, end_time, is_success) = match log {
            Log::Connect(connect) => (true, &connect.start_time, &connect.end_time, connect.success),
            Log::Accept(accept) => (false, &accept.start_time, &accept.end_time, true),
            _ => return None,
        };
        Some(Opening { is_connect, start_ns: at(start_time), end_ns: at(end_time), is_success })
    };
    let closing = |log: &Log| match log {
        Log::Close(close) => {
            Some(Closing { start_ns: at(&close.start_time), end_ns: at(&close.end_time), is_success: close.success })
        }
        _ => None,
    };
    Activity {
        local: endpoint(&connection.local),
        remote: endpoint(&connection.remote),
        connection: Connection { role: side(connection), ..samples::unknown().connection },
        protocol: match connection.protocol() {
            v3::AccessLogProtocolType::Tcp => None,
            v3::AccessLogProtocolType::Http1 => Some(Protocol::Http11),
            v3::AccessLogProtocolType::Http2 => Some(Protocol::Http2),
        },
        is_tls: is_tls(connection),
        opening: logs().find_map(opening),
        closing: logs().find_map(closing),
        operations: logs().filter_map(operation).map(|last| OperationSum { last, count: 1 }).collect(),
        totals: None,
    }
}

fn at(time: &Option<v3::EbpfTimestamp>) -> u64 {
    let Some(v3::ebpf_timestamp::Timestamp::Offset(offset)) = time.unwrap().timestamp else { panic!("no time") };
    offset.offset
}

fn side(connection: &v3::AccessLogConnection) -> Side {
    if connection.role() == v3::DetectPoint::Server {
        Side::Server
    } else {
        Side::Client
    }
}

fn is_tls(connection: &v3::AccessLogConnection) -> bool {
    connection.tls_mode() == v3::AccessLogConnectionTlsMode::Tls
}

fn endpoint(address: &Option<v3::ConnectionAddress>) -> Endpoint {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match address.clone().unwrap().address.unwrap() {
        Address::Ip(ip) => {
            Endpoint { address: ip.host.parse().unwrap(), port: ip.port.try_into().unwrap(), identity: None, via: None }
        }
        Address::Kubernetes(process) => {
            let identity = Identity {
                service: Some(process.service_name),
                instance: Some(process.pod_name),
                process: Some(process.process_name),
                container: Some(Container { name: Some(process.container_name), ..Container::default() }),
                ..Identity::default()
            };
            Endpoint {
                address: unknown,
                port: process.port.try_into().unwrap(),
                identity: Some(Arc::new(identity)),
                via: None,
            }
        }
    }
}

fn trace(trace: &v3::AccessLogTraceInfo) -> Trace {
    let some = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Into::into);
    Trace {
        format: match trace.provider() {
            v3::AccessLogTraceInfoProvider::Zipkin => TraceFormat::B3,
            v3::AccessLogTraceInfoProvider::SkyWalking => TraceFormat::Sw8,
        },
        trace_id: trace.trace_id.clone().into(),
        span_id: some(&trace.span_id),
        segment_id: some(&trace.trace_segment_id),
        sampled: None,
    }
}

fn operation(log: &Log) -> Option<Operation> {
    match log {
        Log::Read(read) => Some(read_operation(read)),
        Log::Write(write) => Some(write_operation(write)),
        _ => None,
    }
}

fn read_operation(read: &v3::AccessLogKernelReadOperation) -> Operation {
    use v3::AccessLogKernelReadSyscall as Number;
    let mut layers = Layers::default();
    let l2 = read.l2_metrics.unwrap();
    let mut figures = vec![
        (Read::Packets, u64::from(l2.total_package_count)),
        (Read::L2ToQueueNs, l2.total_package_to_queue_duration),
        (Read::QueueWaitNs, l2.total_rcv_package_from_queue_duration),
    ];
    if let Some(l3) = read.l3_metrics {
        figures.extend([
            (Read::L3Ns, l3.total_duration),
            (Read::L3ReceiveNs, l3.total_recv_duration),
            (Read::L3LocalNs, l3.total_local_duration),
            (Read::NetfilterCount, l3.total_net_filter_count),
            (Read::NetfilterNs, l3.total_net_filter_duration),
        ]);
    }
    figures.extend(read.l4_metrics.map(|l4| (Read::L4Ns, l4.total_duration)));
    figures.into_iter().for_each(|(figure, value)| layers.set_read(figure, value));
    Operation {
        is_write: false,
        syscall: match read.syscall() {
            Number::Read => Syscall::Read,
            Number::Readv => Syscall::Readv,
            Number::RecvFrom => Syscall::Recvfrom,
            Number::RecvMsg => Syscall::Recvmsg,
            Number::RecvMmsg => Syscall::Recvmmsg,
            Number::Recv => panic!("a call that our kernels do not have"),
        },
        start_ns: Some(at(&read.start_time)),
        end_ns: at(&read.end_time),
        bytes: l2.total_package_size,
        layers,
        interface: l2.ifindex,
    }
}

fn write_operation(write: &v3::AccessLogKernelWriteOperation) -> Operation {
    use v3::AccessLogKernelWriteSyscall as Number;
    let mut layers = Layers::default();
    let l4 = write.l4_metrics.clone().unwrap();
    assert!(l4.loss_package_metrics.is_empty(), "the agent was never seen to fill these");
    let count = |value: i64| u64::try_from(value).unwrap();
    let mut figures = vec![
        (Write::L4Ns, l4.total_duration),
        (Write::Packets, count(l4.total_transmit_package_count)),
        (Write::Retransmits, count(l4.total_retransmit_package_count)),
    ];
    if let Some(l3) = write.l3_metrics {
        figures.extend([
            (Write::L3Ns, l3.total_duration),
            (Write::L3LocalNs, l3.total_local_duration),
            (Write::L3OutputNs, l3.total_output_duration),
            (Write::ResolveCount, l3.total_resolve_mac_count),
            (Write::ResolveNs, l3.total_resolve_mac_duration),
            (Write::NetfilterCount, l3.total_net_filter_count),
            (Write::NetfilterNs, l3.total_net_filter_duration),
        ]);
    }
    if let Some(l2) = write.l2_metrics {
        figures.extend([
            (Write::L2Ns, l2.total_duration),
            (Write::QueueEntries, l2.total_enter_queue_buffer_count),
            (Write::L2ReadyNs, l2.total_ready_send_duration),
            (Write::L2SendNs, l2.total_net_device_send_duration),
        ]);
    }
    figures.into_iter().for_each(|(figure, value)| layers.set_write(figure, value));
    Operation {
        is_write: true,
        syscall: match write.syscall() {
            Number::Write => Syscall::Write,
            Number::Writev => Syscall::Writev,
            Number::SendTo => Syscall::Sendto,
            Number::SendMsg => Syscall::Sendmsg,
            Number::SendMmsg => Syscall::Sendmmsg,
            Number::SendFile => Syscall::Sendfile,
            Number::Send | Number::SendFile64 => panic!("a call that our kernels do not have"),
        },
        start_ns: Some(at(&write.start_time)),
        end_ns: at(&write.end_time),
        bytes: count(l4.total_package_size),
        layers,
        interface: write.l2_metrics.map_or(0, |l2| l2.ifindex),
    }
}
