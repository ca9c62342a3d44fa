/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket operations: the entry of a send (where a hook shows it) and the exit of a send or receive,
 * which becomes one event. The cheap exits come first: every socket operation of the machine passes
 * here.
 */
#ifndef ROVER_HOOK_SOCKET_H
#define ROVER_HOOK_SOCKET_H

const volatile u32 rv_look_bytes =
	256 * 1024;			      /* most that is copied before the protocol is known */
const volatile u32 rv_look_binary_bytes = 64; /* of an operation that does not begin like text */
const volatile u32 rv_head_bytes = 64 * 1024; /* copied whole from the begin of a message on */

/* An operation is copied whole up to this size; of a longer one this much is always looked at. */
#define RV_SMALL_BYTES 4096
/* The end of an operation that is not copied whole: the framing between two chunks, or the next
 * message's head. */
#define RV_TAIL_BYTES 1024
/*
 * A message that passes this size, or that much unread data in the ring, wakes the engine: it knows
 * how long the body is, and its timer is slower than the bytes.
 */
#define RV_LONG_BYTES (64 * 1024)
#define RV_WAKE_BYTES (1024 * 1024)

static __always_inline struct rv_operation *rv_operation(bool creates)
{
	return bpf_task_storage_get(&operations, bpf_get_current_task_btf(), NULL,
				    creates ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}

/* Times of the first packet are those of this operation. */
static __always_inline void rv_restart_flow(struct sock *sk, const struct rv_connection *c)
{
	struct rv_flow *flow = c && c->has_flow ? rv_flow(rv_cookie(sk)) : NULL;

	if (!flow)
		return;
	flow->is_sending = 1;
	flow->send.first_tcp_out_ns = flow->send.first_ip_out_ns = 0;
	flow->send.first_queue_out_ns = flow->send.first_nic_out_ns = 0;
	flow->send.last_nic_out_ns = 0;
}

/* A send that sent nothing: what leaves from here on leaves outside of any call all the same. */
static __always_inline void rv_stop_sending(const struct rv_connection *c)
{
	struct rv_flow *flow = c && c->has_flow ? rv_flow(c->cookie) : NULL;

	if (flow)
		flow->is_sending = 0;
}

static __always_inline int rv_send_entered(struct sock *sk, const struct msghdr *message)
{
	struct rv_operation *op = rv_operation(false);
	struct rv_connection *c;
	struct tcp_sock *tp;
	u8 kind;

	if (op && op->sk == (u64)sk)
		return 0; /* a later segment of the same operation */
	tp = rv_tcp(sk);
	c = rv_connection(sk);
	if (!tp || !rv_is_watched(c, bpf_get_current_pid_tgid() >> 32))
		return 0;
	if (!op)
		op = rv_operation(true);
	if (!op)
		return 0;
	rv_restart_flow(sk, c);
	op->sk = (u64)sk;
	op->start_ns = bpf_ktime_get_boot_ns();
	op->write_seq = RV_GET(tp, write_seq);
	op->is_kernel_memory = op->is_pages = op->is_single = op->is_readable = 0;
	kind = RV_GET(message, msg_iter.iter_type);
	op->vector_offset = RV_GET(message, msg_iter.iov_offset);
	op->segments = RV_GET(message, msg_iter.nr_segs);
	op->vector = (u64)RV_ITER_VECTOR(message); /* or ubuf: one union */
	if (kind == rv_iter_ubuf()) {
		op->is_single = op->is_readable = 1;
	} else if (kind == rv_iter_iovec() || kind == rv_iter_kvec()) {
		op->is_kernel_memory = kind == rv_iter_kvec();
		op->is_readable = 1;
	} else if (kind == rv_iter_bvec()) {
		op->is_kernel_memory = op->is_pages = 1;
		op->is_readable = rv_knows_pages(sk);
	}
	return 0;
}

/* The same without a message to look at. */
static __always_inline int rv_page_entered(struct sock *sk)
{
	struct rv_connection *c = rv_connection(sk);
	struct tcp_sock *tp = rv_tcp(sk);
	struct rv_operation *op;

	if (!tp || !rv_is_watched(c, bpf_get_current_pid_tgid() >> 32))
		return 0;
	op = rv_operation(true);
	if (!op)
		return 0;
	rv_restart_flow(sk, c);
	__builtin_memset(op, 0, sizeof(*op));
	op->sk = (u64)sk;
	op->start_ns = bpf_ktime_get_boot_ns();
	op->write_seq = RV_GET(tp, write_seq);
	return 0;
}

/* Where receives have an entry: since when the thread is in it. */
static __always_inline int rv_receive_entered(struct sock *sk, u32 flags)
{
	struct rv_connection *c = rv_connection(sk);
	u64 id = bpf_get_current_pid_tgid();
#ifdef RV_PROBE
	struct rv_operation *op;
#endif

	if (!rv_is_watched(c, id >> 32))
		return 0;
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

/* Below which stream offset nothing is to be copied; brings the connection's mode up to date. */
static __always_inline u64 rv_read_policy(struct rv_connection *c, u8 direction)
{
	u32 slot = c->cookie & (RV_POLICY_SLOTS - 1);
	struct rv_policy *p = bpf_map_lookup_elem(&policies, &slot);
	u64 ignore;
	u32 mode;

	if (!p || *(volatile u64 *)&p->cookie != c->cookie)
		return 0;
	mode = *(volatile u32 *)&p->mode;
	ignore = direction == RV_RX ? *(volatile u64 *)&p->ignore_rx
				    : *(volatile u64 *)&p->ignore_tx;
	/* The engine clears the cookie before it rewrites a slot: changed means what was read is
	 * mixed. */
	if (*(volatile u64 *)&p->cookie != c->cookie)
		return 0;
	c->mode = mode;
	return ignore;
}

static __always_inline bool rv_is_text(const u8 *b)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
		if ((b[i] < 0x20 && b[i] != '\r' && b[i] != '\n') || b[i] > 0x7e)
			return false;
	return true;
}

/* Like a method or `HTTP/1.`: only decides how much is copied. */
static __always_inline bool rv_is_message_start(const u8 *b)
{
#pragma unroll
	for (int i = 0; i < 3; i++)
		if ((b[i] < 'A' || b[i] > 'Z') && b[i] != '-')
			return false;
	return true;
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

/* `from`: the event, or the layers before it. */
static __always_inline void rv_send_event(struct rv_scratch *s, const void *from, u32 fixed,
					  u32 captured, bool wakes)
{
	u32 size = captured;
	u64 flags;

	asm volatile("" : "+r"(size));
	size &= RV_PAYLOAD_MAX;
	if (!wakes && captured > RV_SMALL_BYTES)
		wakes = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > RV_WAKE_BYTES;
	flags = wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	if (!bpf_ringbuf_output(&ring, (void *)from, fixed + size, flags))
		return;
	/* Since 6.15 the ring's lock gives up by itself (rqspinlock), though there is room. */
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <
		    bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2 &&
	    (!bpf_ringbuf_output(&ring, (void *)from, fixed + size, flags) ||
	     !bpf_ringbuf_output(&ring, (void *)from, fixed + size, flags)))
		return;
	rv_count(RV_COUNT_RING_FULL);
}

/* The engine learns the interface's name before the first figure that needs it. */
static __always_inline void rv_tell_interface(struct rv_flow *flow)
{
	struct rv_interface_event event = {.type = RV_EVENT_INTERFACE};

	if (flow->told_index == flow->interface_index)
		return;
	flow->told_index = flow->interface_index;
	event.ifindex = flow->interface_index;
	event.cookie = flow->cookie;
	__builtin_memcpy(event.name, flow->interface, RV_INTERFACE_BYTES);
	if (bpf_ringbuf_output(&ring, &event, sizeof(event), BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_STATE_LOST);
}

/* The operation takes its message over the size from which on the engine's word is wanted. */
static __always_inline bool rv_becomes_long(const struct rv_connection *c, u64 start, u64 offset,
					    u32 length)
{
	return c->mode < RV_POLICY_HEADS && offset - start < RV_LONG_BYTES &&
	       offset + length - start >= RV_LONG_BYTES;
}

/*
 * The payload of an operation, `length` bytes after `skip`: all of it near the begin of a message
 * or where the engine asks for all, else the first bytes and the last. Returns what was captured,
 * *tail of it from the end.
 */
static __always_inline u32 rv_capture(struct rv_scratch *s, struct rv_connection *c,
				      const struct rv_buffers *buffers, u8 direction, u64 offset,
				      u32 cpu, u32 skip, u32 length, u32 *tail)
{
	u64 *start = direction == RV_RX ? &c->rx_start : &c->tx_start;
	u32 first = length < RV_SMALL_BYTES ? length : RV_SMALL_BYTES;
	u32 captured, want;
	bool is_brief;

	captured = rv_copy_payload(s, buffers, cpu, skip, first, 0);
	if (captured >= 3 && rv_is_message_start(s->payload))
		*start = offset + skip;
	if (captured < first || length <= first)
		return captured;
	want = length < rv_options.payload_bytes ? length : rv_options.payload_bytes;
	is_brief = c->mode == RV_POLICY_HEADS ||
		   (c->mode == RV_POLICY_UNKNOWN && c->looked >= rv_look_bytes);
	if (is_brief && offset + skip - *start >= rv_head_bytes)
		want = first;
	if (want > first)
		captured = rv_copy_payload(s, buffers, cpu, skip + first, want - first, captured);
	if (captured == want && want < length) {
		u32 rest = length - want < RV_TAIL_BYTES ? length - want : RV_TAIL_BYTES;

		if (captured > RV_PAYLOAD_MAX - RV_TAIL_BYTES)
			captured = RV_PAYLOAD_MAX - RV_TAIL_BYTES;
		*tail = rv_copy_payload(s, buffers, cpu, skip + length - rest, rest, captured) -
			captured;
		captured += *tail;
	}
	return captured;
}

/* The operation's buffers: as its entry saw them, else from the registers. Returns the system call.
 */
static __always_inline u8 rv_find_buffers(struct sock *sk, const struct rv_operation *op,
					  struct rv_buffers *out)
{
	if (!op)
		return rv_buffers_from_registers(sk, out);
	out->vector = op->vector;
	out->vector_offset = op->vector_offset;
	out->segments = op->segments;
	out->is_single = op->is_single;
	out->is_kernel_array = 1;
	out->is_kernel_memory = op->is_kernel_memory;
	out->is_pages = op->is_pages;
	out->is_readable = op->is_readable;
	return rv_syscall_of(bpf_get_current_task_btf());
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

/* Its layers go before the event. */
static __always_inline void rv_put_layers(struct rv_scratch *s, struct rv_flow *flow, u8 direction)
{
	if (!flow)
		return;
	if (flow->told_index != flow->interface_index)
		rv_tell_interface(flow);
	if (direction == RV_TX) {
		s->sent.type = RV_EVENT_SENT;
		s->sent.pad = 0;
		s->sent.layers = flow->send;
		return;
	}
	s->received.type = RV_EVENT_RECEIVED;
	s->received.pad = 0;
	s->received.layers = flow->receive;
}

static __always_inline int rv_operation_ended(struct sock *sk, u8 direction, int result, int flags)
{
	struct tcp_sock *tp;
	struct rv_operation *op = NULL;
	struct rv_buffers buffers = {};
	struct rv_connection *c;
	struct rv_flow *flow = NULL;
	struct rv_data_event *event;
	struct rv_scratch *s;
	u64 id = bpf_get_current_pid_tgid();
	u64 offset, ignore, start_ns = 0, end_ns;
	u32 cpu = bpf_get_smp_processor_id();
	u32 skip = 0, tail = 0, captured = 0;
	u8 event_flags, call;
	bool wakes;

	if (RV_GET(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (direction == RV_RX && flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
		return 0; /* not consumption */
	c = rv_connection(sk);
	if (result <= 0 && direction == RV_RX)
		return 0;
	if (!rv_is_watched(c, id >> 32)) {
		if (c && c->has_flow) {
			rv_let_go(rv_cookie(sk));
			c->has_flow = 0;
		}
		return 0;
	}
	if (direction == RV_TX && rv_options.has_send_entries) {
		op = rv_operation(false);
		if (op && op->sk != (u64)sk)
			op = NULL;
		if (op) {
			op->sk = 0;
			start_ns = op->start_ns;
		}
	}
	if (result <= 0) {
		rv_stop_sending(c);
		return 0;
	}
	tp = rv_tcp(sk);
	if (!tp)
		return 0;
	if (!c)
		c = rv_make_connection(sk);
	rv_count(RV_COUNT_CAPTURED);
	if (!c) {
		rv_count(RV_COUNT_NO_STORAGE);
		return 0;
	}
	if (direction == RV_RX && c->receive_thread == id) {
		start_ns = c->receive_start_ns;
		c->receive_thread = 0;
	}
	if (!c->cookie)
		rv_meet(sk, c, direction, result);
	event_flags = c->flags;
	c->tgid = id >> 32;
	end_ns = bpf_ktime_get_boot_ns();
	if (rv_options.layers >= RV_LAYERS_ALL) {
		flow = rv_flow(c->cookie);
		if (!flow) {
			flow = rv_claim(c->cookie);
			if (flow && direction == RV_TX)
				flow->send.unseen++;
		}
		c->has_flow = 1;
	}
	if (direction == RV_RX) {
		u32 until = rv_read_until(c, RV_GET(tp, copied_seq));

		offset = rv_advance(&c->rx, until, result, &event_flags);
		if (flow) {
			rv_consume(flow, until, result, end_ns);
			flow->receive.out_of_order = RV_GET(tp, rcv_ooopack);
		}
	} else {
		if (flow) {
			flow->is_sending = 0;
			flow->send.retransmits = RV_GET(tp, total_retrans);
		}
		offset = rv_advance(&c->tx, op ? op->write_seq + result : RV_GET(tp, write_seq),
				    result, &event_flags);
	}
	ignore = rv_read_policy(c, direction);
	if (c->mode == RV_POLICY_NONE) {
		rv_add_activity(c, flow, direction, result, start_ns ? end_ns - start_ns : 0);
		return 0;
	}
	call = rv_find_buffers(sk, op, &buffers);
	if (direction == RV_RX && flags & MSG_TRUNC)
		buffers.is_readable = 0; /* consumed without being copied anywhere */
	if (!buffers.is_readable)
		event_flags |= RV_DATA_UNREADABLE;

	s = bpf_map_lookup_elem(&scratch, &cpu);
	if (!s)
		return 0;
	if (__sync_val_compare_and_swap(&s->busy, 0, 1)) {
		rv_count(RV_COUNT_SCRATCH_BUSY);
		rv_count(RV_COUNT_RING_FULL);
		return 0;
	}
	event = &s->event;
	if (offset < ignore)
		skip = ignore - offset < (u32)result ? ignore - offset : (u32)result;
	if (skip < (u32)result && buffers.is_readable)
		captured = rv_capture(s, c, &buffers, direction, offset, cpu, skip, result - skip,
				      &tail);
	if (c->mode == RV_POLICY_UNKNOWN) {
		if (captured > rv_look_binary_bytes && !rv_is_text(s->payload)) {
			captured = rv_look_binary_bytes;
			tail = 0;
		}
		c->looked += captured;
	}
	c->is_reported = 1;

	event->type = RV_EVENT_DATA;
	event->tgid = id >> 32;
	event->cookie = c->cookie;
	event->start_ns = start_ns;
	event->end_ns = end_ns;
	event->offset = offset;
	event->opened_ns = c->opened_ns;
	event->length = result;
	event->captured = captured;
	event->skipped = skip;
	event->tail = tail;
	event->pad = 0;
	event->sequence = direction == RV_RX ? (u32)c->rx.now : (u32)c->tx.now;
	event->handshake_us = c->handshake_us;
	event->rtt_us = RV_GET(tp, srtt_us) >> 3;
	event->direction = direction;
	event->syscall = call;
	event->role = c->role;
	event->flags = event_flags;
	event->local_port = c->local_port;
	event->remote_port = c->remote_port;
	__builtin_memcpy(event->local, c->local, RV_ADDRESS_BYTES);
	__builtin_memcpy(event->remote, c->remote, RV_ADDRESS_BYTES);
	wakes = captured > RV_SMALL_BYTES &&
		rv_becomes_long(c, direction == RV_RX ? c->rx_start : c->tx_start, offset, result);
	rv_put_layers(s, flow, direction);
	if (!flow)
		rv_send_event(s, &s->event, sizeof(s->event), captured, wakes);
	else if (direction == RV_TX)
		rv_send_event(s, &s->sent, sizeof(s->sent) + sizeof(s->event), captured, wakes);
	else
		rv_send_event(s, &s->received, sizeof(s->received) + sizeof(s->event), captured,
			      wakes);
	*(volatile u64 *)&s->busy = 0;
	return 0;
}

/* Where the hook at the end has no arguments: as the entry noted them. */
static __always_inline int rv_send_returned(int result)
{
	struct rv_operation *op = rv_operation(false);

	if (!op || !op->sk)
		return 0;
	return rv_operation_ended((struct sock *)op->sk, RV_TX, result, 0);
}

static __always_inline int rv_receive_returned(int result)
{
	struct rv_operation *op = rv_operation(false);

	u64 sk;

	if (!op || !op->receive_sk)
		return 0;
	sk = op->receive_sk;
	op->receive_sk = 0;
	return rv_operation_ended((struct sock *)sk, RV_RX, result, op->receive_flags);
}

#endif
