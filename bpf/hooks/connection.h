/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a TCP connection, from inet_sock_set_state: who opened it, how long the handshake
 * took, where each stream ends. Runs in softirq as often as not: the current task means nothing
 * here.
 */
#ifndef ROVER_HOOK_CONNECTION_H
#define ROVER_HOOK_CONNECTION_H

/*
 * Is the process watched? The answer is remembered with the connection, which costs a comparison
 * instead of a hash look-up: a yes until the engine takes any process out, a no until any comes in.
 * One word each, so that two processes with the same socket cannot mix theirs.
 */
static __always_inline bool rv_is_watched(struct rv_connection *c, u32 tgid)
{
	u32 generation = rv_generation;
	u64 process = (u64)tgid << 32;
	u64 yes = process | generation, no;
	bool is_watched;

	if (c && c->watched == yes)
		return true;
	no = process | (u32)(generation + rv_arrivals);
	if (c && c->unwatched == no)
		return false;
	is_watched = rv_is_in_watch(tgid);
	if (c && is_watched)
		c->watched = yes;
	else if (c)
		c->unwatched = no;
	return is_watched;
}

/* The kernel's 32-bit sequence number, continued from the last known 64-bit position. */
static __always_inline u64 rv_continue(u64 last, u32 sequence)
{
	return last + (u32)(sequence - (u32)last);
}

/* How far a stream has come. */
static __always_inline u64 rv_reached(const struct rv_connection *c, const struct rv_position *at,
				      u32 sequence)
{
	return (c->is_counted ? at->now : rv_continue(at->now, sequence)) - at->base;
}

static __always_inline void rv_read_addresses(const struct sock *sk, struct rv_connection *c)
{
	c->local_port = RV_GET(sk, __sk_common.skc_num);
	c->remote_port = bpf_ntohs(RV_GET(sk, __sk_common.skc_dport));
	if (RV_GET(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&c->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&c->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		u32 local = RV_GET(sk, __sk_common.skc_rcv_saddr);
		u32 remote = RV_GET(sk, __sk_common.skc_daddr);

		c->local[10] = c->local[11] = c->remote[10] = c->remote[11] = 0xff;
		__builtin_memcpy(c->local + 12, &local, 4);
		__builtin_memcpy(c->remote + 12, &remote, 4);
	}
}

static __always_inline void rv_place(const struct sock *sk, struct rv_connection *c)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	c->rx.now = c->rx.base = BPF_CORE_READ(tp, copied_seq);
	c->tx.now = c->tx.base = BPF_CORE_READ(tp, write_seq);
	c->is_placed = 1;
}

static __always_inline void rv_send_change(struct sock *sk, struct rv_connection *c, u8 change,
					   u64 rx_end, u64 tx_end)
{
	struct rv_connection_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_flow *flow;

	if (!event) {
		rv_count(RV_COUNT_STATE_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = RV_EVENT_CONNECTION;
	event->tgid = c->tgid;
	event->cookie = c->cookie;
	event->time_ns = bpf_ktime_get_boot_ns();
	event->rx_end = rx_end;
	event->tx_end = tx_end;
	event->change = change;
	if (change >= RV_CONNECTION_CLOSED) {
		event->start_ns = c->opened_ns;
		event->handshake_us = c->handshake_us;
		event->role = c->role;
		event->local_port = c->local_port;
		event->remote_port = c->remote_port;
		__builtin_memcpy(event->local, c->local, RV_ADDRESS_BYTES);
		__builtin_memcpy(event->remote, c->remote, RV_ADDRESS_BYTES);
		event->sent_bytes = BPF_CORE_READ(tp, bytes_sent);
		event->received_bytes = BPF_CORE_READ(tp, bytes_received);
		event->sent_segments = BPF_CORE_READ(tp, segs_out);
		event->received_segments = BPF_CORE_READ(tp, segs_in);
		event->retransmits = BPF_CORE_READ(tp, total_retrans);
		event->out_of_order = BPF_CORE_READ(tp, rcv_ooopack);
		event->rtt_us = BPF_CORE_READ(tp, srtt_us) >> 3;
		flow = rv_flow(c->cookie);
		if (flow)
			event->zero_windows = flow->receive.zero_windows;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* What was added up so far of a connection that is not HTTP. */
static __always_inline void rv_send_activity(struct rv_connection *c, struct rv_flow *flow)
{
	struct rv_activity_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

	if (!event) {
		rv_count(RV_COUNT_STATE_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = RV_EVENT_ACTIVITY;
	event->tgid = c->tgid;
	event->cookie = c->cookie;
	event->time_ns = c->told_ns = bpf_ktime_get_boot_ns();
	event->sent_operations = c->sent_operations;
	event->received_operations = c->received_operations;
	event->sent_bytes = c->sent_bytes;
	event->received_bytes = c->received_bytes;
	event->sent_ns = c->sent_ns;
	if (flow) {
		event->send = flow->send;
		event->receive = flow->receive;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

static __always_inline void rv_opened(struct sock *sk, int from)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c = rv_make_connection(sk);
	u64 now = bpf_ktime_get_boot_ns();
	u64 cookie = bpf_get_socket_cookie(sk); /* makes it: packet hooks can only read it */

	if (!c)
		return; /* the first operation tries again */
	if (from == TCP_SYN_RECV) {
		c->role = RV_ROLE_SERVER;
		/* The only sample so far: SYN-ACK sent until its ACK came. */
		c->handshake_us = BPF_CORE_READ(tp, srtt_us) >> 3;
		c->opened_ns = now - (u64)c->handshake_us * 1000;
	} else {
		c->role = RV_ROLE_CLIENT;
		if (c->opened_ns)
			c->handshake_us = (now - c->opened_ns) / 1000;
	}
	/* Data sent in the SYN (TCP Fast Open) has placed the connection already. */
	if (!c->is_placed)
		rv_place(sk, c);
	if (rv_options.layers >= RV_LAYERS_ALL && rv_claim(cookie))
		c->has_flow = 1;
	if (c->role == RV_ROLE_CLIENT && c->tgid) {
		c->cookie = cookie;
		rv_read_addresses(sk, c);
		c->is_reported = 1;
		rv_send_change(sk, c, RV_CONNECTION_OPENED, 0, 0);
	}
}

/* A connect that came to nothing. */
static __always_inline void rv_failed(struct sock *sk, struct rv_connection *c)
{
	if (!c->tgid)
		return;
	c->cookie = bpf_get_socket_cookie(sk);
	rv_read_addresses(sk, c);
	/* A port that nobody had asked for has been given back by now; its copy for packets stays.
	 */
	if (!c->local_port)
		c->local_port = bpf_ntohs(RV_CAST_GET(struct inet_sock, sk, inet_sport));
	rv_send_change(sk, c, RV_CONNECTION_FAILED, 0, 0);
	c->tgid = 0;
}

/* Taken from the listener's queue by a process. */
static __always_inline int rv_accepted(struct sock *sk)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rv_connection *c;

	if (!sk)
		return 0;
	c = rv_connection(sk);
	if (!c || !rv_is_watched(c, tgid))
		return 0;
	c->tgid = tgid;
	c->cookie = rv_cookie(sk);
	rv_read_addresses(sk, c);
	c->is_reported = 1;
	rv_send_change(sk, c, RV_CONNECTION_ACCEPTED, 0, 0);
	return 0;
}

static __always_inline void rv_rx_ended(struct sock *sk, const struct tcp_sock *tp,
					struct rv_connection *c)
{
	/* What is still to be read is known when it has been. */
	if (c->is_counted)
		return;
	/* rcv_nxt counts the FIN. */
	c->rx_end = rv_continue(c->rx.now, BPF_CORE_READ(tp, rcv_nxt)) - c->rx.base - 1;
	c->has_rx_end = 1;
	if (c->is_reported)
		rv_send_change(sk, c, RV_CONNECTION_RX_END, c->rx_end, 0);
}

/*
 * What was written is final: disconnecting moves write_seq on. If the reset came from here, so is
 * what was read: the rest is thrown away. Else it can still be read.
 */
static __always_inline void rv_aborted(struct sock *sk, const struct tcp_sock *tp,
				       struct rv_connection *c)
{
	if (!c->has_tx_end) {
		c->tx_end = rv_reached(c, &c->tx, BPF_CORE_READ(tp, write_seq));
		c->has_tx_end = 1;
	}
	if (!c->has_rx_end) {
		u32 end = BPF_CORE_READ(sk, sk_err) ? BPF_CORE_READ(tp, rcv_nxt)
						    : BPF_CORE_READ(tp, copied_seq);

		c->rx_end = rv_reached(c, &c->rx, end);
		c->has_rx_end = 1;
	}
	if (c->is_reported)
		rv_send_change(sk, c, RV_CONNECTION_RESET, 0, 0);
}

static __always_inline void rv_ended(struct sock *sk, int from, int to)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c = rv_connection(sk);

	if (c && from == TCP_SYN_SENT && to == TCP_CLOSE)
		rv_failed(sk, c);
	if (!c || !c->is_placed)
		return;
	switch (to) {
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
		rv_rx_ended(sk, tp, c);
		break;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		if (c->has_tx_end)
			break;
		c->tx_end = rv_reached(c, &c->tx, BPF_CORE_READ(tp, write_seq));
		c->has_tx_end = 1;
		if (c->is_reported)
			rv_send_change(sk, c, RV_CONNECTION_TX_END, 0, c->tx_end);
		break;
	case TCP_CLOSE:
		if (from == TCP_ESTABLISHED || from == TCP_CLOSE_WAIT ||
		    BPF_CORE_READ(sk, sk_err)) {
			rv_aborted(sk, tp, c);
		} else if ((from == TCP_FIN_WAIT1 || from == TCP_FIN_WAIT2) && !c->has_rx_end) {
			/* FIN of the peer after ours: the socket is in TIME_WAIT, but may still be
			 * read. */
			rv_rx_ended(sk, tp, c);
		}
		break;
	}
}

/* The last that is heard of a socket, in whatever context lets go of it. */
static __always_inline int rv_destroyed(struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c = rv_connection(sk);
	u64 rx_end, tx_end;

	if (!c)
		return 0;
	if (!c->is_reported) {
		rv_let_go(RV_GET(sk, __sk_common.skc_cookie.counter));
		rv_forget_connection(sk);
		return 0;
	}
	rx_end = rv_reached(c, &c->rx, BPF_CORE_READ(tp, copied_seq));
	if (c->has_rx_end && rx_end > c->rx_end)
		rx_end = c->rx_end; /* reading the FIN moves copied_seq */
	tx_end = c->has_tx_end ? c->tx_end : rv_reached(c, &c->tx, BPF_CORE_READ(tp, write_seq));
	if (c->sent_operations + c->received_operations)
		rv_send_activity(c, rv_flow(c->cookie));
	rv_send_change(sk, c, RV_CONNECTION_CLOSED, rx_end, tx_end);
	c->is_reported = 0; /* whoever else is attached here has nothing left to tell */
	rv_let_go(c->cookie);
	rv_forget_connection(sk);
	return 0;
}

static __always_inline u64 rv_transition(int from, int to)
{
	return from << 8 | to;
}

static __always_inline int rv_state_changed(struct sock *sk, int from, int to)
{
	struct rv_connection *c;

	if (RV_GET(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	rv_note_attended(RV_ATTENDED_STATE, sk, rv_transition(from, to));
	if (to == TCP_SYN_SENT) {
		/* In the call of the thread that connects. */
		u32 tgid = bpf_get_current_pid_tgid() >> 32;

		c = rv_make_connection(sk);
		if (c) {
			c->role = RV_ROLE_CLIENT;
			c->opened_ns = bpf_ktime_get_boot_ns();
			c->tgid = rv_is_watched(c, tgid) ? tgid : 0;
		}
	} else if (to == TCP_ESTABLISHED) {
		rv_opened(sk, from);
	} else if (to != TCP_LISTEN && to != TCP_SYN_RECV) {
		rv_ended(sk, from, to);
	}
	return 0;
}

#endif
