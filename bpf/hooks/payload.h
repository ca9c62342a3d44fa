/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a description of an operation's buffers to payload bytes in the scratch. What cannot be read
 * is told (captured < length), never padded.
 */
#ifndef ROVER_HOOK_PAYLOAD_H
#define ROVER_HOOK_PAYLOAD_H

#define RV_SEGMENTS_MAX 1024 /* UIO_MAXIOV */

static __always_inline long rv_copy_bytes(struct rv_scratch *s, u64 from, u64 n)
{
	struct rv_walk *walk = &s->walk;
	u32 at = walk->copied;
	u32 size;
	long failed;

	if (n > walk->want)
		n = walk->want;
	size = n;
	/* The masks are the verifier's bounds; the barrier keeps clang from proving them
	 * superfluous. */
	asm volatile("" : "+r"(size), "+r"(at));
	size &= RV_PAYLOAD_MAX;
	at &= RV_PAYLOAD_MAX;
	if (walk->buffers.is_kernel_memory)
		failed = bpf_probe_read_kernel(s->payload + at, size, (void *)from);
	else
		failed = bpf_probe_read_user(s->payload + at, size, (void *)from);
	if (failed)
		return 1;
	walk->copied += size;
	walk->want -= size;
	return walk->want == 0;
}

/* Where the bytes of one segment are; false if that cannot be read. */
static __always_inline bool rv_read_segment(const struct rv_buffers *buffers, u32 index,
					    struct rv_user_iovec *segment)
{
	u64 at = buffers->vector + (u64)index * sizeof(*segment);

	if (!buffers->is_kernel_array)
		return !bpf_probe_read_user(segment, sizeof(*segment), (void *)at);
	segment->base = (u64)RV_CAST_GET(struct iovec, at, iov_base);
	segment->len = RV_CAST_GET(struct iovec, at, iov_len);
	return true;
}

/* The same, of pages too. */
static __always_inline bool rv_load_segment(const struct rv_buffers *buffers, u32 index,
					    struct rv_user_iovec *segment)
{
	if (!rv_read_segment(buffers, index, segment))
		return false;
	if (buffers->is_pages) {
		struct rv_page_segment *of_page = (struct rv_page_segment *)segment;
		u64 address = rv_page_address(of_page->page) + of_page->offset;
		u64 len = of_page->page & 1 ? 0 : of_page->len;

		segment->base = address;
		segment->len = len;
		return len;
	}
	return true;
}

static __noinline long rv_copy_segment(u32 index, void *context)
{
	struct rv_scratch *s = rv_scratch(*(u32 *)context);
	struct rv_user_iovec segment = {};
	struct rv_walk *walk;

	if (!s)
		return 1;
	walk = &s->walk;
	if (!rv_load_segment(&walk->buffers, index, &segment))
		return 1;
	if (segment.len <= walk->pass) {
		walk->pass -= segment.len;
		return 0;
	}
	segment.base += walk->pass;
	segment.len -= walk->pass;
	walk->pass = 0;
	return rv_copy_bytes(s, segment.base, segment.len);
}

/*
 * Walks as the scratch says. Global, so that the verifier looks at it once and not again on each of
 * the ways that lead here.
 */
__noinline int rv_walk_buffers(u32 place)
{
	struct rv_scratch *s = rv_scratch(place);
	u32 segments;

	if (!s)
		return 0;
	segments = s->walk.buffers.segments;
	if (s->walk.buffers.is_single) {
		rv_copy_bytes(s, s->walk.buffers.vector + s->walk.pass, s->walk.want);
	} else if (segments) {
		bpf_loop(segments > RV_SEGMENTS_MAX ? RV_SEGMENTS_MAX : segments, rv_copy_segment,
			 &place, 0);
	}
	return 0;
}

/* Copy `want` bytes after `skip` behind the `have` ones that the scratch holds; returns how many it
 * holds then. */
static __always_inline u32 rv_copy_payload(struct rv_scratch *s, u32 place, u32 skip, u32 want,
					   u32 have)
{
	s->walk.pass = skip + s->walk.buffers.vector_offset;
	s->walk.want = want;
	s->walk.copied = have;
	rv_walk_buffers(place);
	return s->walk.copied;
}

/* The two parts, one of which may be empty, that `want` bytes after `skip` consist of; false if
 * they are more, or lie where only a walk finds them. */
static __always_inline bool rv_find_parts(struct rv_scratch *s, u32 skip, u32 want)
{
	const struct rv_buffers *buffers = &s->walk.buffers;
	struct rv_part *first = &s->first, *second = &s->second;
	u64 pass = skip + buffers->vector_offset;
	struct rv_user_iovec segment;

	second->from = second->bytes = 0;
	first->from = buffers->vector + pass;
	first->bytes = want;
	if (buffers->is_single)
		return true;
	if (buffers->is_pages || buffers->segments > 2 || !buffers->segments)
		return false;
	if (!rv_read_segment(buffers, 0, &segment) || segment.len < pass)
		return false;
	first->from = segment.base + pass;
	if (segment.len - pass >= want)
		return true;
	first->bytes = segment.len - pass;
	second->bytes = want - first->bytes;
	if (buffers->segments != 2 || !rv_read_segment(buffers, 1, &segment) ||
	    segment.len < second->bytes)
		return false;
	second->from = segment.base;
	return true;
}

static __always_inline bool rv_read_part(struct rv_scratch *s, u32 at, const struct rv_part *part)
{
	u32 size = part->bytes;

	asm volatile("" : "+r"(size), "+r"(at));
	size &= RV_PAYLOAD_MAX;
	at &= RV_PAYLOAD_MAX;
	if (s->walk.buffers.is_kernel_memory)
		return !bpf_probe_read_kernel(s->payload + at, size, (void *)part->from);
	return !bpf_probe_read_user(s->payload + at, size, (void *)part->from);
}

/* The usual case: a small payload in one or two parts. False: it takes a walk. */
static __always_inline bool rv_copy_small(struct rv_scratch *s, u32 skip, u32 want, u32 *captured)
{
	if (!rv_find_parts(s, skip, want))
		return false;
	if (s->first.bytes && !rv_read_part(s, 0, &s->first))
		return true;
	*captured = s->first.bytes;
	if (s->second.bytes && rv_read_part(s, s->first.bytes, &s->second))
		*captured = want;
	return true;
}

#endif
