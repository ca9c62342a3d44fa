//! What one record costs to encode, per format: `cargo run --release -p rover-reporters --example encode_cost`.

use std::hint::black_box;
use std::time::Instant;

use rover_reporters::encoder::{by_name, ENCODERS};
use rover_reporters::json::JsonEncoder;
use rover_reporters::oap::{OapEncoder, UnknownEnd};
use rover_reporters::record::Record;
use rover_reporters::row::Row;
use rover_reporters::samples;

const ROUNDS: u32 = 400_000;

fn measure(name: &str, record: &Record, mut encode: impl FnMut(&Record, &mut Vec<u8>)) {
    let mut out = Vec::with_capacity(4096);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS / 5 {
            out.clear();
            encode(black_box(record), &mut out);
            black_box(&out);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUNDS / 5));
    }
    println!("{name:>10} {best:8.0} ns {:6} bytes", out.len());
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let record = samples::exchange();
    for (name, _) in ENCODERS {
        let mut encoder = by_name(name, "{\"zone\":\"UTC\",\"width\":120}")?;
        measure(name, &record, |record, out| encoder.encode(record, out));
    }
    let mut oap = OapEncoder::new(UnknownEnd::Ip);
    measure("oap", &record, |record, out| {
        oap.encode(record, out);
    });
    let mut json = JsonEncoder::default();
    measure("row", &record, |record, out| out.push(black_box(Row::new(record, &mut json)).record.len() as u8));
    Ok(())
}
