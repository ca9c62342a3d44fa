//! Attaching a program to places of a file, for every process that maps it or for one.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::programs::AttachWay;

/// PERF_FLAG_FD_CLOEXEC of linux/perf_event.h.
pub const FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// A place and the cookie that tells the program what it is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub offset: u64,
    pub cookie: u64,
}

/// Places of one program and one kind of probe.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub is_return: bool,
    pub places: Vec<Place>,
}

/// The kernel opens the file by name; this name leads to the very inode that is open here, whatever became of its path.
fn name_of(file: &File) -> io::Result<CString> {
    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(io::Error::other)
}

/// Attaches; the probes stay until the descriptors are closed. `pid`: only in that process.
///
/// # Errors
/// What the kernel says; nothing stays attached then.
pub fn attach(
    way: AttachWay,
    program: BorrowedFd<'_>,
    file: &File,
    places: &Places,
    pid: Option<u32>,
) -> io::Result<Vec<OwnedFd>> {
    let name = name_of(file)?;
    match way {
        AttachWay::Multi => attach_all(program, &name, places, pid).map(|link| vec![link]),
        AttachWay::PerfEvents => {
            let mut links = Vec::new();
            for place in &places.places {
                links.extend(attach_one(program, &name, places.is_return, *place, pid)?);
            }
            Ok(links)
        }
    }
}

fn owned(descriptor: i32) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::from_raw_os_error(-descriptor));
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn attach_all(program: BorrowedFd<'_>, name: &CStr, places: &Places, pid: Option<u32>) -> io::Result<OwnedFd> {
    let offsets: Vec<libc::c_ulong> = places.places.iter().map(|place| place.offset).collect();
    let cookies: Vec<u64> = places.places.iter().map(|place| place.cookie).collect();
    let mut options = libbpf_sys::bpf_link_create_opts {
        sz: std::mem::size_of::<libbpf_sys::bpf_link_create_opts>() as u64,
        ..Default::default()
    };
    options.__bindgen_anon_1.uprobe_multi = libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_3 {
        flags: if places.is_return { libbpf_sys::BPF_F_UPROBE_MULTI_RETURN } else { 0 },
        cnt: offsets.len() as u32,
        path: name.as_ptr(),
        offsets: offsets.as_ptr(),
        ref_ctr_offsets: std::ptr::null(),
        cookies: cookies.as_ptr(),
        pid: pid.unwrap_or(0),
        ..Default::default()
    };
    // SAFETY: the arrays have `cnt` elements and, like the name, live until the call returns.
    owned(unsafe {
        libbpf_sys::bpf_link_create(program.as_raw_fd(), 0, libbpf_sys::BPF_TRACE_UPROBE_MULTI, &raw const options)
    })
}

/// Whether this kernel attaches many places at once. Before 6.6 it loads such a program and refuses the link, so a link has to be tried:
/// to a file that cannot have probes, which a kernel that knows such links says as EBADF, and any other as EINVAL.
pub fn knows_multi(program: BorrowedFd<'_>) -> bool {
    let anywhere = Places { is_return: false, places: vec![Place { offset: 0, cookie: 0 }] };
    attach_all(program, c"/", &anywhere, None).is_err_and(|error| error.raw_os_error() == Some(libc::EBADF))
}

/// An event of the kind that the kernel calls `uprobe` or `kprobe`.
fn event_of(kind: &str) -> io::Result<libbpf_sys::perf_event_attr> {
    let text = std::fs::read_to_string(format!("/sys/bus/event_source/devices/{kind}/type"))?;
    Ok(libbpf_sys::perf_event_attr {
        type_: text.trim().parse().map_err(io::Error::other)?,
        size: std::mem::size_of::<libbpf_sys::perf_event_attr>() as u32,
        ..Default::default()
    })
}

/// `None`: of all processes.
fn open_event(attributes: &libbpf_sys::perf_event_attr, pid: Option<u32>) -> io::Result<OwnedFd> {
    let (pid, cpu) = pid.map_or((-1, 0), |pid| (pid as i32, -1));
    let attributes = std::ptr::from_ref(attributes);
    // SAFETY: attributes are valid for reading and say how large they are; names in them live longer than the call.
    let event = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes, pid, cpu, -1, FD_CLOEXEC) };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    owned(event as i32)
}

/// Whether this process may have a probe at a function of the kernel: by one that is never switched on.
pub fn try_kprobe(function: &CStr) -> io::Result<()> {
    let mut attributes = event_of("kprobe")?;
    attributes.set_disabled(1);
    attributes.__bindgen_anon_3.kprobe_func = function.as_ptr() as u64;
    open_event(&attributes, None).map(drop)
}

/// The event and the program's link to it.
fn attach_one(
    program: BorrowedFd<'_>,
    name: &CStr,
    is_return: bool,
    place: Place,
    pid: Option<u32>,
) -> io::Result<[OwnedFd; 2]> {
    let mut attributes = event_of("uprobe")?;
    // The PMU's format says bit 0, on every kernel that has it.
    attributes.config = u64::from(is_return);
    attributes.__bindgen_anon_3.uprobe_path = name.as_ptr() as u64;
    attributes.__bindgen_anon_4.probe_offset = place.offset;
    let event = open_event(&attributes, pid)?;
    let mut options = libbpf_sys::bpf_link_create_opts {
        sz: std::mem::size_of::<libbpf_sys::bpf_link_create_opts>() as u64,
        ..Default::default()
    };
    options.__bindgen_anon_1.perf_event.bpf_cookie = place.cookie;
    // SAFETY: both descriptors are open.
    let link = owned(unsafe {
        libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            event.as_raw_fd(),
            libbpf_sys::BPF_PERF_EVENT,
            &raw const options,
        )
    })?;
    Ok([event, link])
}
