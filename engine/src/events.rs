//! Layouts of bpf/events.h. Generated from the object's BTF by tests/event_layouts.rs; do not edit.

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DataEvent {
    pub kind: u32,
    pub tgid: u32,
    pub cookie: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    pub offset: u64,
    pub opened_ns: u64,
    pub length: u32,
    pub captured: u32,
    pub skipped: u32,
    pub tail: u32,
    pub pad: u32,
    pub sequence: u32,
    pub handshake_us: u32,
    pub rtt_us: u32,
    pub direction: u8,
    pub syscall: u8,
    pub role: u8,
    pub flags: u8,
    pub local_port: u16,
    pub remote_port: u16,
    pub local: [u8; 16],
    pub remote: [u8; 16],
}

const _: () = assert!(std::mem::size_of::<DataEvent>() == 120);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CopyEvent {
    pub kind: u32,
    pub captured: u32,
    pub cookie: u64,
    pub sequence: u32,
    pub pad: u32,
}

const _: () = assert!(std::mem::size_of::<CopyEvent>() == 24);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SendLayers {
    pub packet_bytes: u64,
    pub l3_ns: u64,
    pub l3_local_ns: u64,
    pub l3_output_ns: u64,
    pub l2_ns: u64,
    pub l2_ready_ns: u64,
    pub l2_send_ns: u64,
    pub netfilter_ns: u64,
    pub resolve_ns: u64,
    pub late_ns: u64,
    pub first_tcp_out_ns: u64,
    pub first_ip_out_ns: u64,
    pub first_queue_out_ns: u64,
    pub first_nic_out_ns: u64,
    pub last_nic_out_ns: u64,
    pub packets: u32,
    pub queue_entries: u32,
    pub netfilter_count: u32,
    pub resolve_count: u32,
    pub retransmits: u32,
    pub lost: u32,
    pub unseen: u32,
    pub ifindex: u32,
    pub epoch: u32,
    pub unended: u32,
}

const _: () = assert!(std::mem::size_of::<SendLayers>() == 160);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ReceiveLayers {
    pub packet_bytes: u64,
    pub l2_to_queue_ns: u64,
    pub queue_wait_ns: u64,
    pub l3_ns: u64,
    pub l3_receive_ns: u64,
    pub l3_local_ns: u64,
    pub l4_ns: u64,
    pub netfilter_ns: u64,
    pub first_arrived_ns: u64,
    pub first_ip_ns: u64,
    pub first_handed_ns: u64,
    pub packets: u32,
    pub netfilter_count: u32,
    pub zero_windows: u32,
    pub unknown: u32,
    pub unseen_ip: u32,
    pub ifindex: u32,
    pub epoch: u32,
    pub out_of_order: u32,
}

const _: () = assert!(std::mem::size_of::<ReceiveLayers>() == 120);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DropEvent {
    pub kind: u32,
    pub reason: u32,
    pub cookie: u64,
    pub location: u64,
    pub time_ns: u64,
    pub packets: u32,
    pub direction: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(std::mem::size_of::<DropEvent>() == 40);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct InterfaceEvent {
    pub kind: u32,
    pub ifindex: u32,
    pub cookie: u64,
    pub name: [u8; 16],
}

const _: () = assert!(std::mem::size_of::<InterfaceEvent>() == 32);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ActivityEvent {
    pub kind: u32,
    pub tgid: u32,
    pub cookie: u64,
    pub time_ns: u64,
    pub sent_operations: u64,
    pub received_operations: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_ns: u64,
    pub send: SendLayers,
    pub receive: ReceiveLayers,
}

const _: () = assert!(std::mem::size_of::<ActivityEvent>() == 344);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ConnectionEvent {
    pub kind: u32,
    pub tgid: u32,
    pub cookie: u64,
    pub time_ns: u64,
    pub start_ns: u64,
    pub rx_end: u64,
    pub tx_end: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_segments: u32,
    pub received_segments: u32,
    pub retransmits: u32,
    pub out_of_order: u32,
    pub zero_windows: u32,
    pub rtt_us: u32,
    pub handshake_us: u32,
    pub local_port: u16,
    pub remote_port: u16,
    pub local: [u8; 16],
    pub remote: [u8; 16],
    pub change: u8,
    pub role: u8,
    pub pad: [u8; 6],
}

const _: () = assert!(std::mem::size_of::<ConnectionEvent>() == 136);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProcessEvent {
    pub kind: u32,
    pub tgid: u32,
    pub parent: u32,
    pub uid: u32,
    pub time_ns: u64,
    pub executable_bytes: u32,
    pub arguments_bytes: u32,
    pub change: u8,
    pub pad: [u8; 7],
    pub comm: [u8; 16],
}

const _: () = assert!(std::mem::size_of::<ProcessEvent>() == 56);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TlsEvent {
    pub kind: u32,
    pub tgid: u32,
    pub session: u64,
    pub opened_ns: u64,
    pub cookie: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    pub offset: u64,
    pub cipher_offset: u64,
    pub tid: u32,
    pub length: u32,
    pub captured: u32,
    pub skipped: u32,
    pub tail: u32,
    pub direction: u8,
    pub library: u8,
    pub flags: u8,
    pub pad: u8,
}

const _: () = assert!(std::mem::size_of::<TlsEvent>() == 88);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CipherEvent {
    pub kind: u32,
    pub tgid: u32,
    pub session: u64,
    pub opened_ns: u64,
    pub time_ns: u64,
    pub offset: u64,
    pub tid: u32,
    pub length: u32,
    pub captured: u32,
    pub direction: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(std::mem::size_of::<CipherEvent>() == 56);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TlsStateEvent {
    pub kind: u32,
    pub tgid: u32,
    pub session: u64,
    pub opened_ns: u64,
    pub cookie: u64,
    pub start_ns: u64,
    pub time_ns: u64,
    pub tid: u32,
    pub change: u8,
    pub library: u8,
    pub flags: u8,
    pub pad: u8,
}

const _: () = assert!(std::mem::size_of::<TlsStateEvent>() == 56);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TableEvent {
    pub kind: u32,
    pub tgid: u32,
    pub cookie: u64,
    pub time_ns: u64,
    pub block_bytes: u32,
    pub entries: u32,
    pub captured: u32,
    pub direction: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(std::mem::size_of::<TableEvent>() == 40);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TlsOperand {
    pub base: u8,
    pub is_memory: u8,
    pub offset: u16,
}

const _: () = assert!(std::mem::size_of::<TlsOperand>() == 4);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TlsSite {
    pub session: TlsOperand,
    pub buffer: TlsOperand,
    pub length: TlsOperand,
    pub count: TlsOperand,
    pub result: TlsOperand,
    pub more: TlsOperand,
    pub account: u32,
    pub frame_offset: u32,
    pub action: u8,
    pub outcome: u8,
    pub library: u8,
    pub flags: u8,
    pub pad: u32,
}

const _: () = assert!(std::mem::size_of::<TlsSite>() == 40);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TlsAccount {
    pub entered: u32,
    pub left: u32,
    pub orphans: u32,
    pub unended: u32,
    pub excess: u32,
    pub unlikely: u32,
    pub is_whole: u32,
    pub pad: u32,
}

const _: () = assert!(std::mem::size_of::<TlsAccount>() == 32);

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Policy {
    pub cookie: u64,
    pub ignore_rx: u64,
    pub ignore_tx: u64,
    pub mode: u32,
    pub pad: u32,
}

const _: () = assert!(std::mem::size_of::<Policy>() == 32);

pub const EVENT_DATA: u32 = 1;
pub const EVENT_CONNECTION: u32 = 2;
pub const EVENT_PROCESS: u32 = 3;
pub const EVENT_COPY: u32 = 4;
pub const EVENT_SENT: u32 = 5;
pub const EVENT_RECEIVED: u32 = 6;
pub const EVENT_DROP: u32 = 7;
pub const EVENT_INTERFACE: u32 = 8;
pub const EVENT_ACTIVITY: u32 = 9;
pub const EVENT_TLS: u32 = 10;
pub const EVENT_CIPHER: u32 = 11;
pub const EVENT_TLS_STATE: u32 = 12;
pub const EVENT_TABLE: u32 = 13;

pub const RX: u32 = 0;
pub const TX: u32 = 1;

pub const ROLE_UNKNOWN: u32 = 0;
pub const ROLE_SERVER: u32 = 1;
pub const ROLE_CLIENT: u32 = 2;

pub const SYS_OTHER: u32 = 0;
pub const SYS_READ: u32 = 1;
pub const SYS_READV: u32 = 2;
pub const SYS_RECVFROM: u32 = 3;
pub const SYS_RECVMSG: u32 = 4;
pub const SYS_RECVMMSG: u32 = 5;
pub const SYS_WRITE: u32 = 6;
pub const SYS_WRITEV: u32 = 7;
pub const SYS_SENDTO: u32 = 8;
pub const SYS_SENDMSG: u32 = 9;
pub const SYS_SENDMMSG: u32 = 10;
pub const SYS_SENDFILE: u32 = 11;
pub const SYS_SPLICE: u32 = 12;
pub const SYS_IO_URING: u32 = 13;

pub const DATA_PRE_EXISTING: u32 = 1;
pub const DATA_UNREADABLE: u32 = 2;
pub const DATA_OVERLAP: u32 = 4;
pub const DATA_PIECES: u32 = 8;

pub const CONNECTION_RX_END: u32 = 1;
pub const CONNECTION_TX_END: u32 = 2;
pub const CONNECTION_RESET: u32 = 3;
pub const CONNECTION_CLOSED: u32 = 4;
pub const CONNECTION_OPENED: u32 = 5;
pub const CONNECTION_FAILED: u32 = 6;
pub const CONNECTION_ACCEPTED: u32 = 7;

pub const PROCESS_FORK: u32 = 1;
pub const PROCESS_EXEC: u32 = 2;
pub const PROCESS_EXIT: u32 = 3;

pub const POLICY_UNKNOWN: u32 = 0;
pub const POLICY_NONE: u32 = 1;
pub const POLICY_HTTP: u32 = 2;
pub const POLICY_HEADS: u32 = 3;
pub const POLICY_ALL: u32 = 4;
pub const POLICY_HTTP2: u32 = 5;

pub const TLS_OTHER: u32 = 0;
pub const TLS_OPENSSL: u32 = 1;
pub const TLS_BORINGSSL: u32 = 2;
pub const TLS_GNUTLS: u32 = 3;
pub const TLS_NSS: u32 = 4;
pub const TLS_GO: u32 = 5;
pub const TLS_RUSTLS: u32 = 6;

pub const TLS_NESTED: u32 = 1;
pub const TLS_INSIDE: u32 = 2;
pub const TLS_UNREADABLE: u32 = 4;
pub const TLS_PIECES: u32 = 8;

pub const TLS_CHANGE_HANDSHAKE: u32 = 1;
pub const TLS_CHANGE_FREED: u32 = 2;

pub const TLS_READ_ENTER: u32 = 1;
pub const TLS_READ_LEAVE: u32 = 2;
pub const TLS_WRITE_ENTER: u32 = 3;
pub const TLS_WRITE_LEAVE: u32 = 4;
pub const TLS_HANDSHAKE_ENTER: u32 = 5;
pub const TLS_HANDSHAKE_LEAVE: u32 = 6;
pub const TLS_FREE: u32 = 7;
pub const TLS_CIPHER_READ_ENTER: u32 = 8;
pub const TLS_CIPHER_READ_LEAVE: u32 = 9;
pub const TLS_CIPHER_WRITE_ENTER: u32 = 10;
pub const TLS_CIPHER_WRITE_LEAVE: u32 = 11;
pub const TLS_CIPHER_WRITTEN: u32 = 12;
pub const TLS_TABLE_READ: u32 = 13;

pub const TLS_COUNT: u32 = 0;
pub const TLS_COUNT_BEHIND: u32 = 1;
pub const TLS_COUNT_IN_PLACE: u32 = 2;
pub const TLS_SUCCESS: u32 = 3;
pub const TLS_SUCCESS_ZERO: u32 = 4;

pub const TLS_SITE_GO: u32 = 1;
pub const TLS_SITE_LAST: u32 = 2;
pub const TLS_SITE_LONG: u32 = 4;
pub const TLS_SITE_FRAME: u32 = 8;

pub const COUNT_CAPTURED: u32 = 0;
pub const COUNT_RING_FULL: u32 = 1;
pub const COUNT_NOT_HTTP: u32 = 2;
pub const COUNT_SCRATCH_BUSY: u32 = 3;
pub const COUNT_STATE_LOST: u32 = 4;
pub const COUNT_PROCESS_LOST: u32 = 5;
pub const COUNT_WATCH_FULL: u32 = 6;
pub const COUNT_NO_STORAGE: u32 = 7;
pub const COUNT_TLS_MISSED: u32 = 8;
pub const COUNT_TLS_LOST: u32 = 9;
pub const COUNTERS: u32 = 10;
