/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of a TCP socket, in the socket itself: made when it is established or, for one
 * older than rover, at its first operation; freed by the kernel together with the socket, so
 * nothing can be left behind.
 */
#ifndef ROVER_MAP_CONNECTIONS_H
#define ROVER_MAP_CONNECTIONS_H

/* A sequence number continued to 64 bits: the low half equals the kernel's own, the high half
 * counts wraps. */
struct rv_position {
	u64 now;
	u64 base; /* stream offset = now - base */
};

/* Where a direction is within the frames of HTTP/2. */
struct rv_frames {
	u64 next;    /* stream offset of the next byte */
	u32 left;    /* bytes of the payload under way */
	u32 passed;  /* bytes of it so far */
	u8 head[32]; /* of a frame: what came of it so far (9 bytes; room for the verifier) */
	u8 have;
	u8 kind;
	u8 is_followed; /* else it is not known */
	u8 pad[5];
};

/* What decides how much of a stream is copied; its slot of the policy map is that of `cookie`. */
struct rv_steered {
	u64 cookie;
	u64 rx_start; /* where the last message seems to have begun */
	u64 tx_start;
	u32 mode;   /* enum rv_policy_mode as last read: holds while the slot belongs to another */
	u32 looked; /* payload bytes copied before the engine knew the protocol */
	struct rv_frames frames[2]; /* received, sent */
	u8 is_http2;		    /* it began as HTTP/2 does */
	u8 has_moved;		    /* bits by direction: some bytes were */
	u8 is_shaking;		    /* it began as a TLS handshake */
	u8 pad[5];
};

struct rv_connection {
	union { /* the fields of rv_steered are the connection's own */
		struct rv_steered steered;
		struct {
			u64 cookie;
			u64 rx_start;
			u64 tx_start;
			u32 mode;
			u32 looked;
			struct rv_frames frames[2];
			u8 is_http2;
			u8 has_moved;
			u8 is_shaking;
			u8 pad0[5];
		};
	};
	u64 opened_ns;
	struct rv_position rx;
	struct rv_position tx;
	u64 rx_end; /* length of the stream once FIN came, else 0 */
	u64 tx_end;
	u32 handshake_us;
	u32 tgid;		    /* of the last operation */
	u8 local[RV_ADDRESS_BYTES]; /* these two where they can be copied by eight bytes */
	u8 remote[RV_ADDRESS_BYTES];
	u16 local_port;
	u16 remote_port;
	u8 role;
	u8 is_placed;	/* rx and tx have their base */
	u8 is_reported; /* some event told the engine of it */
	u8 flags;
	u8 has_rx_end;
	u8 has_tx_end;
	u8 has_flow;	/* its packets are followed */
	u8 is_tls;	/* some operation within a TLS call began like a TLS record */
	u8 has_waiting; /* several threads were in a send at once: theirs are with the task */
	u8 is_counted;	/* positions count what operations moved: below it TCP moves something else
			 */
	u8 pad[2];
	u64 sent_operations; /* without an event of their own */
	u64 received_operations;
	u64 sent_bytes;
	u64 received_bytes;
	u64 sent_ns;
	u64 told_ns;	      /* when these were last told */
	u64 watched;	      /* process known to be in the watch table, and as of when ... */
	u64 unwatched;	      /* ... or known not to be: rv_is_watched */
	u64 receive_start_ns; /* entry of the receive under way ... */
	u64 receive_thread;   /* ... by this thread; 0: none */
	struct rv_send send;
};

#ifdef RV_PROBE
/* Socket storage is closed to kprobes: a hash by the socket's address. Deleted when the socket is
 * destroyed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct rv_connection);
} connections SEC(".maps");

static const struct rv_connection rv_fresh_connection;

static __always_inline struct rv_connection *rv_connection(const struct sock *sk)
{
	u64 key = (u64)sk;

	return bpf_map_lookup_elem(&connections, &key);
}

static __always_inline struct rv_connection *rv_make_connection(const struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_update_elem(&connections, &key, &rv_fresh_connection, BPF_NOEXIST);
	return bpf_map_lookup_elem(&connections, &key);
}

static __always_inline void rv_forget_connection(const struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_delete_elem(&connections, &key);
}

/* Sockets from before the start may have no cookie: their address then, which no cookie equals. */
static __always_inline u64 rv_cookie(const struct sock *sk)
{
	u64 cookie = RV_GET(sk, __sk_common.skc_cookie.counter);

	/* By a copy: the verifier lets nobody calculate with what it knows to be a pointer. */
	if (!cookie)
		bpf_probe_read_kernel(&cookie, sizeof(cookie), &sk);
	return cookie;
}

static __always_inline struct tcp_sock *rv_tcp(const struct sock *sk)
{
	return RV_GET(sk, sk_protocol) == IPPROTO_TCP ? RV_TYPED(struct tcp_sock, sk) : NULL;
}
#else
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rv_connection);
} connections SEC(".maps");

static __always_inline struct rv_connection *rv_connection(struct sock *sk)
{
	return bpf_sk_storage_get(&connections, sk, NULL, 0);
}

static __always_inline struct rv_connection *rv_make_connection(struct sock *sk)
{
	return bpf_sk_storage_get(&connections, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline void rv_forget_connection(const struct sock *sk)
{
}

static __always_inline u64 rv_cookie(struct sock *sk)
{
	return bpf_get_socket_cookie(sk);
}

/* Where the kernel can cast, that costs nothing; the helper looks at the socket as well. */
static __always_inline struct tcp_sock *rv_tcp(struct sock *sk)
{
	if (RV_GET(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	if (bpf_ksym_exists(bpf_rdonly_cast))
		return (struct tcp_sock *)RV_TYPED(struct tcp_sock, sk);
	return bpf_skc_to_tcp_sock(sk);
}
#endif

#endif
