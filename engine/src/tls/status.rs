//! What is told of TLS libraries, for `rover doctor` and the page.

use std::collections::VecDeque;

use serde::Serialize;

/// One file with a TLS library in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LibraryStatus {
    /// As the process that mapped it first sees it.
    pub path: String,
    pub device: String,
    pub inode: u64,
    /// `openssl`, `go`, …
    pub kind: &'static str,
    pub version: Option<String>,
    /// `shared`: the file is the library; `static`: it has it inside.
    pub linkage: &'static str,
    pub build_id: Option<String>,
    pub functions: Vec<&'static str>,
    /// What a probe costs here: `emulated`, `stepped` or `return probe`; the worst of its places.
    pub cost: &'static str,
    pub attached: bool,
    /// Why it is not, or no longer.
    pub reason: Option<String>,
    /// What was not found.
    pub notes: Vec<String>,
    /// Of one that is not attached: processes that mapped it, the last ones.
    pub processes: Vec<u32>,
    /// Processes in which its ciphertext is looked at, because their sessions have no socket.
    pub ciphertext_processes: Vec<u32>,
    /// Calls that the self-check has seen, at most 1024, and how many of them made no sense.
    pub calls_checked: u32,
    pub calls_odd: u32,
}

/// A process that could call a library before its probes were there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlindWindow {
    pub pid: u32,
    pub comm: String,
    pub path: String,
    /// From the mapping until the probes were attached.
    pub blind_ns: u64,
    /// When that was, since boot.
    pub time_ns: u64,
    /// The process ran before rover: the time counts from rover's start.
    pub is_older: bool,
}

/// Most blind windows that are kept; the oldest go.
const WINDOWS: usize = 512;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    pub enabled: bool,
    /// Why not.
    pub reason: Option<String>,
    pub libraries: Vec<LibraryStatus>,
    pub blind_windows: VecDeque<BlindWindow>,
    /// Processes that mapped a library that was probed already: they have no blind window.
    pub covered: u64,
    /// Files that were looked at.
    pub inspected: u64,
    /// What inspecting and attaching took so far.
    pub inspect_ns: u64,
    pub attach_ns: u64,
    /// Mappings that the kernel could not report in time; all processes were looked through again then.
    pub mappings_lost: u64,
    /// Files that could not be reached, or were gone.
    pub unreachable: u64,
    /// Mapping events seen.
    pub mappings: u64,
}

impl Status {
    pub fn blind(&mut self, window: BlindWindow) {
        if self.blind_windows.len() >= WINDOWS {
            self.blind_windows.pop_front();
        }
        self.blind_windows.push_back(window);
    }
}
