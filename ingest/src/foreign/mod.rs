//! Rows from what OAP's protocol alone tells: the form of agents that are not rover's.
//!
//! The record has the shape of rover's own; what the protocol does not say is null. proto3 has no absence for numbers,
//! so a zero is "not measured", but where the message shows that it was counted.

mod activity;
mod figures;
mod record;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rover_reporters::proto::v3;
use rover_reporters::proto::v3::access_log_protocol_logs::Protocol;
use rover_reporters::row::Row;

/// What a stream has told so far: the node once, a connection for all messages that follow.
#[derive(Debug, Default)]
pub struct StreamState {
    /// Wall clock of the node's boot; until it is told, times are those of arrival.
    boot_wall_ns: Option<u64>,
    /// Interfaces of the node by index.
    interfaces: HashMap<u32, String>,
    connection: Option<v3::AccessLogConnection>,
}

/// What a message tells.
#[derive(Debug)]
pub enum Told {
    /// An exchange, and what its connection did besides.
    Exchange(Box<Row>, Vec<Row>),
    /// So many kernel logs of no exchange: what a connection does besides, or an exchange of which a half is missing.
    Logs(usize, Vec<Row>),
    /// The node or a connection alone, for messages that follow.
    Nothing,
    /// An exchange or kernel logs without any connection to book them on.
    NoConnection,
}

impl StreamState {
    /// Takes in the next message of the stream.
    pub fn read(&mut self, message: v3::EbpfAccessLogMessage) -> Told {
        if let Some(node) = message.node {
            self.boot_wall_ns = node.boot_time.map(wall_ns);
            self.interfaces = node
                .net_interfaces
                .into_iter()
                .filter_map(|interface| Some((u32::try_from(interface.index).ok()?, interface.name)))
                .collect();
        }
        if let Some(connection) = message.connection {
            self.connection = Some(connection);
        }
        let http = message.protocol_log.and_then(|log| log.protocol).map(|Protocol::Http(http)| http);
        match (&self.connection, http, message.kernel_logs.len()) {
            (_, None, 0) => Told::Nothing,
            (None, _, _) => Told::NoConnection,
            (Some(connection), None, logs) => Told::Logs(logs, activity::rows(self, connection, &message.kernel_logs)),
            (Some(connection), Some(http), _) => {
                let changes: Vec<_> =
                    message.kernel_logs.iter().filter(|log| activity::is_change(log)).cloned().collect();
                let activities = activity::rows(self, connection, &changes);
                Told::Exchange(Box::new(record::row(self, connection, &message.kernel_logs, http)), activities)
            }
        }
    }

    /// Wall clock of an instant given in nanoseconds since the node's boot.
    fn wall_ns(&self, boot_ns: Option<u64>) -> u64 {
        match (self.boot_wall_ns, boot_ns) {
            (Some(boot_wall_ns), Some(boot_ns)) => boot_wall_ns.saturating_add(boot_ns),
            _ => now_ns(),
        }
    }
}

fn wall_ns(instant: v3::Instant) -> u64 {
    let seconds = u64::try_from(instant.seconds).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(instant.nanos).unwrap_or_default())
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since boot; `None` where no time was sent.
fn boot_ns(time: &Option<v3::EbpfTimestamp>) -> Option<u64> {
    let v3::ebpf_timestamp::Timestamp::Offset(offset) = time.as_ref()?.timestamp.as_ref()?;
    Some(offset.offset).filter(|offset| *offset > 0)
}

#[cfg(test)]
mod tests;
