/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations that a thread is in: a send is opened by the first tcp_sendmsg_locked and closed
 * by the hook at its end. It is kept with its connection; where that cannot be, because another
 * thread is in a send there or a kretprobe does not know the socket, in the task, freed with it.
 */
#ifndef ROVER_MAP_OPERATIONS_H
#define ROVER_MAP_OPERATIONS_H

struct rv_send {
	u64 owner; /* kept with the connection: the thread; with the task: the socket; 0: none open
		    */
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
};

struct rv_operation {
	struct rv_send send;
	u64 returning_sk; /* what the return of a send is of; 0: none under way */
	u64 receive_sk;	  /* 0: none open */
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
