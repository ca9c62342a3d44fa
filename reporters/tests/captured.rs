//! Our message definitions and our encoder against messages captured from the reference agent
//! (`tests/wire/vectors/README.md`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message;
use rover_reporters::layers::Layers;
use rover_reporters::oap::{OapEncoder, UnknownEnd};
use rover_reporters::proto::v3;
use rover_reporters::proto::v3::access_log_kernel_log::Operation as Log;
use rover_reporters::record::{Identity, Operation, Record, Syscall};
use rover_reporters::samples;

fn vector(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wire/vectors");
    fs::read(folder.join(name)).unwrap()
}

/// Bytes → message → the same bytes: no field is missing, none has another type.
fn round_trip<M: Message + Default>(name: &str, bytes: &[u8]) -> M {
    let message = M::decode(bytes).unwrap();
    assert_eq!(message.encode_to_vec(), bytes, "{name}");
    message
}

fn stream(name: &str) -> Vec<Vec<u8>> {
    let bytes = vector(name);
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (message, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        messages.push(message.to_vec());
        rest = tail;
    }
    messages
}

#[test]
fn every_captured_message_is_read_and_written_back_byte_for_byte() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wire/vectors");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        match name.as_str() {
            "30-process-report.bin" => drop(round_trip::<v3::EbpfProcessReportList>(&name, &vector(&name))),
            "31-process-keepalive.bin" => drop(round_trip::<v3::EbpfProcessPingPkgList>(&name, &vector(&name))),
            _ if name.ends_with(".bin") => drop(round_trip::<v3::EbpfAccessLogMessage>(&name, &vector(&name))),
            _ if name.ends_with(".lp") => {
                for message in stream(&name) {
                    round_trip::<v3::EbpfAccessLogMessage>(&name, &message);
                }
            }
            _ => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, 23);
}

/// The exchange of 02, as our engine would have seen it.
fn captured_exchange() -> Record {
    let mut record = samples::exchange();
    record.start_ns = 232_547_493_172;
    record.end_ns = 232_551_207_003;
    record.path = Some("/s1w/item/1".into());
    record.query = None;
    record.trace = None;
    record.request.bytes = Some(65);
    record.request.head_bytes = Some(65);
    record.operations = vec![
        Operation {
            is_write: false,
            syscall: Syscall::Recvfrom,
            start_ns: Some(232_547_493_172),
            end_ns: 232_547_716_393,
            bytes: 65,
            layers: Layers::default(),
            interface: 0,
        },
        Operation {
            is_write: true,
            syscall: Syscall::Writev,
            start_ns: Some(232_550_547_884),
            end_ns: 232_551_207_003,
            bytes: 210,
            layers: Layers::default(),
            interface: 0,
        },
    ];
    record
}

/// Removes what only packet hooks can measure; sizes and times of the operations stay.
fn without_packet_figures(message: &mut v3::EbpfAccessLogMessage) {
    for log in &mut message.kernel_logs {
        match log.operation.as_mut().unwrap() {
            Log::Read(read) => {
                let total_package_size = read.l2_metrics.unwrap().total_package_size;
                read.l2_metrics = Some(v3::AccessLogKernelReadL2Metrics { total_package_size, ..Default::default() });
                (read.l3_metrics, read.l4_metrics) = (None, None);
            }
            Log::Write(write) => {
                let total_package_size = write.l4_metrics.as_ref().unwrap().total_package_size;
                write.l4_metrics = Some(v3::AccessLogKernelWriteL4Metrics { total_package_size, ..Default::default() });
                (write.l3_metrics, write.l2_metrics) = (None, None);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn our_encoder_gives_the_captured_exchange_its_message() {
    let mut captured: v3::EbpfAccessLogMessage = round_trip("02", &vector("02-http1-get-200.bin"));
    without_packet_figures(&mut captured);
    let mut out = Vec::new();
    OapEncoder::new(UnknownEnd::Ip).encode(&captured_exchange(), &mut out);
    let mut ours = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
    assert!(ours.connection.take().is_some(), "the captured one inherits it");
    assert_eq!(ours, captured);
    assert_eq!(ours.encode_to_vec(), captured.encode_to_vec());
}

#[test]
fn our_encoder_gives_the_captured_connection_its_addresses() {
    let captured: v3::EbpfAccessLogMessage = round_trip("18", &vector("18-client-role-connect.bin"));
    let mut record = captured_exchange();
    let identity = |service: &str, pod: &str, container: &str, process: &str| {
        Some(Arc::new(Identity {
            service: Some(service.to_owned()),
            instance: Some(pod.to_owned()),
            process: Some(process.to_owned()),
            container: Some(rover_reporters::record::Container {
                name: Some(container.to_owned()),
                ..Default::default()
            }),
            ..Identity::default()
        }))
    };
    record.side = rover_reporters::record::Side::Client;
    (record.local.identity, record.local.port) = (identity("client.demo", "client-0", "client", "python"), 39904);
    (record.remote.identity, record.remote.port) = (identity("web.demo", "web-0", "web", "nginx"), 80);
    let mut out = Vec::new();
    OapEncoder::new(UnknownEnd::Ip).encode(&record, &mut out);
    let ours = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap().connection.unwrap();
    // The captured log is a connect: the protocol was not known yet.
    let expected =
        v3::AccessLogConnection { protocol: v3::AccessLogProtocolType::Http1 as i32, ..captured.connection.unwrap() };
    assert_eq!(ours, expected);
}
