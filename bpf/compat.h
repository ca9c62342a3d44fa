/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between kernels and architectures, in one place. */
#ifndef ROVER_COMPAT_H
#define ROVER_COMPAT_H

/*
 * The values of iter_type were other ones before 5.14 and before 6.0: ask the running kernel. One
 * before 6.0 has no ITER_UBUF; 255 then never matches.
 */
static __always_inline u8 rv_iter_ubuf(void)
{
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF))
		return bpf_core_enum_value(enum iter_type, ITER_UBUF);
	return 255;
}

static __always_inline u8 rv_iter_iovec(void)
{
	return bpf_core_enum_value(enum iter_type, ITER_IOVEC);
}

static __always_inline u8 rv_iter_bvec(void)
{
	return bpf_core_enum_value(enum iter_type, ITER_BVEC);
}

static __always_inline u8 rv_iter_kvec(void)
{
	return bpf_core_enum_value(enum iter_type, ITER_KVEC);
}

/* tcp_sendmsg_locked came with Linux 6.16: without it no send has an
 * entry. */
typedef void (*btf_trace_tcp_sendmsg_locked)(void *, const struct sock *, const struct msghdr *,
					     const struct sk_buff *, int);

static __always_inline bool rv_has_send_entries(void)
{
	return bpf_core_type_exists(btf_trace_tcp_sendmsg_locked);
}

/* A kernel built without io_uring has no such field. */
static __always_inline bool rv_uses_io_uring(struct task_struct *task)
{
	return bpf_core_field_exists(task->io_uring) && task->io_uring != NULL;
}

/* System call numbers of x86-64. A 32-bit task (other code segment) has others: its calls are told
 * as RV_SYS_OTHER. */
static __always_inline u8 rv_syscall_from_number(u64 number)
{
	switch (number) {
	case 0:
		return RV_SYS_READ;
	case 19:
	case 327: /* preadv2 with offset -1 */
		return RV_SYS_READV;
	case 45:
		return RV_SYS_RECVFROM;
	case 47:
		return RV_SYS_RECVMSG;
	case 299:
		return RV_SYS_RECVMMSG;
	case 1:
		return RV_SYS_WRITE;
	case 20:
	case 328: /* pwritev2 with offset -1 */
		return RV_SYS_WRITEV;
	case 44:
		return RV_SYS_SENDTO;
	case 46:
		return RV_SYS_SENDMSG;
	case 307:
		return RV_SYS_SENDMMSG;
	case 40:
		return RV_SYS_SENDFILE;
	case 275:
		return RV_SYS_SPLICE;
	case 426:
		return RV_SYS_IO_URING;
	default:
		return RV_SYS_OTHER;
	}
}

#endif
