//! Ids of traces and spans: those that the applications use where they were seen, else such as follow from the record.

use crate::record::{Record, RecordId, Trace, TraceFormat};

/// Where a span belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// The span that the headers name.
    pub parent_id: Option<[u8; 8]>,
    pub is_sampled: Option<bool>,
}

/// A record's place. sw8 has ids of any form: a trace of it gets an id that follows from its name, the same on every node.
pub fn context(record: &Record) -> Context {
    let (span_id, own) = (span_id(record.id), trace_id(record.id));
    let alone = Context { trace_id: own, span_id, parent_id: None, is_sampled: None };
    let Some(trace) = &record.trace else { return alone };
    let is_sampled = trace.sampled;
    match trace.format {
        TraceFormat::Sw8 => Context { trace_id: hashed(&trace.trace_id), is_sampled, ..alone },
        TraceFormat::W3c | TraceFormat::B3 => match maybe_trace_id(trace) {
            Some(trace_id) => {
                let parent_id = trace.span_id.as_deref().and_then(maybe_hex).filter(|id| *id != [0; 8]);
                Context { trace_id, span_id, parent_id, is_sampled }
            }
            None => alone,
        },
    }
}

/// B3 also has ids of half the length.
fn maybe_trace_id(trace: &Trace) -> Option<[u8; 16]> {
    let id = match trace.trace_id.len() {
        16 => (u128::from(u64::from_be_bytes(maybe_hex(&trace.trace_id)?))).to_be_bytes(),
        _ => maybe_hex(&trace.trace_id)?,
    };
    (id != [0; 16]).then_some(id)
}

fn maybe_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?, 16).ok()?;
    }
    Some(bytes)
}

/// The record's own id, which has the same length.
fn trace_id(id: RecordId) -> [u8; 16] {
    (u128::from(id.wall_ns) << 64 | u128::from(id.run) << 32 | u128::from(id.sequence)).to_be_bytes()
}

fn span_id(id: RecordId) -> [u8; 8] {
    let mixed = mix(id.wall_ns ^ mix(u64::from(id.run) << 32 | u64::from(id.sequence)));
    // Zero is no id.
    mixed.max(1).to_be_bytes()
}

/// The finalizer of SplitMix64: a bijection, so that different records have different ids.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// FNV-1a of 128 bits.
fn hashed(text: &str) -> [u8; 16] {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    hash.max(1).to_be_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::samples;

    fn traced(format: TraceFormat, trace_id: &str, span_id: &str) -> Context {
        let mut record = samples::exchange();
        let (trace_id, span_id) = (trace_id.into(), Some(span_id.into()));
        record.trace = Some(Trace { format, trace_id, span_id, segment_id: None, sampled: Some(false) });
        context(&record)
    }

    #[test]
    fn the_applications_trace_is_continued() {
        let found = traced(TraceFormat::W3c, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert_eq!(found.trace_id[..4], [0x0a, 0xf7, 0x65, 0x19]);
        assert_eq!(found.parent_id.unwrap()[..2], [0xb7, 0xad]);
        assert_eq!(found.is_sampled, Some(false));
    }

    #[test]
    fn short_ids_of_b3_are_filled_up_on_the_left() {
        let found = traced(TraceFormat::B3, "80f198ee56343ba8", "05e3ac9a4f6e3b90");
        assert_eq!(found.trace_id[..9], [0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
    }

    #[test]
    fn what_is_no_id_is_left_alone() {
        for bad in ["", "zz", "00000000000000000000000000000000", "+af7651916cd43dd8448eb211c80319c", "é"] {
            let found = traced(TraceFormat::W3c, bad, "b7ad6b7169203331");
            assert_eq!((found.trace_id, found.parent_id), (trace_id(samples::exchange().id), None), "{bad}");
        }
    }

    #[test]
    fn a_trace_of_skywalking_has_one_id_everywhere() {
        let (one, other) = (traced(TraceFormat::Sw8, "a.b.c", "0"), traced(TraceFormat::Sw8, "a.b.d", "0"));
        assert_eq!(one.trace_id, traced(TraceFormat::Sw8, "a.b.c", "1").trace_id);
        assert_ne!(one.trace_id, other.trace_id);
    }
}
