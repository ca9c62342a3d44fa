/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few kernel types that the hooks read, by hand and relocated at load (CO-RE): only the fields
 * named here, at whatever offset the running kernel has them. Nothing is compiled against kernel
 * headers.
 */
#ifndef ROVER_KERNEL_H
#define ROVER_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;
typedef u64 size_t;
typedef _Bool bool;

#define true 1
#define false 0

#define NULL ((void *)0)

/* uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};
enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
};
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1ULL
#define BPF_RB_NO_WAKEUP 1ULL
#define BPF_RB_FORCE_WAKEUP 2ULL
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_RING_SIZE 1

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define PF_KTHREAD 0x00200000
#define PF_IO_WORKER 0x00000010
#define USER_CS64 0x33

#define RCV_SHUTDOWN 1

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
};

/* Mirrors of kernel types: their padding is the kernel's affair. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpadded"
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
};

struct proto;

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	struct proto *skc_prot;
	struct {
		s64 counter;
	} skc_cookie;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct socket;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	u16 sk_type;
	int sk_err;
	u8 sk_shutdown;
	struct socket *sk_socket;
};

struct inet_sock {
	u16 inet_sport;
};

struct tcp_ulp_ops;

struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 copied_seq;
	u32 rcv_nxt;
	u32 write_seq;
	u32 srtt_us; /* << 3 */
	u32 total_retrans;
	u32 rcv_ooopack;
	u32 segs_in;
	u32 segs_out;
	u64 bytes_received;
	u64 bytes_sent;
};

struct iovec {
	void *iov_base;
	u64 iov_len;
};

enum iter_type {
	ITER_UBUF,
	ITER_IOVEC,
	ITER_BVEC,
	ITER_KVEC,
};

enum skb_drop_reason {
	SKB_CONSUMED = 1,
};

struct iov_iter {
	u8 iter_type;
	u64 iov_offset;
	const struct iovec *__iov;
	void *ubuf;
	u64 count;
	u64 nr_segs;
};

struct msghdr {
	struct iov_iter msg_iter;
};

struct file;

struct socket {
	struct file *file;
	struct sock *sk;
};

struct fdtable {
	u32 max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};

struct signal_struct {
	struct {
		int counter;
	} live;
};

struct kuid {
	u32 val;
};

struct cred {
	struct kuid uid;
};

struct io_uring_task;

/* x86-64 */
struct thread_struct {
	unsigned long fsbase;
};

struct task_struct {
	u32 flags;
	int pid;
	int tgid;
	char comm[16];
	struct task_struct *real_parent;
	struct files_struct *files;
	struct mm_struct *mm;
	struct signal_struct *signal;
	const struct cred *cred;
	struct io_uring_task *io_uring;
	u64 self_exec_id;
	struct thread_struct thread;
};

struct list_head {
	struct list_head *next;
};

struct kmem_cache_order_objects {
	unsigned int x;
};

struct kmem_cache_node {
	struct list_head partial;
};

struct kmem_cache {
	struct kmem_cache_order_objects oo;
	struct list_head list;
	struct kmem_cache_node *node[1];
};

struct slab {
	struct list_head slab_list;
	void *freelist;
};

struct page {
	unsigned long flags;
};

struct proto {
	struct kmem_cache *slab;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct net_device {
	char name[16];
	int ifindex;
	struct {
		struct net *net;
	} nd_net;
};

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	char cb[48];
	unsigned int len;
	unsigned int data_len;
	int skb_iif;
	u32 hash;
	u16 transport_header;
	u16 mac_header;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
};

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
};

struct nf_hook_state {
	u8 hook;
	u8 pf;
	struct sock *sk;
};

struct skb_frag {
	unsigned int len;
};

struct skb_shared_info {
	u8 nr_frags;
	u16 gso_segs;
	struct sk_buff *frag_list;
	struct skb_frag frags[1]; /* read as struct rv_page_segment */
};

struct linux_binprm {
	const char *filename;
};

/* x86-64 */
struct pt_regs {
	unsigned long r15;
	unsigned long r14;
	unsigned long r13;
	unsigned long r12;
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long sp;
};

#pragma clang attribute pop
#pragma clang diagnostic pop

/* skb_frag_t and bio_vec, the same three fields since 5.4: a struct page (lowest bit set: not
 * memory) and where in it. */
struct rv_page_segment {
	u64 page;
	u32 len;
	u32 offset;
};

/* RFC 9293: what a packet holds. */
struct rv_tcp_head {
	u16 ports[2];
	u32 seq;
	u32 ack;
	u8 data_offset; /* high half: words of the head */
	u8 flags;
	u16 window;
};

/* Fixed user ABI, not relocated: what user memory holds. */
struct rv_user_iovec {
	u64 base;
	u64 len;
};

struct rv_user_msghdr {
	u64 name;
	u32 namelen;
	u32 pad0;
	u64 iov;
	u64 iovlen;
	u64 control;
	u64 controllen;
	u32 flags;
	u32 pad1;
};

#endif
