//! Sends a fixed sequence of records to an OpenTelemetry collector: the client that `tests/otlp/` judges.
//!
//! `send_spans OPTIONS COUNT [RATE]`, OPTIONS as for the engine's OTLP output, RATE in records a second. Prints every record as
//! JSON, one a line, and what became of them last. The CPU that encoding and sending took goes to standard error.

use std::io::Write;
use std::time::{Duration, Instant};

use rover_reporters::encoder;
use rover_reporters::otlp::{OtlpOptions, OtlpReporter};
use rover_reporters::record::Record;
use rover_reporters::samples;

/// Records that are pushed before the time is looked at.
const ROUND: u32 = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let options = OtlpOptions::from_json(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    let count: u32 = arguments.next().map_or(Ok(12), |count| count.parse())?;
    let rate: f64 = arguments.next().map_or(Ok(f64::INFINITY), |rate| rate.parse())?;
    let records: Vec<Record> = (0..count).map(record).collect();
    let mut text = Vec::new();
    let mut json = encoder::by_name("json", "")?;
    records.iter().for_each(|record| json.encode(record, &mut text));
    std::io::stdout().write_all(&text)?;

    let mut reporter = OtlpReporter::start(options)?;
    let (start, encoding) = (Instant::now(), thread_cpu_ns());
    for (number, record) in (0..count).zip(&records) {
        if number % ROUND == 0 {
            let due = Duration::from_secs_f64(f64::from(number) / rate);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        reporter.push(record);
    }
    let encoding = thread_cpu_ns() - encoding;
    let stats = reporter.stop(Duration::from_secs(20));
    println!("{}", serde_json::to_string(&stats)?);
    let each = encoding / u64::from(count.max(1));
    eprintln!("elapsed_ms={} push_cpu_ns={each}", start.elapsed().as_millis());
    Ok(())
}

/// The shapes in turn, the last with every figure of the layers.
fn record(number: u32) -> Record {
    let shape = samples::shape(number);
    if number % 12 != 11 {
        return shape;
    }
    let mut layered = Record { kernel_write: samples::layered().kernel_write, ..shape };
    for (sums, layers) in
        [(&mut layered.kernel_write, samples::write_layers()), (&mut layered.kernel_read, samples::read_layers())]
    {
        sums.iter_mut().for_each(|sums| sums.layers = layers.clone());
    }
    layered
}

/// CPU time of the calling thread; zero where the kernel keeps no such file.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}
