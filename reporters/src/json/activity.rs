//! What a connection did besides exchanges, as a backend of rover's own takes it: the shape of a record, as far as it goes.

use super::{maybe_text, member, protocol_name, push_id, push_sums, side_name, text_member, JsonEncoder};
use crate::layers::{READ_NAMES, WRITE_NAMES};
use crate::record::{Activity, KernelSums, OperationSum, RecordId};

/// What every one begins with; no record does.
pub const ACTIVITY: &str = "{\"kind\":\"activity\"";

impl JsonEncoder {
    /// Appends the object without a line end. `id`: absent where it cannot come twice.
    pub fn encode_activity(&mut self, activity: &Activity, boot_wall_ns: u64, id: Option<RecordId>, out: &mut Vec<u8>) {
        out.extend_from_slice(ACTIVITY.as_bytes());
        out.extend_from_slice(b",\"id\":\"");
        if let Some(id) = id {
            push_id(out, id);
        }
        member(out, b"\",\"time_ns\":", boot_wall_ns.saturating_add(activity.end_ns()));
        text_member(out, b",\"side\":", side_name(activity.connection.role));
        maybe_text(out, b",\"protocol\":", activity.protocol.map(protocol_name));
        out.extend_from_slice(if activity.is_tls { b",\"tls\":{}" } else { b",\"tls\":null" });
        self.push_endpoint(out, b",\"local\":", &activity.local);
        self.push_endpoint(out, b",\"remote\":", &activity.remote);
        if let Some(opening) = &activity.opening {
            let took_ns = opening.end_ns.saturating_sub(opening.start_ns);
            if opening.is_connect {
                push_change(out, b",\"connect\":{\"count\":1,\"successes\":", u64::from(opening.is_success), took_ns);
            } else {
                // One that failed made no connection.
                push_change(out, b",\"accept\":{\"count\":", u64::from(opening.is_success), took_ns);
            }
        }
        if let Some(closing) = &activity.closing {
            let took_ns = closing.end_ns.saturating_sub(closing.start_ns);
            push_change(out, b",\"close\":{\"count\":1,\"successes\":", u64::from(closing.is_success), took_ns);
        }
        out.extend_from_slice(b",\"kernel\":{");
        let mut separator: &[u8] = b"";
        for sum in activity.operations.iter().filter(|sum| sum.count > 0) {
            out.extend_from_slice(separator);
            match sum.last.is_write {
                true => push_sums(out, b"\"write\":", &kernel_sums(sum), &WRITE_NAMES),
                false => push_sums(out, b"\"read\":", &kernel_sums(sum), &READ_NAMES),
            }
            separator = b",";
        }
        out.extend_from_slice(b"}}");
    }
}

/// The key and its first member are given, up to the value.
fn push_change(out: &mut Vec<u8>, key: &[u8], first: u64, took_ns: u64) {
    member(out, key, first);
    member(out, b",\"ns\":", took_ns);
    out.push(b'}');
}

fn kernel_sums(sum: &OperationSum) -> KernelSums {
    let last = &sum.last;
    KernelSums {
        operations: sum.count,
        bytes: last.bytes,
        // Of several only the last one's is known.
        syscall_ns: last.start_ns.filter(|_| sum.count == 1).map(|start_ns| last.end_ns.saturating_sub(start_ns)),
        layers: last.layers.clone(),
        ..KernelSums::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use serde_json::{json, Value};

    use super::*;
    use crate::samples;

    #[test]
    fn an_activity_has_the_shape_of_a_record() {
        let activity = samples::activity();
        let mut text = Vec::new();
        JsonEncoder::default().encode_activity(&activity, 1_000, Some(RecordId::default()), &mut text);
        let found: Value = serde_json::from_slice(&text).unwrap();
        assert!(text.starts_with(ACTIVITY.as_bytes()));
        assert_eq!(found["time_ns"], json!(1_000 + activity.end_ns()));
        assert_eq!((found["id"].as_str().unwrap().len(), &found["side"]), (32, &json!("client")));
        for sum in &activity.operations {
            let name = if sum.last.is_write { "write" } else { "read" };
            assert_eq!(found["kernel"][name]["operations"], json!(sum.count));
            assert_eq!(found["kernel"][name]["bytes"], json!(sum.last.bytes));
        }
        assert_eq!(found["connect"].is_object(), activity.opening.is_some());
        assert_eq!(found["close"].is_object(), activity.closing.is_some());
    }
}
