//! What a connection does besides exchanges: opened, closed, and the operations of one that is not HTTP.

use rover_reporters::record::{
    Activity, Closing, Connection as ConnectionFacts, Opening, Operation, OperationSum, Side, Syscall, TcpTotals,
};

use super::build::endpoint;
use crate::connection::{known, Connection};
use crate::events::{self, ActivityEvent, ConnectionEvent};
use crate::layers::Measured;

/// Sums of a connection's operations as they were last told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    sent_operations: u64,
    received_operations: u64,
    sent_bytes: u64,
    received_bytes: u64,
    sent_ns: u64,
}

fn totals(event: &ConnectionEvent) -> TcpTotals {
    TcpTotals {
        sent_bytes: event.sent_bytes,
        received_bytes: event.received_bytes,
        sent_segments: u64::from(event.sent_segments),
        received_segments: u64::from(event.received_segments),
        retransmits: u64::from(event.retransmits),
        out_of_order: u64::from(event.out_of_order),
        zero_windows: u64::from(event.zero_windows),
    }
}

/// A change of the connection itself, most of it in the event.
pub fn of_change(event: &ConnectionEvent, connection: Option<&Connection>) -> Activity {
    let protocol = connection.and_then(Connection::spoken);
    let is_reset = connection.is_some_and(Connection::is_reset);
    let handshake_ns = known(u64::from(event.handshake_us) * 1000);
    let opened_ns = known(event.start_ns);
    let is_connect = u32::from(event.role) == events::ROLE_CLIENT;
    let change = u32::from(event.change);
    let opening = (change != events::CONNECTION_CLOSED).then(|| Opening {
        is_connect,
        // Accepted: the connection was ready since its handshake.
        start_ns: opened_ns.map_or(event.time_ns, |at| at + if is_connect { 0 } else { handshake_ns.unwrap_or(0) }),
        end_ns: event.time_ns,
        is_success: change != events::CONNECTION_FAILED,
    });
    let closing = (change == events::CONNECTION_CLOSED).then_some(Closing {
        start_ns: event.time_ns,
        end_ns: event.time_ns,
        is_success: !is_reset,
    });
    Activity {
        local: endpoint(event.local, event.local_port),
        remote: endpoint(event.remote, event.remote_port),
        connection: ConnectionFacts {
            id: event.cookie,
            exchange: 0,
            stream: None,
            role: if is_connect { Side::Client } else { Side::Server },
            opened_ns,
            handshake_ns,
            rtt_ns: known(u64::from(event.rtt_us) * 1000),
            tcp: None,
        },
        protocol,
        is_tls: connection.is_some_and(Connection::is_tls),
        opening,
        closing,
        operations: Vec::new(),
        totals: closing.is_some().then(|| totals(event)),
    }
}

/// A connection that some process accepted, where no hook shows the call: it was ready when its handshake was over.
pub fn of_acceptance(connection: &Connection) -> Option<Activity> {
    let ready_ns = connection.opened_ns? + connection.handshake_ns.unwrap_or(0);
    let opening = Opening { is_connect: false, start_ns: ready_ns, end_ns: ready_ns, is_success: true };
    Some(Activity { opening: Some(opening), ..plain(connection) })
}

/// The operations since the event before; none if there were none.
pub fn of_operations(
    event: &ActivityEvent,
    connection: &Connection,
    told: &mut Told,
    sent: Measured,
    received: Measured,
) -> Option<Activity> {
    let last = std::mem::replace(
        told,
        Told {
            sent_operations: event.sent_operations,
            received_operations: event.received_operations,
            sent_bytes: event.sent_bytes,
            received_bytes: event.received_bytes,
            sent_ns: event.sent_ns,
        },
    );
    let mut operations = Vec::with_capacity(2);
    let sent_ns = event.sent_ns.saturating_sub(last.sent_ns);
    let mut push = |is_write: bool, count: u64, bytes: u64, took_ns: Option<u64>, measured: Measured| {
        if count > 0 {
            let end_ns = event.time_ns;
            let operation = Operation {
                is_write,
                syscall: Syscall::Other,
                // The mean of them all: what each is told to have taken.
                start_ns: took_ns.map(|took| end_ns.saturating_sub(took / count)),
                end_ns,
                bytes,
                layers: measured.layers(),
                interface: measured.interface,
            };
            operations.push(OperationSum { last: operation, count });
        }
    };
    push(
        true,
        event.sent_operations.saturating_sub(last.sent_operations),
        event.sent_bytes.saturating_sub(last.sent_bytes),
        known(sent_ns),
        sent,
    );
    push(
        false,
        event.received_operations.saturating_sub(last.received_operations),
        event.received_bytes.saturating_sub(last.received_bytes),
        None,
        received,
    );
    (!operations.is_empty()).then(|| Activity { operations, ..plain(connection) })
}

/// Operations with events of their own, none of which was part of an exchange.
pub fn of_loose(connection: &Connection, operations: Vec<OperationSum>) -> Activity {
    Activity { operations, protocol: None, ..plain(connection) }
}

fn plain(connection: &Connection) -> Activity {
    Activity {
        local: endpoint(connection.local, connection.local_port),
        remote: endpoint(connection.remote, connection.remote_port),
        connection: ConnectionFacts {
            id: connection.id,
            exchange: 0,
            stream: None,
            role: connection.role.unwrap_or(connection.side()),
            opened_ns: connection.opened_ns,
            handshake_ns: connection.handshake_ns,
            rtt_ns: connection.rtt_ns,
            tcp: None,
        },
        protocol: connection.spoken(),
        is_tls: connection.is_tls(),
        opening: None,
        closing: None,
        operations: Vec::new(),
        totals: None,
    }
}
