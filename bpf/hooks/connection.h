/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a TCP connection, from inet_sock_set_state: who opened it, how long the handshake
 * took, where each stream ends. Runs in softirq as often as not: the current task means nothing
 * here.
 */
#ifndef ROVER_HOOK_CONNECTION_H
#define ROVER_HOOK_CONNECTION_H

/* The kernel's 32-bit sequence number, continued from the last known 64-bit position. */
static __always_inline u64 rv_continue(u64 last, u32 sequence)
{
	return last + (u32)(sequence - (u32)last);
}

static __always_inline void rv_read_addresses(const struct sock *sk, struct rv_connection *c)
{
	c->local_port = sk->__sk_common.skc_num;
	c->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	if (sk->__sk_common.skc_family == AF_INET6) {
		BPF_CORE_READ_INTO(&c->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&c->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		u32 local = sk->__sk_common.skc_rcv_saddr;
		u32 remote = sk->__sk_common.skc_daddr;

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

static __always_inline void rv_send_change(struct rv_connection *c, u8 change, u64 rx_end,
					   u64 tx_end)
{
	struct rv_connection_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

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
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

static __always_inline void rv_opened(struct sock *sk, int from)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c =
		bpf_sk_storage_get(&connections, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u64 now = bpf_ktime_get_boot_ns();

	if (!c)
		return;		   /* the first operation tries again */
	bpf_get_socket_cookie(sk); /* makes it: the copy hook can only read it */
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
}

static __always_inline void rv_rx_ended(const struct tcp_sock *tp, struct rv_connection *c)
{
	/* rcv_nxt counts the FIN. */
	c->rx_end = rv_continue(c->rx.now, BPF_CORE_READ(tp, rcv_nxt)) - c->rx.base - 1;
	c->has_rx_end = 1;
	if (c->is_reported)
		rv_send_change(c, RV_CONNECTION_RX_END, c->rx_end, 0);
}

/*
 * What was written is final: disconnecting moves write_seq on. If the reset came from here, so is
 * what was read: the rest is thrown away. Else it can still be read.
 */
static __always_inline void rv_aborted(struct sock *sk, const struct tcp_sock *tp,
				       struct rv_connection *c)
{
	if (!c->has_tx_end) {
		c->tx_end = rv_continue(c->tx.now, BPF_CORE_READ(tp, write_seq)) - c->tx.base;
		c->has_tx_end = 1;
	}
	if (!c->has_rx_end) {
		u32 end = BPF_CORE_READ(sk, sk_err) ? BPF_CORE_READ(tp, rcv_nxt)
						    : BPF_CORE_READ(tp, copied_seq);

		c->rx_end = rv_continue(c->rx.now, end) - c->rx.base;
		c->has_rx_end = 1;
	}
	if (c->is_reported)
		rv_send_change(c, RV_CONNECTION_RESET, 0, 0);
}

static __always_inline void rv_ended(struct sock *sk, int from, int to)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c = bpf_sk_storage_get(&connections, sk, NULL, 0);

	if (!c || !c->is_placed)
		return;
	switch (to) {
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
		rv_rx_ended(tp, c);
		break;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		if (c->has_tx_end)
			break;
		c->tx_end = rv_continue(c->tx.now, BPF_CORE_READ(tp, write_seq)) - c->tx.base;
		c->has_tx_end = 1;
		if (c->is_reported)
			rv_send_change(c, RV_CONNECTION_TX_END, 0, c->tx_end);
		break;
	case TCP_CLOSE:
		if (from == TCP_ESTABLISHED || from == TCP_CLOSE_WAIT ||
		    BPF_CORE_READ(sk, sk_err)) {
			rv_aborted(sk, tp, c);
		} else if ((from == TCP_FIN_WAIT1 || from == TCP_FIN_WAIT2) && !c->has_rx_end) {
			/* FIN of the peer after ours: the socket is in TIME_WAIT, but may still be
			 * read. */
			rv_rx_ended(tp, c);
		}
		break;
	}
}

/* The last that is heard of a socket, in whatever context lets go of it. */
static __always_inline int rv_destroyed(struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct rv_connection *c = bpf_sk_storage_get(&connections, sk, NULL, 0);
	u64 rx_end, tx_end;

	if (!c || !c->is_reported)
		return 0;
	rx_end = rv_continue(c->rx.now, BPF_CORE_READ(tp, copied_seq)) - c->rx.base;
	if (c->has_rx_end && rx_end > c->rx_end)
		rx_end = c->rx_end; /* reading the FIN moves copied_seq */
	tx_end = c->has_tx_end ? c->tx_end
			       : rv_continue(c->tx.now, BPF_CORE_READ(tp, write_seq)) - c->tx.base;
	rv_send_change(c, RV_CONNECTION_CLOSED, rx_end, tx_end);
	return 0;
}

static __always_inline int rv_state_changed(struct sock *sk, int from, int to)
{
	struct rv_connection *c;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (to == TCP_SYN_SENT) {
		c = bpf_sk_storage_get(&connections, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (c) {
			c->role = RV_ROLE_CLIENT;
			c->opened_ns = bpf_ktime_get_boot_ns();
		}
	} else if (to == TCP_ESTABLISHED) {
		rv_opened(sk, from);
	} else if (to != TCP_LISTEN && to != TCP_SYN_RECV) {
		rv_ended(sk, from, to);
	}
	return 0;
}

#endif
