/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of an operation is copied into a scratch: what there is of it stands in `excerpt` and
 * `walk.buffers` there, and what the engine asks for in the policy of its stream. The same for
 * socket operations and for plaintext.
 */
#ifndef ROVER_HOOK_CAPTURING_H
#define ROVER_HOOK_CAPTURING_H

const volatile u32 rv_look_bytes =
	256 * 1024; /* most that is copied before the protocol is known */
const volatile u32 rv_look_binary_bytes = 256; /* of an operation that does not begin like text */
const volatile u32 rv_head_bytes = 64 * 1024;  /* copied whole from the begin of a message on */

/* An operation is copied whole up to this size; of a longer one this much is always looked at. */
#define RV_SMALL_BYTES 4096
/* In the middle of a long body it is this much, unless a message seems to begin there: such bodies
 * come faster than the engine can say that they are of no interest. */
#define RV_GLANCE_BYTES 512
/* The end of an operation that is not copied whole: the framing between two chunks, or the next
 * message's head. */
#define RV_TAIL_BYTES 1024
/* A message that passes this size wakes the engine, which knows how long the body is: its timer is
 * slower than the bytes. */
#define RV_LONG_BYTES (64 * 1024)

/* Below which stream offset nothing is to be copied; brings the connection's mode up to date. */
static __always_inline u64 rv_read_policy(struct rv_steered *c, u8 direction)
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

static __always_inline u64 *rv_message_start(struct rv_steered *c, u8 direction)
{
	return direction == RV_RX ? &c->rx_start : &c->tx_start;
}

/* The operation takes its message over the size from which on the engine's word is wanted. */
static __always_inline bool rv_becomes_long(struct rv_steered *c, const struct rv_excerpt *x)
{
	u64 before = x->offset - *rv_message_start(c, x->direction);

	return x->captured > RV_SMALL_BYTES && c->mode < RV_POLICY_HEADS &&
	       before < RV_LONG_BYTES && before + x->length >= RV_LONG_BYTES;
}

/* An operation of which the engine needs nothing below the stream offset `ignore`. */
static __always_inline void rv_ask_for(struct rv_excerpt *x, u8 direction, u64 offset, u32 length,
				       u64 ignore)
{
	x->offset = offset;
	x->length = length;
	x->direction = direction;
	x->skipped = 0;
	if (offset < ignore)
		x->skipped = ignore - offset < length ? ignore - offset : length;
}

/* Far behind the begin of a message, where only the framing is of interest. */
static __always_inline bool rv_is_amid(struct rv_steered *c, const struct rv_excerpt *x)
{
	bool is_brief = c->mode == RV_POLICY_HEADS ||
			(c->mode == RV_POLICY_UNKNOWN && c->looked >= rv_look_bytes);
	u64 start = *rv_message_start(c, x->direction);

	return is_brief && x->offset + x->skipped - start >= rv_head_bytes;
}

/*
 * The payload of an operation: all of it near the begin of a message or where the engine asks for
 * all, else the first bytes and the last. Global, so that the verifier looks at it once.
 */
__noinline int rv_capture(struct rv_steered *c, u32 place)
{
	struct rv_scratch *s = rv_scratch(place);
	u32 length, first, captured, want;
	struct rv_excerpt *x;
	u64 *start;

	if (!c || !s)
		return 0;
	x = &s->excerpt;
	start = rv_message_start(c, x->direction);
	length = x->length - x->skipped;
	first = length < RV_SMALL_BYTES ? length : RV_SMALL_BYTES;
	if (length > RV_SMALL_BYTES && rv_is_amid(c, x))
		first = RV_GLANCE_BYTES;
	x->captured = x->tail = 0;
	if (!rv_copy_small(s, x->skipped, first, &x->captured))
		x->captured = rv_copy_payload(s, place, x->skipped, first, 0);
	captured = x->captured;
	if (captured >= 3 && rv_is_message_start(s->payload))
		*start = x->offset + x->skipped;
	if (captured < first || length <= first)
		return 0;
	want = length < rv_options.payload_bytes ? length : rv_options.payload_bytes;
	if (rv_is_amid(c, x))
		want = first;
	if (want > first)
		captured = rv_copy_payload(s, place, x->skipped + first, want - first, captured);
	if (captured == want && want < length) {
		u32 rest = length - want < RV_TAIL_BYTES ? length - want : RV_TAIL_BYTES;

		if (captured > RV_PAYLOAD_MAX - RV_TAIL_BYTES)
			captured = RV_PAYLOAD_MAX - RV_TAIL_BYTES;
		x->tail = rv_copy_payload(s, place, x->skipped + length - rest, rest, captured) -
			  captured;
		captured += x->tail;
	}
	x->captured = captured;
	return 0;
}

/* Whether a direction begins as HTTP/2 does; then both are followed from their first bytes on. */
static __always_inline bool rv_begins_http2(struct rv_steered *c, u8 direction, const u8 *begin)
{
	bool is_received = direction == RV_RX;
	bool is_preface = rv_is_preface(begin);

	if (!is_preface && !rv_is_first_settings(begin))
		return false;
	c->is_http2 = 1;
	rv_follow_frames(&c->frames[direction & 1], 0, is_preface ? RV_PREFACE_BYTES : 0);
	/* What moved in the other direction before was not walked over. */
	if (!(c->has_moved & (is_received ? 1 << RV_TX : 1 << RV_RX)))
		rv_follow_frames(&c->frames[is_received], 0, is_preface ? 0 : RV_PREFACE_BYTES);
	return true;
}

/* The payload of an operation of HTTP/2: whole where it is short or the way is lost, else in
 * pieces. Global for the same reason. */
__noinline int rv_capture_frames(struct rv_steered *c, u32 place)
{
	struct rv_scratch *s = rv_scratch(place);
	struct rv_frames *frames;
	struct rv_excerpt *x;

	if (!c || !s)
		return 0;
	x = &s->excerpt;
	x->skipped = 0; /* the way leads through all of it */
	frames = &c->frames[x->direction & 1];
	if (frames->is_followed && frames->next != x->offset)
		frames->is_followed = 0;
	if (frames->is_followed && x->length > RV_SMALL_BYTES) {
		x->has_pieces = 1;
		x->tail = 0;
		x->captured = rv_walk_frames(s, frames, &s->walk.buffers, x->offset, x->length,
					     place, true, false);
		return 0;
	}
	rv_capture(c, place);
	if (x->captured == x->length && x->length <= RV_SMALL_BYTES)
		rv_follow_copied(s, frames, x->offset, x->length, place);
	else
		frames->is_followed = 0;
	return 0;
}

/* The hellos of a TLS handshake are in the first of these bytes. */
#define RV_HELLO_BYTES 16384

/* Of what is no text: how much the engine needs to tell what it is. Of a TLS handshake it reads
 * more. */
static __always_inline u32 rv_binary_bytes(struct rv_steered *c, const u8 *begin)
{
	if (begin[0] == 22 && begin[1] == 3)
		c->is_shaking = 1;
	return c->is_shaking && c->looked < RV_HELLO_BYTES ? RV_SMALL_BYTES : rv_look_binary_bytes;
}

/* Before the protocol is known. */
static __always_inline void rv_look(struct rv_scratch *s, struct rv_steered *c, u32 place)
{
	struct rv_excerpt *x = &s->excerpt;
	u32 most;

	if (x->captured >= RV_FRAME_HEAD_BYTES && !x->offset &&
	    rv_begins_http2(c, x->direction, s->payload)) {
		rv_capture_frames(c, place); /* once more, from its beginning */
	} else if (x->captured > rv_look_binary_bytes && !rv_is_text(s->payload) &&
		   !(x->is_older && rv_may_be_frame(s->payload))) {
		most = rv_binary_bytes(c, s->payload);
		if (x->captured > most) {
			x->captured = most;
			x->tail = 0;
		}
	}
	c->looked += x->captured;
}

/* As much of an operation as the policy of its stream asks for. */
static __always_inline void rv_capture_steered(struct rv_scratch *s, struct rv_steered *c,
					       u32 place)
{
	struct rv_excerpt *x = &s->excerpt;

	x->captured = x->tail = 0;
	x->has_pieces = 0;
	if (x->skipped < x->length && s->walk.buffers.is_readable) {
		if ((c->is_http2 && c->mode != RV_POLICY_ALL) || c->mode == RV_POLICY_HTTP2)
			rv_capture_frames(c, place);
		else
			rv_capture(c, place);
	}
	if (c->mode == RV_POLICY_UNKNOWN && !c->is_http2)
		rv_look(s, c, place);
	c->has_moved |= 1 << x->direction;
}

#endif
