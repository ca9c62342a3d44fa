//! Kernel logs of no exchange as activities: connections opened and closed, reads and writes that are not HTTP.
//!
//! Each log counts in the minute in which it began, as OAP books it; a message whose logs lie in several becomes as many rows.

use std::collections::BTreeMap;

use rover_reporters::json::ACTIVITY;
use rover_reporters::proto::v3;
use rover_reporters::proto::v3::access_log_kernel_log::Operation;
use rover_reporters::row::{Row, ACTIVITY_KIND};
use serde_json::{json, Map, Value};

use super::figures::{self, took};
use super::record::{side, End};
use super::{boot_ns, StreamState};

const MINUTE_NS: u64 = 60_000_000_000;

type Time<'a> = &'a Option<v3::EbpfTimestamp>;

/// Connections opened or closed.
#[derive(Debug, Default)]
struct Changes {
    count: u64,
    successes: u64,
    ns: u64,
}

impl Changes {
    fn add(&mut self, is_success: bool, times: (Time<'_>, Time<'_>)) {
        self.count += 1;
        self.successes += u64::from(is_success);
        self.ns = self.ns.saturating_add(took(times.0, times.1).unwrap_or_default());
    }
}

/// Whether a log tells of the connection, not of what it carries.
pub fn is_change(log: &v3::AccessLogKernelLog) -> bool {
    matches!(log.operation, Some(Operation::Connect(_) | Operation::Accept(_) | Operation::Close(_)))
}

/// One row for each minute.
pub fn rows(state: &StreamState, connection: &v3::AccessLogConnection, logs: &[v3::AccessLogKernelLog]) -> Vec<Row> {
    let mut minutes: BTreeMap<u64, Vec<v3::AccessLogKernelLog>> = BTreeMap::new();
    for log in logs {
        if let Some((start, end)) = log.operation.as_ref().map(times) {
            let wall_ns = state.wall_ns(boot_ns(start).or_else(|| boot_ns(end)));
            minutes.entry(wall_ns / MINUTE_NS * MINUTE_NS).or_default().push(log.clone());
        }
    }
    minutes.into_iter().map(|(wall_ns, logs)| row(state, connection, wall_ns, &logs)).collect()
}

fn row(
    state: &StreamState,
    connection: &v3::AccessLogConnection,
    wall_ns: u64,
    logs: &[v3::AccessLogKernelLog],
) -> Row {
    let time_ns = i64::try_from(wall_ns).unwrap_or(i64::MAX);
    let side = side(connection);
    let mut members = Map::new();
    members.insert("id".to_owned(), "".into());
    members.insert("time_ns".to_owned(), time_ns.into());
    members.insert("side".to_owned(), side.into());
    members.insert("protocol".to_owned(), protocol(connection).into());
    let is_tls = connection.tls_mode == v3::AccessLogConnectionTlsMode::Tls as i32;
    members.insert("tls".to_owned(), if is_tls { json!({}) } else { Value::Null });
    members.insert("local".to_owned(), End::new(&connection.local).json());
    members.insert("remote".to_owned(), End::new(&connection.remote).json());
    for (name, changes) in changes(logs) {
        if changes.count > 0 {
            let told = json!({"count": changes.count, "successes": changes.successes, "ns": changes.ns});
            members.insert(name.to_owned(), told);
        }
    }
    members.insert("kernel".to_owned(), figures::kernel(state, logs));
    let rest = Value::Object(members).to_string();
    Row {
        time_ns,
        side: side.into(),
        kind: ACTIVITY_KIND.into(),
        // The object goes on where its first member ends.
        record: rest.replacen('{', &format!("{ACTIVITY},"), 1),
        ..Row::default()
    }
}

fn changes(logs: &[v3::AccessLogKernelLog]) -> [(&'static str, Changes); 3] {
    let (mut connects, mut accepts, mut closes) = (Changes::default(), Changes::default(), Changes::default());
    for operation in logs.iter().filter_map(|log| log.operation.as_ref()) {
        match operation {
            Operation::Connect(connect) => connects.add(connect.success, times(operation)),
            Operation::Accept(_) => accepts.add(true, times(operation)),
            Operation::Close(close) => closes.add(close.success, times(operation)),
            Operation::Read(_) | Operation::Write(_) => {}
        }
    }
    [("connect", connects), ("accept", accepts), ("close", closes)]
}

fn times(operation: &Operation) -> (Time<'_>, Time<'_>) {
    match operation {
        Operation::Connect(connect) => (&connect.start_time, &connect.end_time),
        Operation::Accept(accept) => (&accept.start_time, &accept.end_time),
        Operation::Close(close) => (&close.start_time, &close.end_time),
        Operation::Read(read) => (&read.start_time, &read.end_time),
        Operation::Write(write) => (&write.start_time, &write.end_time),
    }
}

/// What the sender says of the connection, whether or not an exchange was seen on it.
fn protocol(connection: &v3::AccessLogConnection) -> Option<&'static str> {
    match v3::AccessLogProtocolType::try_from(connection.protocol) {
        Ok(v3::AccessLogProtocolType::Http1) => Some("HTTP/1"),
        Ok(v3::AccessLogProtocolType::Http2) => Some("HTTP/2"),
        Ok(v3::AccessLogProtocolType::Tcp) | Err(_) => None,
    }
}
