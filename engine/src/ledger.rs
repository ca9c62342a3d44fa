//! What became of every captured operation: part of a record, or lost to one named cause.
//!
//! The unit is the socket operation. One that carries several messages is counted with the first of them.
//! `captured = reported + Σ causes` once nothing is in flight.

/// Why an operation is in no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cause {
    /// The ring buffer had no room.
    RingFull,
    /// The kernel had no memory for the connection's state.
    NoStorage,
    /// The connection does not speak HTTP.
    NotHttp,
    /// The rules exclude the process.
    Excluded,
    /// The process was not confirmed in time, or too much was held for it.
    Unconfirmed,
    /// Rover's own reporting connections.
    OwnReporting,
    /// Outside of the ports or the side that the user asked for.
    Filtered,
    /// Came before the first message of a connection that was joined in mid-stream.
    MidStream,
    /// Bytes that belong to no message.
    ParseError,
    /// Frames of HTTP/2 that belong to no message: settings, windows, pings.
    Http2Control,
    /// More was held for reordering than the bound allows, or the table was full.
    StreamOverflow,
    /// The same stream bytes were seen before.
    Overlap,
    /// After the connection was finished with.
    AfterClose,
    /// The event itself made no sense.
    BadEvent,
    /// An output did not take records fast enough.
    OutputFull,
    /// Plaintext of a TLS session of which the connection is not known.
    TlsUnbound,
    /// TLS records that carry no plaintext: handshakes, tickets, alerts.
    TlsControl,
    /// Operations under TLS of which the plaintext was lost on its way.
    TlsLost,
    /// TLS of which no library shows the plaintext.
    TlsOpaque,
    /// The governor samples connections, and this is none of the sample.
    NotSampled,
}

/// Every cause with its name, in the order of the enumeration.
pub const CAUSES: [(Cause, &str); 20] = [
    (Cause::RingFull, "ring_full"),
    (Cause::NoStorage, "no_storage"),
    (Cause::NotHttp, "not_http"),
    (Cause::Excluded, "excluded"),
    (Cause::Unconfirmed, "unconfirmed"),
    (Cause::OwnReporting, "own_reporting"),
    (Cause::Filtered, "filtered"),
    (Cause::MidStream, "mid_stream"),
    (Cause::ParseError, "parse_error"),
    (Cause::Http2Control, "http2_control"),
    (Cause::StreamOverflow, "stream_overflow"),
    (Cause::Overlap, "overlap"),
    (Cause::AfterClose, "after_close"),
    (Cause::BadEvent, "bad_event"),
    (Cause::OutputFull, "output_full"),
    (Cause::TlsUnbound, "tls_unbound"),
    (Cause::TlsControl, "tls_control"),
    (Cause::TlsLost, "tls_lost"),
    (Cause::TlsOpaque, "tls_opaque"),
    (Cause::NotSampled, "not_sampled"),
];

/// The account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Operations seen, in the kernel or, in a replay, in the recording.
    pub captured: u64,
    /// Operations that are in some record.
    pub reported: u64,
    causes: [u64; CAUSES.len()],
    /// The part of `not_http` that the kernel side counted.
    pub not_http_in_kernel: u64,
    /// Records emitted; an exchange that was reported unfinished counts again when it is completed.
    pub records: u64,
}

impl Ledger {
    pub fn lose(&mut self, cause: Cause, operations: u64) {
        self.causes[cause as usize] += operations;
    }

    /// Replaces a counter that is kept elsewhere (in the kernel) by its current value.
    pub fn set(&mut self, cause: Cause, operations: u64) {
        self.causes[cause as usize] = operations;
    }

    pub fn lost(&self, cause: Cause) -> u64 {
        self.causes[cause as usize]
    }

    /// Captured, but neither reported nor lost: still on its way.
    pub fn in_flight(&self) -> i64 {
        self.captured as i64 - self.reported as i64 - self.causes.iter().sum::<u64>() as i64
    }

    /// One JSON object: `captured`, `reported`, every cause, `in_flight`.
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"captured\":{},\"reported\":{}", self.captured, self.reported);
        for (cause, name) in CAUSES {
            out.push_str(&format!(",\"{name}\":{}", self.lost(cause)));
        }
        out.push_str(&format!(",\"in_flight\":{}}}", self.in_flight()));
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_listed_in_the_order_of_the_enumeration() {
        for (index, (cause, _)) in CAUSES.iter().enumerate() {
            assert_eq!(index, *cause as usize);
        }
    }

    #[test]
    fn what_is_neither_reported_nor_lost_is_in_flight() {
        let mut ledger = Ledger { captured: 10, reported: 4, ..Ledger::default() };
        ledger.lose(Cause::NotHttp, 5);
        assert_eq!(ledger.in_flight(), 1);
        let parsed: serde_json::Value = serde_json::from_str(&ledger.to_json()).unwrap();
        assert_eq!(parsed["not_http"], 5);
        assert_eq!(parsed["in_flight"], 1);
    }
}
