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

struct rv_connection {
	u64 cookie;
	u64 opened_ns;
	struct rv_position rx;
	struct rv_position tx;
	u64 rx_end; /* length of the stream once FIN came, else 0 */
	u64 tx_end;
	u64 rx_start; /* where the last message seems to have begun */
	u64 tx_start;
	u32 mode; /* enum rv_policy_mode as last read: holds while the slot belongs to another
		     connection */
	u32 handshake_us;
	u32 looked;	  /* payload bytes copied before the engine knew the protocol */
	u32 tgid;	  /* of the last operation */
	u32 watched_tgid; /* known to be in the watch table ... */
	u32 generation;	  /* ... as of this rv_generation */
	u16 local_port;
	u16 remote_port;
	u8 local[RV_ADDRESS_BYTES];
	u8 remote[RV_ADDRESS_BYTES];
	u8 role;
	u8 is_placed;	/* rx and tx have their base */
	u8 is_reported; /* some event told the engine of it */
	u8 flags;
	u8 has_rx_end;
	u8 has_tx_end;
	u8 pad[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rv_connection);
} connections SEC(".maps");

#endif
