//! What a connection does besides exchanges, as free kernel logs.
//!
//! OAP counts one log as one call, adds up its bytes, packets, netfilter and address-resolution figures, and averages its
//! times and queue entries over the logs. A sum of many operations is therefore spread over as many logs, exactly: the
//! parts of a figure differ by one at most and add up to it. So calls, bytes, packets and averages all come out as if each
//! operation had been sent. The time of the call itself is that of the last operation, in each: there is no other.
//!
//! That costs about 100 bytes an operation, hence an [`Allowance`]: a node may spend [`LOGS_PER_SECOND`] logs on operations
//! beyond the first of a sum. Where it is used up a sum has fewer logs than operations; bytes, packets and counts
//! are still whole, averages still those of one operation, and the calls that OAP does not see are counted.
//!
//! A connection's [`TcpTotals`](crate::record::TcpTotals) do not go to OAP: they count from its start, so what the logs have
//! told already would be counted again.

use super::kernel::{push_kernel_log, push_times};
use crate::layers::{Read, Write};
use crate::record::{Activity, Closing, Opening, Operation, OperationSum};
use crate::wire::{push_integer, push_message};

/// What became of an activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedActivity {
    /// None: there was nothing to tell, nothing was appended.
    pub logs: u64,
    /// Operations that OAP will not count, because several share a log.
    pub merged_calls: u64,
}

/// Logs a second and node, beyond one for each sum: what some 300 exchanges cost OAP.
const LOGS_PER_SECOND: u64 = 1000;

/// Seconds that can be saved up: activities come in waves, when connections are looked through.
const SAVED_SECONDS: u64 = 10;

/// Logs of one sum, so that a message stays near the size of a batch.
const LOGS_PER_SUM: u64 = 500;

/// How many logs may still be spent, refilled by the time that activities carry.
#[derive(Debug)]
pub struct Allowance {
    left: u64,
    refilled_ns: u64,
}

impl Allowance {
    pub fn new() -> Allowance {
        Allowance { left: LOGS_PER_SECOND * SAVED_SECONDS, refilled_ns: 0 }
    }

    fn refill(&mut self, now_ns: u64) {
        let log_ns = 1_000_000_000 / LOGS_PER_SECOND;
        let earned = now_ns.saturating_sub(self.refilled_ns) / log_ns;
        self.left = self.left.saturating_add(earned).min(LOGS_PER_SECOND * SAVED_SECONDS);
        // What is left of a log's time counts the next time.
        self.refilled_ns += earned * log_ns;
    }

    /// Logs for a sum of `count` operations, at least one.
    fn take(&mut self, count: u64) -> u64 {
        let more = count.min(LOGS_PER_SUM).saturating_sub(1).min(self.left);
        self.left -= more;
        1 + more
    }
}

/// Appends the fields `kernelLogs` of an `EBPFAccessLogMessage`, opening first and closing last.
pub fn push_logs(out: &mut Vec<u8>, activity: &Activity, allowance: &mut Allowance) -> EncodedActivity {
    allowance.refill(activity.end_ns());
    let mut encoded = EncodedActivity::default();
    if let Some(opening) = activity.opening.filter(Opening::is_told) {
        push_message(out, 3, |out| push_opening(out, &opening));
        encoded.logs += 1;
    }
    for sum in activity.operations.iter().filter(|sum| sum.count > 0) {
        let logs = allowance.take(sum.count);
        push_sum(out, sum, logs);
        encoded.logs += logs;
        encoded.merged_calls += sum.count - logs;
    }
    if let Some(closing) = activity.closing {
        push_message(out, 3, |out| push_closing(out, &closing));
        encoded.logs += 1;
    }
    encoded
}

fn push_opening(out: &mut Vec<u8>, opening: &Opening) {
    push_message(out, if opening.is_connect { 1 } else { 2 }, |out| {
        push_times(out, opening.start_ns, opening.end_ns);
        // An accept has no word for success.
        push_integer(out, 3, u64::from(opening.is_connect && opening.is_success));
    });
}

fn push_closing(out: &mut Vec<u8>, closing: &Closing) {
    push_message(out, 3, |out| {
        push_times(out, closing.start_ns, closing.end_ns);
        push_integer(out, 3, u64::from(closing.is_success));
    });
}

/// `logs`: at least one, at most as many as operations.
fn push_sum(out: &mut Vec<u8>, sum: &OperationSum, logs: u64) {
    let Operation { is_write, bytes, .. } = sum.last;
    let layers = &sum.last.layers;
    // Fewer logs than operations: what is averaged shrinks with them, what is added up does not.
    let layers = layers.map(|figure, value| match is_averaged(is_write, figure) {
        true => part(value, logs, sum.count),
        false => value,
    });
    for index in 0..logs {
        let share_of = |figure, value| {
            // OAP passes by a time without a count: both lie on the same logs.
            let counted = count_of(is_write, figure).and_then(|count| layers.at(count));
            share(value, index, counted.map_or(logs, |count| count.clamp(1, logs)))
        };
        let operation =
            Operation { bytes: share(bytes, index, logs), layers: layers.map(share_of), ..sum.last.clone() };
        push_message(out, 3, |out| push_kernel_log(out, &operation, &[]));
    }
}

/// The figure that counts what the times of `figure` are of.
fn count_of(is_write: bool, figure: usize) -> Option<usize> {
    if is_write {
        [(Write::NetfilterNs, Write::NetfilterCount), (Write::ResolveNs, Write::ResolveCount)]
            .into_iter()
            .find_map(|(time, count)| (time as usize == figure).then_some(count as usize))
    } else {
        (Read::NetfilterNs as usize == figure).then_some(Read::NetfilterCount as usize)
    }
}

/// Share `index` of `shares` that differ by one at most and add up to `total`; nothing behind the last of them.
fn share(total: u64, index: u64, shares: u64) -> u64 {
    if index < shares {
        total / shares + u64::from(index < total % shares)
    } else {
        0
    }
}

/// `total × logs / count`, rounded down.
fn part(total: u64, logs: u64, count: u64) -> u64 {
    u64::try_from(u128::from(total) * u128::from(logs) / u128::from(count)).unwrap_or(u64::MAX)
}

/// Whether OAP averages the figure over logs; it adds up all others.
fn is_averaged(is_write: bool, position: usize) -> bool {
    if is_write {
        ![Write::Packets, Write::PacketBytes, Write::Retransmits]
            .into_iter()
            .chain([Write::NetfilterCount, Write::NetfilterNs, Write::ResolveCount, Write::ResolveNs])
            .any(|figure| figure as usize == position)
    } else {
        ![Read::Packets, Read::PacketBytes, Read::NetfilterCount, Read::NetfilterNs]
            .into_iter()
            .any(|figure| figure as usize == position)
    }
}

#[cfg(test)]
mod tests;
