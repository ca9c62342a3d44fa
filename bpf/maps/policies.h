/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine wants of each connection: a direct-mapped cache in memory that both sides share,
 * so that steering costs neither side a system call or a hash. Slot = cookie modulo slots. A
 * connection whose slot was taken by another falls back to the default policy, which only costs
 * more copying, never data; hence no deletion and no growth.
 */
#ifndef ROVER_MAP_POLICIES_H
#define ROVER_MAP_POLICIES_H

#define RV_POLICY_SLOTS 32768

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_POLICY_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct rv_policy);
} policies SEC(".maps");

#endif
