//! The reporter against a server of the generated kind, on loopback, that can be told how to behave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use tonic::transport::server::TcpIncoming;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::proto::v3;
use crate::proto::v3::ebpf_access_log_service_server::{EbpfAccessLogService, EbpfAccessLogServiceServer};
use crate::proto::v3::ebpf_process_service_server::{EbpfProcessService, EbpfProcessServiceServer};
use crate::record::{Flag, Identity};
use crate::samples;

/// How a test server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Polite,
    /// The first streams end with an error after their first message.
    FailFirst(usize),
    /// Refuses streams with this path on them.
    Picky(&'static str),
    /// Reads everything and never answers.
    Silent,
    /// Does not read.
    Deaf,
    /// Refuses streams without the token `secret`.
    Strict,
    /// Answers with OK after the first message.
    Hasty,
}

#[derive(Clone)]
struct Fake {
    manner: Manner,
    is_rover: bool,
    streams: Arc<Mutex<Vec<Vec<v3::EbpfAccessLogMessage>>>>,
    failed: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl EbpfAccessLogService for Fake {
    async fn collect(
        &self,
        request: Request<Streaming<v3::EbpfAccessLogMessage>>,
    ) -> Result<Response<v3::EbpfAccessLogDownstream>, Status> {
        let token = request.metadata().get(AUTHENTICATION).map(|token| token.to_str().unwrap().to_owned());
        if self.manner == Manner::Strict && token.as_deref() != Some("secret") {
            return Err(Status::permission_denied(""));
        }
        if self.manner == Manner::Deaf {
            std::future::pending::<()>().await;
        }
        let index = {
            let mut streams = self.streams.lock().unwrap();
            streams.push(Vec::new());
            streams.len() - 1
        };
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            let is_unwanted = matches!(self.manner, Manner::Picky(unwanted) if path(&message) == unwanted);
            self.streams.lock().unwrap()[index].push(message);
            if is_unwanted {
                return Err(Status::invalid_argument("as told"));
            }
            if matches!(self.manner, Manner::FailFirst(n) if self.failed.fetch_add(1, Ordering::SeqCst) < n) {
                return Err(Status::unavailable("as told"));
            }
            if self.manner == Manner::Hasty {
                break;
            }
        }
        if self.manner == Manner::Silent {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(v3::EbpfAccessLogDownstream {}))
    }
}

#[tonic::async_trait]
impl EbpfProcessService for Fake {
    async fn report_processes(
        &self,
        _: Request<v3::EbpfProcessReportList>,
    ) -> Result<Response<v3::EbpfReportProcessDownstream>, Status> {
        let mut response = Response::new(v3::EbpfReportProcessDownstream::default());
        if self.is_rover {
            response.metadata_mut().insert(ROVER_BACKEND, "1".parse().unwrap());
        }
        Ok(response)
    }

    async fn keep_alive(&self, _: Request<v3::EbpfProcessPingPkgList>) -> Result<Response<v3::Commands>, Status> {
        Ok(Response::new(v3::Commands::default()))
    }
}

struct Running {
    fake: Fake,
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(manner: Manner, is_rover: bool) -> Running {
        Running::start_at("127.0.0.1:0".parse().unwrap(), manner, is_rover)
    }

    fn start_at(address: SocketAddr, manner: Manner, is_rover: bool) -> Running {
        let fake = Fake { manner, is_rover, streams: Arc::default(), failed: Arc::default() };
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (served, stop) = (fake.clone(), Arc::new(Notify::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
                let server = Server::builder()
                    .add_service(EbpfAccessLogServiceServer::new(served.clone()))
                    .add_service(EbpfProcessServiceServer::new(served))
                    .serve_with_incoming(incoming);
                tokio::select! { _ = server => {}, () = stopped.notified() => {} }
            });
        });
        Running { fake, address, stop, thread: Some(thread) }
    }

    fn messages(&self) -> Vec<v3::EbpfAccessLogMessage> {
        self.fake.streams.lock().unwrap().concat()
    }

    fn stop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn options(addresses: &[SocketAddr]) -> OapOptions {
    OapOptions {
        addresses: addresses.iter().map(ToString::to_string).collect(),
        node_name: "node-a".to_owned(),
        ..OapOptions::default()
    }
}

/// A record of one connection between two named ends: the second of a run inherits it.
fn numbered(sequence: u32) -> Record {
    static ENDS: OnceLock<[Arc<Identity>; 2]> = OnceLock::new();
    let named = |service: &str| Arc::new(Identity { service: Some(service.to_owned()), ..Identity::default() });
    let [local, remote] = ENDS.get_or_init(|| [named("nginx"), named("curl")]).clone();
    let mut record = samples::exchange();
    record.id.sequence = sequence;
    record.path = Some(format!("/{sequence}").into());
    (record.local.identity, record.remote.identity) = (Some(local), Some(remote));
    record
}

fn push_all(reporter: &mut OapReporter, records: u32) {
    for sequence in 0..records {
        assert_eq!(reporter.push(&numbered(sequence)), Pushed::Queued);
    }
}

fn path(message: &v3::EbpfAccessLogMessage) -> String {
    if let Some((_, rest)) = message.rover_record.split_once("\"path\":\"") {
        return rest.split('"').next().unwrap().to_owned();
    }
    let v3::access_log_protocol_logs::Protocol::Http(http) = message.protocol_log.clone().unwrap().protocol.unwrap();
    http.request.unwrap().path
}

/// Polls until the condition holds; the deadline is for a broken program only.
fn wait(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "condition did not come true");
        std::thread::yield_now();
    }
}

fn balance(stats: &OapStats) {
    let dropped: u64 = stats.dropped.values().sum();
    let accounted = stats.acked + stats.withheld + stats.held_records + stats.spooled_records + dropped;
    assert_eq!(stats.pushed + stats.recovered, accounted, "{stats:?}");
}

mod spool;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn every_record_arrives_once_and_is_acknowledged() {
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    for sequence in 0..3000 {
        assert_eq!(reporter.push(&numbered(sequence)), Pushed::Queued);
        if sequence % 10 == 9 {
            reporter.hand_over();
        }
    }
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.sent, stats.acked, stats.resent, stats.held_records), (3000, 3000, 0, 0));
    let messages = server.messages();
    let paths: Vec<String> = messages.iter().map(path).collect();
    assert_eq!(paths, (0..3000).map(|n| format!("/{n}")).collect::<Vec<_>>());
    let nodes: Vec<usize> = messages.iter().enumerate().filter(|(_, m)| m.node.is_some()).map(|(i, _)| i).collect();
    assert_eq!(nodes, [0], "the node is told on the first message of the stream only");
    let connections: Vec<usize> =
        messages.iter().enumerate().filter(|(_, m)| m.connection.is_some()).map(|(i, _)| i).collect();
    assert_eq!(connections, (0..3000).step_by(10).collect::<Vec<_>>(), "any batch may become the first of a stream");
    assert!(messages.iter().all(|message| message.rover_record.is_empty()), "OAP gets its own protocol only");
    let boot = messages[0].node.clone().unwrap().boot_time.unwrap();
    assert_eq!(boot.seconds as u64 * 1_000_000_000 + boot.nanos as u64, samples::WALL_NS - 1_000_000);
}

#[test]
fn a_record_is_seen_while_the_stream_is_open() {
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    reporter.push(&numbered(1));
    reporter.hand_over();
    wait(|| server.messages().len() == 1);
    reporter.push(&numbered(2));
    reporter.hand_over();
    wait(|| server.messages().len() == 2);
    assert_eq!((reporter.stats().streams, reporter.stats().acked), (1, 0));
}

#[test]
fn streams_are_closed_by_age_and_by_size() {
    for (stream_seconds, stream_bytes) in [(0.02, usize::MAX), (3600.0, 1)] {
        let server = Running::start(Manner::Polite, false);
        let mut reporter =
            OapReporter::start(OapOptions { stream_seconds, stream_bytes, ..options(&[server.address]) }).unwrap();
        for sequence in 0..3 {
            reporter.push(&numbered(sequence));
            reporter.hand_over();
            wait(|| reporter.stats().acked == u64::from(sequence) + 1);
        }
        let streams = server.fake.streams.lock().unwrap().clone();
        assert_eq!(streams.len(), 3);
        assert!(streams.iter().all(|messages| messages[0].node.is_some() && messages[0].connection.is_some()));
    }
}

#[test]
fn a_failed_stream_is_sent_again_once() {
    let server = Running::start(Manner::FailFirst(1), false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    push_all(&mut reporter, 5);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.acked, stats.sent, stats.resent, stats.dropped.len()), (5, 5, 5, 0));
    let streams = server.fake.streams.lock().unwrap().clone();
    assert_eq!(streams[1].iter().map(path).collect::<Vec<_>>(), ["/0", "/1", "/2", "/3", "/4"]);
    assert!(streams[1][0].node.is_some());
}

/// A backend that is away or falls over again and again is no reason to lose anything.
#[test]
fn what_fails_again_and_again_is_sent_until_it_is_taken() {
    let server = Running::start(Manner::FailFirst(4), false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    push_all(&mut reporter, 3);
    reporter.hand_over();
    reporter.push(&numbered(3));
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.acked, stats.dropped.len()), (4, 0));
}

#[test]
fn a_batch_that_the_backend_refuses_is_given_up_alone() {
    let server = Running::start(Manner::Picky("/3"), false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    for sequence in 0..8 {
        reporter.push(&numbered(sequence));
        reporter.hand_over();
    }
    reporter.flush(LONG);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.acked, stats.dropped.get("report_failed"), stats.dropped.len()), (7, Some(&1), 1));
}

/// What was sent after an early answer has been read by nobody.
#[test]
fn an_answer_before_the_end_of_the_stream_acknowledges_nothing() {
    let server = Running::start(Manner::Hasty, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    reporter.push(&numbered(1));
    reporter.hand_over();
    wait(|| reporter.stats().last_error.is_some());
    assert_eq!((reporter.stats().acked, reporter.stats().held_records), (0, 1));
    let stats = reporter.stop(Duration::ZERO);
    balance(&stats);
    assert_eq!(stats.dropped.get("report_unsent"), Some(&1));
}

#[test]
fn a_dead_backend_never_blocks_and_the_newest_are_refused() {
    let mut server = Running::start(Manner::Polite, false);
    server.stop();
    let mut reporter = OapReporter::start(OapOptions { queue_bytes: 20_000, ..options(&[server.address]) }).unwrap();
    let start = Instant::now();
    let queued = (0..1000).filter(|n| reporter.push(&numbered(*n)) == Pushed::Queued).count();
    reporter.hand_over();
    assert!(queued > 5 && queued < 100, "{queued}");
    assert!(reporter.stats().held_bytes <= 20_000);
    assert!(start.elapsed() < Duration::from_secs(5));
    wait(|| reporter.stats().last_error.is_some());
    let mut server = Running::start_at(server.address, Manner::Polite, false);
    wait(|| {
        reporter.flush(Duration::from_millis(50));
        reporter.stats().acked == queued as u64
    });
    assert_eq!(
        server.messages().iter().map(path).collect::<Vec<_>>(),
        (0..queued).map(|n| format!("/{n}")).collect::<Vec<_>>()
    );
    server.stop();
    let stats = reporter.stop(Duration::ZERO);
    balance(&stats);
    assert_eq!(stats.dropped["report_queue_full"], 1000 - queued as u64);
}

#[test]
fn what_is_left_at_the_end_is_counted_and_the_end_keeps_its_time() {
    for manner in [Manner::Silent, Manner::Deaf] {
        let server = Running::start(manner, false);
        let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
        push_all(&mut reporter, 7);
        let start = Instant::now();
        let stats = reporter.stop(Duration::from_millis(200));
        assert!(start.elapsed() < Duration::from_secs(5), "{manner:?}");
        balance(&stats);
        assert_eq!((stats.acked, stats.dropped.get("report_unsent")), (0, Some(&7)), "{manner:?}");
    }
}

#[test]
fn a_backend_that_owes_an_answer_is_given_up_and_the_next_address_tried() {
    for manner in [Manner::Silent, Manner::Deaf] {
        let (bad, good) = (Running::start(manner, false), Running::start(Manner::Polite, false));
        let slow = OapOptions { answer_seconds: 2.0, stream_seconds: 0.05, ..options(&[bad.address, good.address]) };
        let mut reporter = OapReporter::start(slow).unwrap();
        // More than flow control takes unread.
        let many = 2000;
        push_all(&mut reporter, many);
        reporter.hand_over();
        wait(|| reporter.stats().acked == u64::from(many));
        let stats = reporter.stop(LONG);
        balance(&stats);
        assert_eq!(good.messages().len(), many as usize, "{manner:?}");
        assert!(stats.reconnects >= 1 && stats.last_error.is_some(), "{stats:?}");
    }
}

/// Nodes that fled to the second address do not stay there when the first answers again.
#[test]
fn the_first_address_is_taken_again_when_it_is_back() {
    let (mut first, second) = (Running::start(Manner::Polite, false), Running::start(Manner::Polite, false));
    first.stop();
    let quick = OapOptions { stream_seconds: 0.05, return_seconds: 0.1, ..options(&[first.address, second.address]) };
    let mut reporter = OapReporter::start(quick).unwrap();
    let at = |address: SocketAddr| Some(address.to_string());
    wait(|| reporter.stats().backend == at(second.address));
    let first = Running::start_at(first.address, Manner::Polite, false);
    let mut sequence = 0;
    wait(|| {
        reporter.push(&numbered(sequence));
        sequence += 1;
        reporter.hand_over();
        std::thread::sleep(Duration::from_millis(1));
        reporter.stats().backend == at(first.address)
    });
    reporter.push(&numbered(sequence));
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.acked, stats.resent), (u64::from(sequence) + 1, 0));
    assert_eq!(first.messages().len() + second.messages().len(), sequence as usize + 1);
    assert!(!first.messages().is_empty());
}

#[test]
fn a_token_is_sent_and_its_refusal_told_with_the_key_to_look_at() {
    let server = Running::start(Manner::Strict, false);
    let token = |token: &str| OapOptions { token: Some(token.to_owned()), ..options(&[server.address]) };
    let mut reporter = OapReporter::start(token("secret")).unwrap();
    reporter.push(&numbered(1));
    assert_eq!(reporter.stop(LONG).acked, 1);
    let mut reporter = OapReporter::start(token("wrong")).unwrap();
    reporter.push(&numbered(2));
    reporter.hand_over();
    wait(|| reporter.stats().last_error.is_some_and(|error| error.contains("reporters.oap.token_file")));
    let stats = reporter.stop(Duration::ZERO);
    balance(&stats);
    assert_eq!(stats.dropped.get("report_unsent"), Some(&1), "another token may come with the next start");
}

/// As whoever rotates secrets does it: the file is replaced, and no program is started again.
#[test]
fn a_token_whose_file_changes_is_taken_over_by_the_next_call() {
    let server = Running::start(Manner::Strict, false);
    let file = std::env::temp_dir().join(format!("rover-token-of-reporter-{}", std::process::id()));
    std::fs::write(&file, "outdated").unwrap();
    let named = OapOptions { token_file: Some(file.clone()), ..options(&[server.address]) };
    let mut reporter = OapReporter::start(named).unwrap();
    reporter.push(&numbered(1));
    reporter.hand_over();
    wait(|| reporter.stats().last_error.is_some_and(|error| error.contains("reporters.oap.token_file")));
    std::fs::write(&file, "secret\n").unwrap();
    assert!(reporter.flush(LONG));
    std::fs::remove_file(&file).unwrap();
    reporter.push(&numbered(2));
    assert_eq!(reporter.stop(LONG).acked, 2);
}

#[test]
fn a_backend_of_our_own_gets_the_whole_record() {
    let server = Running::start(Manner::Polite, true);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    let mut unfinished = numbered(2);
    unfinished.flags.set(Flag::Unfinished);
    let mut expected = Vec::new();
    for record in [numbered(1), unfinished] {
        assert_eq!(reporter.push(&record), Pushed::Queued);
        let mut text = Vec::new();
        JsonEncoder::default().encode_object(&record, &mut text);
        expected.push(String::from_utf8(text).unwrap());
    }
    assert_eq!(reporter.stop(LONG).acked, 2);
    let messages = server.messages();
    assert_eq!(messages.iter().map(|m| m.rover_record.clone()).collect::<Vec<_>>(), expected);
    assert!(messages[0].node.is_some() && messages.iter().all(|m| m.protocol_log.is_none() && m.connection.is_none()));
}

#[test]
fn a_record_without_an_oap_form_is_withheld_from_oap() {
    let mut server = Running::start(Manner::Polite, false);
    server.stop();
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    let mut unfinished = numbered(1);
    unfinished.flags.set(Flag::Unfinished);
    // Before the backend is known it is queued in the form for ours, after that it is withheld at once.
    assert_eq!(reporter.push(&unfinished), Pushed::Queued);
    reporter.push(&numbered(2));
    let server = Running::start_at(server.address, Manner::Polite, false);
    assert!(reporter.flush(LONG));
    assert_eq!(reporter.push(&unfinished), Pushed::Withheld);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.acked, stats.withheld, server.messages().len()), (1, 2, 1));
}

/// An activity of the connection of [`numbered`].
fn activity() -> Activity {
    let record = numbered(0);
    Activity { local: record.local, remote: record.remote, connection: record.connection, ..samples::activity() }
}

const BOOT_WALL_NS: u64 = samples::WALL_NS - 1_000_000;

#[test]
fn activities_go_between_records_with_their_own_connection() {
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    push_all(&mut reporter, 2);
    assert_eq!(reporter.push_activity(&activity(), BOOT_WALL_NS), Pushed::Queued);
    push_all(&mut reporter, 2);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.pushed, stats.acked, stats.activities, stats.merged_calls), (5, 5, 1, 0));
    let messages = server.messages();
    let protocols: Vec<_> = messages.iter().map(|m| m.connection.as_ref().map(|c| c.protocol)).collect();
    assert_eq!(protocols, [Some(1), None, Some(0), Some(1), None]);
    assert_eq!((messages[2].kernel_logs.len(), messages[2].protocol_log.is_none()), (7, true));
}

/// The node's boot is told by whatever comes first; without it OAP puts everything into 1970.
#[test]
fn an_activity_may_be_the_first_message_of_a_stream() {
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    assert_eq!(reporter.push_activity(&activity(), BOOT_WALL_NS), Pushed::Queued);
    assert_eq!(reporter.stop(LONG).acked, 1);
    let boot = server.messages()[0].node.clone().unwrap().boot_time.unwrap();
    assert_eq!(boot.seconds as u64 * 1_000_000_000 + boot.nanos as u64, BOOT_WALL_NS);
}

#[test]
fn a_backend_of_our_own_gets_activities_as_rows_like_exchanges() {
    let server = Running::start(Manner::Polite, true);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    push_all(&mut reporter, 1);
    reporter.push_activity(&activity(), BOOT_WALL_NS);
    push_all(&mut reporter, 1);
    assert_eq!(reporter.stop(LONG).acked, 3);
    let forms: Vec<_> = server.messages().iter().map(|m| (m.rover_record.is_empty(), m.connection.is_some())).collect();
    assert_eq!(forms, [(false, false); 3]);
}

#[test]
fn activities_are_bounded_and_counted_like_records() {
    let mut server = Running::start(Manner::Polite, false);
    server.stop();
    let mut reporter = OapReporter::start(OapOptions { queue_bytes: 20_000, ..options(&[server.address]) }).unwrap();
    let mut nothing = activity();
    (nothing.opening, nothing.closing) = (None, None);
    nothing.operations.clear();
    assert_eq!(reporter.push_activity(&nothing, BOOT_WALL_NS), Pushed::Withheld);
    let queued = (0..1000).filter(|_| reporter.push_activity(&activity(), BOOT_WALL_NS) == Pushed::Queued).count();
    assert!(queued > 5 && queued < 100, "{queued}");
    assert!(reporter.stats().held_bytes <= 20_000);
    let stats = reporter.stop(Duration::ZERO);
    balance(&stats);
    assert_eq!((stats.pushed, stats.activities, stats.withheld), (1001, 1001, 1));
    assert_eq!(stats.dropped["report_queue_full"], 1000 - queued as u64);
}

#[test]
fn calls_that_share_a_log_are_counted() {
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(options(&[server.address])).unwrap();
    let mut busy = activity();
    busy.operations.iter_mut().for_each(|sum| sum.count = 1_000_000);
    reporter.push_activity(&busy, BOOT_WALL_NS);
    let stats = reporter.stop(LONG);
    let logs: usize = server.messages().iter().map(|message| message.kernel_logs.len()).sum();
    assert_eq!(stats.merged_calls, 2_000_000 - (logs as u64 - 2));
}

#[test]
fn options_are_checked() {
    assert!(OapReporter::start(OapOptions { addresses: Vec::new(), ..OapOptions::default() }).is_err());
    assert!(OapOptions::from_json("{\"adresses\":[]}").unwrap_err().to_string().contains("adresses"));
    let named = OapOptions::from_json("{\"unknown_end\":\"name\",\"token\":null}").unwrap();
    assert_eq!((named.unknown_end, named.addresses.len()), (UnknownEnd::Name, 1));
}
