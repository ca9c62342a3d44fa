/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2: the way through the frames of an operation (RFC 9113 §4.1). Of DATA only the head and the
 * first bytes of the payload are copied, everything else whole; what was passed over lies between
 * the pieces (struct rv_piece). A direction is walked from its first byte on, as long as every
 * operation follows the one before; after anything unclear it is copied whole, and the engine finds
 * its way by itself. The way is found again, and that of a connection older than rover found at
 * all, where an operation is frames from its first byte to its last one.
 */
#ifndef ROVER_HOOK_FRAMES_H
#define ROVER_HOOK_FRAMES_H

#define RV_FRAME_HEAD_BYTES 9
#define RV_FRAME_DATA 0
#define RV_FRAME_SETTINGS 4
#define RV_FRAME_PREFACE 0xff /* no frame: what a client sends before its first one */
#define RV_PREFACE_BYTES 24
/* Padding length and the prefix of a gRPC message. */
#define RV_DATA_BEGIN_BYTES 6
/* Of a longer payload as many of these as there is room for. */
#define RV_KEEP_BYTES 16384
/* A head and its content, or a few small messages. */
#define RV_FRAMES_AT_ONCE 6
/* An operation takes about three steps for each frame, and one for each of its buffers. */
#define RV_WALK_STEPS 4096

static __always_inline void rv_follow_frames(struct rv_frames *frames, u64 from, u32 preface)
{
	__builtin_memset(frames, 0, sizeof(*frames));
	frames->next = from;
	frames->left = preface;
	frames->kind = RV_FRAME_PREFACE;
	frames->is_followed = 1;
}

/* The client's preface, or the SETTINGS of a server that does not wait for it: both must come
 * first. Only what these say is certain here, the engine looks closer. */
static __always_inline bool rv_is_preface(const u8 *b)
{
	return b[0] == 'P' && b[1] == 'R' && b[2] == 'I' && b[3] == ' ' && b[4] == '*' &&
	       b[5] == ' ' && b[6] == 'H' && b[7] == 'T' && b[8] == 'T';
}

static __always_inline bool rv_is_first_settings(const u8 *b)
{
	return !b[0] && b[1] < 2 && b[3] == RV_FRAME_SETTINGS && !b[4] && !b[5] && !b[6] && !b[7] &&
	       !b[8];
}

/* What a frame out of the middle of a connection begins with, as far as this is certain: defined
 * kinds, no reserved bit, no more than Go's servers allow. */
static __always_inline bool rv_may_be_frame(const u8 *b)
{
	return b[0] <= 0x10 && b[3] <= 9 && !(b[5] & 0x80);
}

/* Copies what is to be kept behind the piece under way, or begins another one behind what was
 * passed over. */
static __always_inline bool rv_keep(struct rv_scratch *s, struct rv_frame_walk *w, u32 n)
{
	struct rv_piece *piece;
	u32 at = w->piece;
	u32 size = n;
	long failed;

	if (w->gap || !w->has_piece) {
		at = w->copied;
		if (at > RV_PAYLOAD_MAX - sizeof(*piece) - RV_KEEP_BYTES)
			return false;
		w->piece = at;
		w->copied = at + sizeof(*piece);
		w->has_piece = 1;
		asm volatile("" : "+r"(at));
		at &= RV_PAYLOAD_MAX;
		piece = (struct rv_piece *)(s->payload + at);
		piece->passed = w->gap;
		piece->length = 0;
		w->gap = 0;
	}
	asm volatile("" : "+r"(at));
	at &= RV_PAYLOAD_MAX;
	piece = (struct rv_piece *)(s->payload + at);
	at = w->copied;
	if (n > RV_PAYLOAD_MAX - at)
		return false;
	asm volatile("" : "+r"(size), "+r"(at));
	size &= RV_PAYLOAD_MAX;
	at &= RV_PAYLOAD_MAX;
	if (w->buffers.is_kernel_memory)
		failed = bpf_probe_read_kernel(s->payload + at, size, (void *)w->at);
	else
		failed = bpf_probe_read_user(s->payload + at, size, (void *)w->at);
	if (failed)
		return false;
	piece->length += n;
	w->copied += n;
	return true;
}

/* Up to `n` bytes of a frame head. */
static __always_inline bool rv_read_head(struct rv_frame_walk *w, u32 n)
{
	struct rv_frames *f = &w->frames;
	u32 at = f->have, size = n;
	long failed;

	asm volatile("" : "+r"(size), "+r"(at));
	size &= 15;
	at &= 15;
	if (w->buffers.is_kernel_memory)
		failed = bpf_probe_read_kernel(f->head + at, size, (void *)w->at);
	else
		failed = bpf_probe_read_user(f->head + at, size, (void *)w->at);
	if (failed)
		return false;
	f->have += n;
	if (f->have == RV_FRAME_HEAD_BYTES) {
		f->left = (u32)f->head[0] << 16 | (u32)f->head[1] << 8 | f->head[2];
		f->kind = f->head[3];
		f->passed = 0;
		f->have = 0;
		return !w->joins || rv_may_be_frame(f->head);
	}
	return true;
}

/* The next buffer, a frame head or a piece of it, or as much of a payload as lies in this buffer.
 */
static __noinline long rv_walk_step(u32 index, void *context)
{
	struct rv_scratch *s = rv_scratch(*(u32 *)context);
	struct rv_user_iovec segment = {};
	struct rv_frame_walk *w;
	struct rv_frames *f;
	u32 n;
	bool is_kept = true;

	if (!s || !s->frame_walk.left)
		return 1;
	w = &s->frame_walk;
	f = &w->frames;
	if (!w->here) {
		if (!rv_load_segment(&w->buffers, w->segment, &segment))
			return 1;
		w->segment++;
		if (segment.len <= w->pass) {
			w->pass -= segment.len;
			return 0;
		}
		w->at = segment.base + w->pass;
		w->here = segment.len - w->pass;
		w->pass = 0;
	}
	n = w->here < w->left ? w->here : w->left;
	if (!f->left) {
		if (n > RV_FRAME_HEAD_BYTES - f->have)
			n = RV_FRAME_HEAD_BYTES - f->have;
		if (!rv_read_head(w, n))
			return 1;
	} else {
		if (n > f->left)
			n = f->left;
		if (f->kind == RV_FRAME_DATA) {
			is_kept = f->passed < RV_DATA_BEGIN_BYTES;
			if (is_kept && n > RV_DATA_BEGIN_BYTES - f->passed)
				n = RV_DATA_BEGIN_BYTES - f->passed;
		}
		if (n > RV_KEEP_BYTES && is_kept)
			n = RV_KEEP_BYTES;
		f->left -= n;
		f->passed += n;
	}
	if (!is_kept)
		w->gap += n;
	else if (w->copies && !rv_keep(s, w, n))
		return 1;
	w->at += n;
	w->here -= n;
	w->left -= n;
	return 0;
}

/*
 * Walks over an operation; with `copies`, what is to be kept goes into the scratch. Returns how
 * many bytes that holds then.
 */
static __always_inline u32 rv_walk_frames(struct rv_scratch *s, struct rv_frames *frames,
					  const struct rv_buffers *buffers, u64 offset, u32 length,
					  u32 place, bool copies, bool joins)
{
	struct rv_frame_walk *w = &s->frame_walk;

	w->frames = *frames;
	w->buffers = *buffers;
	w->at = buffers->vector + buffers->vector_offset;
	w->here = buffers->is_single ? length : 0;
	w->pass = buffers->is_single ? 0 : buffers->vector_offset;
	w->segment = w->copied = w->piece = w->gap = 0;
	w->left = length;
	w->has_piece = 0;
	w->copies = copies;
	w->joins = joins;
	bpf_loop(RV_WALK_STEPS, rv_walk_step, &place, 0);
	*frames = w->frames;
	frames->next = offset + length;
	frames->is_followed = !w->left;
	return w->copied;
}

/* Whether what was copied is a few frames from its first byte to its last one: the usual case,
 * without the loop's cost. Global, so that the verifier looks at it once, where each way through it
 * would else double those of the program (6.1 gives up at a million instructions). */
__noinline int rv_is_whole_frames(u32 place, u32 length)
{
	struct rv_scratch *s = rv_scratch(place);
	u32 at = 0;

	if (!s)
		return 0;

	for (int i = 0; i < RV_FRAMES_AT_ONCE; i++) {
		const u8 *head;

		if (at + RV_FRAME_HEAD_BYTES > length)
			return 0;
		asm volatile("" : "+r"(at));
		head = s->payload + (at & RV_PAYLOAD_MAX);
		if (!rv_may_be_frame(head))
			return 0;
		at += RV_FRAME_HEAD_BYTES + ((u32)head[0] << 16 | (u32)head[1] << 8 | head[2]);
		if (at == length)
			return 1;
	}
	return 0;
}

/* The same over what the scratch holds of an operation that was copied whole. */
static __always_inline void rv_follow_copied(struct rv_scratch *s, struct rv_frames *frames,
					     u64 offset, u32 length, u32 place)
{
	struct rv_buffers copied = {
		.vector = (u64)s->payload,
		.is_single = 1,
		.is_kernel_memory = 1,
	};
	bool joins = !frames->is_followed;

	if ((joins || (!frames->left && !frames->have)) && rv_is_whole_frames(place, length)) {
		rv_follow_frames(frames, offset + length, 0);
		return;
	}
	if (joins)
		rv_follow_frames(frames, offset, 0);
	rv_walk_frames(s, frames, &copied, offset, length, place, false, joins);
	/* By accident, in the middle of something else: its length would have to be right. Who
	 * takes a frame's head and its payload one by one begins with these nine bytes. */
	if (joins && (frames->have || (frames->left && length != RV_FRAME_HEAD_BYTES)))
		frames->is_followed = 0;
}

#endif
