//! Stand-in for the crate `rover-sites` until it is here: its types, and entry and return probes of libssl.
#![allow(dead_code)]

/// Whose functions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Openssl,
    Boringssl,
    Gnutls,
    Nss,
    Go,
    Rustls,
}

/// How the library came into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linkage {
    /// The file is the library.
    Shared,
    /// The file is something else, an executable or an extension module, that has the library inside.
    Static,
}

/// What a probe that fires tells of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    ReadEnter,
    ReadLeave,
    WriteEnter,
    WriteLeave,
    /// The plaintext is a file's and never in memory: only its length is known (`SSL_sendfile`, kernel TLS).
    SendfileEnter,
    SendfileLeave,
    HandshakeEnter,
    HandshakeLeave,
    /// The session's address may be another session's from now on.
    Free,
    /// Ciphertext that the application takes out of, or puts into, a BIO.
    CipherReadEnter,
    CipherReadLeave,
    CipherWriteEnter,
    CipherWriteLeave,
}

impl Action {
    /// Whether the place is at the end of the call, so that `Site::outcome` and `Site::result` count.
    pub fn is_leave(self) -> bool {
        use Action::{CipherReadLeave, CipherWriteLeave, HandshakeLeave, ReadLeave, SendfileLeave, WriteLeave};
        matches!(self, ReadLeave | WriteLeave | SendfileLeave | HandshakeLeave | CipherReadLeave | CipherWriteLeave)
    }
}

/// Where the arguments are. `Arguments` counts in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// x86-64: rdi, rsi, rdx, rcx, r8, r9.
    C,
    /// Go ≥ 1.17, x86-64: rax, rbx, rcx, rdi, rsi, r8, r9, r10, r11.
    GoRegisters,
    /// Go before: 8 bytes each from `frame` + 8 on, results behind the arguments.
    GoStack,
}

/// How the number of plaintext bytes is told when the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The result is the count; none if it is not above 0.
    CountInResult,
    /// Result above 0: the count (8 bytes) is behind the pointer that was this argument (0-based) at entry; else none.
    OkAndCountAt { argument: u8 },
    /// Result above 0: the count (8 bytes) is on the stack at `frame` + `offset`; else none.
    OkAndCountOnStack { offset: i32 },
    /// Go's `(n int, err error)`: the first result is the count; none if it is not above 0.
    GoResult,
    /// The result is success (above 0) or failure, no count belongs to it.
    OkOnly,
}

/// Where a value is when the probe fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A register, by its DWARF number: x86-64 rax 0, rdx 1, rcx 2, rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8 8 … r15 15.
    Register(u8),
    /// On the stack, at `frame` + offset.
    Stack(i32),
}

/// Which arguments (0-based, in the convention's order) are what, *at the place of the site*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Arguments {
    pub session: Option<u8>,
    pub buffer: Option<u8>,
    /// Bytes the buffer has room for, or bytes to write.
    pub length: Option<u8>,
    /// The pointer behind which the count is put (`Outcome::OkAndCountAt`).
    pub count: Option<u8>,
}

/// One place to probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub action: Action,
    /// The function meant, by its usual name; the file need not have the name.
    pub function: &'static str,
    /// Of the instruction in the file, as uprobes want it.
    pub offset: u64,
    /// The same place as virtual address.
    pub address: u64,
    /// A uretprobe on the function that begins here.
    pub is_return_probe: bool,
    /// The kernel emulates this instruction (0.6 µs) and need not single-step it (9 µs).
    pub is_emulated: bool,
    pub convention: Convention,
    pub outcome: Outcome,
    pub arguments: Arguments,
    /// Where the result is; counts for leave actions only.
    pub result: Place,
    /// How many bytes of it count, as a signed number: an `int` is 4, whatever else is in its register.
    pub result_bytes: u8,
    /// Stack pointer here + this = `frame`, the address of the word that holds the function's return address. Enter
    /// and leave of one call have the same frame, also where they are in different functions (one jumps to the other
    /// as its last act), and nested calls have another. None where the code does not tell.
    pub frame_offset: Option<i32>,
    /// A result that is not above 0 ends the call too. Else another leave place follows on those ways.
    pub is_last: bool,
    /// The code at the place, to check at attach that the file is still this one.
    pub bytes: [u8; 16],
}

/// A TLS library that was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub kind: Kind,
    pub linkage: Linkage,
    pub version: Option<String>,
    /// Lower-case hex, as `file` prints it.
    pub build_id: Option<String>,
    /// What to probe. None of it is a return probe, unless nothing else is possible for that function.
    pub sites: Vec<Site>,
    /// Instead of all sites of the same action in `sites`: cheaper, but with return probes. For kernels and processes
    /// where those do no harm. Empty where nothing would be won.
    pub return_sites: Vec<Site>,
    /// What was not found and why, for a human.
    pub notes: Vec<String>,
}

/// Stand-in for the crate `rover-sites`, by nm and readelf: entry and return probes of libssl.
pub fn inspect(path: &std::path::Path) -> Result<Option<Library>, std::io::Error> {
    let real = std::fs::read_link(path).unwrap_or_else(|_| path.to_path_buf());
    if !real.to_string_lossy().contains("libssl") {
        return Ok(None);
    }
    let run = |program: &str, words: &[&str]| -> Result<String, std::io::Error> {
        let out = std::process::Command::new(program).args(words).arg(&real).output()?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let nm = run("nm", &["-D", "--defined-only"])?;
    let headers = run("readelf", &["-lW"])?;
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0);
    let text = headers.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.len() > 7 && words[0] == "LOAD" && line.contains("R E"))
            .then(|| hex(words[2]).wrapping_sub(hex(words[1])))
    });
    let slide = text.unwrap_or(0);
    let find = |name: &str| {
        nm.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.len() == 3 && words[2].split('@').next() == Some(name)).then(|| hex(words[0]))
        })
    };
    use Action::*;
    let read = Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: None };
    let read_ex = Arguments { count: Some(3), ..read };
    let only = Arguments { session: Some(0), ..Arguments::default() };
    let count = Outcome::CountInResult;
    let count_at = Outcome::OkAndCountAt { argument: 3 };
    let mut sites = Vec::new();
    for (function, enter, leave, arguments, outcome) in [
        ("SSL_read", ReadEnter, Some(ReadLeave), read, count),
        ("SSL_read_ex", ReadEnter, Some(ReadLeave), read_ex, count_at),
        ("SSL_write", WriteEnter, Some(WriteLeave), read, count),
        ("SSL_write_ex", WriteEnter, Some(WriteLeave), read_ex, count_at),
        ("SSL_do_handshake", HandshakeEnter, Some(HandshakeLeave), only, Outcome::OkOnly),
        ("SSL_connect", HandshakeEnter, Some(HandshakeLeave), only, Outcome::OkOnly),
        ("SSL_accept", HandshakeEnter, Some(HandshakeLeave), only, Outcome::OkOnly),
        ("SSL_free", Free, None, only, Outcome::OkOnly),
    ] {
        let Some(address) = find(function) else { continue };
        for action in std::iter::once(enter).chain(leave) {
            let is_leave = action.is_leave();
            let mut bytes = [0; 16];
            let file = std::fs::File::open(&real)?;
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, address - slide)?;
            sites.push(Site {
                action,
                function,
                offset: address - slide,
                address,
                is_return_probe: is_leave,
                is_emulated: false,
                convention: Convention::C,
                outcome,
                arguments,
                result: Place::Register(0),
                result_bytes: 4,
                frame_offset: Some(if is_leave { -8 } else { 0 }),
                is_last: true,
                bytes,
            });
        }
    }
    Ok(Some(Library {
        kind: Kind::Openssl,
        linkage: Linkage::Shared,
        version: None,
        build_id: None,
        sites,
        return_sites: Vec::new(),
        notes: Vec::new(),
    }))
}
