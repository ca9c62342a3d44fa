/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a program's stack is. Since Linux 6.13 it may be one of the CPU's own. Programs of probes
 * in user space may lose the CPU halfway to a thread that runs the same program there, so they must
 * not have one: both would write to it.
 */
#ifndef ROVER_HOOK_STACK_H
#define ROVER_HOOK_STACK_H

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} no_programs SEC(".maps");

/* The verifier gives no such stack to a program that could go on in another one. This one never
 * does: where it is loaded, there is TLS. */
static __always_inline void rv_use_stack_of_thread(void *context)
{
	if (!rv_options.has_tls)
		bpf_tail_call(context, &no_programs, 0);
}

#endif
