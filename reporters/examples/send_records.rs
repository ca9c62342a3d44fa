//! Sends a fixed sequence of records to a backend and prints what became of them: the client that `tests/wire/` judges.
//!
//! `send_records OPTIONS COUNT [layers] [at=NS] [rate=N]`, OPTIONS as for the engine's OAP output. With COUNT above the dozen different records
//! they repeat, each with a path of its own. With `layers` a record with every figure of the kernel's layers follows, and
//! what connections do besides exchanges. `at`: wall clock of the records; `rate`: so many are pushed a second. The CPU that
//! encoding and sending took goes to standard error.

use std::time::{Duration, Instant};

use rover_reporters::oap_stream::{OapOptions, OapReporter};
use rover_reporters::record::{Activity, Opening, Protocol, Record, RecordId, Side};
use rover_reporters::samples;

/// Records of one hand-over, about what the engine drains at a time under load.
const ROUND: u32 = 100;

/// Records that are made before the first is sent.
const DISTINCT: u32 = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let options = OapOptions::from_json(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    let count: u32 = arguments.next().map_or(Ok(12), |count| count.parse())?;
    let (mut has_layers, mut at_ns, mut rate) = (false, samples::WALL_NS, f64::INFINITY);
    for word in arguments {
        match word.split_once('=') {
            Some(("at", value)) => at_ns = value.parse()?,
            Some(("rate", value)) => rate = value.parse()?,
            _ => has_layers = word == "layers",
        }
    }
    let at = |record: Record| Record { id: RecordId { wall_ns: at_ns, ..record.id }, ..record };
    let mut reporter = OapReporter::start(options)?;
    let records: Vec<Record> = (0..count.min(DISTINCT)).map(|number| at(samples::shape(number))).collect();
    let (start, encoding) = (Instant::now(), thread_cpu_ns());
    for (sequence, record) in (0..count).zip(records.iter().cycle()) {
        if sequence < DISTINCT {
            reporter.push(record);
        } else {
            // The same again would be a second delivery.
            let id = RecordId { sequence, ..record.id };
            reporter.push(&Record { id, ..record.clone() });
        }
        if sequence % ROUND == ROUND - 1 {
            reporter.hand_over();
            let due = Duration::from_secs_f64(f64::from(sequence) / rate);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    let encoding = thread_cpu_ns() - encoding;
    if has_layers {
        push_layers(&mut reporter, at(samples::layered()));
    }
    let is_settled = reporter.flush(Duration::from_secs(60));
    let (elapsed, whole) = (start.elapsed(), process_cpu_ns());
    println!("{}", serde_json::to_string(&reporter.stop(Duration::from_millis(100)))?);
    let each = |ns: u64| ns / u64::from(count.max(1));
    eprintln!(
        "settled={is_settled} elapsed_ms={} push_cpu_ns={} process_cpu_ns={}",
        elapsed.as_millis(),
        each(encoding),
        each(whole)
    );
    Ok(())
}

fn push_layers(reporter: &mut OapReporter, layered: Record) {
    let record = Record { path: Some("/layers".into()), ..layered };
    let boot_wall_ns = record.id.wall_ns - record.start_ns;
    reporter.push(&record);
    for activity in activities() {
        reporter.push_activity(&activity, boot_wall_ns);
    }
    // Of the same connection as the first: what is between must not be inherited.
    let (mut request, method) = (record.request.clone(), Some("POST".into()));
    request.body_bytes = Some(77);
    reporter.push(&Record { method, request, protocol: Protocol::Http2, ..record });
}

/// What a connection can do besides exchanges: the shapes that matter on the wire.
fn activities() -> [Activity; 4] {
    let whole = samples::activity();
    let opened = |is_connect, is_success| {
        let opening = Some(Opening { is_connect, start_ns: 400_000, end_ns: 450_000, is_success });
        Activity { opening, closing: None, operations: Vec::new(), ..samples::activity() }
    };
    let mut accepted = opened(false, true);
    (accepted.protocol, accepted.is_tls, accepted.connection.role) = (Some(Protocol::Http2), true, Side::Server);
    let mut busy = Activity { opening: None, closing: None, ..samples::activity() };
    busy.operations.iter_mut().for_each(|sum| sum.count = 100_000);
    [whole, accepted, opened(true, false), busy]
}

/// CPU time of the calling thread; zero where the kernel keeps no such file.
fn thread_cpu_ns() -> u64 {
    run_time("/proc/thread-self/schedstat")
}

/// CPU time of all threads.
fn process_cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.map(|task| run_time(&format!("{}/schedstat", task.path().display()))).sum()
}

fn run_time(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}
