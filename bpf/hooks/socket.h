/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket operations: the entry of a send (where a hook shows it) and the exit of a send or receive,
 * which becomes one event. The cheap exits come first: every socket operation of the machine passes
 * here.
 */
#ifndef ROVER_HOOK_SOCKET_H
#define ROVER_HOOK_SOCKET_H

static __always_inline struct rv_operation *rv_operation(bool creates)
{
	return bpf_task_storage_get(&operations, bpf_get_current_task_btf(), NULL,
				    creates ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}

/* A connection has its cookie from its first operation on. */
static __always_inline struct rv_flow *rv_flow_of(struct sock *sk, const struct rv_connection *c)
{
	if (!c || !c->has_flow)
		return NULL;
	return rv_flow(c->cookie ? c->cookie : rv_cookie(sk));
}

/* Times of the first packet are those of this operation. */
static __always_inline void rv_restart_flow(struct sock *sk, const struct rv_connection *c)
{
	struct rv_flow *flow = rv_flow_of(sk, c);

	if (!flow)
		return;
	flow->is_sending = 1;
	flow->send.first_tcp_out_ns = flow->send.first_ip_out_ns = 0;
	flow->send.first_queue_out_ns = flow->send.first_nic_out_ns = 0;
	flow->send.last_nic_out_ns = 0;
}

/* Nobody's connection: its packets are no longer followed. */
static __always_inline void rv_pass_over(struct sock *sk, struct rv_connection *c)
{
	if (!c || !c->has_flow)
		return;
	rv_let_go(rv_cookie(sk));
	c->has_flow = 0;
}

/* A send that sent nothing: what leaves from here on leaves outside of any call all the same. */
static __always_inline void rv_stop_sending(struct sock *sk, const struct rv_connection *c)
{
	struct rv_flow *flow = rv_flow_of(sk, c);

	if (flow)
		flow->is_sending = 0;
}

/*
 * The send that the thread is in; NULL where its entry was not seen. Kept with the connection
 * unless another thread is in a send there, or (kprobes) as the connection takes as long to find.
 */
static __always_inline struct rv_send *rv_send_under_way(struct sock *sk, struct rv_connection *c,
							 u64 thread)
{
	struct rv_operation *op;

#ifndef RV_PROBE
	if (!c)
		return NULL;
	if (c->send.owner == thread)
		return &c->send;
	if (!c->has_waiting)
		return NULL;
#endif
	op = rv_operation(false);
	return op && op->send.owner == (u64)sk ? &op->send : NULL;
}

static __always_inline struct rv_send *rv_open_send(struct sock *sk, struct rv_connection *c,
						    u64 thread)
{
	struct rv_operation *op;

#ifndef RV_PROBE
	if (!c->send.owner) {
		c->send.owner = thread;
		return &c->send;
	}
	c->has_waiting = 1;
#endif
	op = rv_operation(true);
	if (!op)
		return NULL;
	op->send.owner = (u64)sk;
	return &op->send;
}

/* Something else lies between the operations and TCP: kernel TLS, whose records are what is sent
 * and received, and what tcp_sendmsg_locked has as its message. */
static __always_inline bool rv_is_layered(const struct tcp_sock *tp)
{
	return RV_GET(tp, inet_conn.icsk_ulp_ops) != NULL;
}

static __always_inline void rv_note_message(struct rv_send *send, struct sock *sk,
					    const struct msghdr *message)
{
	u8 kind = RV_GET(message, msg_iter.iter_type);

	send->is_kernel_memory = send->is_pages = send->is_single = send->is_readable = 0;
	send->vector_offset = RV_GET(message, msg_iter.iov_offset);
	send->segments = RV_GET(message, msg_iter.nr_segs);
	send->vector = (u64)RV_ITER_VECTOR(message); /* or ubuf: one union */
	if (kind == rv_iter_ubuf()) {
		send->is_single = send->is_readable = 1;
	} else if (kind == rv_iter_iovec() || kind == rv_iter_kvec()) {
		send->is_kernel_memory = kind == rv_iter_kvec();
		send->is_readable = 1;
	} else if (kind == rv_iter_bvec()) {
		send->is_kernel_memory = send->is_pages = 1;
		send->is_readable = rv_knows_pages(sk);
	}
}

/*
 * Whether this is a later segment of the send under way. An application's message that has not come
 * on while the stream has is another one: the end of that was missed. One that waits for room comes
 * here again as it was. Of the kernel's own memory several messages may make one operation.
 */
static __always_inline bool rv_is_further(const struct rv_send *send, const struct tcp_sock *tp,
					  const struct msghdr *message)
{
	u64 vector;
	u8 kind;

	if (!message || send->write_seq == RV_GET(tp, write_seq))
		return true;
	kind = RV_GET(message, msg_iter.iter_type);
	if (kind != rv_iter_ubuf() && kind != rv_iter_iovec())
		return true;
	vector = (u64)RV_ITER_VECTOR(message);
	if (vector == send->vector)
		return RV_GET(message, msg_iter.iov_offset) > send->vector_offset;
	return kind == rv_iter_iovec() &&
	       vector - send->vector < (u64)send->segments * sizeof(struct iovec);
}

static __always_inline u32 rv_turn(const struct tcp_sock *tp, u8 direction)
{
	return direction == RV_RX ? RV_GET(tp, copied_seq) : RV_GET(tp, write_seq);
}

/* `message`: NULL where there is none to look at. */
static __always_inline int rv_send_entered(struct sock *sk, const struct msghdr *message)
{
	struct rv_connection *c = rv_connection(sk);
	u64 thread = bpf_get_current_pid_tgid();
	struct tcp_sock *tp = rv_tcp(sk);
	struct rv_send *send;

	if (!tp)
		return 0;
	if (rv_options.is_preempted)
		rv_note_attended(RV_ATTENDED_SEND, sk, rv_turn(tp, RV_TX));
	if (!rv_is_watched(c, thread >> 32)) {
		rv_pass_over(sk, c);
		return 0;
	}
	if (rv_is_layered(tp))
		return 0;
	send = rv_send_under_way(sk, c, thread);
	if (send && rv_is_further(send, tp, message))
		return 0;
#ifndef RV_PROBE
	if (!c)
		c = rv_make_connection(sk);
	if (!c)
		return 0;
#endif
	if (!send)
		send = rv_open_send(sk, c, thread);
	if (!send)
		return 0;
	rv_restart_flow(sk, c);
	send->start_ns = bpf_ktime_get_boot_ns();
	send->write_seq = RV_GET(tp, write_seq);
	if (message)
		rv_note_message(send, sk, message);
	else
		send->is_readable = 0;
	return 0;
}

/* Where receives have an entry: since when the thread is in it. */
static __always_inline int rv_receive_entered(struct sock *sk, u32 flags)
{
	u64 id = bpf_get_current_pid_tgid();
	struct rv_connection *c;
#ifdef RV_PROBE
	struct rv_operation *op;
#endif

	if (RV_GET(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	c = rv_connection(sk);
	if (!rv_is_watched(c, id >> 32)) {
		rv_pass_over(sk, c);
		return 0;
	}
	if (c) {
		c->receive_start_ns = bpf_ktime_get_boot_ns();
		c->receive_thread = id;
	}
#ifdef RV_PROBE
	/* A kretprobe does not know the socket. */
	op = rv_operation(true);
	if (!op)
		return 0;
	op->receive_sk = (u64)sk;
	op->receive_flags = flags;
#endif
	return 0;
}

/* Fills in what its first operation can tell of a connection. */
static __always_inline void rv_meet(struct sock *sk, struct rv_connection *c, u8 direction,
				    u32 length)
{
	if (!c->is_placed) {
		rv_place(sk, c);
		if (direction == RV_RX)
			c->rx.now = c->rx.base = c->rx.base - length;
		else
			c->tx.now = c->tx.base = c->tx.base - length;
		if (!c->opened_ns)
			c->flags |= RV_DATA_PRE_EXISTING;
	}
	c->cookie = rv_cookie(sk);
	rv_read_addresses(sk, c);
}

/* A read that takes the last bytes may take the FIN along, which counts in copied_seq. */
static __always_inline u32 rv_read_until(const struct rv_connection *c, u32 copied_seq)
{
	u64 end = c->rx.base + c->rx_end;

	return c->has_rx_end && rv_continue(c->rx.now, copied_seq) > end ? (u32)end : copied_seq;
}

/* Offset of the first byte moved, and the position brought up to date. */
static __always_inline u64 rv_advance(struct rv_position *position, u32 sequence, u32 length,
				      u8 *flags)
{
	u64 before = position->now;
	u64 after = rv_continue(before, sequence);

	/* A delta of more than half the space is a number from before: two threads passed each
	 * other. */
	if (after - before < length || after - before > 0x7fffffff) {
		*flags |= RV_DATA_OVERLAP;
		if (after - before > 0x7fffffff)
			return before - position->base;
	}
	position->now = after;
	return after - length - position->base;
}

/* The same where TCP's numbers count what the operations do not. */
static __always_inline u64 rv_count_on(struct rv_connection *c, struct rv_position *position,
				       u32 length)
{
	u64 before = position->now;

	c->is_counted = 1;
	position->now = before + length;
	return before - position->base;
}

/* The operation's buffers: as its entry saw them, else from the registers. Returns the system call.
 */
static __always_inline u8 rv_find_buffers(struct sock *sk, const struct rv_send *send,
					  struct rv_buffers *out)
{
	u8 call = rv_syscall_of(bpf_get_current_task_btf());

	if (!send)
		return rv_buffers_from_registers(sk, call, out);
	out->vector = send->vector;
	out->vector_offset = send->vector_offset;
	out->segments = send->segments;
	out->is_single = send->is_single;
	out->is_kernel_array = 1;
	out->is_kernel_memory = send->is_kernel_memory;
	out->is_pages = send->is_pages;
	out->is_readable = send->is_readable;
	return call;
}

/* An operation of a connection that is not HTTP: added up, told once a second. */
static __always_inline void rv_add_activity(struct rv_connection *c, struct rv_flow *flow,
					    u8 direction, u32 length, u64 took_ns)
{
	rv_count(RV_COUNT_NOT_HTTP);
	if (direction == RV_TX) {
		c->sent_operations++;
		c->sent_bytes += length;
		c->sent_ns += took_ns;
	} else {
		c->received_operations++;
		c->received_bytes += length;
	}
	if (bpf_ktime_get_boot_ns() - c->told_ns >= RV_ACTIVITY_NS)
		rv_send_activity(c, flow);
}

/* Where the operation was in its stream; its packets and TCP's own counts go to the flow. */
static __always_inline u64 rv_place_received(struct rv_connection *c, struct rv_flow *flow,
					     const struct tcp_sock *tp, u32 length, u64 now,
					     u8 *flags)
{
	u32 copied = RV_GET(tp, copied_seq);
	u32 until = rv_is_layered(tp) ? copied : rv_read_until(c, copied);

	if (flow) {
		rv_consume(flow, until, length, now);
		flow->receive.out_of_order = RV_GET(tp, rcv_ooopack);
	}
	if (rv_is_layered(tp))
		return rv_count_on(c, &c->rx, length);
	return rv_advance(&c->rx, until, length, flags);
}

static __always_inline u64 rv_place_sent(struct rv_connection *c, struct rv_flow *flow,
					 const struct tcp_sock *tp, const struct rv_send *send,
					 u32 length, u8 *flags)
{
	if (flow) {
		flow->is_sending = 0;
		flow->send.retransmits = RV_GET(tp, total_retrans);
	}
	if (rv_is_layered(tp))
		return rv_count_on(c, &c->tx, length);
	return rv_advance(&c->tx, send ? send->write_seq + length : RV_GET(tp, write_seq), length,
			  flags);
}

/* The connection's flow, claimed if it is somebody else's by now. */
static __always_inline struct rv_flow *rv_flow_at_end(struct rv_connection *c, u8 direction)
{
	struct rv_flow *flow;

	if (rv_options.layers < RV_LAYERS_ALL)
		return NULL;
	flow = rv_flow(c->cookie);
	if (!flow) {
		flow = rv_claim(c->cookie);
		if (flow && direction == RV_TX)
			flow->send.unseen++;
	}
	c->has_flow = 1;
	return flow;
}

/* hooks/tls.h */
static __noinline int rv_tls_nested(struct sock *sk, struct rv_connection *c,
				    const struct rv_send *send, u64 end, u32 direction);

static __always_inline u32 rv_attendance(u8 direction)
{
	return direction == RV_RX ? RV_ATTENDED_RECEIVED : RV_ATTENDED_SENT;
}

static __always_inline int rv_operation_ended(struct sock *sk, u8 direction, int result, int flags)
{
	u64 thread = bpf_get_current_pid_tgid();
	u32 tgid = thread >> 32, place;
	u64 offset, ignore, end_ns, start_ns = 0;
	struct rv_connection *c;
	struct rv_send *send = NULL;
	struct rv_scratch *s;
	struct rv_flow *flow;
	struct tcp_sock *tp;
	u8 event_flags;

	if (direction == RV_RX && (result <= 0 || flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 0; /* not consumption */
	tp = rv_tcp(sk);
	if (!tp)
		return 0;
	if (rv_options.is_preempted)
		rv_note_attended(rv_attendance(direction), sk, rv_turn(tp, direction));
	c = rv_connection(sk);
	if (!rv_is_watched(c, tgid)) {
		rv_pass_over(sk, c);
		return 0;
	}
	if (direction == RV_TX && rv_options.has_send_entries) {
		send = rv_send_under_way(sk, c, thread);
		if (send) {
			send->owner = 0;
			start_ns = send->start_ns;
		}
	}
	if (result <= 0) {
		rv_stop_sending(sk, c);
		return 0;
	}
	if (!c)
		c = rv_make_connection(sk);
	rv_count(RV_COUNT_CAPTURED);
	if (!c) {
		rv_count(RV_COUNT_NO_STORAGE);
		return 0;
	}
	if (direction == RV_RX && c->receive_thread == thread) {
		start_ns = c->receive_start_ns;
		c->receive_thread = 0;
	}
	if (!c->cookie)
		rv_meet(sk, c, direction, result);
	event_flags = c->flags;
	c->tgid = tgid;
	end_ns = bpf_ktime_get_boot_ns();
	flow = rv_flow_at_end(c, direction);
	if (direction == RV_RX)
		offset = rv_place_received(c, flow, tp, result, end_ns, &event_flags);
	else
		offset = rv_place_sent(c, flow, tp, send, result, &event_flags);
	if (rv_options.has_tls && rv_tls_user(tgid))
		rv_tls_nested(sk, c, send, offset + result, direction);
	ignore = rv_read_policy(&c->steered, direction);
	if (c->mode == RV_POLICY_NONE) {
		rv_add_activity(c, flow, direction, result, start_ns ? end_ns - start_ns : 0);
		return 0;
	}

	s = rv_claim_scratch(&place);
	if (!s) {
		rv_count(RV_COUNT_SCRATCH_BUSY);
		rv_count(RV_COUNT_RING_FULL);
		return 0;
	}
	s->ending.start_ns = start_ns;
	s->ending.end_ns = end_ns;
	s->ending.flags = event_flags;
	s->ending.tgid = tgid;
	s->ending.rtt_us = RV_GET(tp, srtt_us) >> 3;
	rv_ask_for(&s->excerpt, direction, offset, result, ignore);
	s->excerpt.is_older = c->flags & RV_DATA_PRE_EXISTING;
	s->ending.syscall = rv_find_buffers(sk, send, &s->walk.buffers);
	if (direction == RV_RX && flags & MSG_TRUNC)
		s->walk.buffers.is_readable = 0; /* consumed without being copied anywhere */
	if (!s->walk.buffers.is_readable)
		s->ending.flags |= RV_DATA_UNREADABLE;
	rv_tell(s, c, flow, direction, place);
	rv_free_scratch(s);
	return 0;
}

/* The same from the functions that have the socket's upper half. */
static __always_inline int rv_socket_left(const struct socket *socket, u8 direction, int result,
					  int flags)
{
	struct sock *sk = socket->sk;

	return sk ? rv_operation_ended(sk, direction, result, flags) : 0;
}

static __always_inline int rv_socket_read(const struct socket *socket, u32 flags)
{
	struct sock *sk = socket->sk;

	return sk ? rv_receive_entered(sk, flags) : 0;
}

#ifdef RV_PROBE
/* Where the hook at the end has no arguments: as the entry noted them. */
static __always_inline int rv_send_noted(struct sock *sk)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rv_operation *op = rv_operation(false);

	if (!op && rv_is_in_watch(tgid))
		op = rv_operation(true);
	if (op)
		op->returning_sk = (u64)sk;
	return 0;
}

static __always_inline int rv_send_returned(int result)
{
	struct rv_operation *op = rv_operation(false);
	u64 sk;

	if (!op || !op->returning_sk)
		return 0;
	sk = op->returning_sk;
	op->returning_sk = 0;
	return rv_operation_ended(RV_TYPED(struct sock, sk), RV_TX, result, 0);
}

static __always_inline int rv_receive_returned(int result)
{
	struct rv_operation *op = rv_operation(false);
	u64 sk;

	if (!op || !op->receive_sk)
		return 0;
	sk = op->receive_sk;
	op->receive_sk = 0;
	return rv_operation_ended(RV_TYPED(struct sock, sk), RV_RX, result, op->receive_flags);
}
#endif

#endif
