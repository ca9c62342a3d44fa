//! What is said of a file: which TLS library, and its places. The public types, nothing else.

/// Whose functions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Openssl,
    Boringssl,
    Gnutls,
    Nss,
    Go,
    Rustls,
    /// The JVM's own.
    Jsse,
}

impl Kind {
    /// Why no library of this kind can be read; none if they can.
    pub fn why_unread(self) -> Option<&'static str> {
        match self {
            Kind::Openssl | Kind::Boringssl | Kind::Gnutls | Kind::Go => None,
            Kind::Rustls => {
                Some("rustls is compiled into each program anew: no place is known that all plaintext passes")
            }
            Kind::Nss => Some("NSS reads and writes TLS, plain sockets and files by the same functions"),
            Kind::Jsse => Some("TLS of Java code is compiled and moved at run time: there is no place for a probe"),
        }
    }
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
    /// Ciphertext that a session gives to memory, told at the begin of a call that takes all of it.
    CipherWritten,
    /// An HPACK decoder (`session`) is about to decode a header block; its first words are the slice of its dynamic table.
    TableRead,
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
    /// Result above 0: the count (8 bytes) is behind the pointer that was this argument (0-based) at the enter site, that
    /// is `Arguments::count` there; else none.
    OkAndCountAt { argument: u8 },
    /// Result above 0: the count (8 bytes) is on the stack at `frame` + `offset`; else none.
    OkAndCountOnStack { offset: i32 },
    /// Go's `(n int, err error)`: the first result is the count; none if it is not above 0.
    GoResult,
    /// The result is success (above 0) or failure, no count belongs to it.
    OkOnly,
    /// The same where 0 is success and all else failure (GnuTLS, Go's `error`).
    ZeroIsOk,
    /// The call ends with a failure, whatever is in registers here.
    Failed,
    /// A result not above 0 ends the call with a failure; one above 0 says nothing, the call goes on.
    FailedIfNotPositive,
    /// The same for a result below 0.
    FailedIfNegative,
    /// The same for a result of 0.
    FailedIfZero,
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
    /// What must still be added to it (Go, in the middle of a write that it has cut in two).
    pub result_plus: Option<Place>,
    /// How many bytes of it count, as a signed number: an `int` is 4, whatever else is in its register.
    pub result_bytes: u8,
    /// Stack pointer here + this = `frame`, the address of the word that holds the function's return address. Enter
    /// and leave of one call have the same frame, also where they are in different functions (one jumps to the other
    /// as its last act), and nested calls have another. None where the code does not tell.
    pub frame_offset: Option<i32>,
    /// A result that is not above 0 ends the call too. Else it most likely does, but another leave place with the same
    /// frame may follow: what was noted at enter should be kept for it.
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
    /// Its sessions have no socket, as far as is known of such files: BoringSSL that an extension module brings along
    /// (grpc-core, netty-tcnative, Conscrypt), whose owner moves the ciphertext itself.
    pub is_over_memory: bool,
}
