//! Encoded messages on their way: what is filled by the engine's thread and what the sender keeps until it is answered.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::spool::{FrameId, Loaded};

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
        Batch {
            bytes,
            ends,
            boot_wall_ns: self.boot_wall_ns,
            sequence: 0,
            frame: None,
            strikes: AtomicU8::new(0),
            was_sent: AtomicBool::new(false),
        }
    }
}

/// Bytes before the table of ends in [`Batch::join`]'s form: the wall clock of the boot, the number of records.
const JOINED_HEAD: usize = 12;

/// A batch that no longer changes, shared by the stream that sends it and the list that waits for its answer.
#[derive(Debug)]
pub struct Batch {
    bytes: Bytes,
    ends: Vec<Ends>,
    /// Wall clock of the node's boot, by the last record: clocks are stepped.
    pub boot_wall_ns: u64,
    /// Batches are sent in its order; given by the queue.
    pub sequence: u64,
    /// Where it is on disk, if it comes from there.
    pub frame: Option<FrameId>,
    /// How much speaks for it being what makes streams fail.
    strikes: AtomicU8,
    was_sent: AtomicBool,
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

    /// Adds to what speaks against it; the sum.
    pub fn strike(&self, strikes: u8) -> u8 {
        self.strikes.fetch_add(strikes, Ordering::Relaxed).saturating_add(strikes)
    }

    /// It was not its fault.
    pub fn forgive(&self) {
        self.strikes.store(0, Ordering::Relaxed);
    }

    pub fn is_first_attempt(&self) -> bool {
        !self.was_sent.load(Ordering::Relaxed)
    }

    /// It was on a stream that failed.
    pub fn set_sent(&self) {
        self.was_sent.store(true, Ordering::Relaxed);
    }

    /// Several batches as one, for the disk: the wall clock of the boot, the number of records, the table of their ends,
    /// the bytes. Numbers are little-endian.
    pub fn join(batches: &[Arc<Batch>]) -> Vec<u8> {
        let records: u64 = batches.iter().map(|batch| batch.records()).sum();
        let bytes: usize = batches.iter().map(|batch| batch.held_bytes()).sum();
        let mut joined = Vec::with_capacity(JOINED_HEAD + bytes);
        joined.extend_from_slice(&batches.last().map_or(0, |last| last.boot_wall_ns).to_le_bytes());
        joined.extend_from_slice(&u32::try_from(records).unwrap_or(u32::MAX).to_le_bytes());
        let mut start = 0;
        for batch in batches {
            for ends in &batch.ends {
                joined.extend_from_slice(&(start + ends.oap).to_le_bytes());
                joined.extend_from_slice(&(start + ends.rover).to_le_bytes());
            }
            start += u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX);
        }
        batches.iter().for_each(|batch| joined.extend_from_slice(&batch.bytes));
        joined
    }

    /// What [`Batch::join`] made; `None` if it is of another form.
    pub fn maybe_joined(loaded: Loaded) -> Option<Batch> {
        let content = Bytes::from(loaded.content);
        let boot_wall_ns = u64::from_le_bytes(*content.first_chunk()?);
        let records = u32::from_le_bytes(content.get(8..JOINED_HEAD)?.try_into().ok()?);
        let table = JOINED_HEAD..JOINED_HEAD.checked_add((records as usize).checked_mul(8)?)?;
        let bytes = content.slice_ref(content.get(table.end..)?);
        let mut ends = Vec::with_capacity(records as usize);
        let mut last = 0;
        for entry in content.get(table)?.chunks_exact(8) {
            let oap = u32::from_le_bytes(*entry.first_chunk()?);
            let rover = u32::from_le_bytes(*entry.last_chunk()?);
            if oap < last || rover < oap || rover as usize > bytes.len() {
                return None;
            }
            last = rover;
            ends.push(Ends { oap, rover });
        }
        let (sequence, frame) = (loaded.sequence, Some(loaded.id));
        Some(Batch {
            bytes,
            ends,
            boot_wall_ns,
            sequence,
            frame,
            strikes: AtomicU8::new(0),
            was_sent: AtomicBool::new(false),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Records with these two forms each.
    fn batch(forms: &[(&str, &str)], boot_wall_ns: u64) -> Batch {
        let mut open = OpenBatch::default();
        for (oap, rover) in forms {
            open.bytes.extend_from_slice(oap.as_bytes());
            let oap_end = open.bytes.len();
            open.bytes.extend_from_slice(rover.as_bytes());
            open.close_record(oap_end, boot_wall_ns);
        }
        open.seal()
    }

    fn all(batch: &Batch, backend: Backend) -> Vec<Bytes> {
        (0..).map_while(|index| batch.message(index, backend)).collect()
    }

    #[test]
    fn each_backend_gets_the_form_it_understands() {
        let batch = batch(&[("o1", "r1"), ("", "r2"), ("o3", "")], 5);
        assert_eq!(all(&batch, Backend::Oap), ["o1", "", "o3"]);
        assert_eq!(all(&batch, Backend::Rover), ["r1", "r2", "o3"]);
        assert_eq!((batch.withheld(Backend::Oap), batch.withheld(Backend::Rover)), (1, 0));
        assert_eq!((batch.records(), batch.boot_wall_ns), (3, 5));
    }

    #[test]
    fn strikes_add_up_until_they_are_forgiven() {
        let batch = batch(&[("o1", "")], 5);
        assert_eq!((batch.strike(1), batch.strike(3)), (1, 4));
        batch.forgive();
        assert_eq!(batch.strike(1), 1);
    }

    fn loaded(content: Vec<u8>) -> Loaded {
        Loaded { id: FrameId::default(), sequence: 7, records: 4, content }
    }

    #[test]
    fn batches_come_back_from_the_disk_as_one_with_both_forms() {
        let batches = [batch(&[("o1", "r1"), ("", "r2")], 5), batch(&[("o3", ""), ("o4", "r4")], 6)].map(Arc::new);
        let back = Batch::maybe_joined(loaded(Batch::join(&batches))).unwrap();
        assert_eq!(all(&back, Backend::Oap), ["o1", "", "o3", "o4"]);
        assert_eq!(all(&back, Backend::Rover), ["r1", "r2", "o3", "r4"]);
        assert_eq!((back.records(), back.boot_wall_ns, back.sequence), (4, 6, 7));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let good = Batch::join(&[Arc::new(batch(&[("o1", "r1"), ("o2", "r2")], 5))]);
        for cut in 0..good.len() {
            let short = Batch::maybe_joined(loaded(good.get(..cut).unwrap().to_vec()));
            assert!(short.is_none(), "{cut}");
        }
        for (position, value) in [(8, 255), (JOINED_HEAD, 99), (JOINED_HEAD + 12, 0)] {
            let mut bad = good.clone();
            *bad.get_mut(position).unwrap() = value;
            assert!(Batch::maybe_joined(loaded(bad)).is_none(), "{position}");
        }
    }
}
