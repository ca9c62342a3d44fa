//! The server with rover's own reporter and with the generated client at the other end, on loopback.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use rover_reporters::json::JsonEncoder;
use rover_reporters::oap_stream::{OapOptions, OapReporter, AUTHENTICATION};
use rover_reporters::proto::v3::ebpf_access_log_service_client::EbpfAccessLogServiceClient;
use rover_reporters::proto::v3::ebpf_process_service_client::EbpfProcessServiceClient;
use rover_reporters::proto::{compat, v3};
use rover_reporters::record::Record;
use rover_reporters::samples;
use tokio::runtime::Runtime;
use tonic::{Code, Request};

use crate::{Ingest, IngestError, IngestOptions, Row};

const LONG: Duration = Duration::from_secs(20);

fn server(options: IngestOptions) -> Ingest {
    Ingest::start("127.0.0.1:0", options).unwrap()
}

fn reporter(ingest: &Ingest) -> OapReporter {
    OapReporter::start(OapOptions { addresses: vec![ingest.address().to_string()], ..OapOptions::default() }).unwrap()
}

fn numbered(sequence: u32) -> Record {
    let mut record = samples::exchange();
    record.id.sequence = sequence;
    record
}

fn take(ingest: &Ingest, count: usize) -> Vec<Row> {
    let deadline = Instant::now() + LONG;
    let mut rows = Vec::new();
    while rows.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} rows", rows.len());
        rows.extend(ingest.take_rows(Duration::from_millis(100), 500));
    }
    rows
}

fn wait(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "condition did not come true");
        std::thread::yield_now();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn url(ingest: &Ingest) -> String {
    format!("http://{}", ingest.address())
}

#[test]
fn records_come_through_whole_and_in_order() {
    let ingest = server(IngestOptions::default());
    let mut reporter = reporter(&ingest);
    let mut json = JsonEncoder::default();
    let expected: Vec<Row> = (0..2000).map(|sequence| Row::new(&numbered(sequence), &mut json)).collect();
    for sequence in 0..2000 {
        reporter.push(&numbered(sequence));
    }
    assert!(reporter.flush(LONG));
    assert_eq!(take(&ingest, 2000), expected);
    let stats = ingest.stats();
    assert_eq!((stats.messages, stats.rows, stats.waiting_rows, stats.broken_streams), (2000, 2000, 0, 0));
}

/// They are rows of their own kind, each with an id by which a second delivery is known; no exchange is invented of them.
#[test]
fn activities_are_counted_between_records() {
    let ingest = server(IngestOptions::default());
    let mut reporter = reporter(&ingest);
    let activity = samples::activity();
    for sequence in 0..10 {
        reporter.push(&numbered(sequence));
        reporter.push_activity(&activity, samples::WALL_NS - 1_000_000);
    }
    assert!(reporter.flush(LONG));
    let (activities, exchanges): (Vec<Row>, Vec<Row>) =
        take(&ingest, 20).into_iter().partition(|row| row.kind == "activity");
    let own: std::collections::HashSet<&str> = activities.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((own.len(), own.contains("")), (10, false));
    let ids: Vec<String> = exchanges.into_iter().map(|row| row.id).collect();
    assert_eq!(ids, (0..10).map(|sequence| numbered(sequence).id.to_string()).collect::<Vec<_>>());
    let stats = ingest.stats();
    assert_eq!((stats.messages, stats.rows, stats.kernel_only, stats.kernel_logs), (20, 10, 10, 0));
    assert_eq!((stats.unattributed, stats.invalid_records, stats.broken_streams), (0, 0, 0));
    assert_eq!((reporter.stats().acked, reporter.stats().activities), (20, 10));
}

/// The queue is bounded: the rest waits at the sender, nothing is lost.
#[test]
fn a_slow_store_slows_the_sender_down() {
    let ingest = server(IngestOptions { waiting_rows: 10, ..IngestOptions::default() });
    let mut reporter = reporter(&ingest);
    for sequence in 0..3000 {
        reporter.push(&numbered(sequence));
    }
    reporter.hand_over();
    wait(|| ingest.stats().waiting_rows == 10);
    assert!(!reporter.flush(Duration::from_millis(200)));
    assert_eq!((ingest.stats().waiting_rows, ingest.stats().rows), (10, 10));
    assert_eq!(take(&ingest, 3000).len(), 3000);
    assert!(reporter.flush(LONG));
}

#[test]
fn a_held_answer_comes_when_the_rows_are_stored() {
    let ingest = server(IngestOptions { hold_answers: true, ..IngestOptions::default() });
    let mut reporter = reporter(&ingest);
    reporter.push(&numbered(1));
    reporter.hand_over();
    wait(|| ingest.stats().waiting_rows == 1);
    assert_eq!(take(&ingest, 1).len(), 1);
    assert!(!reporter.flush(Duration::from_millis(100)), "taken is not stored");
    assert!(ingest.take_rows(Duration::ZERO, 1).is_empty());
    assert!(reporter.flush(LONG));
    assert_eq!(reporter.stats().acked, 1);
}

/// What a crash of the backend may have lost is sent again, under the same id.
#[test]
fn a_stopped_server_leaves_its_rows_and_the_sender_repeats_what_was_not_answered() {
    let ingest = server(IngestOptions { hold_answers: true, ..IngestOptions::default() });
    let mut reporter = reporter(&ingest);
    (0..5).for_each(|sequence| {
        assert_eq!(reporter.push(&numbered(sequence)), rover_reporters::oap_stream::Pushed::Queued)
    });
    reporter.hand_over();
    wait(|| ingest.stats().waiting_rows == 5);
    let address = ingest.address().to_string();
    ingest.stop();
    assert_eq!(ingest.take_rows(Duration::ZERO, 3).len(), 3);
    assert_eq!(ingest.take_rows(Duration::ZERO, 3).len(), 2);
    assert!(ingest.take_rows(LONG, 3).is_empty(), "no waiting once it is stopped");
    let next = Ingest::start(&address, IngestOptions::default()).unwrap();
    let ids: Vec<String> = take(&next, 5).into_iter().map(|row| row.id).collect();
    assert_eq!(ids, (0..5).map(|sequence| numbered(sequence).id.to_string()).collect::<Vec<_>>());
    assert!(reporter.flush(LONG));
}

#[test]
fn open_streams_are_told_that_the_server_stops() {
    let ingest = server(IngestOptions::default());
    let (runtime, (open, messages)) = (runtime(), tokio::sync::mpsc::channel(1));
    let mut client = runtime.block_on(EbpfAccessLogServiceClient::connect(url(&ingest))).unwrap();
    let call = client.collect(Pending(messages));
    let stopped = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait(|| ingest.stats().open_streams == 1);
            ingest.stop();
        });
        runtime.block_on(call).unwrap_err()
    });
    drop(open);
    assert_eq!((stopped.code(), stopped.message()), (Code::Unavailable, "backend stops"));
    assert_eq!((ingest.stats().open_streams, ingest.stats().broken_streams), (0, 1));
}

/// A stream of messages that ends when the sender of its channel is dropped.
struct Pending(tokio::sync::mpsc::Receiver<v3::EbpfAccessLogMessage>);

impl tokio_stream::Stream for Pending {
    type Item = v3::EbpfAccessLogMessage;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

#[test]
fn the_token_is_asked_of_every_call() {
    let ingest = server(IngestOptions { token: Some("secret".to_owned()), ..IngestOptions::default() });
    runtime().block_on(async {
        let mut processes = EbpfProcessServiceClient::connect(url(&ingest)).await.unwrap();
        let mut logs = EbpfAccessLogServiceClient::connect(url(&ingest)).await.unwrap();
        for token in [None, Some(""), Some("secre"), Some("secret2"), Some("Secret")] {
            let mut call = Request::new(v3::EbpfProcessReportList::default());
            if let Some(token) = token {
                call.metadata_mut().insert(AUTHENTICATION, token.parse().unwrap());
            }
            let status = processes.report_processes(call).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::PermissionDenied, ""));
        }
        let status = logs.collect(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        let mut call = Request::new(v3::EbpfProcessReportList::default());
        call.metadata_mut().insert(AUTHENTICATION, "secret".parse().unwrap());
        assert!(processes.report_processes(call).await.is_ok());
    });
    assert_eq!(ingest.stats().denied, 6);
    let mut reporter = OapReporter::start(OapOptions {
        addresses: vec![ingest.address().to_string()],
        token: Some("secret".to_owned()),
        ..OapOptions::default()
    })
    .unwrap();
    reporter.push(&numbered(1));
    assert!(reporter.flush(LONG));
}

fn call_with(token: &'static str) -> Request<v3::EbpfProcessReportList> {
    let mut call = Request::new(v3::EbpfProcessReportList::default());
    call.metadata_mut().insert(AUTHENTICATION, token.parse().unwrap());
    call
}

/// Past the burst nobody is told any more whether a token is wrong; who has the right one goes on.
#[test]
fn wrong_tokens_of_a_peer_are_limited_and_the_right_one_is_not() {
    let ingest = server(IngestOptions { token: Some("secret".to_owned()), ..IngestOptions::default() });
    runtime().block_on(async {
        let mut processes = EbpfProcessServiceClient::connect(url(&ingest)).await.unwrap();
        let mut codes = Vec::new();
        for _ in 0..300 {
            codes.push(processes.report_processes(call_with("wrong")).await.unwrap_err().code());
        }
        assert!(codes[..200].iter().all(|code| *code == Code::PermissionDenied));
        assert_eq!(codes[299], Code::ResourceExhausted);
        assert!(processes.report_processes(call_with("secret")).await.is_ok());
    });
    let stats = ingest.stats();
    assert_eq!(stats.denied + stats.limited_calls, 300);
    assert!((1..=100).contains(&stats.limited_calls), "{}", stats.limited_calls);
}

#[test]
fn calls_of_a_peer_are_limited_and_streams_that_run_are_not() {
    let ingest = server(IngestOptions { calls_per_second: 0.5, ..IngestOptions::default() });
    let addresses = vec![ingest.address().to_string()];
    let options = OapOptions { addresses, stream_seconds: 3600.0, stream_bytes: usize::MAX, ..OapOptions::default() };
    let mut reporter = OapReporter::start(options).unwrap();
    reporter.push(&numbered(0));
    reporter.hand_over();
    assert_eq!(take(&ingest, 1).len(), 1);
    runtime().block_on(async {
        let mut processes = EbpfProcessServiceClient::connect(url(&ingest)).await.unwrap();
        let mut last = None;
        for _ in 0..10 {
            last = processes.report_processes(Request::new(v3::EbpfProcessReportList::default())).await.err();
        }
        let status = last.unwrap();
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too many calls from this address"));
    });
    let limited = ingest.stats().limited_calls;
    assert!(limited > 0);
    for sequence in 1..5000 {
        reporter.push(&numbered(sequence));
    }
    reporter.hand_over();
    assert_eq!(take(&ingest, 4999).len(), 4999);
    assert_eq!(ingest.stats().limited_calls, limited, "one stream is one call, however much comes on it");
}

#[test]
fn connections_of_a_peer_are_limited() {
    use std::io::Read;
    let ingest = server(IngestOptions { connections_per_second: 1.0, ..IngestOptions::default() });
    let mut kept: Vec<_> = (0..30).map(|_| std::net::TcpStream::connect(ingest.address()).unwrap()).collect();
    wait(|| ingest.stats().limited_connections >= 15);
    let closed = kept.last_mut().unwrap();
    closed.set_read_timeout(Some(LONG)).unwrap();
    assert!(matches!(closed.read(&mut [0; 1]), Ok(0) | Err(_)), "closed before a byte");
    drop(kept);
    std::thread::sleep(Duration::from_millis(1100));
    let mut later = reporter(&ingest);
    later.push(&numbered(1));
    assert!(later.flush(LONG), "the steady rate is let in");
}

#[test]
fn processes_are_answered_and_handed_on() {
    let ingest = server(IngestOptions::default());
    let entity = v3::EbpfProcessEntityMetadata { service_name: "web".to_owned(), ..Default::default() };
    let pod = v3::EbpfKubernetesProcessMetadata {
        entity: Some(entity.clone()),
        pid: 7,
        properties: vec![v3::KeyStringValuePair { key: "host_ip".to_owned(), value: "10.0.0.1".to_owned() }],
    };
    let list = v3::EbpfProcessReportList {
        processes: vec![
            v3::EbpfProcessProperties { metadata: Some(v3::ebpf_process_properties::Metadata::K8sProcess(pod)) },
            v3::EbpfProcessProperties { metadata: None },
        ],
        ebpf_agent_id: "agent".to_owned(),
    };
    let answer = runtime().block_on(async {
        let mut client = EbpfProcessServiceClient::connect(url(&ingest)).await.unwrap();
        client.keep_alive(v3::EbpfProcessPingPkgList::default()).await.unwrap();
        client.report_processes(list).await.unwrap()
    });
    assert_eq!(answer.metadata().get("rover-backend").unwrap(), "1");
    let answer = answer.into_inner().processes;
    assert_eq!(answer.len(), 1);
    let expected = v3::EbpfKubernetesProcessDownstream { pid: 7, entity_metadata: Some(entity) };
    assert_eq!(answer[0].process, Some(v3::ebpf_process_downstream::Process::K8sProcess(expected)));
    let taken = ingest.take_processes();
    assert_eq!((taken[0].pid, taken[0].service.as_str(), &taken[0].id), (7, "web", &answer[0].process_id));
    assert_eq!(taken[0].properties["host_ip"], "10.0.0.1");
    assert!(ingest.take_processes().is_empty());
}

#[test]
fn agents_that_poll_are_answered_with_nothing_to_do() {
    use compat::management_service_client::ManagementServiceClient as Old;
    use v3::continuous_profiling_service_client::ContinuousProfilingServiceClient;
    use v3::ebpf_profiling_service_client::EbpfProfilingServiceClient;
    use v3::management_service_client::ManagementServiceClient;

    let ingest = server(IngestOptions::default());
    let answers = runtime().block_on(async {
        let url = url(&ingest);
        let mut tasks = EbpfProfilingServiceClient::connect(url.clone()).await.unwrap();
        let mut policies = ContinuousProfilingServiceClient::connect(url.clone()).await.unwrap();
        let mut management = ManagementServiceClient::connect(url.clone()).await.unwrap();
        let mut old = Old::connect(url).await.unwrap();
        [
            tasks.query_tasks(v3::EbpfProfilingTaskQuery::default()).await.unwrap(),
            policies.query_policies(v3::ContinuousProfilingPolicyQuery::default()).await.unwrap(),
            management.report_instance_properties(v3::InstanceProperties::default()).await.unwrap(),
            management.keep_alive(v3::InstancePingPkg::default()).await.unwrap(),
            old.report_instance_properties(v3::InstanceProperties::default()).await.unwrap(),
            old.keep_alive(v3::InstancePingPkg::default()).await.unwrap(),
        ]
    });
    assert!(answers.into_iter().all(|answer| answer.into_inner() == v3::Commands::default()));
}

#[test]
fn a_record_that_is_none_is_counted_and_the_stream_goes_on() {
    let ingest = server(IngestOptions::default());
    let good = Row::new(&numbered(1), &mut JsonEncoder::default()).record;
    let messages = ["{", "[]", good.as_str()]
        .map(|record| v3::EbpfAccessLogMessage { rover_record: record.to_owned(), ..Default::default() });
    runtime().block_on(async {
        let mut client = EbpfAccessLogServiceClient::connect(url(&ingest)).await.unwrap();
        client.collect(tokio_stream::iter(messages)).await.unwrap();
    });
    assert_eq!(take(&ingest, 1)[0].record, good);
    let stats = ingest.stats();
    assert_eq!((stats.messages, stats.rows, stats.invalid_records, stats.open_streams), (3, 1, 2, 0));
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let ingest = server(IngestOptions::default());
    let address = ingest.address().to_string();
    let error = Ingest::start(&address, IngestOptions::default()).unwrap_err();
    assert!(matches!(error, IngestError::Bind(..)) && error.to_string().contains(&address), "{error}");
    assert!(Ingest::start("nowhere", IngestOptions::default()).is_err());
    assert!(IngestOptions::from_json("{\"tokn\":1}").unwrap_err().to_string().contains("tokn"));
    ingest.stop();
    Ingest::start(&address, IngestOptions::default()).unwrap();
}
