//! The figures of one entity in one step of time: sums, and the durations as a sketch. Everything in it adds up, so
//! minutes become hours and batches become minutes by the same addition.
//!
//! Stored as bytes: a version, one bit for each column that is not zero, their values as varints, then the sketch. A column
//! keeps its number for ever; new ones are appended.

use super::sketch::Sketch;
use rover_reporters::varint::{push_varint, take_varint};

/// What a stored blob begins with.
const VERSION: u8 = 1;

macro_rules! columns {
    ($($column:ident $name:literal,)+) => {
        /// One sum. The name of a time, `…_ns`, has beside it how many operations it was measured of, `…_ns_of`: an
        /// average over those that were not would be too low.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Column { $($column,)+ }

        /// Names of [`Column`] in their order.
        pub const NAMES: &[&str] = &[$($name,)+];
        const COLUMNS: usize = NAMES.len();
    };
}

columns! {
    Connects "connects",
    ConnectSuccesses "connect_successes",
    ConnectNs "connect_ns",
    Accepts "accepts",
    AcceptNs "accept_ns",
    Closes "closes",
    CloseNs "close_ns",
    Writes "writes",
    WriteNsOf "write_ns_of",
    WriteNs "write_ns",
    WriteBytes "write_bytes",
    WritePackets "write_packets",
    WriteRetransmits "write_retransmits",
    WriteDrops "write_drops",
    WriteL4NsOf "write_l4_ns_of",
    WriteL4Ns "write_l4_ns",
    WriteL3NsOf "write_l3_ns_of",
    WriteL3Ns "write_l3_ns",
    WriteL3LocalNsOf "write_l3_local_ns_of",
    WriteL3LocalNs "write_l3_local_ns",
    WriteL3OutputNsOf "write_l3_output_ns_of",
    WriteL3OutputNs "write_l3_output_ns",
    WriteL2NsOf "write_l2_ns_of",
    WriteL2Ns "write_l2_ns",
    WriteL2ReadyNsOf "write_l2_ready_ns_of",
    WriteL2ReadyNs "write_l2_ready_ns",
    WriteL2SendNsOf "write_l2_send_ns_of",
    WriteL2SendNs "write_l2_send_ns",
    WriteQueueEntriesOf "write_queue_entries_of",
    WriteQueueEntries "write_queue_entries",
    WriteResolves "write_resolves",
    WriteResolveNs "write_resolve_ns",
    WriteNetfilters "write_netfilters",
    WriteNetfilterNs "write_netfilter_ns",
    Reads "reads",
    ReadNsOf "read_ns_of",
    ReadNs "read_ns",
    ReadBytes "read_bytes",
    ReadPackets "read_packets",
    ReadDrops "read_drops",
    ReadL4NsOf "read_l4_ns_of",
    ReadL4Ns "read_l4_ns",
    ReadL3NsOf "read_l3_ns_of",
    ReadL3Ns "read_l3_ns",
    ReadL3ReceiveNsOf "read_l3_receive_ns_of",
    ReadL3ReceiveNs "read_l3_receive_ns",
    ReadL3LocalNsOf "read_l3_local_ns_of",
    ReadL3LocalNs "read_l3_local_ns",
    ReadToQueueNsOf "read_to_queue_ns_of",
    ReadToQueueNs "read_to_queue_ns",
    ReadFromQueueNsOf "read_from_queue_ns_of",
    ReadFromQueueNs "read_from_queue_ns",
    ReadNetfilters "read_netfilters",
    ReadNetfilterNs "read_netfilter_ns",
    HttpCalls "http_calls",
    HttpSuccesses "http_successes",
    HttpNoResponses "http_no_responses",
    HttpNsOf "http_ns_of",
    HttpNs "http_ns",
    HttpMs "http_ms",
    RequestHeadBytesOf "request_head_bytes_of",
    RequestHeadBytes "request_head_bytes",
    RequestBodyBytesOf "request_body_bytes_of",
    RequestBodyBytes "request_body_bytes",
    ResponseHeadBytesOf "response_head_bytes_of",
    ResponseHeadBytes "response_head_bytes",
    ResponseBodyBytesOf "response_body_bytes_of",
    ResponseBodyBytes "response_body_bytes",
    Status1xx "status_1xx",
    Status2xx "status_2xx",
    Status3xx "status_3xx",
    Status4xx "status_4xx",
    Status5xx "status_5xx",
    ApdexSatisfied "apdex_satisfied",
    ApdexTolerated "apdex_tolerated",
    OverHttp "over_http",
    OverHttps "over_https",
    OverTcp "over_tcp",
    OverTls "over_tls",
    HttpBytes "http_bytes",
}

/// Bytes of one bit for each column.
const BITMAP: usize = COLUMNS.div_ceil(8);

/// Sums and durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    columns: [u64; COLUMNS],
    pub durations: Sketch,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { columns: [0; COLUMNS], durations: Sketch::default() }
    }
}

/// Bytes that are no figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFigures;

impl Figures {
    /// A sum that is full stays full: what a hostile sender claims must not wrap round.
    pub fn add(&mut self, column: Column, value: u64) {
        if let Some(sum) = self.columns.get_mut(column as usize) {
            *sum = sum.saturating_add(value);
        }
    }

    pub fn get(&self, column: Column) -> u64 {
        self.columns.get(column as usize).copied().unwrap_or_default()
    }

    pub fn columns(&self) -> &[u64] {
        &self.columns
    }

    /// Adds those columns of `other` that `is_wanted` names, by their numbers, and nothing of its durations.
    pub fn add_columns(&mut self, other: &Figures, is_wanted: impl Fn(usize) -> bool) {
        for (number, (sum, value)) in self.columns.iter_mut().zip(other.columns).enumerate() {
            if is_wanted(number) {
                *sum = sum.saturating_add(value);
            }
        }
    }

    pub fn merge(&mut self, other: &Figures) {
        self.add_columns(other, |_| true);
        self.durations.merge(&other.durations);
    }

    /// Adds what [`Figures::encode`] wrote. Columns that a newer version appended are passed by.
    ///
    /// # Errors
    /// Other bytes; some of them may have been added.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), NotFigures> {
        let mut rest = bytes;
        let (&[version, bitmap_len], after) = rest.split_first_chunk::<2>().ok_or(NotFigures)?;
        if version != VERSION {
            return Err(NotFigures);
        }
        let (bitmap, after) = after.split_at_checked(usize::from(bitmap_len)).ok_or(NotFigures)?;
        rest = after;
        for (index, byte) in bitmap.iter().enumerate() {
            let mut bits = *byte;
            while bits != 0 {
                let number = index * 8 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let value = take_varint(&mut rest).ok_or(NotFigures)?;
                if let Some(sum) = self.columns.get_mut(number) {
                    *sum = sum.saturating_add(value);
                }
            }
        }
        self.durations.merge_encoded(rest).ok_or(NotFigures)
    }

    /// One column of what [`Figures::encode`] wrote; what stands after it is not read.
    ///
    /// # Errors
    /// Other bytes.
    pub fn column_of(bytes: &[u8], wanted: usize) -> Result<u64, NotFigures> {
        let (&[version, bitmap_len], rest) = bytes.split_first_chunk::<2>().ok_or(NotFigures)?;
        if version != VERSION {
            return Err(NotFigures);
        }
        let (bitmap, mut rest) = rest.split_at_checked(usize::from(bitmap_len)).ok_or(NotFigures)?;
        let is_set = |number: usize| bitmap.get(number / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0);
        if !is_set(wanted) {
            return Ok(0);
        }
        for _ in (0..wanted).filter(|number| is_set(*number)) {
            take_varint(&mut rest).ok_or(NotFigures)?;
        }
        take_varint(&mut rest).ok_or(NotFigures)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.push(VERSION);
        out.push(BITMAP as u8);
        for eight in self.columns.chunks(8) {
            out.push(eight.iter().rev().fold(0, |byte, value| byte << 1 | u8::from(*value != 0)));
        }
        for value in self.columns.iter().filter(|value| **value != 0) {
            push_varint(&mut out, *value);
        }
        self.durations.encode(&mut out);
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn some() -> Figures {
        let mut figures = Figures::default();
        figures.add(Column::Connects, 1);
        figures.add(Column::HttpNs, 300);
        figures.add(Column::OverTls, u64::MAX);
        figures.durations.add(1_500_000);
        figures
    }

    #[test]
    fn figures_come_back_from_their_bytes() {
        let mut back = Figures::default();
        back.merge_encoded(&some().encode()).unwrap();
        assert_eq!(back, some());
        assert_eq!(Figures::default().encode().len(), 2 + BITMAP + 1);
    }

    #[test]
    fn one_column_is_read_alone() {
        let (figures, bytes) = (some(), some().encode());
        for (number, value) in figures.columns().iter().enumerate() {
            assert_eq!(Figures::column_of(&bytes, number), Ok(*value), "{number}");
        }
        assert_eq!(Figures::column_of(&bytes, COLUMNS + 100), Ok(0));
        assert_eq!(Figures::column_of(&bytes[..2 + BITMAP], Column::OverTls as usize), Err(NotFigures));
    }

    #[test]
    fn what_is_full_stays_full() {
        let mut twice = some();
        twice.merge(&some());
        assert_eq!((twice.get(Column::OverTls), twice.get(Column::HttpNs)), (u64::MAX, 600));
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = some().encode();
        for end in 0..good.len() {
            assert!(Figures::default().merge_encoded(good.get(..end).unwrap()).is_err(), "{end}");
        }
        let mut other = good;
        *other.first_mut().unwrap() = 2;
        assert_eq!(Figures::default().merge_encoded(&other), Err(NotFigures));
    }

    #[test]
    fn columns_of_a_newer_version_are_passed_by() {
        let mut bytes = vec![VERSION, BITMAP as u8 + 1];
        bytes.extend([1].iter().chain(&[0; BITMAP - 1]).chain(&[1, 7, 9, 0]));
        let mut figures = Figures::default();
        figures.merge_encoded(&bytes).unwrap();
        assert_eq!(figures.get(Column::Connects), 7);
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = NAMES.iter().collect();
        assert_eq!((names.len(), Column::HttpBytes as usize + 1), (COLUMNS, COLUMNS));
    }
}
