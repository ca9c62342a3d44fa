/* SPDX-License-Identifier: Apache-2.0 */
/* Index: enum rv_counter. Programs add, the engine reads: every loss in the kernel has its cause
 * here. */
#ifndef ROVER_MAP_COUNTERS_H
#define ROVER_MAP_COUNTERS_H

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RV_COUNTERS);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

static __always_inline void rv_count(u32 which)
{
	u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		*value += 1;
}

#endif
