/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes' operations are events: those in `watch` that are not in `excluded` with the
 * program that they are. The kernel side alone writes when a program began, the engine alone which
 * ones are excluded: neither can undo what the other one writes at the same time.
 */
#ifndef ROVER_MAP_WATCH_H
#define ROVER_MAP_WATCH_H

/*
 * Key: process (tgid). Value: when it began to be this program. Put in at fork and exec, taken out
 * at exit; the engine puts in what ran before (0). A full table is counted (RV_COUNT_WATCH_FULL).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} watch SEC(".maps");

/* Key: process (tgid). Value: the rules exclude its programs that began until then. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} excluded SEC(".maps");

/* Moves whenever the engine changes the tables, so that nothing remembered outlives it. */
SEC(".data.generation") volatile u32 rv_generation = 1;
/* Moves whenever a process comes into the table by itself, so that no remembered no outlives it. */
SEC(".data.arrivals") volatile u32 rv_arrivals = 1;

static __always_inline bool rv_is_in_watch(u32 tgid)
{
	u64 *begin = bpf_map_lookup_elem(&watch, &tgid);
	u64 *until;

	if (!begin)
		return false;
	until = bpf_map_lookup_elem(&excluded, &tgid);
	return !until || *begin > *until;
}

#endif
