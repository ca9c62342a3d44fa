/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an event is put together before it goes into the ring in its real size. Key: CPU. `busy`
 * guards against a second program on the same CPU (kernels whose tracepoints can be preempted); it
 * then sends its event without payload. The payload is twice the copy bound, because the verifier
 * adds the bounds of offset and length.
 */
#ifndef ROVER_MAP_SCRATCH_H
#define ROVER_MAP_SCRATCH_H

#define RV_PAYLOAD_MAX 0x1ffff

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

struct rv_piece {
	u64 from;
	u32 bytes;
	u32 pad;
};

struct rv_scratch {
	u64 busy;
	struct rv_walk walk;
	struct rv_piece first; /* the pieces of a small payload */
	struct rv_piece second;
	u64 message_start; /* offset where the message under way seems to have begun */
	u64 is_brief;	   /* of a message that goes on, the begin and the end are enough */
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
	__uint(max_entries, 1); /* CPUs, set at load */
	__type(key, u32);
	__type(value, struct rv_scratch);
} scratch SEC(".maps");

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
