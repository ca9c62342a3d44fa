//! The table of files: each is looked at once; what has a TLS library inside is probed.

mod following;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rover_sites::{inspect, Action, Library, Linkage, Site};

use super::elsewhere::Elsewhere;
use super::files::{self, Content, Inode};
use super::links::{self, Places};
use super::mappings::Mapping;
use super::maps;
use super::programs::{Program, Programs};
use super::sites::{is_of_failures, kind_name, maybe_site, program_of, Slots};
use super::status::LibraryStatus;
use crate::clock;

/// RV_TLS_SITES and RV_TLS_ACCOUNTS of bpf/maps/tls.h: what the kernel side has room for.
const SITES: u32 = 8192;
const LIBRARIES: u32 = 1024;
/// Files with a TLS library that are told of, probed or not.
const MOST_TOLD: usize = 2 * LIBRARIES as usize;
/// Files that are remembered. A node with more goes through them again.
const FILES: usize = 16384;
/// Processes that are remembered of a file: one that lives is enough to keep its probes.
const USERS: usize = 64;
/// Calls after which a library is judged, and the share of odd ones (one in so many) that is too much. A few are normal:
/// threads that were inside a call when the probes came.
const JUDGED_CALLS: u32 = 64;
const ODD_SHARE: u32 = 8;

/// In the status of a library.
const SHARED: &str = "shared";

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Library(u32),
}

/// What a mapping turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Nothing,
    /// Probed since then.
    Probed {
        since_ns: u64,
    },
    /// Has a TLS library, which is not probed.
    Refused,
    Unreachable,
}

/// A file with a TLS library inside.
#[derive(Default)]
struct Entry {
    status: LibraryStatus,
    account: u32,
    since_ns: u64,
    /// Processes that mapped the file, as far as they are known.
    users: Vec<u32>,
    is_judged: bool,
    /// No library of its kind can be read: told of where a process has it.
    is_unreadable: bool,
    /// Dropped, the probes are gone.
    links: Vec<OwnedFd>,
    slots: Vec<u32>,
    /// To begin anew with other places, and for the ciphertext of one process.
    file: Option<File>,
    fallback: Option<Box<Library>>,
    cipher: Vec<Places>,
    /// Of what sessions write to memory, in all processes.
    memory_links: Vec<OwnedFd>,
    cipher_links: BTreeMap<u32, Vec<OwnedFd>>,
    /// HPACK decoders, and the processes in which they are probed, each with the end of its time.
    tables: Places,
    table_links: BTreeMap<u32, (u64, Vec<OwnedFd>)>,
}

impl Entry {
    /// The file is not, or no longer, what its path leads to on this machine.
    fn is_passing(&self) -> bool {
        let here = files::maybe_regular(Path::new(&self.status.path)).map(|(_, metadata)| Content::of(&metadata));
        let own = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| Content::of(&metadata));
        own.is_none() || here != own
    }

    /// Numbers repeat from one file system to the next, and the kernel's name of one is not always that of `stat`: whether
    /// it is the same is asked of the file itself. One that cannot be reached any more may be.
    fn is_mapped_by(&self, mapping: &Mapping) -> bool {
        if mapping.inode.number != self.status.inode {
            return false;
        }
        let own = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| Content::of(&metadata));
        let other = files::maybe_file(mapping).map(|(_, metadata)| Content::of(&metadata));
        own.zip(other).is_none_or(|(own, other)| own.is_same_file(&other))
    }
}

pub struct Libraries {
    programs: Programs,
    has_return_probes: bool,
    skip: Vec<String>,
    entries: BTreeMap<u32, Entry>,
    next: u32,
    by_inode: HashMap<Inode, Known>,
    by_content: HashMap<Content, Known>,
    elsewhere: Elsewhere,
    /// This code: what it reports over TLS is nobody's exchange.
    own: Option<Content>,
    sites: Slots,
    accounts: Slots,
    pub inspected: u64,
    pub inspect_ns: u64,
    pub attach_ns: u64,
}

impl Libraries {
    pub fn new(programs: Programs, skip: &[String]) -> Libraries {
        Libraries {
            programs,
            has_return_probes: may_return_probes(),
            skip: skip.to_vec(),
            entries: BTreeMap::new(),
            next: 0,
            by_inode: HashMap::new(),
            by_content: HashMap::new(),
            elsewhere: Elsewhere::new(),
            own: maybe_own(),
            sites: Slots::new(SITES),
            accounts: Slots::new(LIBRARIES),
            inspected: 0,
            inspect_ns: 0,
            attach_ns: 0,
        }
    }

    /// A process has mapped a file.
    pub fn meet(&mut self, mapping: &Mapping) -> Met {
        // Without a generation the number may be another file's by now: its content decides.
        let known = self.by_inode.get(&mapping.inode).copied().filter(|_| mapping.inode.generation != 0);
        if let Some(known) = known {
            self.note_user(known, mapping.pid);
            return self.met(known);
        }
        let found = files::maybe_file(mapping).map(|(file, metadata)| (file, metadata, mapping.pid));
        let Some((file, metadata, seen_by)) = found.or_else(|| self.elsewhere.maybe_file(mapping)) else {
            return Met::Unreachable;
        };
        let before = self.by_content.get(&Content::of(&metadata)).copied();
        let known = match before {
            Some(known) => known,
            None => self.look(file, &metadata, &mapping.path),
        };
        if self.by_inode.len() >= FILES {
            self.by_inode.clear();
        }
        if mapping.inode.generation != 0 {
            self.by_inode.insert(mapping.inode, known);
        }
        self.note_user(known, mapping.pid);
        if seen_by != mapping.pid {
            // As long as that one is there, the next process of its container finds the probes in place.
            self.note_user(known, seen_by);
        }
        self.met(known)
    }

    fn note_user(&mut self, known: Known, pid: u32) {
        let Known::Library(id) = known else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.users.contains(&pid)) else {
            return;
        };
        if entry.users.len() >= USERS {
            entry.users.remove(0);
        }
        entry.users.push(pid);
    }

    /// A file that nobody has mapped yet.
    pub fn meet_installed(&mut self, path: &Path) {
        let Some((file, metadata)) = files::maybe_regular(path) else {
            return;
        };
        if !self.by_content.contains_key(&Content::of(&metadata)) {
            self.look(file, &metadata, path);
        }
    }

    fn met(&self, known: Known) -> Met {
        let Known::Library(id) = known else {
            return Met::Nothing;
        };
        match self.entries.get(&id) {
            // Ciphertext alone is looked at when a process asks for it.
            Some(entry) if entry.links.is_empty() && entry.status.attached => Met::Nothing,
            Some(entry) if entry.status.attached => Met::Probed { since_ns: entry.since_ns },
            _ => Met::Refused,
        }
    }

    fn look(&mut self, file: File, metadata: &Metadata, path: &Path) -> Known {
        let content = Content::of(metadata);
        if self.own.is_some_and(|own| own.is_same_file(&content)) {
            return Known::Nothing;
        }
        // The same file with another content, or only another time: probed twice it would tell everything twice.
        let before = self.by_content.iter().find(|(known, _)| known.is_same_file(&content)).map(|(_, known)| *known);
        if let Some(Known::Library(id)) = before {
            if let Some(mut entry) = self.entries.remove(&id) {
                self.forget(id, &mut entry);
            }
        }
        let begin = clock::boot_ns();
        self.inspected += 1;
        let name = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // What is no ELF file, or one of another machine, has no place for a probe: nothing to tell of.
        let library = inspect(&name).ok().flatten();
        self.inspect_ns += clock::boot_ns().saturating_sub(begin);
        let known = match library.filter(|_| self.entries.len() < MOST_TOLD) {
            None => Known::Nothing,
            Some(library) => Known::Library(self.add(file, metadata, path, library)),
        };
        if self.by_content.len() >= FILES {
            self.by_content.retain(|_, known| matches!(known, Known::Library(_)));
        }
        self.by_content.insert(content, known);
        known
    }

    fn add(&mut self, file: File, metadata: &Metadata, path: &Path, library: Library) -> u32 {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let device = metadata.dev_numbers();
        let mut entry = Entry {
            status: LibraryStatus {
                path: path.to_string_lossy().into_owned(),
                device: format!("{}:{}", device.0, device.1),
                inode: Content::of(metadata).number,
                kind: kind_name(library.kind),
                version: library.version.clone(),
                linkage: match library.linkage {
                    Linkage::Shared => SHARED,
                    Linkage::Static => "static",
                },
                build_id: library.build_id.clone(),
                notes: library.notes.clone(),
                ..LibraryStatus::default()
            },
            ..Entry::default()
        };
        let is_skipped = self.skip.iter().any(|glob| matches(glob, &entry.status.path));
        let why_not = library.kind.why_unread().filter(|_| !is_skipped);
        if is_skipped {
            entry.status.reason = Some("left alone by tls.skip".into());
            entry.file = Some(file);
        } else if let Some(reason) = why_not {
            entry.is_unreadable = true;
            entry.status.reason = Some(reason.into());
            entry.file = Some(file);
        } else {
            let begin = clock::boot_ns();
            let sites = chosen(&library, self.has_return_probes);
            if let Err(reason) = self.attach(&mut entry, &file, &library, &sites) {
                entry.status.reason = Some(reason);
            }
            entry.fallback = (sites.len() != library.sites.len()).then(|| Box::new(library));
            entry.file = Some(file);
            self.attach_ns += clock::boot_ns().saturating_sub(begin);
        }
        self.entries.insert(id, entry);
        id
    }

    /// Probes the places, or tells why not; then none is.
    fn attach(&mut self, entry: &mut Entry, file: &File, library: &Library, sites: &[Site]) -> Result<(), String> {
        if sites.is_empty() {
            return Err("no place for a probe was found".into());
        }
        check_code(file, sites)?;
        entry.account = self.accounts.maybe_take().ok_or_else(|| format!("more than {LIBRARIES} libraries"))?;
        let account = entry.account;
        let attached = self
            .tell_account(account, false)
            .and_then(|()| self.attach_sites(entry, file, library, sites))
            .and_then(|()| self.tell_account(account, true));
        if let Err(reason) = attached {
            self.let_go(entry);
            return Err(reason);
        }
        entry.since_ns = clock::boot_ns();
        entry.status.attached = true;
        entry.status.functions = functions(sites);
        entry.status.cost = cost(sites);
        Ok(())
    }

    fn tell_account(&self, account: u32, is_whole: bool) -> Result<(), String> {
        self.programs.open_account(account, is_whole).map_err(|error| error.to_string())
    }

    fn attach_sites(
        &mut self,
        entry: &mut Entry,
        file: &File,
        library: &Library,
        sites: &[Site],
    ) -> Result<(), String> {
        let mut groups: BTreeMap<(Program, bool), Places> = BTreeMap::new();
        let mut memory = Places::default();
        for site in sites.iter().filter(|site| !is_of_failures(site)) {
            let place = maybe_site(library.kind, site, entry.account)
                .ok_or_else(|| format!("{}: its values are where no program can read them", site.function))?;
            let slot = self.sites.maybe_take().ok_or_else(|| format!("more than {SITES} places"))?;
            entry.slots.push(slot);
            self.programs.put_site(slot, &place).map_err(|error| error.to_string())?;
            let here = links::Place { offset: site.offset, cookie: u64::from(slot) };
            if site.action == Action::CipherWritten {
                memory.places.push(here);
                continue;
            }
            let key = (program_of(site.action), site.is_return_probe);
            let group = groups.entry(key).or_default();
            group.is_return = site.is_return_probe;
            group.places.push(here);
        }
        entry.cipher.clear();
        entry.tables = Places::default();
        for ((program, _), places) in groups {
            match program {
                Program::Cipher => {
                    entry.cipher.push(places);
                    continue;
                }
                Program::Table => {
                    entry.tables = places;
                    continue;
                }
                Program::Enter | Program::Leave | Program::Free => {}
            }
            let links = links::attach(self.programs.way, self.programs.of(program), file, &places, None);
            entry.links.extend(links.map_err(|error| told(&error))?);
        }
        // Sessions with a socket do not get there: it costs them nothing.
        if !memory.places.is_empty() {
            let program = self.programs.of(Program::Cipher);
            let links = links::attach(self.programs.way, program, file, &memory, None);
            entry.memory_links = links.map_err(|error| told(&error))?;
        }
        // Asked for, it would come too late for the first connection, which may be over within milliseconds.
        if library.is_over_memory {
            let links =
                following::attach_ciphertext(&self.programs, entry, file, None).map_err(|error| told(&error))?;
            entry.cipher_links.insert(following::EVERYBODY, links);
        }
        Ok(())
    }

    fn let_go(&mut self, entry: &mut Entry) {
        entry.links.clear();
        entry.memory_links.clear();
        entry.cipher_links.clear();
        entry.cipher.clear();
        entry.table_links.clear();
        entry.tables = Places::default();
        self.sites.give_back(entry.slots.drain(..));
        self.accounts.give_back([entry.account]);
        entry.status.attached = false;
    }

    /// Looks at the accounts of the first calls: a library whose places do not fit together is let go.
    pub fn judge(&mut self) {
        let due: Vec<u32> =
            self.entries.iter().filter(|(_, e)| e.status.attached && !e.is_judged).map(|(id, _)| *id).collect();
        for id in due {
            let Some(mut entry) = self.entries.remove(&id) else {
                continue;
            };
            let account = self.programs.account(entry.account);
            // Ends without a begin are normal: other ways of the library may lead through the same place. Begins without
            // an end are, too, where calls fail; but not if no call ever ends.
            let unended = if account.left == 0 { account.unended } else { 0 };
            let odd = unended + account.excess + account.unlikely;
            entry.status.calls_checked = account.entered;
            entry.status.calls_odd = odd;
            if odd > JUDGED_CALLS / ODD_SHARE + account.entered / ODD_SHARE {
                entry.is_judged = true;
                self.let_go(&mut entry);
                entry.status.reason = Some(format!(
                    "the probes did not fit: of {} calls {} had no end, {} told more bytes than asked for, {} had no session",
                    account.entered, account.unended, account.excess, account.unlikely
                ));
                self.fall_back(&mut entry);
            } else if account.entered >= events_checked() {
                entry.is_judged = true;
            }
            self.entries.insert(id, entry);
        }
    }

    /// The other places that the library has, if there are any.
    fn fall_back(&mut self, entry: &mut Entry) {
        let Some((library, file)) = entry.fallback.take().zip(entry.file.take()) else {
            return;
        };
        if self.attach(entry, &file, &library, &library.sites).is_ok() {
            entry.is_judged = false;
        }
        entry.file = Some(file);
    }

    /// Lets go of files that this machine itself does not have any more, or never had (a container's), once nobody maps
    /// them: a probe holds the file and the file system that it is on.
    pub fn release(&mut self, is_alive: impl Fn(u32) -> bool) {
        for entry in self.entries.values_mut() {
            entry.users.retain(|pid| is_alive(*pid));
        }
        let is_idle = |entry: &Entry| entry.users.is_empty() && entry.is_passing();
        let idle: Vec<u32> = self.entries.iter().filter(|(_, entry)| is_idle(entry)).map(|(id, _)| *id).collect();
        if idle.is_empty() {
            return;
        }
        // A child has the mappings of its parent, of which no event tells.
        let mapped: Vec<Mapping> = maps::processes().into_iter().flat_map(maps::executable_files).collect();
        for id in idle {
            let Some(mut entry) = self.entries.remove(&id) else {
                continue;
            };
            if let Some(mapping) = mapped.iter().find(|mapping| entry.is_mapped_by(mapping)) {
                entry.users.push(mapping.pid);
                self.entries.insert(id, entry);
                continue;
            }
            self.forget(id, &mut entry);
        }
    }

    fn forget(&mut self, id: u32, entry: &mut Entry) {
        if entry.status.attached {
            self.let_go(entry);
        }
        self.by_inode.retain(|_, known| *known != Known::Library(id));
        self.by_content.retain(|_, known| *known != Known::Library(id));
    }

    /// Forgets what was kept for processes that have ended.
    pub fn sweep(&mut self, is_alive: impl Fn(u32) -> bool) {
        for entry in self.entries.values_mut() {
            entry.cipher_links.retain(|pid, _| *pid == following::EVERYBODY || is_alive(*pid));
        }
        self.programs.sweep(is_alive);
    }

    pub fn status(&self) -> Vec<LibraryStatus> {
        let status = |entry: &Entry| LibraryStatus {
            ciphertext_processes: entry.cipher_links.keys().copied().collect(),
            processes: if entry.status.attached { Vec::new() } else { entry.users.clone() },
            ..entry.status.clone()
        };
        self.entries.values().filter(|entry| !entry.is_unreadable || !entry.users.is_empty()).map(status).collect()
    }
}

/// The file that this function is in.
pub fn maybe_own() -> Option<Content> {
    let here = maybe_own as *const () as u64;
    let mappings = maps::executable_files(std::process::id());
    let own = mappings.iter().find(|mapping| (mapping.address..mapping.address + mapping.length).contains(&here))?;
    files::maybe_file(own).map(|(_, metadata)| Content::of(&metadata))
}

trait DeviceNumbers {
    fn dev_numbers(&self) -> (u32, u32);
}

impl DeviceNumbers for Metadata {
    fn dev_numbers(&self) -> (u32, u32) {
        let device = std::os::unix::fs::MetadataExt::dev(self);
        (libc::major(device), libc::minor(device))
    }
}

/// RV_TLS_CHECKED_CALLS of bpf/maps/tls.h.
fn events_checked() -> u32 {
    1024
}

/// Return probes where they are cheaper, and do no harm.
fn chosen(library: &Library, has_return_probes: bool) -> Vec<Site> {
    if !has_return_probes {
        return library.sites.clone();
    }
    let is_replaced = |site: &&Site| library.return_sites.iter().any(|other| other.action == site.action);
    let kept = library.sites.iter().filter(|site| !is_replaced(site));
    kept.chain(&library.return_sites).cloned().collect()
}

/// From 6.11 on a return probe ends in a system call of its own, which strict seccomp filters answer by killing the
/// process; since 6.14 it passes them unseen (kernel commits ff474a78cef5, cf6cb56ef244).
fn may_return_probes() -> bool {
    let release = crate::probe::kernel().release;
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    !((6, 11)..(6, 14)).contains(&version)
}

/// The code is still what was read when the places were chosen.
fn check_code(file: &File, sites: &[Site]) -> Result<(), String> {
    for site in sites {
        let mut bytes = [0; 16];
        let read = file.read_at(&mut bytes, site.offset).map_err(|error| told(&error))?;
        if read < bytes.len() || bytes != site.bytes {
            return Err(format!("{}: the file has changed", site.function));
        }
    }
    Ok(())
}

/// For good, and not for seconds in some processes.
fn lasts(site: &&Site) -> bool {
    site.action != Action::TableRead
}

fn functions(sites: &[Site]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = sites.iter().filter(lasts).map(|site| site.function).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names
}

fn cost(sites: &[Site]) -> &'static str {
    if sites.iter().filter(lasts).any(|site| !site.is_emulated && !site.is_return_probe) {
        "stepped"
    } else if sites.iter().any(|site| site.is_return_probe) {
        "return probe"
    } else {
        "emulated"
    }
}

fn told(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => "no file descriptors are left".into(),
        Some(libc::EPERM | libc::EACCES) => format!("the kernel refuses: {error}"),
        _ => error.to_string(),
    }
}

/// `*` stands for anything, `?` for one character.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut from, mut star, mut resume) = (0, 0, None, 0);
    while from < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some(at);
                resume = from;
                at += 1;
            }
            Some(one) if *one == b'?' || *one == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some(star) = star else {
                    return false;
                };
                at = star + 1;
                resume += 1;
                from = resume;
            }
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_anything_and_a_question_mark_one() {
        for (glob, text, is_match) in [
            ("/usr/lib/*", "/usr/lib/x86/libssl.so.3", true),
            ("*libssl*", "/usr/lib/libssl.so.3", true),
            ("*.so.?", "/usr/lib/libssl.so.3", true),
            ("*.so.?", "/usr/lib/libssl.so.11", false),
            ("/opt/*", "/usr/lib/libssl.so.3", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(glob, text), is_match, "{glob} {text}");
        }
    }
}
