/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same hooks by kprobe and kretprobe, for kernels without trampolines. A kretprobe has no
 * arguments: the entry leaves them on a stack of its thread. What interrupts a thread returns
 * before it goes on, so the calls of one family return in reverse order.
 */
#ifndef ROVER_KPROBES_H
#define ROVER_KPROBES_H

enum rv_family {
	RV_FAMILY_IP_OUT = 0,
	RV_FAMILY_TCP_IN = 1,
	RV_FAMILY_NETFILTER = 2,
	RV_FAMILY_NEIGHBOUR = 3,
	RV_FAMILIES = 4,
};

#define RV_CALLS_MAX 4
#define RV_CALL_BITS 9
#define RV_CALLS_STALE 1000 /* jiffies: no packet is under way for so long */

struct rv_call {
	u64 first;
	u64 second;
};

struct rv_calls {
	u64 task; /* 0: free; idle tasks too have one for each CPU */
	u64 since;
	u32 depth;
	u32 pad;
	struct rv_call calls[RV_CALLS_MAX];
};

/* Of a thread and not of its CPU: it may be preempted amid a call and go on elsewhere. */
SEC(".bss.calls") struct rv_calls rv_all_calls[RV_FAMILIES][1 << RV_CALL_BITS];

static __always_inline struct rv_calls *rv_calls_slot(u32 family, u64 task, u32 way)
{
	u32 hash = (u32)(task >> 6) * 0x9e3779b1;

	return &rv_all_calls[family][hash >> (32 - RV_CALL_BITS) ^ way];
}

static __always_inline struct rv_calls *rv_calls(u32 family, u64 task)
{
	struct rv_calls *calls = rv_calls_slot(family, task, 0);

	if (calls->task == task)
		return calls;
	calls = rv_calls_slot(family, task, 1);
	return calls->task == task ? calls : NULL;
}

/* A free slot, or one whose returns were missed. */
static __always_inline struct rv_calls *rv_claim_calls(u32 family, u64 task, u64 now)
{
	struct rv_calls *calls = rv_calls_slot(family, task, 0);
	u64 owner = calls->task;

	if (owner && now - calls->since < RV_CALLS_STALE) {
		calls = rv_calls_slot(family, task, 1);
		owner = calls->task;
		if (owner && now - calls->since < RV_CALLS_STALE)
			return NULL;
	}
	if (__sync_val_compare_and_swap(&calls->task, owner, task) != owner)
		return NULL;
	calls->since = now;
	calls->depth = 0;
	return calls;
}

static __always_inline void rv_push(u32 family, const void *first, const void *second)
{
	u64 task = bpf_get_current_task(), now = bpf_jiffies64();
	struct rv_calls *calls = rv_calls(family, task);
	struct rv_call *call;
	u32 depth;

	if (!calls)
		calls = rv_claim_calls(family, task, now);
	if (!calls)
		return;
	calls->since = now;
	depth = calls->depth;
	/* The same again: its return was missed. A full stack: more than one was. */
	if (depth && calls->calls[(depth - 1) & (RV_CALLS_MAX - 1)].first == (u64)first)
		depth--;
	else if (depth >= RV_CALLS_MAX)
		depth = 0;
	/* What interrupts from here on has the next place. */
	*(volatile u32 *)&calls->depth = depth + 1;
	call = &calls->calls[depth & (RV_CALLS_MAX - 1)];
	*(volatile u64 *)&call->first = (u64)first;
	*(volatile u64 *)&call->second = (u64)second;
}

static __always_inline struct rv_call rv_pop(u32 family)
{
	struct rv_calls *calls = rv_calls(family, bpf_get_current_task());
	struct rv_call call = {};
	u32 depth;

	if (!calls || !calls->depth)
		return call;
	depth = calls->depth - 1;
	call.first = *(volatile u64 *)&calls->calls[depth & (RV_CALLS_MAX - 1)].first;
	call.second = *(volatile u64 *)&calls->calls[depth & (RV_CALLS_MAX - 1)].second;
	*(volatile u32 *)&calls->depth = depth;
	if (!depth)
		*(volatile u64 *)&calls->task = 0;
	return call;
}

static __always_inline struct sock *rv_lower_half(struct socket *socket)
{
	struct socket *typed = RV_TYPED(struct socket, socket);
	struct sock *sk = RV_GET(typed, sk);

	return RV_TYPED(struct sock, sk);
}

static __always_inline int rv_receive_called(struct socket *socket, int flags)
{
	return rv_receive_entered(rv_lower_half(socket), flags);
}

SEC("kprobe/tcp_sendmsg_locked")
int BPF_KPROBE(rv_k_send_e, struct sock *sk, struct msghdr *message)
{
	return rv_send_entered(RV_TYPED(struct sock, sk), RV_TYPED(struct msghdr, message));
}

SEC("kprobe/inet_sendmsg")
int BPF_KPROBE(rv_k_send4_n, struct socket *socket)
{
	return rv_send_noted(rv_lower_half(socket));
}

SEC("kretprobe/inet_sendmsg")
int BPF_KRETPROBE(rv_k_send4_x, int result)
{
	return rv_send_returned(result);
}

SEC("kprobe/inet6_sendmsg")
int BPF_KPROBE(rv_k_send6_n, struct socket *socket)
{
	return rv_send_noted(rv_lower_half(socket));
}

SEC("kretprobe/inet6_sendmsg")
int BPF_KRETPROBE(rv_k_send6_x, int result)
{
	return rv_send_returned(result);
}

/* It has no message: an operation without payload. */
SEC("kprobe/tcp_sendpage")
int BPF_KPROBE(rv_k_page_e, struct sock *sk)
{
	return rv_send_entered(RV_TYPED(struct sock, sk), NULL);
}

SEC("kprobe/inet_sendpage")
int BPF_KPROBE(rv_k_page_n, struct socket *socket)
{
	return rv_send_noted(rv_lower_half(socket));
}

SEC("kretprobe/inet_sendpage")
int BPF_KRETPROBE(rv_k_page_x, int result)
{
	return rv_send_returned(result);
}

SEC("kprobe/inet_recvmsg")
int BPF_KPROBE(rv_k_recv4_e, struct socket *socket, struct msghdr *message, size_t size, int flags)
{
	return rv_receive_called(socket, flags);
}

SEC("kretprobe/inet_recvmsg")
int BPF_KRETPROBE(rv_k_recv4_x, int result)
{
	return rv_receive_returned(result);
}

SEC("kprobe/inet6_recvmsg")
int BPF_KPROBE(rv_k_recv6_e, struct socket *socket, struct msghdr *message, size_t size, int flags)
{
	return rv_receive_called(socket, flags);
}

SEC("kretprobe/inet6_recvmsg")
int BPF_KRETPROBE(rv_k_recv6_x, int result)
{
	return rv_receive_returned(result);
}

SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(rv_k_splice_e, struct socket *socket)
{
	return rv_receive_called(socket, MSG_TRUNC);
}

SEC("kretprobe/tcp_splice_read")
int BPF_KRETPROBE(rv_k_splice_x, int result)
{
	return rv_receive_returned(result);
}

SEC("kretprobe/inet_csk_accept")
int BPF_KRETPROBE(rv_k_accept, struct sock *sk)
{
	return sk ? rv_accepted(RV_TYPED(struct sock, sk)) : 0;
}

SEC("kprobe/__ip_queue_xmit")
int BPF_KPROBE(rv_k_ip4_e, struct sock *sk, struct sk_buff *skb)
{
	rv_push(RV_FAMILY_IP_OUT, sk, NULL);
	return rv_ip_entered(RV_TYPED(struct sock, sk), RV_TYPED(struct sk_buff, skb));
}

SEC("kretprobe/__ip_queue_xmit")
int BPF_KRETPROBE(rv_k_ip4_x)
{
	return rv_ip_left(RV_TYPED(struct sock, rv_pop(RV_FAMILY_IP_OUT).first));
}

SEC("kprobe/inet6_csk_xmit")
int BPF_KPROBE(rv_k_ip6_e, struct sock *sk, struct sk_buff *skb)
{
	rv_push(RV_FAMILY_IP_OUT, sk, NULL);
	return rv_ip_entered(RV_TYPED(struct sock, sk), RV_TYPED(struct sk_buff, skb));
}

SEC("kretprobe/inet6_csk_xmit")
int BPF_KRETPROBE(rv_k_ip6_x)
{
	return rv_ip_left(RV_TYPED(struct sock, rv_pop(RV_FAMILY_IP_OUT).first));
}

SEC("kprobe/ip_output")
int BPF_KPROBE(rv_k_output4, struct net *net, struct sock *sk)
{
	return rv_ip_output(RV_TYPED(struct sock, sk));
}

SEC("kprobe/ip6_output")
int BPF_KPROBE(rv_k_output6, struct net *net, struct sock *sk)
{
	return rv_ip_output(RV_TYPED(struct sock, sk));
}

SEC("kprobe/ip_finish_output2")
int BPF_KPROBE(rv_k_finish4, struct net *net, struct sock *sk)
{
	return rv_ip_finish(RV_TYPED(struct sock, sk));
}

SEC("kprobe/ip6_finish_output2")
int BPF_KPROBE(rv_k_finish6, struct net *net, struct sock *sk)
{
	return rv_ip_finish(RV_TYPED(struct sock, sk));
}

SEC("kprobe/neigh_resolve_output")
int BPF_KPROBE(rv_k_neigh_e, void *neighbour, struct sk_buff *skb)
{
	rv_push(RV_FAMILY_NEIGHBOUR, skb, NULL);
	return rv_resolving(RV_TYPED(struct sk_buff, skb));
}

SEC("kretprobe/neigh_resolve_output")
int BPF_KRETPROBE(rv_k_neigh_x)
{
	return rv_resolved((void *)rv_pop(RV_FAMILY_NEIGHBOUR).first);
}

SEC("kprobe/ip_rcv")
int BPF_KPROBE(rv_k_rcv4_e, struct sk_buff *skb)
{
	return rv_ip_arrived(skb);
}

SEC("kprobe/ipv6_rcv")
int BPF_KPROBE(rv_k_rcv6_e, struct sk_buff *skb)
{
	return rv_ip_arrived(skb);
}

SEC("kprobe/ip_local_deliver")
int BPF_KPROBE(rv_k_deliver4, struct sk_buff *skb)
{
	return rv_ip_local(skb);
}

SEC("kprobe/ip6_input")
int BPF_KPROBE(rv_k_deliver6, struct sk_buff *skb)
{
	return rv_ip_local(skb);
}

SEC("kprobe/tcp_v4_rcv")
int BPF_KPROBE(rv_k_tcp4_e, struct sk_buff *skb)
{
	rv_push(RV_FAMILY_TCP_IN, skb, NULL);
	return rv_tcp_entered(skb);
}

SEC("kretprobe/tcp_v4_rcv")
int BPF_KRETPROBE(rv_k_tcp4_x)
{
	return rv_tcp_left((void *)rv_pop(RV_FAMILY_TCP_IN).first);
}

SEC("kprobe/tcp_v6_rcv")
int BPF_KPROBE(rv_k_tcp6_e, struct sk_buff *skb)
{
	rv_push(RV_FAMILY_TCP_IN, skb, NULL);
	return rv_tcp_entered(skb);
}

SEC("kretprobe/tcp_v6_rcv")
int BPF_KRETPROBE(rv_k_tcp6_x)
{
	return rv_tcp_left((void *)rv_pop(RV_FAMILY_TCP_IN).first);
}

SEC("kprobe/nf_hook_slow")
int BPF_KPROBE(rv_k_nf_e, struct sk_buff *skb, struct nf_hook_state *state)
{
	rv_push(RV_FAMILY_NETFILTER, skb, state);
	return rv_netfilter_entered(skb, RV_TYPED(struct nf_hook_state, state));
}

SEC("kretprobe/nf_hook_slow")
int BPF_KRETPROBE(rv_k_nf_x)
{
	struct rv_call call = rv_pop(RV_FAMILY_NETFILTER);

	if (!call.second)
		return 0;
	return rv_netfilter_left((void *)call.first, RV_TYPED(struct nf_hook_state, call.second));
}

#endif
