/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rooms in the ring, of three sizes, for events with a small payload: put together where the engine
 * reads them, they are not copied. The verifier has to know the size of a room, so it is mostly
 * larger than what is in it: `captured` tells where that ends, behind it lies what was there
 * before.
 */
#ifndef ROVER_HOOK_ROOMS_H
#define ROVER_HOOK_ROOMS_H

/* The most payload of each; also masks, for the verifier. */
#define RV_ROOM_NONE 0
#define RV_ROOM_SMALL 0xff
#define RV_ROOM_MIDDLE 0x1ff
#define RV_ROOM_LARGE 0x3ff

#define RV_ROOM(most) ((most) + 1)

/* Where the payload of the operation in the scratch finds room, RV_ROOM_NONE where it takes more
 * than copying: its protocol is not known yet or goes by frames, it is long, or in many pieces. */
static __always_inline u32 rv_room_for(struct rv_scratch *s, const struct rv_steered *c)
{
	const struct rv_excerpt *x = &s->excerpt;
	u32 want = x->length - x->skipped;

	if (c->is_http2 || c->mode == RV_POLICY_UNKNOWN || c->mode == RV_POLICY_HTTP2)
		return RV_ROOM_NONE;
	s->first.bytes = s->second.bytes = 0;
	if (!want || !s->walk.buffers.is_readable)
		return RV_ROOM_SMALL;
	if (want > RV_ROOM_LARGE || !rv_find_parts(s, x->skipped, want))
		return RV_ROOM_NONE;
	if (s->second.bytes) /* the verifier adds the bounds of both */
		return want > RV_ROOM_LARGE / 2 ? RV_ROOM_NONE : RV_ROOM_LARGE;
	return want <= RV_ROOM_SMALL	? RV_ROOM_SMALL
	       : want <= RV_ROOM_MIDDLE ? RV_ROOM_MIDDLE
					: RV_ROOM_LARGE;
}

static __always_inline bool rv_read_room(const struct rv_buffers *buffers, u8 *to, u64 from,
					 u32 size)
{
	if (buffers->is_kernel_memory)
		return !bpf_probe_read_kernel(to, size, (void *)from);
	return !bpf_probe_read_user(to, size, (void *)from);
}

/* The payload that rv_room_for found room for; what could not be read is not counted. */
static __always_inline void rv_read_parts(struct rv_scratch *s, struct rv_steered *c, u8 *to,
					  u32 most)
{
	const struct rv_buffers *buffers = &s->walk.buffers;
	u32 first = s->first.bytes, second = s->second.bytes, captured = 0;
	struct rv_excerpt *x = &s->excerpt;

	/* The barriers keep clang from proving the masks superfluous. */
	asm volatile("" : "+r"(first), "+r"(second));
	first &= most;
	second &= most / 2;
	if (first && rv_read_room(buffers, to, s->first.from, first)) {
		captured = first;
		if (captured >= 3 && rv_is_message_start(to))
			*rv_message_start(c, x->direction) = x->offset + x->skipped;
	}
	if (most == RV_ROOM_LARGE && second && captured) {
		first &= most / 2;
		if (rv_read_room(buffers, to + first, s->second.from, second))
			captured += second;
	}
	x->captured = captured;
	x->tail = 0;
	x->has_pieces = 0;
	c->has_moved |= 1 << x->direction;
}

#endif
