/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an operation becomes an event, and its way into the ring. The usual one, of a known protocol
 * and with a small payload, is put together in the ring itself (hooks/rooms.h); any other in the
 * scratch, from where it is copied.
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

static __always_inline void rv_fill_event(struct rv_data_event *event,
					  const struct rv_connection *c, const struct rv_ending *e,
					  const struct rv_excerpt *x)
{
	event->type = RV_EVENT_DATA;
	event->tgid = e->tgid;
	event->cookie = c->cookie;
	event->start_ns = e->start_ns;
	event->end_ns = e->end_ns;
	event->offset = x->offset;
	event->opened_ns = c->opened_ns;
	event->length = x->length;
	event->captured = x->captured;
	event->skipped = x->skipped;
	event->tail = x->tail;
	event->pad = 0;
	event->sequence = x->direction == RV_RX ? (u32)c->rx.now : (u32)c->tx.now;
	event->handshake_us = c->handshake_us;
	event->rtt_us = e->rtt_us;
	event->direction = x->direction;
	event->syscall = e->syscall;
	event->role = c->role;
	event->flags = e->flags | (x->has_pieces ? RV_DATA_PIECES : 0);
	event->local_port = c->local_port;
	event->remote_port = c->remote_port;
	__builtin_memcpy(event->local, c->local, RV_ADDRESS_BYTES);
	__builtin_memcpy(event->remote, c->remote, RV_ADDRESS_BYTES);
}

/* Into a room of the ring; false if there was none. `most`: see hooks/rooms.h. */
static __always_inline bool rv_tell_in(struct rv_scratch *s, struct rv_connection *c,
				       const struct rv_flow *flow, u8 direction, u32 most)
{
	const u32 before = !flow		? 0
			   : direction == RV_TX ? sizeof(struct rv_sent_event)
						: sizeof(struct rv_received_event);
	struct rv_data_event *event;
	void *room;

	room = bpf_ringbuf_reserve(&ring, before + sizeof(*event) + RV_ROOM(most), 0);
	if (!room)
		return false;
	if (flow && direction == RV_TX)
		rv_put_sent(room, flow);
	else if (flow)
		rv_put_received(room, flow);
	event = room + before;
	rv_read_parts(s, &c->steered, (u8 *)(event + 1), most);
	rv_fill_event(event, c, &s->ending, &s->excerpt);
	c->is_reported = 1;
	bpf_ringbuf_submit(room, BPF_RB_NO_WAKEUP);
	return true;
}

static __always_inline bool rv_tell_in_place(struct rv_scratch *s, struct rv_connection *c,
					     const struct rv_flow *flow, u8 direction)
{
	switch (rv_room_for(s, &c->steered)) {
	case RV_ROOM_SMALL:
		return flow ? rv_tell_in(s, c, flow, direction, RV_ROOM_SMALL)
			    : rv_tell_in(s, c, NULL, direction, RV_ROOM_SMALL);
	case RV_ROOM_MIDDLE:
		return flow ? rv_tell_in(s, c, flow, direction, RV_ROOM_MIDDLE)
			    : rv_tell_in(s, c, NULL, direction, RV_ROOM_MIDDLE);
	case RV_ROOM_LARGE:
		return flow ? rv_tell_in(s, c, flow, direction, RV_ROOM_LARGE)
			    : rv_tell_in(s, c, NULL, direction, RV_ROOM_LARGE);
	}
	return false;
}

static __always_inline void rv_tell(struct rv_scratch *s, struct rv_connection *c,
				    struct rv_flow *flow, u8 direction, u32 place)
{
	struct rv_data_event *event = &s->event;
	bool wakes;

	if (flow && flow->told_index != flow->interface_index)
		rv_tell_interface(flow);
	if (rv_tell_in_place(s, c, flow, direction))
		return;
	rv_capture_steered(s, &c->steered, place);
	rv_fill_event(event, c, &s->ending, &s->excerpt);
	c->is_reported = 1;
	wakes = rv_becomes_long(&c->steered, &s->excerpt);
	if (!flow) {
		rv_send_event(event, sizeof(*event), event->captured, wakes);
		return;
	}
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
