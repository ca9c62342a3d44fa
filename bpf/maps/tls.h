/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of TLS libraries, of the calls that threads are in, and of sessions.
 */
#ifndef ROVER_MAP_TLS_H
#define ROVER_MAP_TLS_H

/* What a probe's place means. */
enum rv_tls_action {
	RV_TLS_READ_ENTER = 1,
	RV_TLS_READ_LEAVE = 2,
	RV_TLS_WRITE_ENTER = 3,
	RV_TLS_WRITE_LEAVE = 4,
	RV_TLS_HANDSHAKE_ENTER = 5,
	RV_TLS_HANDSHAKE_LEAVE = 6,
	RV_TLS_FREE = 7,
	RV_TLS_CIPHER_READ_ENTER = 8,
	RV_TLS_CIPHER_READ_LEAVE = 9,
	RV_TLS_CIPHER_WRITE_ENTER = 10,
	RV_TLS_CIPHER_WRITE_LEAVE = 11,
	RV_TLS_CIPHER_WRITTEN = 12,
	RV_TLS_TABLE_READ = 13,
};

/* How a call tells what it moved; a result not above 0 is nothing. */
enum rv_tls_outcome {
	RV_TLS_COUNT = 0,	   /* the result is the count */
	RV_TLS_COUNT_BEHIND = 1,   /* 8 bytes behind the pointer that came with the call */
	RV_TLS_COUNT_IN_PLACE = 2, /* in the place `count`, seen from the end of the call */
	RV_TLS_SUCCESS = 3,	   /* there is none */
	RV_TLS_SUCCESS_ZERO = 4,   /* likewise, and 0 is success, all else failure */
};

enum rv_tls_site_flag {
	RV_TLS_SITE_GO = 1,   /* calls belong to goroutines, not to threads */
	RV_TLS_SITE_LAST = 2, /* no other place follows, whatever the result */
	RV_TLS_SITE_LONG = 4, /* 8 bytes of the result count, not 4 */
	RV_TLS_SITE_FRAME = 8,
};

/* Where a value is at a place: a register (DWARF numbers) or the frame plus `offset`, or in memory
 * there. */
#define RV_TLS_FRAME 0x20
#define RV_TLS_NOWHERE 0xff

struct rv_tls_operand {
	u8 base;
	u8 is_memory;
	u16 offset; /* signed */
};

/*
 * The probed places, by the cookie of their probe. The engine writes an entry before it attaches
 * the probe, and uses it for another place only after that was detached.
 */
#define RV_TLS_SITES 8192

struct rv_tls_site {
	struct rv_tls_operand session;
	struct rv_tls_operand buffer;
	struct rv_tls_operand length;
	struct rv_tls_operand count;
	struct rv_tls_operand result;
	struct rv_tls_operand more; /* to be added to the result */
	u32 account;		    /* of its library */
	u32 frame_offset; /* signed: stack pointer + this = frame, where the return address is */
	u8 action;
	u8 outcome;
	u8 library; /* enum rv_tls_library */
	u8 flags;   /* enum rv_tls_site_flag */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_TLS_SITES);
	__type(key, u32);
	__type(value, struct rv_tls_site);
} tls_sites SEC(".maps");

/*
 * Whether the places of a library are all probed, and whether they fit together, by the first
 * calls: the engine clears an entry before it attaches, says when it has, and reads it afterwards.
 * Counted only until so many calls were seen, so that busy CPUs do not fight for it.
 */
#define RV_TLS_ACCOUNTS 1024
#define RV_TLS_CHECKED_CALLS 1024

struct rv_tls_account {
	u32 entered;
	u32 left;     /* with their entry known */
	u32 orphans;  /* an end without a begin */
	u32 unended;  /* a begin without an end */
	u32 excess;   /* more bytes than there was room for */
	u32 unlikely; /* no session, or no buffer */
	u32 is_whole; /* else calls are seen in part: reads, say, and no writes yet */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_TLS_ACCOUNTS);
	__type(key, u32);
	__type(value, struct rv_tls_account);
} tls_accounts SEC(".maps");

/* A call that a thread is in. */
struct rv_tls_call {
	u64 session;
	u64 frame; /* one for begin and end; calls made within lie below. 0: unknown */
	u64 buffer;
	u64 length;
	u64 count_at;
	u64 start_ns;
	u64 cookie;	   /* connection of the last socket operation within; 0: none */
	u64 offset[2];	   /* by direction: stream offset behind the last operation within */
	u64 cipher_buffer; /* of the call to the BIO that is under way */
	u64 cipher_length;
	u64 cipher_count_at;
	u8 action;    /* that opened it */
	u8 nested;    /* bits by direction: `offset` is known */
	u8 is_inside; /* `cookie` comes from another session within */
	u8 is_failed; /* a place that might be its end told that it has moved nothing */
	u8 pad[4];
};

/* Calls nest: TLS within TLS, and functions of a library that use each other. Freed with the task.
 */
#define RV_TLS_DEPTH 4

struct rv_tls_thread {
	u32 depth;
	u32 generation; /* its process was in the watch table as of this rv_generation ... */
	u32 tgid;	/* ... and was this one */
	u32 pad;
	struct rv_tls_call calls[RV_TLS_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rv_tls_thread);
} tls_threads SEC(".maps");

/*
 * The same for goroutines, which change their thread within a call. Inserted at the begin of a
 * call, deleted at its end; the engine deletes those of processes that ended within one.
 */
struct rv_tls_goroutine {
	u64 g; /* address of the runtime's object */
	u32 tgid;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rv_tls_goroutine);
	__type(value, struct rv_tls_thread);
} tls_goroutines SEC(".maps");

static const struct rv_tls_thread rv_fresh_thread;

/*
 * Sessions: inserted at the first call that moves bytes or shows the connection, deleted when the
 * library frees the object. What is not freed (the process ends) the engine deletes within seconds;
 * else it goes as the least recently used.
 */
struct rv_tls_key {
	u64 session;
	u32 tgid;
	u32 pad;
};

struct rv_tls_session {
	struct rv_steered steered;
	u64 opened_ns;
	u64 cookie;	  /* connection; 0: unknown */
	u64 handshake_ns; /* first call of the handshake */
	u64 moved[2];	  /* plaintext by direction */
	u64 ciphered[2];  /* ciphertext by direction, while the connection is unknown */
	u8 is_inside;
	u8 is_shaken; /* handshake told */
	u8 pad[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct rv_tls_key);
	__type(value, struct rv_tls_session);
} tls_sessions SEC(".maps");

/*
 * Whether the process (by hash of its number) has called a TLS library, so that its socket
 * operations must look for a call around them. All others are spared the look-up. Set at a call,
 * cleared at the end of a process; a process that shares a slot sets it again with its next call.
 */
#define RV_TLS_USERS 65536
#define RV_TLS_BY_THREAD 1
#define RV_TLS_BY_GOROUTINE 2
/* Its HPACK decoders are probed: see maps/tables.h. */
#define RV_TLS_TABLES 4

SEC(".bss.tls_users") volatile u8 rv_tls_users[RV_TLS_USERS];

static __always_inline u8 rv_tls_user(u32 tgid)
{
	return rv_tls_users[tgid & (RV_TLS_USERS - 1)];
}

static __always_inline void rv_set_tls_user(u32 tgid, u8 way)
{
	if (!(rv_tls_user(tgid) & way))
		rv_tls_users[tgid & (RV_TLS_USERS - 1)] |= way;
}

/* A way that another CPU sets at this moment is set again with its next call. */
static __always_inline void rv_clear_tls_way(u32 tgid, u8 way)
{
	rv_tls_users[tgid & (RV_TLS_USERS - 1)] &= ~way;
}

static __always_inline void rv_clear_tls_user(u32 tgid)
{
	if (rv_tls_user(tgid))
		rv_tls_users[tgid & (RV_TLS_USERS - 1)] = 0;
}

#endif
