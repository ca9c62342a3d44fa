//! The reporter with a spool: what waits on disk while the backend is away, and what comes of it.

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("rover-oap-spool-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // A stop waits for a disk so long and no longer; how quick this machine's is, is not what is asked here.
        let memory = std::path::PathBuf::from("/dev/shm");
        Folder(if memory.is_dir() { memory } else { std::env::temp_dir() }.join(name))
    }

    fn segments(&self) -> usize {
        let names = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|one| one == "spool")).count()
    }
}

impl std::ops::Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(&self.0);
    }
}

const QUEUE_BYTES: usize = 400_000;

fn spooled(folder: &Folder, address: SocketAddr) -> OapOptions {
    let spool = Some(SpoolKeys { path: folder.0.clone(), bytes: 64 << 20, hours: 1.0 });
    OapOptions { queue_bytes: QUEUE_BYTES, stream_seconds: 0.1, spool, ..options(&[address]) }
}

/// A server that was there and is gone: its address refuses connections.
fn gone() -> SocketAddr {
    let mut server = Running::start(Manner::Polite, false);
    server.stop();
    server.address
}

fn push_and_hand_over(reporter: &mut OapReporter, numbers: std::ops::Range<u32>) {
    for sequence in numbers {
        assert_eq!(reporter.push(&numbered(sequence)), Pushed::Queued);
        if sequence % 20 == 19 {
            reporter.hand_over();
            balance(&reporter.stats());
            // The disk is slower than this loop: wait as the engine never does, so that nothing is refused here.
            wait(|| reporter.stats().held_bytes < QUEUE_BYTES as u64 / 2 + 40_000);
        }
    }
    reporter.hand_over();
}

fn paths(server: &Running) -> Vec<String> {
    server.messages().iter().map(path).collect()
}

fn told_until_its_end(mut server: Running) -> Vec<String> {
    // What it takes between a reading and its end is acknowledged too.
    server.stop();
    paths(&server)
}

fn expected(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("/{number}")).collect()
}

#[test]
fn many_times_what_memory_holds_arrives_in_order_when_the_backend_is_back() {
    let (folder, address) = (Folder::new(), gone());
    let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
    push_and_hand_over(&mut reporter, 0..3000);
    let stats = reporter.stats();
    assert!(stats.held_bytes <= QUEUE_BYTES as u64 && stats.spooled_records > 2000, "{stats:?}");
    let server = Running::start_at(address, Manner::Polite, false);
    wait(|| reporter.stats().acked == 3000);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.held_records, stats.spooled_records, folder.segments()), (0, 0, 0));
    assert_eq!(paths(&server), expected(0..3000), "in order, and none twice");
}

#[test]
fn a_healthy_node_writes_nothing() {
    let folder = Folder::new();
    let server = Running::start(Manner::Polite, false);
    let mut reporter = OapReporter::start(spooled(&folder, server.address)).unwrap();
    for round in 0..20 {
        push_and_hand_over(&mut reporter, round * 20..round * 20 + 20);
        wait(|| reporter.stats().acked == u64::from(round) * 20 + 20);
        assert_eq!(folder.segments(), 0);
    }
    let stats = reporter.stop(LONG);
    assert_eq!((stats.acked, stats.spooled_bytes), (400, 0));
}

#[test]
fn what_is_left_at_the_end_is_sent_by_the_next_start() {
    let (folder, address) = (Folder::new(), gone());
    let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
    push_and_hand_over(&mut reporter, 0..50);
    let start = Instant::now();
    let stats = reporter.stop(LONG);
    assert!(start.elapsed() < LONG / 2, "nobody waits for a backend that is away");
    balance(&stats);
    assert_eq!((stats.spooled_records, stats.held_records, stats.dropped.len()), (50, 0, 0));
    let server = Running::start_at(address, Manner::Polite, false);
    let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
    push_and_hand_over(&mut reporter, 50..60);
    wait(|| reporter.stats().acked == 60);
    let stats = reporter.stop(LONG);
    balance(&stats);
    assert_eq!((stats.recovered, stats.pushed), (50, 10));
    assert_eq!(paths(&server), expected(0..60));
}

/// A backend that reads and never answers: what it has may be sent twice, and nothing is lost.
#[test]
fn a_backend_that_takes_and_never_answers_fills_the_disk_and_not_the_memory() {
    let folder = Folder::new();
    let silent = Running::start(Manner::Silent, false);
    let mut reporter = OapReporter::start(spooled(&folder, silent.address)).unwrap();
    push_and_hand_over(&mut reporter, 0..1000);
    assert!(reporter.stats().held_bytes <= QUEUE_BYTES as u64);
    let stats = reporter.stop(Duration::from_millis(500));
    balance(&stats);
    assert_eq!((stats.acked, stats.spooled_records, stats.dropped.len()), (0, 1000, 0), "{stats:?}");
}

#[test]
fn a_backend_of_the_other_kind_gets_the_form_it_understands() {
    let folder = Folder::new();
    for (number, is_rover) in [false, true, false].into_iter().enumerate() {
        let mut server = Running::start(Manner::Polite, is_rover);
        let mut reporter = OapReporter::start(spooled(&folder, server.address)).unwrap();
        wait(|| reporter.stats().backend.is_some());
        server.stop();
        push_and_hand_over(&mut reporter, 0..30);
        reporter.stop(Duration::from_millis(500));
        let server = Running::start(Manner::Polite, !is_rover);
        let mut reporter = OapReporter::start(spooled(&folder, server.address)).unwrap();
        wait(|| reporter.stats().acked == 30);
        balance(&reporter.stop(LONG));
        // Whole records are encoded only for those who want them.
        let is_whole = |message: &v3::EbpfAccessLogMessage| !message.rover_record.is_empty();
        assert_eq!(server.messages().iter().filter(|m| is_whole(m)).count(), 0, "{number}");
        assert_eq!(paths(&server), expected(0..30));
    }
}

#[test]
fn above_its_bound_the_oldest_go_and_are_counted() {
    let (folder, address) = (Folder::new(), gone());
    let spool = Some(SpoolKeys { path: folder.0.clone(), bytes: 40_000, hours: 1.0 });
    let mut reporter = OapReporter::start(OapOptions { spool, ..spooled(&folder, address) }).unwrap();
    push_and_hand_over(&mut reporter, 0..20_000);
    wait(|| reporter.stats().dropped.contains_key("spool_full"));
    assert!(reporter.stats().spooled_bytes <= 40_000);
    let server = Running::start_at(address, Manner::Polite, false);
    wait(|| reporter.stats().held_records + reporter.stats().spooled_records == 0);
    let stats = reporter.stop(LONG);
    balance(&stats);
    let found = paths(&server);
    assert_eq!(found, expected(20_000 - found.len() as u32..20_000), "the newest, in order");
}

#[test]
fn without_a_disk_the_newest_are_kept_in_memory_and_the_reason_told() {
    let (folder, address) = (Folder::new(), gone());
    std::fs::write(&folder.0, "no folder").unwrap();
    let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
    wait(|| reporter.stats().spool_error.is_some());
    push_and_hand_over(&mut reporter, 0..2000);
    let stats = reporter.stats();
    balance(&stats);
    assert!(stats.spool_error.is_some_and(|error| error.contains(&folder.0.display().to_string())));
    assert!(stats.dropped["spool_failed"] > 500 && stats.held_bytes <= QUEUE_BYTES as u64);
    let server = Running::start_at(address, Manner::Polite, false);
    let stats = {
        reporter.flush(LONG);
        wait(|| reporter.stats().held_records == 0);
        reporter.stop(LONG)
    };
    balance(&stats);
    let found = paths(&server);
    assert_eq!(found, expected(2000 - found.len() as u32..2000));
}

/// Whatever happens, in whichever order: at every moment each record is in exactly one place, and at the end all of them
/// were acknowledged, some twice on the wire.
#[test]
fn the_account_balances_at_every_moment_of_a_troubled_life() {
    let (folder, address) = (Folder::new(), gone());
    let mut pushed = 0;
    let mut seen = std::collections::BTreeSet::new();
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    let mut spooled_before = 0;
    for life in 0..4 {
        let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
        let mut server = None;
        for _ in 0..25 {
            let many = next(120) as u32;
            push_and_hand_over(&mut reporter, pushed..pushed + many);
            pushed += many;
            match next(4) {
                0 => {
                    let manner = [Manner::Polite, Manner::FailFirst(2), Manner::Silent][next(3) as usize];
                    seen.extend(server.take().map(told_until_its_end).unwrap_or_default());
                    server = Some(Running::start_at(address, manner, next(2) == 0));
                }
                1 => seen.extend(server.take().map(told_until_its_end).unwrap_or_default()),
                _ => {}
            }
            for _ in 0..50 {
                balance(&reporter.stats());
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let stats = reporter.stop(Duration::from_millis(300));
        balance(&stats);
        // A segment of which a part was delivered is sent again as a whole.
        assert!(stats.recovered >= spooled_before && stats.held_records == 0, "life {life}: {stats:?}");
        assert_eq!(stats.dropped.len(), 0, "{stats:?}");
        spooled_before = stats.spooled_records;
        seen.extend(server.take().map(told_until_its_end).unwrap_or_default());
    }
    let server = Running::start_at(address, Manner::Polite, false);
    let mut reporter = OapReporter::start(spooled(&folder, address)).unwrap();
    wait(|| reporter.stats().recovered >= spooled_before && reporter.stats().spooled_records == 0);
    balance(&reporter.stop(LONG));
    seen.extend(paths(&server));
    assert_eq!(seen.len(), pushed as usize);
}
