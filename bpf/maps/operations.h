/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations that a thread is in: a send is opened by the first tcp_sendmsg_locked, a receive
 * by tcp_recvmsg where that can be hooked, and both are closed by the hook at their end. Lives in
 * the task, freed with it.
 */
#ifndef ROVER_MAP_OPERATIONS_H
#define ROVER_MAP_OPERATIONS_H

struct rv_operation {
	u64 sk; /* 0: no operation open */
	u64 start_ns;
	u64 vector; /* buffer (ITER_UBUF) or kernel array of segments */
	u64 vector_offset;
	u32 segments;
	u32 write_seq;
	u8 is_kernel_memory;
	u8 is_single;
	u8 is_pages;
	u8 is_readable;
	u8 pad[4];
	u64 receive_sk; /* 0: none open */
	u32 receive_flags;
	u32 pad1;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rv_operation);
} operations SEC(".maps");

#endif
