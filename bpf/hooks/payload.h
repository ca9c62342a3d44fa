/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a description of an operation's buffers to payload bytes in the scratch. What cannot be read
 * is told (captured < length), never padded.
 */
#ifndef ROVER_HOOK_PAYLOAD_H
#define ROVER_HOOK_PAYLOAD_H

#define RV_SEGMENTS_MAX 1024 /* UIO_MAXIOV */

struct rv_walk {
	struct rv_buffers buffers;
	u32 cpu;
	u32 pass; /* bytes still to pass over */
	u32 want; /* bytes still to copy */
	u32 copied;
};

static __always_inline long rv_copy_bytes(struct rv_scratch *s, struct rv_walk *walk, u64 from,
					  u64 n)
{
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

/* Where a segment is; not 0 if that cannot be told. */
static __always_inline long rv_load_segment(const struct rv_buffers *buffers, u32 index,
					    struct rv_user_iovec *segment)
{
	u64 at = buffers->vector + (u64)index * sizeof(*segment);
	long failed;

	if (buffers->is_kernel_array)
		failed = bpf_probe_read_kernel(segment, sizeof(*segment), (void *)at);
	else
		failed = bpf_probe_read_user(segment, sizeof(*segment), (void *)at);
	if (failed)
		return 1;
	if (buffers->is_pages) {
		struct rv_page_segment *of_page = (struct rv_page_segment *)segment;
		u64 address = rv_page_address(of_page->page) + of_page->offset;
		u64 len = of_page->page & 1 ? 0 : of_page->len;

		segment->base = address;
		segment->len = len;
		return !len;
	}
	return 0;
}

static __noinline long rv_copy_segment(u32 index, void *context)
{
	struct rv_walk *walk = context;
	struct rv_user_iovec segment = {};
	struct rv_scratch *s;

	if (rv_load_segment(&walk->buffers, index, &segment))
		return 1;
	if (segment.len <= walk->pass) {
		walk->pass -= segment.len;
		return 0;
	}
	segment.base += walk->pass;
	segment.len -= walk->pass;
	walk->pass = 0;
	s = bpf_map_lookup_elem(&scratch, &walk->cpu);
	if (!s)
		return 1;
	return rv_copy_bytes(s, walk, segment.base, segment.len);
}

/* Copy `want` bytes after `skip` behind the `have` ones that the scratch holds; returns how many it
 * holds then. */
static __always_inline u32 rv_copy_payload(struct rv_scratch *s, const struct rv_buffers *buffers,
					   u32 cpu, u32 skip, u32 want, u32 have)
{
	struct rv_walk walk = {
		.buffers = *buffers,
		.cpu = cpu,
		.pass = skip + buffers->vector_offset,
		.want = want,
		.copied = have,
	};

	if (buffers->is_single) {
		rv_copy_bytes(s, &walk, buffers->vector + walk.pass, want);
	} else if (buffers->segments > 2) {
		bpf_loop(buffers->segments > RV_SEGMENTS_MAX ? RV_SEGMENTS_MAX : buffers->segments,
			 rv_copy_segment, &walk, 0);
	} else if (buffers->segments && !rv_copy_segment(0, &walk) && buffers->segments == 2) {
		rv_copy_segment(1, &walk); /* the usual case, without the loop's cost */
	}
	return walk.copied;
}

#endif
