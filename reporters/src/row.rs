//! The columns that the store keeps beside a record.

use std::borrow::Cow;

use crate::json::{kind_name, protocol_name, push_address, push_id, side_name, JsonEncoder};
use crate::record::{Activity, Endpoint, Record, RecordId};

/// One record as the store takes it: what queries filter and sort by, and the record whole.
///
/// A record that was `unfinished` comes again later under the same id, so the store replaces by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    /// Wall clock of the start, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    pub duration_ns: Option<i64>,
    pub first_byte_ns: Option<i64>,
    /// `server` or `client`.
    pub side: Cow<'static, str>,
    pub protocol: Cow<'static, str>,
    pub kind: Cow<'static, str>,
    /// Service of the local end.
    pub service: Option<String>,
    /// Instance of the local end.
    pub instance: Option<String>,
    /// Service of the remote end.
    pub peer_service: Option<String>,
    pub method: Option<String>,
    pub host: Option<String>,
    pub path: Option<String>,
    pub status: Option<i64>,
    pub request_bytes: Option<i64>,
    pub response_bytes: Option<i64>,
    /// Names separated by commas.
    pub flags: String,
    /// The JSON object of the record, without a line end.
    pub record: String,
    /// Address of the remote end.
    pub peer_address: Option<String>,
    /// See [`same_exchange`].
    pub same_exchange: u32,
}

/// A number that is the same at both ends of an exchange, and hardly of any other: of both addresses, stream, method and
/// path. 0: an address is not known. By it the store finds the other end's record.
pub fn same_exchange(
    ends: [Option<(&str, u16)>; 2],
    stream: Option<u64>,
    method: Option<&str>,
    path: Option<&str>,
) -> u32 {
    let [Some(local), Some(remote)] = ends else { return 0 };
    let (low, high) = (local.min(remote), local.max(remote));
    let mut hash = Fnv::default();
    for (address, port) in [low, high] {
        hash.add(address.as_bytes());
        hash.add(&port.to_be_bytes());
    }
    hash.add(&stream.unwrap_or(u64::MAX).to_be_bytes());
    hash.add(method.unwrap_or_default().as_bytes());
    // One of the ends may have kept less of a long one.
    let path = path.unwrap_or_default().as_bytes();
    hash.add(path.get(..PATH_HASHED).unwrap_or(path));
    hash.value().max(1)
}

const PATH_HASHED: usize = 256;

/// FNV-1a, 64 bits folded to 32: a dozen short texts, and no attacker gains more than a search that takes longer.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn value(&self) -> u32 {
        (self.0 >> 32) as u32 ^ self.0 as u32
    }
}

impl Row {
    /// The row of a record; `json` writes its `record` column.
    pub fn new(record: &Record, json: &mut JsonEncoder) -> Row {
        let mut text = Vec::with_capacity(1400);
        json.encode_object(record, &mut text);
        let mut id = Vec::with_capacity(32);
        push_id(&mut id, record.id);
        let (local, remote) = (address(&record.local), address(&record.remote));
        let ends = [local.as_deref().zip(Some(record.local.port)), remote.as_deref().zip(Some(record.remote.port))];
        let stream = record.connection.stream.map(u64::from);
        Row {
            same_exchange: same_exchange(ends, stream, record.method.as_deref(), record.path.as_deref()),
            id: text_of(id),
            time_ns: column(record.id.wall_ns),
            duration_ns: record.duration_ns.map(column),
            first_byte_ns: record.first_byte_ns.map(column),
            side: side_name(record.side).into(),
            protocol: protocol_name(record.protocol).into(),
            kind: kind_name(record.kind).into(),
            service: service(&record.local),
            instance: record.local.identity.as_ref().and_then(|identity| identity.instance.clone()),
            peer_service: service(&record.remote),
            method: record.method.as_deref().map(str::to_owned),
            host: record.host.as_deref().map(str::to_owned),
            path: record.path.as_deref().map(str::to_owned),
            status: record.status.map(i64::from),
            request_bytes: record.request.bytes.map(column),
            response_bytes: record.response.bytes.map(column),
            flags: record.flags.names().collect::<Vec<_>>().join(","),
            record: text_of(text),
            peer_address: remote,
        }
    }
}

impl Row {
    /// What a connection did besides exchanges: no exchange, but of the figures of its service. `id`: absent where it
    /// cannot come twice. `None`: there is nothing to tell.
    pub fn of_activity(
        activity: &Activity,
        boot_wall_ns: u64,
        id: Option<RecordId>,
        json: &mut JsonEncoder,
    ) -> Option<Row> {
        if !activity.is_told() {
            return None;
        }
        let mut text = Vec::with_capacity(700);
        json.encode_activity(activity, boot_wall_ns, id, &mut text);
        Some(Row {
            id: id.map(|id| id.to_string()).unwrap_or_default(),
            time_ns: column(boot_wall_ns.saturating_add(activity.end_ns())),
            side: side_name(activity.connection.role).into(),
            kind: ACTIVITY_KIND.into(),
            record: text_of(text),
            ..Row::default()
        })
    }
}

/// The kind of rows that are no exchanges.
pub const ACTIVITY_KIND: &str = "activity";

fn address(endpoint: &Endpoint) -> Option<String> {
    endpoint.is_known().then(|| {
        let mut text = Vec::with_capacity(40);
        push_address(&mut text, endpoint.address);
        text_of(text)
    })
}

fn service(endpoint: &Endpoint) -> Option<String> {
    endpoint.identity.as_ref().and_then(|identity| identity.service.clone())
}

/// SQLite's integers are signed; a figure beyond them (a size announced by a hostile peer) is kept at the border.
fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The encoder writes nothing but UTF-8.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_row_carries_what_queries_need_and_the_record_whole() {
        let row = Row::new(&samples::exchange(), &mut JsonEncoder::default());
        assert_eq!(row.id, samples::exchange().id.to_string());
        assert_eq!(
            (row.time_ns, row.duration_ns, row.first_byte_ns),
            (samples::WALL_NS as i64, Some(1_500_000), Some(1_400_000))
        );
        assert_eq!(
            (row.service.as_deref(), row.instance.as_deref(), row.peer_service.as_deref()),
            (Some("nginx"), Some("nginx@node-a"), None)
        );
        assert_eq!((row.status, row.request_bytes, row.response_bytes), (Some(200), Some(90), Some(210)));
        assert_eq!(
            (row.method.as_deref(), row.path.as_deref(), row.flags.as_str()),
            (Some("GET"), Some("/item/1"), "gap,pre_existing")
        );
        assert!(row.record.starts_with("{\"id\"") && row.record.ends_with('}'));
        assert_eq!(row.peer_address.as_deref(), Some("fd00::3"));
    }

    #[test]
    fn both_ends_of_an_exchange_have_one_number() {
        let (client, server) = (Some(("10.0.0.1", 40_000)), Some(("10.0.0.2", 80)));
        let number = |ends, stream, path: &str| same_exchange(ends, stream, Some("GET"), Some(path));
        let one = number([client, server], None, "/a");
        assert_eq!(one, number([server, client], None, "/a"));
        let others = [
            number([client, Some(("10.0.0.2", 81))], None, "/a"),
            number([client, server], Some(1), "/a"),
            number([client, server], None, "/b"),
            number([client, None], None, "/a"),
        ];
        assert!(!others.contains(&one) && others.last() == Some(&0));
        let long = "x".repeat(PATH_HASHED);
        assert_eq!(number([client, server], None, &long), number([client, server], None, &format!("{long}y")));
    }

    #[test]
    fn unknown_values_stay_unknown() {
        let row = Row::new(&samples::unknown(), &mut JsonEncoder::default());
        assert_eq!(
            (row.duration_ns, row.service, row.method, row.status, row.request_bytes),
            (None, None, None, None, None)
        );
        assert_eq!((row.side.as_ref(), row.kind.as_ref(), row.flags.as_str()), ("server", "http", ""));
    }
}
