/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system call the thread is in and where its buffers are, from the registers saved at its
 * entry. A socket operation may also run inside an unrelated call (io_uring's task work): the
 * registers count only if the call's own descriptor is this socket.
 */
#ifndef ROVER_HOOK_REGISTERS_H
#define ROVER_HOOK_REGISTERS_H

static __always_inline bool rv_is_descriptor_of(struct task_struct *task, u64 descriptor,
						struct sock *sk)
{
	struct fdtable *table = task->files ? task->files->fdt : NULL;
	u64 file;

	if (!table || descriptor >= table->max_fds || !RV_GET(sk, sk_socket))
		return false;
	file = RV_POINTER_AT(table->fd + descriptor);
	return file && file == (u64)RV_GET2(sk, sk_socket, file);
}

static __always_inline void rv_buffers_from_message(u64 message, struct rv_buffers *out)
{
	struct rv_user_msghdr header;

	if (bpf_probe_read_user(&header, sizeof(header), (void *)message))
		return;
	out->vector = header.iov;
	out->segments = header.iovlen;
	out->is_readable = 1;
}

/* The system call alone, where the buffers are known from elsewhere. */
static __always_inline u8 rv_syscall_of(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return task->flags & PF_IO_WORKER ? RV_SYS_IO_URING : RV_SYS_OTHER;
	return regs->cs == USER_CS64 ? rv_syscall_from_number(regs->orig_ax) : RV_SYS_OTHER;
}

/* The buffers of the system call that the thread is in; `out->is_readable` where they are known. */
static __always_inline u8 rv_buffers_from_registers(struct sock *sk, u8 call,
						    struct rv_buffers *out)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	__builtin_memset(out, 0, sizeof(*out));
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER) || call == RV_SYS_IO_URING)
		return call;
	if (call == RV_SYS_SPLICE)
		return rv_is_descriptor_of(task, regs->dx, sk) ? call : RV_SYS_OTHER;
	if (call == RV_SYS_OTHER || !rv_is_descriptor_of(task, regs->di, sk))
		return rv_uses_io_uring(task) ? RV_SYS_IO_URING : RV_SYS_OTHER;
	out->vector = regs->si;
	switch (call) {
	case RV_SYS_READ:
	case RV_SYS_WRITE:
	case RV_SYS_RECVFROM:
	case RV_SYS_SENDTO:
		out->is_single = 1;
		out->is_readable = 1;
		break;
	case RV_SYS_READV:
	case RV_SYS_WRITEV:
		out->segments = regs->dx;
		out->is_readable = 1;
		break;
	case RV_SYS_RECVMSG:
	case RV_SYS_SENDMSG:
		rv_buffers_from_message(regs->si, out);
		break;
	case RV_SYS_RECVMMSG:
	case RV_SYS_SENDMMSG:
		/* Which message of the vector it is cannot be told here, unless there is only one.
		 */
		if (regs->dx == 1)
			rv_buffers_from_message(regs->si, out);
		break;
	}
	return call;
}

#endif
