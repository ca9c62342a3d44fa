/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netfilter's hooks, sending and receiving. The state lies on the caller's stack, so it is still
 * there at the end, when the packet may be gone.
 */
#ifndef ROVER_HOOK_NETFILTER_H
#define ROVER_HOOK_NETFILTER_H

/* uapi/linux/netfilter.h */
#define NF_INET_PRE_ROUTING 0
#define NF_INET_LOCAL_IN 1
#define NF_INET_LOCAL_OUT 3
#define NF_INET_POST_ROUTING 4

static __always_inline bool rv_is_inet(const struct nf_hook_state *state)
{
	u8 family = RV_GET(state, pf);

	return family == AF_INET || family == AF_INET6;
}

static __always_inline int rv_netfilter_entered(const void *skb, const struct nf_hook_state *state)
{
	u8 hook = RV_GET(state, hook);
	struct rv_packet *packet;
	struct rv_flow *flow;

	if (!rv_is_inet(state))
		return 0;
	if (hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING) {
		flow = rv_flow_of_socket(RV_GET(state, sk));
		if (flow && flow->stage)
			flow->netfilter_entered_ns = bpf_ktime_get_boot_ns();
	} else if (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN) {
		packet = rv_packet(skb);
		if (packet)
			packet->netfilter_entered_ns = bpf_ktime_get_boot_ns();
	}
	return 0;
}

static __always_inline int rv_netfilter_left(const void *skb, const struct nf_hook_state *state)
{
	u8 hook = RV_GET(state, hook);
	struct rv_packet *packet;
	struct rv_flow *flow;

	if (!rv_is_inet(state))
		return 0;
	if (hook == NF_INET_LOCAL_OUT || hook == NF_INET_POST_ROUTING) {
		flow = rv_flow_of_socket(RV_GET(state, sk));
		if (!flow || !flow->netfilter_entered_ns)
			return 0;
		flow->send.netfilter_ns += bpf_ktime_get_boot_ns() - flow->netfilter_entered_ns;
		flow->send.netfilter_count++;
		flow->netfilter_entered_ns = 0;
	} else if (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN) {
		packet = rv_packet(skb);
		if (!packet || !packet->netfilter_entered_ns ||
		    packet->cpu != bpf_get_smp_processor_id())
			return 0;
		packet->netfilter_ns += bpf_ktime_get_boot_ns() - packet->netfilter_entered_ns;
		packet->netfilter_count++;
		packet->netfilter_entered_ns = 0;
	}
	return 0;
}

#endif
