/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an operation becomes an event: how much of its payload it has, and its way into the ring. It
 * is put together in the scratch: in the ring itself a copy would be saved, but a record whose size
 * is not known beforehand (bpf_ringbuf_reserve_dynptr) costs more than that.
 */
#ifndef ROVER_HOOK_TELLING_H
#define ROVER_HOOK_TELLING_H

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

/* `from`: the event, or the layers before it. */
static __always_inline void rv_send_event(const void *from, u32 fixed, u32 captured, bool wakes)
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
static __always_inline bool rv_becomes_long(const struct rv_connection *c,
					    const struct rv_data_event *event, u64 start)
{
	u64 before = event->offset - start;

	return c->mode < RV_POLICY_HEADS && before < RV_LONG_BYTES &&
	       before + event->length >= RV_LONG_BYTES;
}

/*
 * The payload of an operation, into the scratch: all of it near the begin of a message or where the
 * engine asks for all, else the first bytes and the last. Global, so that the verifier looks at it
 * once. What it needs, and what it found out, is in the scratch of this CPU.
 */
__noinline int rv_capture(u32 cpu)
{
	struct rv_scratch *s = bpf_map_lookup_elem(&scratch, &cpu);
	u32 length, first, captured, want;
	struct rv_data_event *event;

	if (!s)
		return 0;
	event = &s->event;
	length = event->length - event->skipped;
	first = length < RV_SMALL_BYTES ? length : RV_SMALL_BYTES;
	captured = rv_copy_payload(s, cpu, event->skipped, first, 0);
	event->captured = captured;
	if (captured >= 3 && rv_is_message_start(s->payload))
		s->message_start = event->offset + event->skipped;
	if (captured < first || length <= first)
		return 0;
	want = length < rv_options.payload_bytes ? length : rv_options.payload_bytes;
	if (s->is_brief && event->offset + event->skipped - s->message_start >= rv_head_bytes)
		want = first;
	if (want > first)
		captured = rv_copy_payload(s, cpu, event->skipped + first, want - first, captured);
	if (captured == want && want < length) {
		u32 rest = length - want < RV_TAIL_BYTES ? length - want : RV_TAIL_BYTES;

		if (captured > RV_PAYLOAD_MAX - RV_TAIL_BYTES)
			captured = RV_PAYLOAD_MAX - RV_TAIL_BYTES;
		event->tail =
			rv_copy_payload(s, cpu, event->skipped + length - rest, rest, captured) -
			captured;
		captured += event->tail;
	}
	event->captured = captured;
	return 0;
}

static __always_inline void rv_put_sent(struct rv_sent_event *to, const struct rv_flow *flow)
{
	to->type = RV_EVENT_SENT;
	to->pad = 0;
	to->layers = flow->send;
}

static __always_inline void rv_put_received(struct rv_received_event *to,
					    const struct rv_flow *flow)
{
	to->type = RV_EVENT_RECEIVED;
	to->pad = 0;
	to->layers = flow->receive;
}

/* What the event has from its connection. */
static __always_inline void rv_fill_event(struct rv_data_event *event,
					  const struct rv_connection *c, u8 direction)
{
	event->type = RV_EVENT_DATA;
	event->cookie = c->cookie;
	event->opened_ns = c->opened_ns;
	event->pad = 0;
	event->sequence = direction == RV_RX ? (u32)c->rx.now : (u32)c->tx.now;
	event->handshake_us = c->handshake_us;
	event->direction = direction;
	event->role = c->role;
	event->local_port = c->local_port;
	event->remote_port = c->remote_port;
	__builtin_memcpy(event->local, c->local, RV_ADDRESS_BYTES);
	__builtin_memcpy(event->remote, c->remote, RV_ADDRESS_BYTES);
}

/* Before the protocol is known: of what does not begin like text, the begin is enough. */
static __always_inline void rv_look(struct rv_connection *c, struct rv_scratch *s)
{
	if (c->mode != RV_POLICY_UNKNOWN)
		return;
	if (s->event.captured > rv_look_binary_bytes && !rv_is_text(s->payload)) {
		s->event.captured = rv_look_binary_bytes;
		s->event.tail = 0;
	}
	c->looked += s->event.captured;
}

static __always_inline void rv_read_payload(struct rv_scratch *s, struct rv_connection *c,
					    u64 *message_start, u32 cpu)
{
	u32 want = s->event.length - s->event.skipped;

	if (!want || !s->walk.buffers.is_readable)
		return;
	if (want <= RV_SMALL_BYTES &&
	    rv_copy_small(s, s->event.skipped, want, &s->event.captured)) {
		if (s->event.captured >= 3 && rv_is_message_start(s->payload))
			*message_start = s->event.offset + s->event.skipped;
		return;
	}
	s->is_brief = c->mode == RV_POLICY_HEADS ||
		      (c->mode == RV_POLICY_UNKNOWN && c->looked >= rv_look_bytes);
	s->message_start = *message_start;
	rv_capture(cpu);
	*message_start = s->message_start;
}

static __always_inline void rv_tell(struct rv_scratch *s, struct rv_connection *c,
				    struct rv_flow *flow, u8 direction, u32 cpu)
{
	u64 *start = direction == RV_RX ? &c->rx_start : &c->tx_start;
	struct rv_data_event *event = &s->event;
	bool wakes;

	event->captured = event->tail = 0;
	rv_read_payload(s, c, start, cpu);
	rv_look(c, s);
	rv_fill_event(event, c, direction);
	c->is_reported = 1;
	wakes = event->captured > RV_SMALL_BYTES && rv_becomes_long(c, event, *start);
	if (!flow) {
		rv_send_event(event, sizeof(*event), event->captured, wakes);
		return;
	}
	if (flow->told_index != flow->interface_index)
		rv_tell_interface(flow);
	if (direction == RV_TX) {
		rv_put_sent(&s->sent, flow);
		rv_send_event(&s->sent, sizeof(s->sent) + sizeof(*event), event->captured, wakes);
	} else {
		rv_put_received(&s->received, flow);
		rv_send_event(&s->received, sizeof(s->received) + sizeof(*event), event->captured,
			      wakes);
	}
}

#endif
