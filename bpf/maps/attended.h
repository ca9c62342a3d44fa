/* SPDX-License-Identifier: Apache-2.0 */
/* What was attended last on this CPU, by kind: see hooks/again.h. */
#ifndef ROVER_MAP_ATTENDED_H
#define ROVER_MAP_ATTENDED_H

enum rv_attendance {
	RV_ATTENDED_SENT = 0,
	RV_ATTENDED_RECEIVED = 1,
	RV_ATTENDED_STATE = 2,
	RV_ATTENDED_FORK = 3,
	RV_ATTENDED_EXEC = 4,
	RV_ATTENDED_EXIT = 5,
	RV_ATTENDED_SEND = 6, /* its begin */
	RV_ATTENDANCES = 7,
};

struct rv_attended {
	u64 what;
	u64 turn; /* differs each time that the same `what` comes */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RV_ATTENDANCES);
	__type(key, u32);
	__type(value, struct rv_attended);
} attended SEC(".maps");

static __always_inline void rv_note_attended(u32 kind, const void *what, u64 turn)
{
	struct rv_attended *last;

	if (!rv_options.is_preempted)
		return;
	last = bpf_map_lookup_elem(&attended, &kind);
	if (!last)
		return;
	last->what = (u64)what;
	last->turn = turn;
}

static __always_inline bool rv_is_attended(u32 kind, const void *what, u64 turn)
{
	struct rv_attended *last = bpf_map_lookup_elem(&attended, &kind);

	return last && last->what == (u64)what && last->turn == turn;
}

#endif
