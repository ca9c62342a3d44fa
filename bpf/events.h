/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every event that the kernel side sends: the one definition. The Rust layouts in
 * engine/src/events.rs are generated from the object's BTF (scripts/generate-events.sh); a test
 * fails when they are stale. Rules: explicit padding only, 8-byte aligned structs, new fields at
 * the end. All times are CLOCK_BOOTTIME.
 */
#ifndef ROVER_EVENTS_H
#define ROVER_EVENTS_H

#define RV_ADDRESS_BYTES 16
#define RV_COMM_BYTES 16
#define RV_INTERFACE_BYTES 16

enum rv_event_type {
	RV_EVENT_DATA = 1,
	RV_EVENT_CONNECTION = 2,
	RV_EVENT_PROCESS = 3,
	RV_EVENT_COPY = 4,
	RV_EVENT_SENT = 5,     /* layers, then the data event that they belong to */
	RV_EVENT_RECEIVED = 6, /* likewise */
	RV_EVENT_DROP = 7,
	RV_EVENT_INTERFACE = 8,
	RV_EVENT_ACTIVITY = 9,
	RV_EVENT_TLS = 10,
	RV_EVENT_CIPHER = 11,
	RV_EVENT_TLS_STATE = 12,
	RV_EVENT_TABLE = 13,
};

enum rv_direction {
	RV_RX = 0,
	RV_TX = 1,
};

/* Who opened the connection: the handshake tells, not the protocol. */
enum rv_role {
	RV_ROLE_UNKNOWN = 0,
	RV_ROLE_SERVER = 1,
	RV_ROLE_CLIENT = 2,
};

enum rv_syscall {
	RV_SYS_OTHER = 0,
	RV_SYS_READ = 1,
	RV_SYS_READV = 2,
	RV_SYS_RECVFROM = 3,
	RV_SYS_RECVMSG = 4,
	RV_SYS_RECVMMSG = 5,
	RV_SYS_WRITE = 6,
	RV_SYS_WRITEV = 7,
	RV_SYS_SENDTO = 8,
	RV_SYS_SENDMSG = 9,
	RV_SYS_SENDMMSG = 10,
	RV_SYS_SENDFILE = 11,
	RV_SYS_SPLICE = 12,
	RV_SYS_IO_URING = 13,
};

enum rv_data_flag {
	/* The connection was open before rover saw it: offsets count from the first sight. */
	RV_DATA_PRE_EXISTING = 1,
	/* The payload exists, but no hook could read it. */
	RV_DATA_UNREADABLE = 2,
	/* Another thread moved bytes of this direction at the same time: the offset is not exact.
	 */
	RV_DATA_OVERLAP = 4,
	/* The payload is in pieces, each behind a struct rv_piece. */
	RV_DATA_PIECES = 8,
};

/* In a payload of pieces: how many bytes of the operation were passed over before the ones that
 * follow. */
struct rv_piece {
	u32 passed;
	u32 length;
};

/* One socket operation; `captured` payload bytes follow the struct. */
struct rv_data_event {
	u32 type;
	u32 tgid;
	u64 cookie;
	u64 start_ns;  /* entry of the operation, 0 where no hook shows it */
	u64 end_ns;    /* exit */
	u64 offset;    /* stream offset of the first byte moved */
	u64 opened_ns; /* 0: unknown */
	u32 length;    /* bytes moved */
	u32 captured;  /* payload bytes that follow */
	u32 skipped;   /* bytes between `offset` and the first captured one */
	u32 tail; /* of `captured`: these end the operation, what lies before them was not copied */
	u32 pad;
	u32 sequence;	  /* TCP sequence number behind the last byte, low half of the position */
	u32 handshake_us; /* 0: unknown */
	u32 rtt_us;	  /* smoothed RTT now, 0: unknown */
	u8 direction;
	u8 syscall;
	u8 role;
	u8 flags;
	u16 local_port;
	u16 remote_port;
	u8 local[RV_ADDRESS_BYTES]; /* IPv4 as ::ffff:a.b.c.d */
	u8 remote[RV_ADDRESS_BYTES];
};

/* What the layers took of a connection's packets, summed up since the flow's slot was claimed
 * (`epoch`): the engine subtracts. Times of the operation's first and last packet are clock times,
 * 0 where there was none. */
struct rv_send_layers {
	u64 packet_bytes;
	u64 l3_ns;
	u64 l3_local_ns;
	u64 l3_output_ns;
	u64 l2_ns;
	u64 l2_ready_ns;
	u64 l2_send_ns;
	u64 netfilter_ns;
	u64 resolve_ns;
	u64 late_ns; /* of l3_ns: outside of any send */
	u64 first_tcp_out_ns;
	u64 first_ip_out_ns;
	u64 first_queue_out_ns;
	u64 first_nic_out_ns;
	u64 last_nic_out_ns;
	u32 packets;
	u32 queue_entries;
	u32 netfilter_count;
	u32 resolve_count;
	u32 retransmits;
	u32 lost;   /* packets whose wait in the queue was not seen */
	u32 unseen; /* operations whose packets passed before the slot was theirs */
	u32 ifindex;
	u32 epoch;
	u32 unended; /* packets whose way out of IP no hook saw to its end */
};

struct rv_receive_layers {
	u64 packet_bytes;
	u64 l2_to_queue_ns;
	u64 queue_wait_ns;
	u64 l3_ns;
	u64 l3_receive_ns;
	u64 l3_local_ns;
	u64 l4_ns;
	u64 netfilter_ns;
	u64 first_arrived_ns;
	u64 first_ip_ns;
	u64 first_handed_ns;
	u32 packets;
	u32 netfilter_count;
	u32 zero_windows;
	u32 unknown;   /* packets of which not all was seen */
	u32 unseen_ip; /* packets that came through IP in a list, where no hook sees them one by one
			*/
	u32 ifindex;
	u32 epoch;
	u32 out_of_order; /* TCP's own count */
};

/* Before a data event: its layers. */
struct rv_sent_event {
	u32 type;
	u32 pad;
	struct rv_send_layers layers;
};

struct rv_received_event {
	u32 type;
	u32 pad;
	struct rv_receive_layers layers;
};

/* A packet of a connection that the kernel threw away. */
struct rv_drop_event {
	u32 type;
	u32 reason; /* enum skb_drop_reason of the running kernel */
	u64 cookie;
	u64 location; /* address in the kernel */
	u64 time_ns;
	u32 packets;
	u8 direction;
	u8 pad[3];
};

/* The name of an interface that packets of a connection pass. */
struct rv_interface_event {
	u32 type;
	u32 ifindex;
	u64 cookie;
	u8 name[RV_INTERFACE_BYTES];
};

/* Operations without an event of their own (not HTTP), summed up since the connection was met. */
struct rv_activity_event {
	u32 type;
	u32 tgid;
	u64 cookie;
	u64 time_ns;
	u64 sent_operations;
	u64 received_operations;
	u64 sent_bytes;
	u64 received_bytes;
	u64 sent_ns; /* in the calls */
	struct rv_send_layers send;
	struct rv_receive_layers receive;
};

/*
 * Payload ahead of the data event that it belongs to, for receives whose buffers that event cannot
 * know (io_uring, recvmmsg): taken from the packet while it is copied to the application.
 * `captured` bytes follow.
 */
struct rv_copy_event {
	u32 type;
	u32 captured;
	u64 cookie;
	u32 sequence; /* TCP sequence number of the first byte */
	u32 pad;
};

enum rv_connection_change {
	RV_CONNECTION_RX_END = 1, /* FIN received: rx_end is the length of the stream */
	RV_CONNECTION_TX_END = 2, /* FIN sent: tx_end is the length of the stream */
	RV_CONNECTION_RESET =
		3, /* ended by a reset or an abort; what was received can still be read */
	RV_CONNECTION_CLOSED = 4,   /* the socket is gone: rx_end bytes were read, tx_end written */
	RV_CONNECTION_OPENED = 5,   /* established; `start_ns`: since when this was tried */
	RV_CONNECTION_FAILED = 6,   /* tried, but not established */
	RV_CONNECTION_ACCEPTED = 7, /* taken from the listener's queue */
};

struct rv_connection_event {
	u32 type;
	u32 tgid; /* who reads or writes it, as of its last operation */
	u64 cookie;
	u64 time_ns;
	u64 start_ns;
	u64 rx_end;
	u64 tx_end;
	u64 sent_bytes; /* TCP's own figures, from here on since the connection was opened */
	u64 received_bytes;
	u32 sent_segments;
	u32 received_segments;
	u32 retransmits;
	u32 out_of_order;
	u32 zero_windows;
	u32 rtt_us;
	u32 handshake_us;
	u16 local_port;
	u16 remote_port;
	u8 local[RV_ADDRESS_BYTES];
	u8 remote[RV_ADDRESS_BYTES];
	u8 change;
	u8 role;
	u8 pad[6];
};

enum rv_process_change {
	RV_PROCESS_FORK = 1,
	RV_PROCESS_EXEC = 2,
	RV_PROCESS_EXIT = 3,
};

/* Followed by `executable_bytes` of the path given to execve, then `arguments_bytes` of
 * NUL-separated argv. */
struct rv_process_event {
	u32 type;
	u32 tgid;
	u32 parent;
	u32 uid;
	u64 time_ns;
	u32 executable_bytes;
	u32 arguments_bytes;
	u8 change;
	u8 pad[7];
	u8 comm[RV_COMM_BYTES];
};

/* What the engine asks for on one connection; a slot of the policy map. */
enum rv_policy_mode {
	RV_POLICY_UNKNOWN = 0, /* not classified yet: a bounded look */
	RV_POLICY_NONE = 1,    /* not HTTP: no event at all */
	RV_POLICY_HTTP =
		2, /* payload from `ignore_*` on; of long messages the begin and what frames them */
	RV_POLICY_HEADS = 3, /* long bodies are known to come: begin and end of each operation */
	RV_POLICY_ALL = 4,   /* all payload: its framing lies within */
	RV_POLICY_HTTP2 = 5, /* frame heads, and all payload but that of DATA */
};

struct rv_policy {
	u64 cookie; /* 0: slot in transition */
	u64 ignore_rx;
	u64 ignore_tx;
	u32 mode;
	u32 pad;
};

/*
 * Plaintext is steered by the same slots: under the connection's cookie with these bits changed or,
 * while the connection is unknown, under a number made of process and session
 * (rv_tls_policy_cookie).
 */
#define RV_TLS_COOKIE 0x4000000000005555ULL

/* Which implementation of TLS. */
enum rv_tls_library {
	RV_TLS_OTHER = 0,
	RV_TLS_OPENSSL = 1,
	RV_TLS_BORINGSSL = 2,
	RV_TLS_GNUTLS = 3,
	RV_TLS_NSS = 4,
	RV_TLS_GO = 5,
	RV_TLS_RUSTLS = 6,
};

enum rv_tls_flag {
	/* `cipher_offset` is where the call's own socket operation ended; else the call was
	 * answered without one. */
	RV_TLS_NESTED = 1,
	/* The session runs inside another session of the same thread: that one owns the socket. */
	RV_TLS_INSIDE = 2,
	/* The bytes passed, but not through memory that can be read (SSL_sendfile). */
	RV_TLS_UNREADABLE = 4,
	/* As RV_DATA_PIECES. */
	RV_TLS_PIECES = 8,
};

/*
 * One call of a TLS library that moved plaintext; `captured` bytes of it follow. A session is
 * `tgid`, `session`, `opened_ns` together: its address alone is used again. Comes after the data
 * events of the socket operations within the call.
 */
struct rv_tls_event {
	u32 type;
	u32 tgid;
	u64 session;   /* address of the library's object */
	u64 opened_ns; /* when the session was met first */
	u64 cookie;    /* its connection; 0: unknown */
	u64 start_ns;  /* of the call */
	u64 end_ns;
	u64 offset;	   /* plaintext of this direction before this call */
	u64 cipher_offset; /* RV_TLS_NESTED: stream offset behind the call's last operation */
	u32 tid;
	u32 length; /* plaintext bytes moved */
	u32 captured;
	u32 skipped; /* as in rv_data_event */
	u32 tail;    /* likewise */
	u8 direction;
	u8 library; /* enum rv_tls_library */
	u8 flags;   /* enum rv_tls_flag */
	u8 pad;
};

#define RV_CIPHER_BYTES 64

/*
 * Ciphertext that a session without a socket gives to its owner (sent) or takes from it (received):
 * its begin, to be found again in what some socket sends or receives. `captured` bytes follow.
 */
struct rv_cipher_event {
	u32 type;
	u32 tgid;
	u64 session;
	u64 opened_ns;
	u64 time_ns;
	u64 offset; /* ciphertext of this direction before, since the session is followed */
	u32 tid;
	u32 length;
	u32 captured;
	u8 direction;
	u8 pad[3];
};

enum rv_tls_change {
	RV_TLS_CHANGE_HANDSHAKE = 1, /* done: from `start_ns`, its first call, to `time_ns` */
	RV_TLS_CHANGE_FREED = 2,
};

struct rv_tls_state_event {
	u32 type;
	u32 tgid;
	u64 session;
	u64 opened_ns;
	u64 cookie;
	u64 start_ns;
	u64 time_ns;
	u32 tid;
	u8 change;
	u8 library;
	u8 flags;
	u8 pad;
};

/*
 * HPACK's dynamic table in the memory of a decoder, right before it decodes a header block. Behind
 * it come the block and the entries, the newest first: bytes of the name and of the value (2 each),
 * name, value.
 */
struct rv_table_event {
	u32 type;
	u32 tgid;
	u64 cookie; /* connection from which the goroutine read last */
	u64 time_ns;
	u32 block_bytes;
	u32 entries;
	u32 captured; /* bytes that follow */
	u8 direction;
	u8 pad[3];
};

/* Per-CPU counters by index; what an operation met on its way to an event. */
enum rv_counter {
	RV_COUNT_CAPTURED = 0,	/* operations of watched processes on TCP sockets */
	RV_COUNT_RING_FULL = 1, /* data events lost: no room */
	RV_COUNT_NOT_HTTP = 2,	/* no event by policy */
	RV_COUNT_SCRATCH_BUSY = 3,
	RV_COUNT_STATE_LOST = 4, /* connection events lost: no room */
	RV_COUNT_PROCESS_LOST = 5,
	RV_COUNT_WATCH_FULL = 6,
	RV_COUNT_NO_STORAGE = 7, /* no memory for the connection's state */
	RV_COUNT_TLS_MISSED =
		8,	       /* calls of a TLS library of which the begin or the end is unknown */
	RV_COUNT_TLS_LOST = 9, /* TLS state and ciphertext events lost: no room */
	RV_COUNTERS = 10,
};

#endif
