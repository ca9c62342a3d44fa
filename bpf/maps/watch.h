/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key: process (tgid). Value: when it was put in. Present means: its operations are events. The
 * process hooks insert at fork and exec and delete at exit; the engine inserts at start and deletes
 * what the rules exclude. Bounded by max_entries; a full table is counted (RV_COUNT_WATCH_FULL).
 */
#ifndef ROVER_MAP_WATCH_H
#define ROVER_MAP_WATCH_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} watch SEC(".maps");

/* Moves whenever the engine changes the table, so that nothing remembered outlives it. */
SEC(".data.generation") volatile u32 rv_generation = 1;
/* Moves whenever a process comes into the table by itself, so that no remembered no outlives it. */
SEC(".data.arrivals") volatile u32 rv_arrivals = 1;

#endif
