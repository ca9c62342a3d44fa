use rover_reporters::json::JsonEncoder;
use rover_reporters::record::Side;
use rover_reporters::samples;

use super::*;

const ALWAYS: Window = Window { first_s: 0, end_s: i64::MAX };

fn json(record: &rover_reporters::record::Record) -> String {
    let mut text = Vec::new();
    JsonEncoder::default().encode_object(record, &mut text);
    String::from_utf8(text).unwrap()
}

fn fold_all(records: &[(i64, String)]) -> Folded {
    fold(&Grouping::default(), records.iter().map(|(time_ns, text)| (*time_ns, text.as_str())), ALWAYS)
}

fn share(folded: &Folded, kind: Kind) -> &Share {
    folded.shares.iter().find(|share| share.kind == kind).unwrap()
}

#[test]
fn an_exchange_counts_for_service_instance_endpoint_and_relation() {
    let record = samples::exchange();
    let time_ns = samples::WALL_NS as i64;
    let folded = fold_all(&[(time_ns, json(&record)), (time_ns + 1, json(&record))]);
    assert_eq!((folded.shares.len(), folded.malformed, folded.out_of_time), (4, 0, 0));
    let service = share(&folded, Kind::Service);
    assert_eq!((service.service.as_str(), service.minute_s), ("nginx", time_ns / MINUTE_NS * 60));
    assert_eq!((service.figures.get(Column::HttpCalls), service.figures.get(Column::HttpNs)), (2, 3_000_000));
    assert_eq!(share(&folded, Kind::Endpoint).name, "GET:/item/{id}");
    assert_eq!(share(&folded, Kind::Endpoint).figures.get(Column::Reads), 0);
    // Two calls of 90 and 210 bytes on the wire, at the service and its endpoint alike.
    for kind in [Kind::Service, Kind::Endpoint] {
        assert_eq!(share(&folded, kind).figures.get(Column::HttpBytes), 600);
    }
    let relation = share(&folded, Kind::ServerRelation);
    // A peer without a name is known by its address.
    assert!(relation.service.starts_with('\0') && relation.peer == "nginx", "{relation:?}");
}

#[test]
fn a_client_tells_no_endpoint_and_no_calls_of_its_own_service() {
    let mut record = samples::exchange();
    record.side = Side::Client;
    let folded = fold_all(&[(60_000_000_000, json(&record))]);
    assert!(!folded.shares.iter().any(|share| share.kind == Kind::Endpoint));
    assert_eq!(share(&folded, Kind::Service).figures.get(Column::HttpCalls), 0);
    let relation = share(&folded, Kind::ClientRelation);
    assert_eq!((relation.service.as_str(), relation.figures.get(Column::HttpCalls)), ("nginx", 1));
}

#[test]
fn what_is_out_of_time_or_no_record_is_counted() {
    let text = json(&samples::exchange());
    let window = Window { first_s: 60, end_s: 120 };
    let records = [(59_999_999_999, text.as_str()), (60_000_000_000, &text), (120_000_000_000, &text), (61, "{}")];
    let folded = fold(&Grouping::default(), records.into_iter(), window);
    assert_eq!((folded.out_of_time, folded.malformed, share(&folded, Kind::Service).minute_s), (2, 1, 60));
}

#[test]
fn names_are_cut_and_have_no_mark_of_an_address() {
    assert_eq!(name(&"ü".repeat(300)).chars().count(), NAME_LENGTH);
    assert_eq!(name("\0a"), "\u{fffd}a");
}
