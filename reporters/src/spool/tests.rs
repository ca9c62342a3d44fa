//! A spool in a folder of its own, and everything that a crash or a disk can do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::HEAD_BYTES;
use super::*;

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("rover-spool-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Folder(std::env::temp_dir().join(name))
    }

    fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|one| one == suffix)).collect();
        files.sort();
        files
    }
}

impl std::ops::Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HOUR: u64 = 3_600_000;

fn options(folder: &Folder, most_bytes: u64) -> SpoolOptions {
    SpoolOptions { path: folder.0.clone(), most_bytes, most_age_ms: HOUR }
}

fn open(folder: &Folder, most_bytes: u64) -> (Spool, Recovered) {
    Spool::open(options(folder, most_bytes)).unwrap()
}

/// Content that does not get smaller by compression.
fn content(number: u64, bytes: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn fill(spool: &mut Spool, numbers: std::ops::Range<u64>, bytes: usize) {
    for number in numbers {
        spool.append(number, 2, &content(number, bytes), 1000).unwrap();
    }
}

fn drain(spool: &mut Spool) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(loaded) = spool.load() {
        assert_eq!(loaded.content, content(loaded.sequence, loaded.content.len()), "{}", loaded.sequence);
        found.push(loaded.sequence);
        spool.settle(loaded.id);
    }
    found
}

#[test]
fn frames_come_back_in_order_and_leave_nothing() {
    let folder = Folder::new();
    let (mut spool, recovered) = open(&folder, 16 << 10);
    assert_eq!((recovered, spool.is_empty()), (Recovered::default(), true));
    fill(&mut spool, 10..20, 500);
    assert!(folder.files(SUFFIX).len() > 2, "several segments");
    assert_eq!(spool.maybe_next(), Some(10));
    assert_eq!(drain(&mut spool), (10..20).collect::<Vec<_>>());
    assert!(spool.is_empty() && folder.files(SUFFIX).is_empty() && spool.bytes() == 0);
    assert_eq!(spool.take_losses(), Losses::default());
}

#[test]
fn only_the_owner_may_look() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..1, 10);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&folder.files(SUFFIX)[0])), (0o700, 0o600));
    assert_eq!(mode(&folder.0.join(LOCK)), 0o600);
}

#[test]
fn a_folder_has_one_user_at_a_time() {
    let folder = Folder::new();
    let (spool, _) = open(&folder, 1 << 20);
    assert!(matches!(Spool::open(options(&folder, 1 << 20)), Err(SpoolError::InUse(_))));
    drop(spool);
    open(&folder, 1 << 20);
}

#[test]
fn what_was_not_settled_is_there_after_a_restart() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..10, 100);
    let first = spool.load().unwrap();
    spool.settle(first.id);
    drop(spool);
    assert!(first_sequence(&folder.0) > 10);
    let (mut spool, recovered) = open(&folder, 1 << 20);
    // The segment is sent again as a whole: at least once.
    assert_eq!((recovered.records, recovered.torn), (20, 0));
    assert_eq!(drain(&mut spool), (0..10).collect::<Vec<_>>());
}

/// A write may end anywhere: what was whole before is there, the rest is cut off, and the segment is sound again.
#[test]
fn a_segment_may_be_torn_at_every_byte() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..3, 60);
    drop(spool);
    let file = folder.files(SUFFIX).remove(0);
    let whole = fs::read(&file).unwrap();
    let frame = whole.len() / 3;
    assert!(frame > HEAD_BYTES + 60 && whole.len().is_multiple_of(3));
    for end in 0..=whole.len() {
        fs::write(&file, &whole[..end]).unwrap();
        let (mut spool, recovered) = open(&folder, 1 << 20);
        let frames = (end / frame) as u64;
        assert_eq!((recovered.records, recovered.torn), (2 * frames, u64::from(end % frame > 0)), "{end}");
        assert_eq!((drain(&mut spool), spool.damaged), ((0..frames).collect(), 0), "{end}");
        assert_eq!(spool.take_losses(), Losses::default());
    }
}

/// What some file systems leave of a write when the power goes: the length, and zeros.
#[test]
fn zeros_behind_the_last_frame_are_an_unfinished_write() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..2, 60);
    drop(spool);
    let file = folder.files(SUFFIX).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend([0; 500]);
    fs::write(&file, bytes).unwrap();
    let (mut spool, recovered) = open(&folder, 1 << 20);
    assert_eq!((recovered.torn, drain(&mut spool)), (1, vec![0, 1]));
}

/// One wrong byte costs one frame if it is in a content, and what is behind it if it is in a head; never more, never a
/// wrong content, and the file is kept for whoever wants to look.
#[test]
fn a_wrong_byte_anywhere_costs_at_most_what_it_hides() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..3, 60);
    drop(spool);
    let file = folder.files(SUFFIX).remove(0);
    let whole = fs::read(&file).unwrap();
    let frame = whole.len() / 3;
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        let (mut spool, recovered) = open(&folder, 1 << 20);
        let (hit, is_head) = ((position / frame) as u64, position % frame < HEAD_BYTES);
        let expected: Vec<u64> = if is_head { (0..hit).collect() } else { (0..3).filter(|n| *n != hit).collect() };
        let found = drain(&mut spool);
        let losses = spool.take_losses();
        assert_eq!(found, expected, "{position}");
        assert_eq!(recovered.records, 2 * found.len() as u64 + losses.corrupt, "{position}");
        assert_eq!((spool.damaged, spool.is_empty()), (1, true), "{position}");
        drop(spool);
        let aside = folder.files(ASIDE);
        assert_eq!(aside.len(), 1);
        fs::remove_file(&aside[0]).unwrap();
    }
}

#[test]
fn damage_that_comes_later_is_counted_to_the_record() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..4, 60);
    let file = folder.files(SUFFIX).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let frame = bytes.len() / 4;
    bytes[frame + 2] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(drain(&mut spool), [0]);
    assert_eq!(spool.take_losses(), Losses { corrupt: 6, ..Losses::default() });
    assert!(spool.damaged == 1 && spool.is_empty() && folder.files(ASIDE).len() == 1);
}

#[test]
fn above_the_bound_the_oldest_go() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 10_000);
    fill(&mut spool, 0..50, 400);
    let on_disk: u64 = folder.files(SUFFIX).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(spool.bytes() <= 10_000 && spool.bytes() == on_disk);
    let dropped = spool.take_losses().full;
    let found = drain(&mut spool);
    assert_eq!(found, (dropped / 2..50).collect::<Vec<_>>());
    assert!(found.len() > 15, "{found:?}");
}

#[test]
fn what_is_being_sent_is_not_dropped() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 2000);
    fill(&mut spool, 0..4, 400);
    let loaded: Vec<Loaded> = (0..4).map(|_| spool.load().unwrap()).collect();
    assert!(matches!(spool.append(4, 2, &content(4, 400), 1000), Err(AppendError::NoRoom)));
    assert_eq!(spool.take_losses(), Losses::default());
    loaded.iter().for_each(|loaded| spool.settle(loaded.id));
    fill(&mut spool, 4..5, 400);
    assert_eq!(drain(&mut spool), [4]);
}

#[test]
fn files_set_aside_make_room_first() {
    let folder = Folder::new();
    DirBuilder::new().create(&folder.0).unwrap();
    fs::write(folder.0.join(format!("1.{ASIDE}")), vec![0; 1500]).unwrap();
    let (mut spool, _) = open(&folder, 2000);
    assert_eq!(spool.bytes(), 1500);
    fill(&mut spool, 0..3, 400);
    assert_eq!((folder.files(ASIDE).len(), spool.take_losses()), (0, Losses::default()));
}

#[test]
fn what_is_too_old_goes_and_is_counted() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    spool.append(1, 3, b"old", 1000).unwrap();
    spool.append(2, 5, b"new", 1000 + SEGMENT_MS).unwrap();
    spool.expire(1000 + HOUR);
    assert_eq!(spool.take_losses().expired, 0);
    spool.expire(1001 + HOUR);
    assert_eq!(spool.take_losses().expired, 3);
    assert_eq!(spool.load().unwrap().content, b"new");
}

/// What failed on a stream comes to the disk after what followed it.
#[test]
fn older_frames_that_come_later_are_read_first() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 10..15, 50);
    fill(&mut spool, 5..8, 50);
    fill(&mut spool, 15..17, 50);
    assert_eq!(drain(&mut spool), [5, 6, 7, 10, 11, 12, 13, 14, 15, 16]);
}

#[test]
fn a_segment_is_read_while_it_grows() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder, 1 << 20);
    fill(&mut spool, 0..1, 50);
    let first = spool.load().unwrap();
    assert_eq!((spool.load(), spool.maybe_next()), (None, None));
    fill(&mut spool, 1..3, 50);
    assert_eq!(spool.maybe_next(), Some(1));
    spool.settle(first.id);
    assert_eq!(drain(&mut spool), [1, 2]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let options = SpoolOptions { path: "/proc/none/spool".into(), most_bytes: 1, most_age_ms: 1 };
    assert!(Spool::open(options).unwrap_err().to_string().contains("/proc/none/spool"));
}
