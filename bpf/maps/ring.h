/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All events of all families, in the order of their reservation. Every program writes, the engine's
 * drain thread reads on a timer: a wake-up per event costs the traced thread 11 µs. Bounded by its
 * size, set at load.
 */
#ifndef ROVER_MAP_RING_H
#define ROVER_MAP_RING_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

#endif
