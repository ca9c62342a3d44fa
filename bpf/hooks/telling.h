/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an operation becomes an event, and its way into the ring. It is put together in the scratch:
 * in the ring itself a copy would be saved, but a record whose size is not known beforehand
 * (bpf_ringbuf_reserve_dynptr) costs more than that.
 */
#ifndef ROVER_HOOK_TELLING_H
#define ROVER_HOOK_TELLING_H

/* That much unread data in the ring wakes the engine, whose timer is slower. */
#define RV_WAKE_BYTES (1024 * 1024)

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

/* What the event has from its connection, and of the payload. */
static __always_inline void rv_fill_event(struct rv_data_event *event,
					  const struct rv_connection *c, const struct rv_excerpt *x)
{
	event->type = RV_EVENT_DATA;
	event->cookie = c->cookie;
	event->offset = x->offset;
	event->opened_ns = c->opened_ns;
	event->length = x->length;
	event->captured = x->captured;
	event->skipped = x->skipped;
	event->tail = x->tail;
	event->pad = 0;
	event->sequence = x->direction == RV_RX ? (u32)c->rx.now : (u32)c->tx.now;
	event->handshake_us = c->handshake_us;
	event->direction = x->direction;
	event->role = c->role;
	if (x->has_pieces)
		event->flags |= RV_DATA_PIECES;
	event->local_port = c->local_port;
	event->remote_port = c->remote_port;
	__builtin_memcpy(event->local, c->local, RV_ADDRESS_BYTES);
	__builtin_memcpy(event->remote, c->remote, RV_ADDRESS_BYTES);
}

static __always_inline void rv_tell(struct rv_scratch *s, struct rv_connection *c,
				    struct rv_flow *flow, u8 direction, u32 cpu)
{
	struct rv_data_event *event = &s->event;
	bool wakes;

	rv_capture_steered(s, &c->steered, cpu);
	rv_fill_event(event, c, &s->excerpt);
	c->is_reported = 1;
	wakes = rv_becomes_long(&c->steered, &s->excerpt);
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
