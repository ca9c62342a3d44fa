//! Encoded messages on their way: what is filled by the engine's thread and what the sender keeps until it is answered.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Memory of a message beside its bytes, for the ceiling of the queue.
pub const MESSAGE_OVERHEAD: usize = 16;

/// What the backend at the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// OAP, or anything that did not say that it is rover's.
    Oap,
    /// Announced itself: gets the whole record.
    Rover,
}

/// Ends of one record's two forms. They lie one behind the other, either may be empty.
#[derive(Clone, Copy, Debug)]
struct Ends {
    oap: u32,
    rover: u32,
}

/// Buffers that were sent and wait to be filled again: fresh memory costs a page fault every few records.
#[derive(Debug, Default)]
struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// At most this many; with the size of a batch that is what one stream holds.
    const MOST: usize = 64;

    /// A buffer, one of `capacity` bytes if it has to be made.
    fn take(&self, capacity: usize) -> Vec<u8> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        known.unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    fn give(&self, mut buffer: Vec<u8>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < Pool::MOST {
            buffer.clear();
            waiting.push(buffer);
        }
    }
}

/// A buffer that goes back to its pool when the last message in it was written to the socket.
#[derive(Debug)]
struct Pooled {
    buffer: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.buffer));
    }
}

/// A batch that still grows.
#[derive(Debug, Default)]
pub struct OpenBatch {
    pub bytes: Vec<u8>,
    ends: Vec<Ends>,
    boot_wall_ns: u64,
    pool: Arc<Pool>,
}

impl OpenBatch {
    /// Closes the record whose OAP form ends at `oap_end`, and its other form at the end of the bytes.
    pub fn close_record(&mut self, oap_end: usize, boot_wall_ns: u64) {
        let at = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        self.ends.push(Ends { oap: at(oap_end), rover: at(self.bytes.len()) });
        self.boot_wall_ns = boot_wall_ns;
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// What the batch takes of the queue's ceiling.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * MESSAGE_OVERHEAD
    }

    /// The batch as it goes to the sender; this one starts afresh.
    pub fn seal(&mut self) -> Batch {
        // The next batch is mostly about as large.
        let next = self.pool.take(self.bytes.len());
        let buffer = std::mem::replace(&mut self.bytes, next);
        let ends = std::mem::take(&mut self.ends);
        self.ends.reserve(ends.len());
        let bytes = Bytes::from_owner(Pooled { buffer, pool: Arc::clone(&self.pool) });
        Batch { bytes, ends, boot_wall_ns: self.boot_wall_ns, attempts: AtomicU8::new(0) }
    }
}

/// A batch that no longer changes, shared by the stream that sends it and the list that waits for its answer.
#[derive(Debug)]
pub struct Batch {
    bytes: Bytes,
    ends: Vec<Ends>,
    /// Wall clock of the node's boot, by the last record: clocks are stepped.
    pub boot_wall_ns: u64,
    /// Streams that it was on and that failed.
    attempts: AtomicU8,
}

impl Batch {
    /// Records in it, whatever their forms.
    pub fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// What the batch takes of the queue's ceiling.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * MESSAGE_OVERHEAD
    }

    /// The message of record `index` in the form that `backend` takes; empty where there is none.
    /// `None` behind the last record.
    pub fn message(&self, index: usize, backend: Backend) -> Option<Bytes> {
        let ends = self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |before| before.rover);
        let range = match backend {
            Backend::Rover if ends.rover > ends.oap => ends.oap..ends.rover,
            Backend::Rover | Backend::Oap => start..ends.oap,
        };
        Some(self.bytes.slice(range.start as usize..range.end as usize))
    }

    /// Records that have no form for `backend`.
    pub fn withheld(&self, backend: Backend) -> u64 {
        (0..self.ends.len()).filter(|index| self.message(*index, backend).is_some_and(|m| m.is_empty())).count() as u64
    }

    /// Counts one more failed stream; the number of them so far.
    pub fn count_failure(&self) -> u8 {
        self.attempts.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    pub fn is_first_attempt(&self) -> bool {
        self.attempts.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_gets_the_form_it_understands() {
        let mut open = OpenBatch::default();
        for (oap, rover) in [("o1", "r1"), ("", "r2"), ("o3", "")] {
            open.bytes.extend_from_slice(oap.as_bytes());
            let oap_end = open.bytes.len();
            open.bytes.extend_from_slice(rover.as_bytes());
            open.close_record(oap_end, 5);
        }
        let batch = open.seal();
        let all = |backend| -> Vec<Bytes> { (0..).map_while(|index| batch.message(index, backend)).collect() };
        assert_eq!(all(Backend::Oap), ["o1", "", "o3"]);
        assert_eq!(all(Backend::Rover), ["r1", "r2", "o3"]);
        assert_eq!((batch.withheld(Backend::Oap), batch.withheld(Backend::Rover)), (1, 0));
        assert_eq!((batch.records(), batch.boot_wall_ns, open.is_empty()), (3, 5, true));
        assert!(batch.is_first_attempt() && batch.count_failure() == 1 && !batch.is_first_attempt());
    }
}
