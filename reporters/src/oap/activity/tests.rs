#![allow(clippy::unwrap_used, clippy::panic)]

use prost::Message;

use super::*;
use crate::oap::{OapEncoder, UnknownEnd};
use crate::proto::v3;
use crate::proto::v3::access_log_kernel_log::Operation as Log;
use crate::record::{Protocol, Side, Tls};
use crate::samples;

fn encode(activity: &Activity) -> (EncodedActivity, v3::EbpfAccessLogMessage) {
    encode_with(&mut OapEncoder::new(UnknownEnd::Ip), activity)
}

fn encode_with(encoder: &mut OapEncoder, activity: &Activity) -> (EncodedActivity, v3::EbpfAccessLogMessage) {
    let mut out = Vec::new();
    let encoded = encoder.encode_activity(activity, &mut out);
    let message = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
    assert_eq!(message.encode_to_vec(), out, "the generated messages write the same bytes");
    assert_eq!(encoded.logs, message.kernel_logs.len() as u64);
    (encoded, message)
}

fn logs(message: &v3::EbpfAccessLogMessage) -> impl Iterator<Item = &Log> {
    message.kernel_logs.iter().map(|log| log.operation.as_ref().unwrap())
}

fn writes(message: &v3::EbpfAccessLogMessage) -> Vec<&v3::AccessLogKernelWriteOperation> {
    logs(message).filter_map(|log| if let Log::Write(write) = log { Some(write) } else { None }).collect()
}

fn reads(message: &v3::EbpfAccessLogMessage) -> Vec<&v3::AccessLogKernelReadOperation> {
    logs(message).filter_map(|log| if let Log::Read(read) = log { Some(read) } else { None }).collect()
}

fn at(offset: u64) -> Option<v3::EbpfTimestamp> {
    let offset = v3::EbpfOffsetTimestamp { offset };
    Some(v3::EbpfTimestamp { timestamp: Some(v3::ebpf_timestamp::Timestamp::Offset(offset)) })
}

/// One direction, with the figures of a write.
fn sum_of(count: u64, bytes: u64, end_ns: u64) -> Activity {
    let mut activity = samples::activity();
    (activity.opening, activity.closing) = (None, None);
    activity.operations.retain(|sum| sum.last.is_write);
    for sum in &mut activity.operations {
        (sum.count, sum.last.bytes, sum.last.end_ns) = (count, bytes, end_ns);
    }
    activity
}

#[test]
fn an_activity_is_its_connection_and_its_logs_from_opening_to_closing() {
    let (encoded, message) = encode(&samples::activity());
    let kinds: String = logs(&message)
        .map(|log| match log {
            Log::Connect(_) => 'o',
            Log::Accept(_) => 'a',
            Log::Close(_) => 'c',
            Log::Read(_) => 'r',
            Log::Write(_) => 'w',
        })
        .collect();
    assert_eq!(kinds, "orrwwwc");
    assert_eq!(encoded, EncodedActivity { logs: 7, merged_calls: 0 });
    assert_eq!((message.node, message.protocol_log, message.rover_record.as_str()), (None, None, ""));
    let connection = message.connection.unwrap();
    assert!(connection.local.is_some() && connection.remote.is_some());
    assert_eq!(
        (connection.role, connection.tls_mode, connection.protocol),
        (v3::DetectPoint::Client as i32, 0, v3::AccessLogProtocolType::Tcp as i32)
    );
    let connect = v3::AccessLogKernelConnectOperation { start_time: at(400_000), end_time: at(450_000), success: true };
    assert_eq!(message.kernel_logs.first().unwrap().operation, Some(Log::Connect(connect)));
    let close = v3::AccessLogKernelCloseOperation { start_time: at(3_000_000), end_time: at(3_020_000), success: true };
    assert_eq!(message.kernel_logs.last().unwrap().operation, Some(Log::Close(close)));
}

#[test]
fn the_connection_tells_side_tls_and_protocol() {
    let mut activity = samples::activity();
    activity.connection.role = Side::Server;
    activity.is_tls = true;
    for (protocol, number) in [
        (None, v3::AccessLogProtocolType::Tcp),
        (Some(Protocol::Http10), v3::AccessLogProtocolType::Http1),
        (Some(Protocol::Http11), v3::AccessLogProtocolType::Http1),
        (Some(Protocol::Http2), v3::AccessLogProtocolType::Http2),
    ] {
        activity.protocol = protocol;
        let connection = encode(&activity).1.connection.unwrap();
        assert_eq!((connection.role, connection.tls_mode, connection.protocol), (1, 1, number as i32));
    }
}

#[test]
fn openings_tell_their_success_and_a_failed_accept_was_none() {
    let mut activity = samples::activity();
    activity.operations.clear();
    activity.closing = None;
    for (is_connect, is_success) in [(true, true), (true, false), (false, true)] {
        activity.opening = Some(Opening { is_connect, start_ns: 5, end_ns: 7, is_success });
        let (start_time, end_time) = (at(5), at(7));
        let expected = if is_connect {
            Log::Connect(v3::AccessLogKernelConnectOperation { start_time, end_time, success: is_success })
        } else {
            Log::Accept(v3::AccessLogKernelAcceptOperation { start_time, end_time })
        };
        assert_eq!(logs(&encode(&activity).1).collect::<Vec<_>>(), [&expected]);
    }
    activity.opening = Some(Opening { is_connect: false, start_ns: 5, end_ns: 7, is_success: false });
    assert_eq!(encode(&activity), (EncodedActivity::default(), v3::EbpfAccessLogMessage::default()));
}

/// OAP subtracts, and a negative duration would go into its averages.
#[test]
fn an_end_before_its_start_takes_no_time() {
    let mut activity = sum_of(1, 1, 9);
    activity.closing = Some(Closing { start_ns: 8, end_ns: 7, is_success: false });
    let message = encode(&activity).1;
    let close = v3::AccessLogKernelCloseOperation { start_time: at(7), end_time: at(7), success: false };
    assert_eq!(message.kernel_logs.last().unwrap().operation, Some(Log::Close(close)));
    let write = writes(&message).first().copied().unwrap().clone();
    assert_eq!((write.start_time, write.end_time), (at(9), at(9)));
}

#[test]
fn nothing_to_tell_is_no_message_and_leaves_the_run_alone() {
    let mut activity = sum_of(0, 5, 9);
    assert_eq!(encode(&activity).0, EncodedActivity::default());
    activity.operations.clear();
    let mut encoder = OapEncoder::new(UnknownEnd::Name);
    let record = samples::exchange();
    let has_connection = |encoder: &mut OapEncoder| {
        let mut out = Vec::new();
        encoder.encode(&record, &mut out);
        v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap().connection.is_some()
    };
    assert!(has_connection(&mut encoder));
    assert_eq!(encode_with(&mut encoder, &activity).0.logs, 0);
    assert!(!has_connection(&mut encoder));
}

/// An exchange behind a plain TCP activity would become TCP, one before it would make TCP into HTTP.
#[test]
fn nothing_inherits_from_an_activity_and_it_inherits_nothing() {
    let mut encoder = OapEncoder::new(UnknownEnd::Name);
    let mut record = samples::exchange();
    let mut activity = samples::activity();
    (activity.connection.id, activity.connection.role) = (record.connection.id, record.side);
    for is_tls in [false, true] {
        record.tls = is_tls.then(|| Tls { library: "openssl".into(), ..Tls::default() });
        activity.is_tls = is_tls;
        activity.protocol = is_tls.then_some(Protocol::Http11);
        let mut seen = Vec::new();
        for is_exchange in [true, true, false, false, true, true] {
            let mut out = Vec::new();
            if is_exchange {
                encoder.encode(&record, &mut out);
            } else {
                encoder.encode_activity(&activity, &mut out);
            }
            seen.push(v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap().connection.map(|c| c.protocol));
        }
        let of_activity = Some(i32::from(is_tls));
        assert_eq!(seen, [Some(1), None, of_activity, of_activity, Some(1), None]);
    }
}

#[test]
fn a_sum_is_spread_exactly_over_as_many_logs_as_operations() {
    for (count, bytes) in [(1, 0), (1, 7), (2, 7), (3, 1), (7, 1_000_003), (500, 123_456)] {
        let message = encode(&sum_of(count, bytes, 3_000_000)).1;
        let writes = writes(&message);
        assert_eq!(writes.len() as u64, count);
        let l4: Vec<_> = writes.iter().map(|write| write.l4_metrics.clone().unwrap()).collect();
        let sizes: Vec<i64> = l4.iter().map(|l4| l4.total_package_size).collect();
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        assert_eq!(sizes.iter().sum::<i64>() as u64, bytes);
        assert_eq!(l4.iter().map(|l4| l4.total_transmit_package_count).sum::<i64>(), 101);
        assert_eq!(l4.iter().map(|l4| l4.total_retransmit_package_count).sum::<i64>(), 103);
        assert_eq!(l4.iter().map(|l4| l4.total_duration).sum::<u64>(), 104);
        let l3: Vec<_> = writes.iter().map(|write| write.l3_metrics.unwrap()).collect();
        assert_eq!(l3.iter().map(|l3| l3.total_duration).sum::<u64>(), 105);
        assert_eq!(l3.iter().map(|l3| l3.total_net_filter_count).sum::<u64>(), 112);
        let l2: Vec<_> = writes.iter().map(|write| write.l2_metrics.unwrap()).collect();
        assert_eq!(l2.iter().map(|l2| l2.total_enter_queue_buffer_count).sum::<u64>(), 111);
        assert!(l2.iter().all(|l2| l2.ifindex == 2));
        assert!(writes.iter().all(|write| (write.start_time, write.end_time) == (at(2_460_000), at(3_000_000))));
    }
}

#[test]
fn reads_are_spread_too() {
    let message = encode(&samples::activity()).1;
    let reads = reads(&message);
    let l2: Vec<_> = reads.iter().map(|read| read.l2_metrics.unwrap()).collect();
    let pairs: Vec<_> = l2.iter().map(|l2| (l2.total_package_count, l2.total_package_size, l2.ifindex)).collect();
    assert_eq!(pairs, [(101, 45, 3), (100, 45, 3)]);
    assert_eq!(reads.iter().map(|read| read.l4_metrics.unwrap().total_duration).sum::<u64>(), 208);
}

/// Where several operations share a log: what OAP adds up is whole, what it averages is that of one operation.
#[test]
fn a_sum_of_too_many_operations_keeps_totals_and_means() {
    let mut activity = sum_of(1_000_000, 5_000_000_123, 3_000_000);
    for sum in &mut activity.operations {
        sum.last.layers.set_write(Write::L4Ns, 1_000_000 * 250);
        sum.last.layers.set_write(Write::QueueEntries, 3_000_000);
        sum.last.layers.set_write(Write::Packets, 3_000_000);
        sum.last.layers.set_write(Write::NetfilterNs, 9_999_999);
    }
    let (encoded, message) = encode(&activity);
    assert_eq!(encoded, EncodedActivity { logs: LOGS_PER_SUM, merged_calls: 1_000_000 - LOGS_PER_SUM });
    let writes = writes(&message);
    let l4: Vec<_> = writes.iter().map(|write| write.l4_metrics.clone().unwrap()).collect();
    assert_eq!(l4.iter().map(|l4| l4.total_package_size).sum::<i64>(), 5_000_000_123);
    assert_eq!(l4.iter().map(|l4| l4.total_transmit_package_count).sum::<i64>(), 3_000_000);
    assert_eq!(writes.iter().map(|write| write.l3_metrics.unwrap().total_net_filter_duration).sum::<u64>(), 9_999_999);
    assert!(l4.iter().all(|l4| l4.total_duration == 250));
    assert!(writes.iter().all(|write| write.l2_metrics.unwrap().total_enter_queue_buffer_count == 3));
}

/// OAP does not add up a netfilter or address-resolution time where their count is zero.
#[test]
fn times_lie_on_the_logs_that_have_the_count() {
    for (count, ns) in [(1, 1_000), (2, 7), (3, 2), (40, 39), (0, 5)] {
        let mut activity = samples::activity();
        for sum in &mut activity.operations {
            sum.count = 7;
            sum.last.layers = if sum.last.is_write { samples::write_layers() } else { samples::read_layers() };
            if sum.last.is_write {
                for (counted, time) in
                    [(Write::NetfilterCount, Write::NetfilterNs), (Write::ResolveCount, Write::ResolveNs)]
                {
                    sum.last.layers.set_write(counted, count);
                    sum.last.layers.set_write(time, ns);
                }
            } else {
                sum.last.layers.set_read(Read::NetfilterCount, count);
                sum.last.layers.set_read(Read::NetfilterNs, ns);
            }
        }
        let message = encode(&activity).1;
        let l3 = writes(&message).into_iter().map(|write| write.l3_metrics.unwrap());
        let netfilter = l3.clone().map(|l3| (l3.total_net_filter_count, l3.total_net_filter_duration));
        let resolve = l3.map(|l3| (l3.total_resolve_mac_count, l3.total_resolve_mac_duration));
        let l3 = reads(&message).into_iter().map(|read| read.l3_metrics.unwrap());
        let of_reads = l3.map(|l3| (l3.total_net_filter_count, l3.total_net_filter_duration));
        for pairs in [netfilter.collect::<Vec<_>>(), resolve.collect(), of_reads.collect()] {
            assert_eq!(pairs.len(), 7);
            let sums = pairs.iter().fold((0, 0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
            assert_eq!(sums, (count, ns));
            assert!(count == 0 || pairs.iter().all(|(count, ns)| *count > 0 || *ns == 0), "{pairs:?}");
        }
    }
}

#[test]
fn a_message_of_two_full_sums_stays_small() {
    let mut activity = samples::activity();
    for sum in &mut activity.operations {
        (sum.count, sum.last.bytes) = (u64::MAX, u64::MAX);
        sum.last.layers = sum.last.layers.map(|_, _| 1 << 40);
    }
    let mut out = Vec::new();
    assert_eq!(OapEncoder::new(UnknownEnd::Ip).encode_activity(&activity, &mut out).logs, 2 * LOGS_PER_SUM + 2);
    assert!(out.len() < 256 << 10, "{}", out.len());
}

/// The bound is that of the node, not of the connection: thousands of busy connections are the case that matters.
#[test]
fn a_node_spends_its_allowance_and_earns_it_again() {
    let mut encoder = OapEncoder::new(UnknownEnd::Ip);
    let second = 1_000_000_000;
    let mut spend = |at_ns: u64| encode_with(&mut encoder, &sum_of(400, 400, at_ns)).0.logs;
    let first: u64 = (0..100).map(|_| spend(100 * second)).sum();
    assert_eq!(first, LOGS_PER_SECOND * SAVED_SECONDS + 100, "one for each sum is always there");
    assert_eq!(spend(100 * second), 1);
    let log_ns = second / LOGS_PER_SECOND;
    assert_eq!(spend(100 * second + 7 * log_ns - 1), 7);
    assert_eq!(spend(100 * second + 7 * log_ns), 2, "a part of a log's time is kept");
    assert_eq!(spend(99 * second), 1, "time that goes back earns nothing");
    assert_eq!(spend(200 * second), 400);
}

#[test]
fn unknown_figures_make_no_layer() {
    let mut activity = sum_of(3, 10, 9);
    for sum in &mut activity.operations {
        (sum.last.layers, sum.last.interface) = Default::default();
    }
    let message = encode(&activity).1;
    let sizes: Vec<_> = writes(&message)
        .iter()
        .map(|write| (write.l4_metrics.clone().unwrap().total_package_size, write.l3_metrics, write.l2_metrics))
        .collect();
    assert_eq!(sizes, [(4, None, None), (3, None, None), (3, None, None)]);
}
