/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an event is put together before it goes into the ring in its real size: one for each CPU,
 * and some for whoever finds it busy, because a thread was preempted amid a program (fentry; since
 * Linux 7 tracepoints too). The payload is twice the copy bound, because the verifier adds the
 * bounds of offset and length.
 */
#ifndef ROVER_MAP_SCRATCH_H
#define ROVER_MAP_SCRATCH_H

#define RV_PAYLOAD_MAX 0x1ffff
#define RV_SPARES 4

/* Where the bytes of an operation are: one buffer, or an array of segments. */
struct rv_buffers {
	u64 vector;
	u64 vector_offset; /* bytes of the first segment to pass over */
	u32 segments;
	u8 is_single;
	u8 is_kernel_array;  /* the array of segments */
	u8 is_kernel_memory; /* what the segments point to */
	u8 is_pages;	     /* the segments are of pages */
	u8 is_readable;
	u8 pad[7];
};

/* A walk over them. This and what follows is here and not on the stack, for of what is here the
 * verifier keeps no trace: two ways that differ in nothing else are one to it. */
struct rv_walk {
	struct rv_buffers buffers;
	u32 pass; /* bytes still to pass over */
	u32 want; /* bytes still to copy */
	u32 copied;
	u32 pad;
};

/* Some of an operation that lies in one place. */
struct rv_part {
	u64 from;
	u32 bytes;
	u32 pad;
};

/* A walk through the frames of HTTP/2, see hooks/frames.h. */
struct rv_frame_walk {
	struct rv_frames frames;
	struct rv_buffers buffers;
	u64 at;	     /* where the next byte is ... */
	u64 here;    /* ... and how many follow it in this buffer */
	u64 pass;    /* bytes of the next buffers to pass over */
	u32 segment; /* index of the next buffer */
	u32 left;    /* bytes of the operation */
	u32 copied;  /* in the scratch */
	u32 piece;   /* where the head of the piece under way is there */
	u32 gap;     /* passed over since */
	u8 has_piece;
	u8 copies;
	u8 joins; /* it is not certain that there are frames */
	u8 pad[1];
};

/* What is asked of an operation, and what the scratch has of it. */
struct rv_excerpt {
	u64 offset; /* of the operation in its stream */
	u32 length;
	u32 skipped;  /* its first bytes, which nobody asks for */
	u32 captured; /* in the scratch */
	u32 tail;     /* of these, from its end */
	u8 direction;
	u8 is_older;   /* the stream began before it was followed */
	u8 has_pieces; /* what is captured: see struct rv_piece */
	u8 pad[5];
};

/* When and by whom an operation was, as far as its event tells that. */
struct rv_ending {
	u64 start_ns;
	u64 end_ns;
	u32 tgid;
	u32 rtt_us;
	u8 syscall;
	u8 flags;
	u8 pad[6];
};

struct rv_scratch {
	u64 busy;
	struct rv_ending ending;
	struct rv_walk walk;
	struct rv_part first; /* the parts of a small payload */
	struct rv_part second;
	struct rv_frame_walk frame_walk;
	struct rv_excerpt excerpt;
	union { /* what goes before the event, if anything: its end is where that begins */
		struct rv_sent_event sent;
		struct {
			u8 unused[sizeof(struct rv_sent_event) - sizeof(struct rv_received_event)];
			struct rv_received_event received;
		};
	};
	struct rv_data_event event;
	u8 payload[2 * (RV_PAYLOAD_MAX + 1)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_SPARES); /* and one for each CPU, set at load */
	__type(key, u32);
	__type(value, struct rv_scratch);
} scratch SEC(".maps");

/*
 * Where plaintext is put together: not the scratch of socket operations, which would be lost while
 * a TLS call is. Two of each CPU, for threads that take turns on it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* 2 × CPUs, set at load */
	__type(key, u32);
	__type(value, struct rv_scratch);
} tls_scratch SEC(".maps");

/* Names a scratch where only a number can: its key, and with this bit one of those for plaintext.
 */
#define RV_OF_TLS 0x80000000U

static __always_inline struct rv_scratch *rv_scratch(u32 place)
{
	u32 key = place & ~RV_OF_TLS;
	struct rv_scratch *s;

	if (place & RV_OF_TLS)
		return bpf_map_lookup_elem(&tls_scratch, &key);
	s = bpf_map_lookup_elem(&scratch, &key);
	/* Else clang makes one look-up of the two, which the kernel can put in line no more. */
	asm volatile("" : "+r"(s));
	return s;
}

static __always_inline struct rv_scratch *rv_claim_at(u32 place)
{
	struct rv_scratch *s = rv_scratch(place);

	return s && !__sync_val_compare_and_swap(&s->busy, 0, 1) ? s : NULL;
}

static __always_inline void rv_free_scratch(struct rv_scratch *s)
{
	*(volatile u64 *)&s->busy = 0;
}

/* The scratch of this CPU, else a spare one; NULL: all are busy. */
static __always_inline struct rv_scratch *rv_claim_scratch(u32 *place)
{
	struct rv_scratch *s;
	u32 spare;

	*place = RV_SPARES + bpf_get_smp_processor_id();
	s = rv_claim_at(*place);
	for (spare = 0; !s && spare < RV_SPARES; spare++) {
		*place = spare;
		s = rv_claim_at(spare);
	}
	return s;
}

/* Exec events have their own: smaller, and never in the way of data. */
#define RV_EXECUTABLE_MAX 0xff
#define RV_ARGUMENTS_MAX 0x3ff

struct rv_process_scratch {
	u64 busy;
	struct rv_process_event event;
	u8 text[2 * (RV_ARGUMENTS_MAX + 1)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* CPUs, set at load */
	__type(key, u32);
	__type(value, struct rv_process_scratch);
} process_scratch SEC(".maps");

#endif
