//! Rows from records in rover's own form: the JSON line is stored as it came, its columns are read from it.

use jiff::Timestamp;
use rover_reporters::json::ACTIVITY;
use rover_reporters::row::{same_exchange, Row, ACTIVITY_KIND};
use serde::Deserialize;

/// The members that are columns; all others are passed by. Those that every record has are not optional.
#[derive(Deserialize)]
struct Columns {
    id: String,
    time: String,
    duration_ns: Option<i64>,
    first_byte_ns: Option<i64>,
    side: String,
    protocol: String,
    kind: String,
    method: Option<String>,
    host: Option<String>,
    path: Option<String>,
    status: Option<i64>,
    request: Message,
    response: Message,
    local: End,
    remote: End,
    connection: Connection,
    flags: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    bytes: Option<i64>,
}

#[derive(Deserialize)]
struct Connection {
    stream: Option<u64>,
}

#[derive(Deserialize)]
struct End {
    address: Option<String>,
    port: Option<u16>,
    identity: Option<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    service: Option<String>,
    instance: Option<String>,
}

/// What an activity has of them.
#[derive(Deserialize)]
struct ActivityColumns {
    id: String,
    time_ns: i64,
    side: String,
}

/// The row of a JSON object, `None` when it is not a record.
pub fn row(record: String) -> Option<Row> {
    if record.starts_with(ACTIVITY) {
        return activity_row(record);
    }
    let columns: Columns = serde_json::from_str(&record).ok()?;
    let time: Timestamp = columns.time.parse().ok()?;
    if columns.id.is_empty() || !matches!(columns.side.as_str(), "server" | "client") {
        return None;
    }
    let ends = [&columns.local, &columns.remote].map(|end| end.address.as_deref().zip(end.port));
    let stream = columns.connection.stream;
    let same_exchange = same_exchange(ends, stream, columns.method.as_deref(), columns.path.as_deref());
    let (service, instance) = columns.local.identity.map_or((None, None), |local| (local.service, local.instance));
    Some(Row {
        id: columns.id,
        time_ns: i64::try_from(time.as_nanosecond()).ok()?,
        duration_ns: columns.duration_ns,
        first_byte_ns: columns.first_byte_ns,
        side: columns.side.into(),
        protocol: columns.protocol.into(),
        kind: columns.kind.into(),
        service,
        instance,
        peer_service: columns.remote.identity.and_then(|remote| remote.service),
        method: columns.method,
        host: columns.host,
        path: columns.path,
        status: columns.status,
        request_bytes: columns.request.bytes,
        response_bytes: columns.response.bytes,
        flags: columns.flags.join(","),
        peer_address: columns.remote.address,
        same_exchange,
        record,
    })
}

fn activity_row(record: String) -> Option<Row> {
    let columns: ActivityColumns = serde_json::from_str(&record).ok()?;
    if !matches!(columns.side.as_str(), "server" | "client") {
        return None;
    }
    Some(Row {
        id: columns.id,
        time_ns: columns.time_ns,
        side: columns.side.into(),
        kind: ACTIVITY_KIND.into(),
        record,
        ..Row::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rover_reporters::json::JsonEncoder;
    use rover_reporters::samples;

    use super::*;

    /// In process and over the wire a record becomes the same row.
    #[test]
    fn a_record_gives_the_row_that_its_sender_would_have_made() {
        for record in [samples::exchange(), samples::unknown()] {
            let expected = Row::new(&record, &mut JsonEncoder::default());
            assert_eq!(row(expected.record.clone()), Some(expected));
        }
    }

    #[test]
    fn an_activity_gives_the_row_that_its_sender_would_have_made() {
        let (activity, id) = (samples::activity(), samples::exchange().id);
        let expected = Row::of_activity(&activity, 5, Some(id), &mut JsonEncoder::default()).unwrap();
        assert_eq!(row(expected.record.clone()), Some(expected.clone()));
        assert_eq!(row(expected.record.replace("\"time_ns\":", "\"time\":")), None);
    }

    #[test]
    fn what_is_not_a_record_is_none() {
        let good = Row::new(&samples::exchange(), &mut JsonEncoder::default()).record;
        for bad in [
            "",
            "{}",
            "[1]",
            "null",
            &good.replace("2026-11-21T", "yesterday "),
            &good.replace("\"server\"", "\"both\""),
            &good.replace("\"status\":200", "\"status\":\"200\""),
            &good.replace("\"flags\":[", "\"flags\":[7,"),
            good.get(..good.len() - 1).unwrap(),
        ] {
            assert_eq!(row(bad.to_owned()), None, "{bad}");
        }
    }
}
