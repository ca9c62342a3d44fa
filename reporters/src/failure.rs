//! When an exchange counts as failed: what the semantic conventions for HTTP and gRPC say.

use crate::record::{Flag, Record, Side};

/// Statuses of gRPC for which a server's span is an error: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE,
/// DATA_LOSS. The others are the client's own doing.
const GRPC_ERRORS: [u32; 6] = [2, 4, 12, 13, 14, 15];

/// Why the exchange counts as failed: the status, gRPC's after HTTP's, or what happened instead of a response.
pub fn maybe_failure(record: &Record) -> Option<String> {
    let is_server = record.side == Side::Server;
    if let Some(status) = record.status.filter(|status| *status >= if is_server { 500 } else { 400 }) {
        return Some(status.to_string());
    }
    let grpc = record.grpc.as_ref().and_then(|grpc| grpc.status);
    if let Some(status) = grpc.filter(|status| if is_server { GRPC_ERRORS.contains(status) } else { *status != 0 }) {
        return Some(status.to_string());
    }
    let flags = record.flags;
    let happened = [(Flag::Reset, "reset"), (Flag::NoResponse, "no_response")];
    happened.into_iter().find(|(flag, _)| flags.has(*flag)).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Grpc;
    use crate::samples;

    fn of(side: Side, status: u16, grpc: Option<u32>) -> Option<String> {
        let grpc = Grpc { service: None, method: None, status: grpc, request_messages: None, response_messages: None };
        maybe_failure(&Record { side, status: Some(status), grpc: Some(grpc), ..samples::exchange() })
    }

    #[test]
    fn what_the_client_did_is_no_failure_of_the_server() {
        assert_eq!(of(Side::Server, 404, None), None);
        assert_eq!(of(Side::Client, 404, None).as_deref(), Some("404"));
        assert_eq!(of(Side::Server, 503, Some(0)).as_deref(), Some("503"));
        assert_eq!(of(Side::Server, 200, Some(5)), None);
        assert_eq!(of(Side::Client, 200, Some(5)).as_deref(), Some("5"));
        assert_eq!(of(Side::Server, 200, Some(14)).as_deref(), Some("14"));
    }

    #[test]
    fn no_response_is_a_failure() {
        let mut record = Record { status: None, ..samples::exchange() };
        record.flags.set(Flag::NoResponse);
        assert_eq!(maybe_failure(&record).as_deref(), Some("no_response"));
    }
}
