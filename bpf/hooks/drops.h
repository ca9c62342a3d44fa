/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of known connections that the kernel throws away: rare, so each is an event. */
#ifndef ROVER_HOOK_DROPS_H
#define ROVER_HOOK_DROPS_H

static __always_inline int rv_dropped(const struct sk_buff *skb, const struct sock *receiver,
				      const void *location, u32 reason)
{
	const struct sock *sk = RV_GET(skb, sk);
	struct rv_flow *flow = rv_flow_of_socket(sk);
	struct rv_drop_event *event;
	u8 direction = RV_TX;

	if (!flow) {
		flow = rv_flow_of_socket(receiver);
		direction = RV_RX;
	}
	/* Merely consumed: no loss (SKB_CONSUMED is 1 since there are reasons, 0 is none given). */
	if (!flow || reason == rv_drop_consumed())
		return 0;
	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) {
		rv_count(RV_COUNT_STATE_LOST);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = RV_EVENT_DROP;
	event->reason = reason;
	event->cookie = flow->cookie;
	event->location = (u64)location;
	event->time_ns = bpf_ktime_get_boot_ns();
	event->packets = rv_segments(skb, RV_GET(skb, len));
	event->direction = direction;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

#endif
