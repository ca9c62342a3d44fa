//! Replays the regression corpus: what the fuzz targets check must hold for every file in `tests/corpus/`.
//!
//! A crash that fuzzing finds goes there, in the folder of its target, under a name that tells what it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

#[path = "../fuzz/src/exercise.rs"]
mod exercise;

fn replay(target: &str, exercise: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        let data = std::fs::read(&file).unwrap();
        exercise(&data);
        // Every beginning of an input is an input.
        (0..data.len()).for_each(|end| exercise(&data[..end]));
    }
}

#[test]
fn requests_are_replayed() {
    replay("http1_request", exercise::request);
}

#[test]
fn responses_are_replayed() {
    replay("http1_response", exercise::response);
}

#[test]
fn pairs_are_replayed() {
    replay("http1_pair", exercise::pair);
}

#[test]
fn http2_frames_are_replayed() {
    replay("http2_frames", exercise::http2::frames);
}

#[test]
fn http2_blocks_are_replayed() {
    replay("http2_hpack", exercise::http2::blocks);
}
