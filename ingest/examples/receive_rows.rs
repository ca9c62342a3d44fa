//! A backend without a store: the server that `tests/wire/` judges, and a receiver for measurements.
//!
//! `receive_rows OPTIONS [quiet]` prints its address, then each row as a JSON array whose last member is the record, until
//! its standard input is closed; then the counters. With `quiet` rows are only counted.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rover_ingest::{Ingest, IngestOptions, Row};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let options = IngestOptions::from_json(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    let is_quiet = arguments.next().is_some();
    let ingest = Ingest::start("127.0.0.1:0", options)?;
    println!("{}", ingest.address());
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        seen.store(true, Ordering::Relaxed);
    });
    let mut out = std::io::stdout().lock();
    while !is_over.load(Ordering::Relaxed) {
        for row in ingest.take_rows(Duration::from_millis(20), 1000) {
            if !is_quiet {
                writeln!(out, "{}", line(&row))?;
            }
        }
        out.flush()?;
    }
    ingest.stop();
    writeln!(out, "{}", serde_json::to_string(&ingest.stats())?)?;
    Ok(())
}

/// The row as the control plane gets it.
fn line(row: &Row) -> serde_json::Value {
    json!([
        row.id,
        row.time_ns,
        row.duration_ns,
        row.first_byte_ns,
        row.side,
        row.protocol,
        row.kind,
        row.service,
        row.instance,
        row.peer_service,
        row.method,
        row.host,
        row.path,
        row.status,
        row.request_bytes,
        row.response_bytes,
        row.flags,
        row.record,
    ])
}
