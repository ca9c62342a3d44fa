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

struct rv_scratch {
	u64 busy;
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
