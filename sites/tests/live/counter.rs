//! Attaches a small BPF program to sites, and says what it counted there.
//!
//! A file that others use must not be probed by a test: it is copied first, so that only the test's own processes run
//! the copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder, UprobeOpts};
use rover_sites::{Action, Convention, Outcome, Place, Site};

/// What was counted of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub enters: u64,
    pub leaves: u64,
    /// Leaves that ended a call.
    pub ends: u64,
    /// Leaves without enter: of calls that others make, or that had begun before.
    pub unmatched: u64,
    pub with_bytes: u64,
    pub bytes: u64,
}

pub struct Counter {
    object: Object,
    _links: Vec<Link>,
}

/// Where pt_regs has the registers, by DWARF number.
const PT_REGS: [i32; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
const C_ARGUMENTS: [i32; 6] = [14, 13, 12, 11, 9, 8];
const GO_ARGUMENTS: [i32; 9] = [10, 5, 11, 14, 13, 9, 8, 7, 6];

impl Counter {
    /// Attaches to the sites of a file; the caller has made sure that it may.
    pub fn attach(object_file: &Path, binary: &Path, sites: &[Site]) -> Counter {
        Counter::attach_program("count", object_file, binary, sites)
    }

    /// The same with a program that does nothing: the price of the probes alone.
    pub fn attach_nothing(object_file: &Path, binary: &Path, sites: &[Site]) -> Counter {
        Counter::attach_program("nothing", object_file, binary, sites)
    }

    fn attach_program(name: &str, object_file: &Path, binary: &Path, sites: &[Site]) -> Counter {
        let object = ObjectBuilder::default().open_file(object_file).unwrap().load().unwrap();
        let map = object.maps().find(|map| map.name() == "sites").unwrap();
        for (index, site) in sites.iter().enumerate() {
            let words = words(site);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            map.update(&(index as u32).to_ne_bytes(), &bytes, MapFlags::ANY).unwrap();
        }
        let program = object.progs_mut().find(|program| program.name() == name).unwrap();
        let links = sites
            .iter()
            .enumerate()
            .map(|(index, site)| {
                let options =
                    UprobeOpts { cookie: index as u64, retprobe: site.is_return_probe, ..UprobeOpts::default() };
                program.attach_uprobe_with_opts(-1, binary, site.offset as usize, options).unwrap()
            })
            .collect();
        Counter { object, _links: links }
    }

    pub fn total(&self, direction: Direction) -> Total {
        let map = self.object.maps().find(|map| map.name() == "totals").unwrap();
        let bytes = map.lookup(&(direction as u32).to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
        let word = |at: usize| u64::from_ne_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap());
        Total {
            enters: word(0),
            leaves: word(1),
            ends: word(2),
            unmatched: word(3),
            with_bytes: word(4),
            bytes: word(5),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
    CipherRead,
    CipherWrite,
    Other,
}

fn direction(action: Action) -> Direction {
    match action {
        Action::ReadEnter | Action::ReadLeave => Direction::Read,
        Action::WriteEnter | Action::WriteLeave => Direction::Write,
        Action::CipherReadEnter | Action::CipherReadLeave => Direction::CipherRead,
        Action::CipherWriteEnter | Action::CipherWriteLeave => Direction::CipherWrite,
        _ => Direction::Other,
    }
}

fn words(site: &Site) -> [i32; 13] {
    let place = |place| match place {
        Place::Register(number) => (PT_REGS[usize::from(number)], 0),
        Place::Stack(offset) => (-1, offset),
    };
    let (register, offset) = place(site.result);
    let (plus_register, plus_offset) = site.result_plus.map_or((0, 0), place);
    let (outcome, count_offset) = match site.outcome {
        Outcome::CountInResult | Outcome::GoResult => (0, 0),
        Outcome::OkAndCountAt { .. } => (1, 0),
        Outcome::OkAndCountOnStack { offset } => (2, offset),
        Outcome::OkOnly | Outcome::ZeroIsOk => (3, 0),
        Outcome::Failed => (4, 0),
        Outcome::FailedIfNotPositive => (5, 0),
        Outcome::FailedIfNegative => (6, 0),
        Outcome::FailedIfZero => (7, 0),
    };
    let count = site.arguments.count.map_or(-1, |at| match site.convention {
        Convention::C => C_ARGUMENTS[usize::from(at)],
        Convention::GoRegisters => GO_ARGUMENTS[usize::from(at)],
        Convention::GoStack => -1,
    });
    [
        i32::from(site.action.is_leave()),
        direction(site.action) as i32,
        site.frame_offset.unwrap(),
        register,
        offset,
        i32::from(site.result_bytes),
        outcome,
        count_offset,
        count,
        i32::from(site.is_last),
        plus_register,
        plus_offset,
        match site.convention {
            Convention::C => 0,
            Convention::GoRegisters => 1,
            Convention::GoStack => 2,
        },
    ]
}

/// Compiles the BPF program into the folder; None, and a line that says why, where that cannot be done.
pub fn compile(folder: &Path) -> Option<PathBuf> {
    let object = folder.join("counter.bpf.o");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/counter.bpf.c");
    let status = Command::new("clang")
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86"])
        .args(["-isystem", "/usr/include/x86_64-linux-gnu"])
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => Some(object),
        other => {
            eprintln!("skipped: clang cannot compile the BPF program: {other:?}");
            None
        }
    }
}
