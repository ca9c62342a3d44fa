/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes come into the watch table at fork, before they can make a call, and are told to the
 * engine for confirmation; exec tells again, because it makes another program of them; the end
 * removes them.
 */
#ifndef ROVER_HOOK_PROCESS_H
#define ROVER_HOOK_PROCESS_H

static __always_inline void rv_watch(u32 tgid)
{
	u64 now = bpf_ktime_get_boot_ns();

	if (bpf_map_update_elem(&watch, &tgid, &now, BPF_ANY))
		rv_count(RV_COUNT_WATCH_FULL);
	__sync_fetch_and_add(&rv_arrivals, 1);
}

static __always_inline void rv_fill_process(struct rv_process_event *event,
					    struct task_struct *task, u8 change)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->type = RV_EVENT_PROCESS;
	event->tgid = BPF_CORE_READ(task, tgid);
	event->parent = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = BPF_CORE_READ(task, cred, uid.val);
	event->time_ns = bpf_ktime_get_boot_ns();
	event->change = change;
	BPF_CORE_READ_INTO(&event->comm, task, comm);
}

static __always_inline void rv_send_process(struct task_struct *task, u8 change)
{
	struct rv_process_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);

	if (!event) {
		rv_count(RV_COUNT_PROCESS_LOST);
		return;
	}
	rv_fill_process(event, task, change);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

static __always_inline int rv_forked(struct task_struct *child)
{
	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	rv_note_attended(RV_ATTENDED_FORK, child, BPF_CORE_READ(child, pid));
	rv_watch(BPF_CORE_READ(child, tgid));
	rv_send_process(child, RV_PROCESS_FORK);
	return 0;
}

/* The arguments lie on the new program's stack, just written by the kernel: readable without a
 * fault. */
static __always_inline u32 rv_read_arguments(struct task_struct *task, u8 *to)
{
	unsigned long from = BPF_CORE_READ(task, mm, arg_start);
	unsigned long end = BPF_CORE_READ(task, mm, arg_end);
	u32 size = end > from ? end - from : 0;

	if (size > RV_ARGUMENTS_MAX)
		size = RV_ARGUMENTS_MAX;
	asm volatile("" : "+r"(size));
	size &= RV_ARGUMENTS_MAX;
	return bpf_probe_read_user(to, size, (void *)from) ? 0 : size;
}

static __always_inline int rv_executed(struct task_struct *task, struct linux_binprm *program)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct rv_process_scratch *s = bpf_map_lookup_elem(&process_scratch, &cpu);
	u32 path, arguments;
	long n;

	rv_note_attended(RV_ATTENDED_EXEC, task, BPF_CORE_READ(task, self_exec_id));
	rv_watch(BPF_CORE_READ(task, tgid));
	rv_tls_forget(task);
	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
		rv_send_process(task, RV_PROCESS_EXEC);
		return 0;
	}
	rv_fill_process(&s->event, task, RV_PROCESS_EXEC);
	n = bpf_probe_read_kernel_str(s->text, RV_EXECUTABLE_MAX, BPF_CORE_READ(program, filename));
	path = n > 0 ? n - 1 : 0;
	asm volatile("" : "+r"(path));
	path &= RV_EXECUTABLE_MAX;
	arguments = rv_read_arguments(task, s->text + path);
	s->event.executable_bytes = path;
	s->event.arguments_bytes = arguments;
	asm volatile("" : "+r"(arguments));
	arguments &= RV_ARGUMENTS_MAX;
	if (bpf_ringbuf_output(&ring, &s->event, sizeof(s->event) + path + arguments,
			       BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_PROCESS_LOST);
	*(volatile u64 *)&s->busy = 0;
	return 0;
}

static __always_inline int rv_exited(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	rv_note_attended(RV_ATTENDED_EXIT, task, BPF_CORE_READ(task, pid));
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0; /* threads are left */
	bpf_map_delete_elem(&watch, &tgid);
	bpf_map_delete_elem(&excluded, &tgid);
	if (rv_options.has_tls)
		rv_clear_tls_user(tgid);
	rv_send_process(task, RV_PROCESS_EXIT);
	return 0;
}

#endif
