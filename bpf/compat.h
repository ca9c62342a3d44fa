/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between kernels and architectures, in one place. */
#ifndef ROVER_COMPAT_H
#define ROVER_COMPAT_H

/*
 * Reads of kernel memory. Programs with BTF arguments read fields directly. For kprobes pointers
 * are plain numbers: RV_TYPED gives them their type back, by bpf_rdonly_cast, which came with
 * Linux 6.2; before it the object that has kprobes (RV_PROBE) has to copy each field. RV_CAST_GET
 * is for what even the others do not know to be of that type.
 */
extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __weak;

#define RV_CAST_GET(type, p, field)                                                                \
	(bpf_ksym_exists(bpf_rdonly_cast)                                                          \
		 ? ((type *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(type)))     \
			   ->field                                                                 \
		 : BPF_CORE_READ((type *)(p), field))

#define RV_TYPED(type, p)                                                                          \
	(bpf_ksym_exists(bpf_rdonly_cast)                                                          \
		 ? (type *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(type))       \
		 : (type *)(p))

/* The pointer that lies at an address. */
#define RV_POINTER_AT(address) ((u64)RV_CAST_GET(struct list_head, address, next))

#ifdef RV_PROBE
#define RV_GET(p, field) (bpf_ksym_exists(bpf_rdonly_cast) ? (p)->field : BPF_CORE_READ(p, field))
#define RV_GET2(p, first, second)                                                                  \
	({                                                                                         \
		typeof((p)->first) rv_first = RV_GET(p, first);                                    \
		RV_GET(rv_first, second);                                                          \
	})
#else
#define RV_GET(p, field) ((p)->field)
#define RV_GET2(p, first, second) ((p)->first->second)
#endif

/* Reasons came with 5.17, this one with 6.3; before it nothing that is merely consumed comes here.
 */
static __always_inline u32 rv_drop_consumed(void)
{
	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_CONSUMED))
		return bpf_core_enum_value(enum skb_drop_reason, SKB_CONSUMED);
	return ~0U;
}

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

/* The vector of an iterator was `iov` before 6.4, `__iov` since. */
struct iov_iter___before_6_4 {
	const struct iovec *iov;
} __attribute__((preserve_access_index));

#define RV_ITER_VECTOR(message)                                                                    \
	(bpf_core_field_exists(struct iov_iter, __iov)                                             \
		 ? RV_GET(message, msg_iter.__iov)                                                 \
		 : BPF_CORE_READ((struct iov_iter___before_6_4 *)&(message)->msg_iter, iov))

/* A kernel built without io_uring has no such field. */
static __always_inline bool rv_uses_io_uring(struct task_struct *task)
{
	return bpf_core_field_exists(task->io_uring) && RV_GET(task, io_uring) != NULL;
}

/* System call numbers of x86-64. A 32-bit task (other code segment) has others: its calls are told
 * as RV_SYS_OTHER. A table, for which the verifier has one way to look at and not fourteen. */
#define RV_SYSCALL_NUMBERS 512

static const u8 rv_syscalls[RV_SYSCALL_NUMBERS] = {
	[0] = RV_SYS_READ,	 [19] = RV_SYS_READV,
	[327] = RV_SYS_READV, /* preadv2, offset -1 */
	[45] = RV_SYS_RECVFROM,	 [47] = RV_SYS_RECVMSG,
	[299] = RV_SYS_RECVMMSG, [1] = RV_SYS_WRITE,
	[20] = RV_SYS_WRITEV,	 [328] = RV_SYS_WRITEV, /* pwritev2, offset -1 */
	[44] = RV_SYS_SENDTO,	 [46] = RV_SYS_SENDMSG,
	[307] = RV_SYS_SENDMMSG, [40] = RV_SYS_SENDFILE,
	[275] = RV_SYS_SPLICE,	 [426] = RV_SYS_IO_URING,
};

static __always_inline u8 rv_syscall_from_number(u64 number)
{
	return number < RV_SYSCALL_NUMBERS ? rv_syscalls[number] : RV_SYS_OTHER;
}

#endif
