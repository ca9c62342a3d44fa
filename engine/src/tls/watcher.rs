//! The thread that finds libraries: first what is mapped and installed, then every mapping as it happens.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::files;
use super::libraries::{Libraries, Met};
use super::mappings::{Mapping, Mappings};
use super::maps;
use super::programs::Programs;
use super::status::{BlindWindow, Status};
use crate::options::Tls;
use crate::{clock, memory, priority};

/// How long the start waits for the libraries that are likely ones; the rest is looked at later.
const START: Duration = Duration::from_millis(1500);
/// How often accounts are judged.
const JUDGE: Duration = Duration::from_secs(1);
/// How often all processes are looked through where the kernel gives no news of mappings.
const LOOK: Duration = Duration::from_secs(5);
/// How often what was kept for ended processes is let go.
const SWEEP: Duration = Duration::from_secs(15);
/// Mappings that wait to be looked at; what is more counts as lost.
const FRESH: usize = 65536;

/// Wakes the thread.
#[derive(Debug)]
struct Bell {
    event: OwnedFd,
}

impl Bell {
    fn new() -> std::io::Result<Bell> {
        // SAFETY: no pointers.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Bell { event: unsafe { OwnedFd::from_raw_fd(event) } })
    }

    fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes to read from. It fails only when the bell rings already.
        unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: room for eight bytes.
        unsafe { libc::read(self.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

/// What is to be followed in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// Its sessions have no socket.
    Ciphertext(u32),
    /// A connection older than rover lacks entries of its HPACK table.
    Tables(u32),
}

/// Asks for more of processes than is told of all.
#[derive(Clone, Debug)]
pub struct Requests {
    requests: Sender<Vec<Request>>,
    bell: Arc<Bell>,
}

impl Requests {
    pub fn ask(&self, requests: Vec<Request>) {
        if self.requests.send(requests).is_ok() {
            self.bell.ring();
        }
    }
}

/// The running thread, or why there is none.
#[derive(Debug, Default)]
pub struct Watcher {
    status: Arc<Mutex<Status>>,
    requests: Option<Requests>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Returns when the likely libraries are probed; without programs there is only a status that says why.
    pub fn start(programs: Result<Programs, String>, options: &Tls) -> Watcher {
        Watcher::try_start(programs, options).unwrap_or_else(|reason| {
            let watcher = Watcher::default();
            watcher.status.lock().unwrap_or_else(PoisonError::into_inner).reason = Some(reason);
            watcher
        })
    }

    fn try_start(programs: Result<Programs, String>, options: &Tls) -> Result<Watcher, String> {
        let programs = programs?;
        raise_descriptor_limit();
        let bell = Arc::new(Bell::new().map_err(|error| error.to_string())?);
        let mut late = None;
        let mappings = Mappings::open().unwrap_or_else(|error| {
            late =
                Some(format!("new libraries are found after {} s: perf events of mappings: {error}", LOOK.as_secs()));
            Mappings::none()
        });
        let (asking, asked) = channel();
        let (ready, is_ready) = sync_channel(1);
        let status = Arc::new(Mutex::new(Status { enabled: true, reason: late, ..Status::default() }));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let search = Search {
            mappings,
            libraries: Libraries::new(programs, &options.skip),
            fresh: VecDeque::new(),
            read_ns: clock::boot_ns(),
            again: VecDeque::new(),
            again_ns: 0,
            is_again_due: false,
            looked_ns: clock::boot_ns(),
            backlog: VecDeque::new(),
            unmapped: files::executables().into(),
            asked,
            bell: Arc::clone(&bell),
            status: Arc::clone(&status),
            is_stopping: Arc::clone(&is_stopping),
            begin_ns: clock::boot_ns(),
        };
        let thread = std::thread::Builder::new().name("rover-tls".into());
        let thread = thread.spawn(move || {
            priority::go_first();
            search.run(&ready);
        });
        let thread = thread.map_err(|error| error.to_string())?;
        // Late is no error: the thread goes on, and blind windows tell.
        is_ready.recv_timeout(START).unwrap_or_default();
        Ok(Watcher { status, requests: Some(Requests { requests: asking, bell }), is_stopping, thread: Some(thread) })
    }

    /// None where there is no thread.
    pub fn requests(&self) -> Option<Requests> {
        self.requests.clone()
    }

    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Detaches everything.
    pub fn stop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(requests) = self.requests.take() {
            requests.bell.ring();
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("rover: the search for TLS libraries ended early");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is there now: looks at everything once, probes it, and lets go again.
pub fn survey(programs: Result<Programs, String>, options: &Tls) -> Status {
    let programs = match programs {
        Ok(programs) => programs,
        Err(reason) => return Status { reason: Some(reason), ..Status::default() },
    };
    let mut libraries = Libraries::new(programs, &options.skip);
    for mapping in mapped() {
        libraries.meet(&mapping);
    }
    for path in files::installed().into_iter().chain(files::executables()) {
        libraries.meet_installed(&path);
    }
    let mut status = Status { enabled: true, libraries: libraries.status(), ..Status::default() };
    (status.inspected, status.inspect_ns, status.attach_ns) =
        (libraries.inspected, libraries.inspect_ns, libraries.attach_ns);
    status
}

/// One mapping for each file and process, the likely files first.
fn mapped() -> VecDeque<Mapping> {
    let mut likely = VecDeque::new();
    let mut others = VecDeque::new();
    for pid in maps::processes() {
        for mapping in maps::executable_files(pid) {
            if files::is_likely(&mapping.path) {
                likely.push_back(mapping);
            } else {
                others.push_back(mapping);
            }
        }
    }
    likely.append(&mut others);
    likely
}

fn is_alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Each library takes a handful of descriptors: as many as this process may have.
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for the answer, which is then given back with another value.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max.min(65536);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

struct Search {
    mappings: Mappings,
    libraries: Libraries,
    /// What has happened and was not looked at yet.
    fresh: VecDeque<Mapping>,
    /// When the kernel's buffers were empty last.
    read_ns: u64,
    /// All processes, after mappings were lost; `again_ns`: since then.
    again: VecDeque<Mapping>,
    again_ns: u64,
    is_again_due: bool,
    /// When all processes were looked through last, where no news come.
    looked_ns: u64,
    /// From before the start; what happens now goes first.
    backlog: VecDeque<Mapping>,
    /// Files that nobody has mapped, to be looked at when nothing else is to be done.
    unmapped: VecDeque<PathBuf>,
    asked: Receiver<Vec<Request>>,
    bell: Arc<Bell>,
    status: Arc<Mutex<Status>>,
    is_stopping: Arc<AtomicBool>,
    begin_ns: u64,
}

impl Search {
    fn run(mut self, ready: &SyncSender<()>) {
        let Ok(epoll) = self.epoll() else {
            return;
        };
        self.backlog = mapped();
        let likely = self.backlog.iter().take_while(|mapping| files::is_likely(&mapping.path)).count();
        for mapping in self.backlog.drain(..likely).collect::<Vec<_>>() {
            self.meet(&mapping);
            self.follow();
        }
        for path in files::installed() {
            self.libraries.meet_installed(&path);
            self.follow();
        }
        self.publish();
        // Nobody waits any more: nothing to tell.
        ready.send(()).unwrap_or_default();
        let (mut judged, mut swept, mut looked) = (Instant::now(), Instant::now(), Instant::now());
        let (mut inspected, mut given_back) = (self.libraries.inspected, 0);
        while !self.is_stopping.load(Ordering::Relaxed) {
            self.wait(&epoll);
            self.take_mappings();
            self.follow();
            if self.fresh.is_empty() {
                self.look_behind();
            }
            let is_due = judged.elapsed() >= JUDGE;
            if is_due {
                judged = Instant::now();
                self.libraries.judge();
                self.libraries.release(is_alive);
                self.libraries.release_tables();
            }
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                self.libraries.sweep(is_alive);
                if self.libraries.inspected != given_back {
                    given_back = self.libraries.inspected;
                    memory::give_back();
                }
            }
            if self.mappings.is_none() && looked.elapsed() >= LOOK {
                looked = Instant::now();
                (self.again_ns, self.looked_ns) = (self.looked_ns, clock::boot_ns());
                self.is_again_due = true;
            }
            if is_due || self.libraries.inspected != inspected {
                inspected = self.libraries.inspected;
                self.publish();
            }
        }
    }

    /// One of what is not from now.
    fn look_behind(&mut self) {
        if let Some(mapping) = self.again.pop_front() {
            self.meet_again(&mapping);
        } else if let Some(mapping) = self.backlog.pop_front() {
            self.meet(&mapping);
        } else if let Some(path) = self.unmapped.pop_front() {
            self.libraries.meet_installed(&path);
        }
    }

    /// What is asked for of processes. Never late: what their sessions say waits for it.
    fn follow(&mut self) {
        // Until one is followed it is asked for again with each of its events.
        let mut asked: Vec<Request> = self.asked.try_iter().flatten().collect();
        asked.sort_unstable();
        asked.dedup();
        for request in asked {
            match request {
                Request::Ciphertext(pid) => self.libraries.follow_ciphertext(pid, &maps::executable_files(pid)),
                Request::Tables(pid) => self.libraries.follow_tables(pid, &maps::executable_files(pid)),
            }
        }
    }

    fn epoll(&self) -> std::io::Result<OwnedFd> {
        // SAFETY: no pointers.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let descriptors = self.mappings.descriptors().map(|descriptor| descriptor.as_raw_fd());
        for descriptor in descriptors.chain([self.bell.event.as_raw_fd()]) {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
            // SAFETY: both descriptors are open, and the event outlives the call.
            if unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &raw mut event) } != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(epoll)
    }

    fn wait(&self, epoll: &OwnedFd) {
        let is_idle = self.fresh.is_empty() && self.again.is_empty() && self.backlog.is_empty();
        let most = if is_idle && self.unmapped.is_empty() { JUDGE.as_millis() as i32 } else { 0 };
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
        // SAFETY: room for as many events as are asked for. An interrupted wait is a short one.
        unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, most) };
        self.bell.silence();
    }

    /// Up to the first file that was not known: to look at one takes long, and what comes meanwhile is to be read before
    /// the kernel runs out of room for it.
    fn take_mappings(&mut self) {
        self.read_mappings();
        let inspected = self.libraries.inspected;
        while self.libraries.inspected == inspected {
            let Some(mapping) = self.fresh.pop_front() else {
                return self.look_again();
            };
            self.meet(&mapping);
        }
    }

    fn read_mappings(&mut self) {
        let begin_ns = clock::boot_ns();
        let (fresh, mut count) = (&mut self.fresh, 0);
        // The likely files of a burst first: each costs time, in which the others' processes run on.
        let mut lost = self.mappings.drain(|mapping| {
            count += 1;
            if files::is_likely(&mapping.path) {
                fresh.push_front(mapping);
            } else {
                fresh.push_back(mapping);
            }
        });
        lost += fresh.len().saturating_sub(FRESH) as u64;
        fresh.truncate(FRESH);
        if lost > 0 {
            self.again_ns = if self.is_again_due { self.again_ns } else { self.read_ns };
            self.is_again_due = true;
        }
        self.read_ns = begin_ns;
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.mappings += count;
        status.mappings_lost += lost;
    }

    /// After a loss, once nothing else is to be read: whatever was lost is mapped, or its process gone.
    fn look_again(&mut self) {
        if std::mem::take(&mut self.is_again_due) {
            self.again = mapped();
        }
    }

    fn meet_again(&mut self, mapping: &Mapping) {
        let met = self.libraries.meet(mapping);
        // Who mapped what was probed before the loss was covered.
        if let Met::Probed { since_ns } = met {
            if since_ns > self.again_ns {
                self.tell_blind(mapping, self.again_ns, since_ns, false);
            }
        }
    }

    fn meet(&mut self, mapping: &Mapping) {
        let met = self.libraries.meet(mapping);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match met {
            Met::Nothing | Met::Refused => {}
            Met::Unreachable => status.unreachable += 1,
            Met::Probed { since_ns } if mapping.time_ns > since_ns => status.covered += 1,
            Met::Probed { since_ns } => {
                drop(status);
                let is_older = mapping.time_ns == 0;
                let begin_ns = if is_older { self.begin_ns } else { mapping.time_ns };
                self.tell_blind(mapping, begin_ns, since_ns, is_older);
            }
        }
    }

    fn tell_blind(&self, mapping: &Mapping, begin_ns: u64, since_ns: u64, is_older: bool) {
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", mapping.pid)).unwrap_or_default();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.blind(BlindWindow {
            pid: mapping.pid,
            comm: comm.trim_end().to_owned(),
            path: mapping.path.to_string_lossy().into_owned(),
            blind_ns: since_ns.saturating_sub(begin_ns),
            time_ns: since_ns,
            is_older,
        });
    }

    fn publish(&self) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.libraries = self.libraries.status();
        (status.inspected, status.inspect_ns, status.attach_ns) =
            (self.libraries.inspected, self.libraries.inspect_ns, self.libraries.attach_ns);
    }
}
