//! Our message definitions and our encoder against messages captured from the reference agent
//! (`tests/wire/vectors/README.md`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod engine;

use std::fs;
use std::path::PathBuf;

use prost::Message;
use rover_reporters::layers::{Layers, Read, Write};
use rover_reporters::oap::{OapEncoder, UnknownEnd};
use rover_reporters::proto::v3;
use rover_reporters::record::{Operation, Record, Syscall};
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

/// The exchange of 02, as our engine would have seen it on a kernel that lets every layer be measured.
fn captured_exchange() -> Record {
    let mut read = Layers::default();
    for (figure, value) in [
        (Read::Packets, 1),
        (Read::L2ToQueueNs, 33_870),
        (Read::QueueWaitNs, 5_817_012),
        (Read::L3Ns, 243_442),
        (Read::L3LocalNs, 2_955),
        (Read::L4Ns, 212_555),
    ] {
        read.set_read(figure, value);
    }
    let mut write = Layers::default();
    for (figure, value) in [
        (Write::Packets, 1),
        (Write::L4Ns, 593_761),
        (Write::L3Ns, 497_008),
        (Write::L3LocalNs, 4_717),
        (Write::L3OutputNs, 29_353),
        (Write::ResolveCount, 1),
        (Write::ResolveNs, 438_240),
        (Write::NetfilterCount, 1),
        (Write::NetfilterNs, 14_562),
        (Write::L2Ns, 424_620),
        (Write::QueueEntries, 1),
        (Write::L2ReadyNs, 18_448),
        (Write::L2SendNs, 16_364),
    ] {
        write.set_write(figure, value);
    }
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
            layers: read,
            interface: 3,
        },
        Operation {
            is_write: true,
            syscall: Syscall::Writev,
            start_ns: Some(232_550_547_884),
            end_ns: 232_551_207_003,
            bytes: 210,
            layers: write,
            interface: 3,
        },
    ];
    record
}

#[test]
fn our_encoder_gives_the_captured_exchange_its_message() {
    let captured: v3::EbpfAccessLogMessage = round_trip("02", &vector("02-http1-get-200.bin"));
    let mut out = Vec::new();
    OapEncoder::new(UnknownEnd::Ip).encode(&captured_exchange(), &mut out);
    let mut ours = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
    assert!(ours.connection.take().is_some(), "the captured one inherits it");
    assert_eq!(ours, captured);
    assert_eq!(ours.encode_to_vec(), captured.encode_to_vec());
}

/// Every captured message that is one of the access log.
fn captured_messages() -> Vec<(String, v3::EbpfAccessLogMessage)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/wire/vectors");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names
        .filter(|name| name.ends_with(".bin") && !name.starts_with('3'))
        .map(|name| (name.clone(), vector(&name)))
        .collect();
    found.extend(
        stream("20-whole-stream.lp").into_iter().enumerate().map(|(index, bytes)| (format!("20[{index}]"), bytes)),
    );
    found.sort();
    found.into_iter().map(|(name, bytes)| (name.clone(), round_trip(&name, &bytes))).collect()
}

/// The same figures in our record, encoded by us, are the same message, byte for byte: exchanges, and what connections
/// do besides.
#[test]
fn our_encoder_gives_every_captured_message_its_bytes() {
    let (mut exchanges, mut activities) = (0, 0);
    for (name, mut captured) in captured_messages() {
        // Put before the first message by the stream, not by the encoder.
        captured.node = None;
        let mut encoder = OapEncoder::new(UnknownEnd::Ip);
        let mut out = Vec::new();
        if captured.protocol_log.is_some() {
            encoder.encode(&engine::record(&captured), &mut out);
            exchanges += 1;
        } else {
            let encoded = encoder.encode_activity(&engine::activity(&captured), &mut out);
            assert_eq!((encoded.logs, encoded.merged_calls), (captured.kernel_logs.len() as u64, 0), "{name}");
            activities += 1;
        }
        let mut ours = v3::EbpfAccessLogMessage::decode(out.as_slice()).unwrap();
        if captured.connection.is_none() {
            assert!(ours.connection.take().is_some(), "{name} inherits it");
        }
        assert_eq!(ours, captured, "{name}");
        assert_eq!(ours.encode_to_vec(), captured.encode_to_vec(), "{name}");
    }
    assert_eq!((exchanges, activities), (35, 5));
}
