/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receives whose user buffers cannot be found afterwards: io_uring's run in any call of the thread
 * or in none, and recvmmsg does not tell its message. Their bytes are read from the packet at the
 * moment they are copied out.
 */
#ifndef ROVER_HOOK_COPY_H
#define ROVER_HOOK_COPY_H

static __always_inline bool rv_needs_copy(struct task_struct *task)
{
	struct pt_regs *regs;

	if (rv_uses_io_uring(task) || task->flags & PF_IO_WORKER)
		return true;
	if (task->flags & PF_KTHREAD)
		return false;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	return regs->cs == USER_CS64 && regs->orig_ax == 299; /* recvmmsg */
}

/* From `skip` bytes into the packet's data: first its linear part, then its fragments. */
static __always_inline u32 rv_copy_packet(struct rv_scratch *s, const struct sk_buff *skb,
					  u32 place, u32 skip, u32 want)
{
	struct rv_buffers buffers = {.is_kernel_array = 1, .is_kernel_memory = 1, .is_pages = 1};
	struct rv_walk *walk = &s->walk;
	u64 shared = (u64)skb->head + skb->end;
	u32 linear = skb->len - skb->data_len;
	u8 fragments = 0;

	walk->buffers = buffers;
	walk->pass = skip;
	walk->want = want;
	walk->copied = 0;
	if (linear > skip) {
		if (rv_copy_bytes(s, (u64)skb->data + skip,
				  want < linear - skip ? want : linear - skip))
			return walk->copied;
		walk->pass = 0;
	} else {
		walk->pass -= linear;
	}
	bpf_probe_read_kernel(
		&fragments, 1,
		(void *)(shared + bpf_core_field_offset(struct skb_shared_info, nr_frags)));
	walk->buffers.vector = shared + bpf_core_field_offset(struct skb_shared_info, frags);
	walk->buffers.segments = fragments > RV_FRAGMENTS_MAX ? RV_FRAGMENTS_MAX : fragments;
	rv_walk_buffers(place);
	return walk->copied;
}

/* The socket comes from the packet here and has no storage for the verifier: the cookie in it names
 * the connection. */
static __always_inline int rv_copying(const struct sk_buff *skb, int length)
{
	struct rv_copy_event *event;
	struct rv_policy *policy;
	struct tcp_sock *tp;
	struct rv_scratch *s;
	struct sock *sk;
	u64 cookie;
	u32 sequence, first, captured, slot, place;

	if (!rv_needs_copy(bpf_get_current_task_btf()))
		return 0;
	sk = skb->sk;
	if (!sk || sk->sk_protocol != IPPROTO_TCP || length <= 0)
		return 0;
	cookie = sk->__sk_common.skc_cookie.counter;
	if (!cookie || !rv_is_watched(NULL, bpf_get_current_pid_tgid() >> 32))
		return 0;
	slot = cookie & (RV_POLICY_SLOTS - 1);
	policy = bpf_map_lookup_elem(&policies, &slot);
	if (policy && policy->cookie == cookie &&
	    (policy->mode == RV_POLICY_NONE || policy->ignore_rx == ~0ULL))
		return 0;
	if (!rv_knows_pages(sk))
		return 0;
	tp = (struct tcp_sock *)sk;
	sequence = BPF_CORE_READ(tp, copied_seq);
	bpf_probe_read_kernel(&first, sizeof(first),
			      (void *)skb->cb + bpf_core_field_offset(struct tcp_skb_cb, seq));
	if (sequence - first > skb->len)
		return 0;
	s = rv_claim_scratch(&place);
	if (!s)
		return 0;
	captured = rv_copy_packet(s, skb, place, sequence - first,
				  length > RV_PAYLOAD_MAX ? RV_PAYLOAD_MAX : length);
	/* Right in front of the payload, where the data event ends. */
	event = (void *)&s->event + sizeof(s->event) - sizeof(*event);
	event->type = RV_EVENT_COPY;
	event->captured = captured;
	event->cookie = cookie;
	event->sequence = sequence;
	event->pad = 0;
	asm volatile("" : "+r"(captured));
	captured &= RV_PAYLOAD_MAX;
	if (captured &&
	    bpf_ringbuf_output(&ring, event, sizeof(*event) + captured, BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_STATE_LOST);
	rv_free_scratch(s);
	return 0;
}

#endif
