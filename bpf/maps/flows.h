/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of a connection on their way through the layers. A direct-mapped table: slot = hash
 * of the socket cookie, `cookie` says whose it is. No hash map, no deletion, no growth; where two
 * connections want one slot the later one has it, and the figures of the other are unknown (told by
 * `epoch`), never mixed. Sums only ever grow: the engine subtracts, so a lost event costs nothing.
 * A slot is claimed when a connection is established or at its first operation, and let go when it
 * turns out to belong to no watched process, or ends.
 */
#ifndef ROVER_MAP_FLOWS_H
#define ROVER_MAP_FLOWS_H

#define RV_FLOW_SLOTS 8192
#define RV_PENDING 16 /* sent packets in queues, by connection */
#define RV_ARRIVED 8  /* received packets that wait to be read; more are added up in the last */

/* A packet from its entry into a queue until the device takes it. */
struct rv_pending {
	u64 skb; /* only ever compared */
	u64 entered_ns;
	u32 segments; /* a device without offload gets them one by one ... */
	u32 left;     /* ... so many are still to come */
};

/* A packet from its hand-over to TCP until it is read. */
struct rv_arrived {
	u32 seq; /* TCP sequence numbers of its payload; equal: read */
	u32 end;
	u64 arrived_ns;
	u64 ip_ns;
	u64 tcp_ns;
	u64 handed_ns; /* to the transport layer */
	u64 later_ns;  /* sum of what others in this entry came later than the first */
	u32 to_queue_ns;
	u32 l3_ns;
	u32 l3_receive_ns;
	u32 l3_local_ns;
	u32 l4_ns;
	u32 netfilter_ns;
	u32 netfilter_count;
	u32 packets; /* as the kernel handles them: merged ones are one */
	u32 segments;
	u32 bytes;
	u32 pad;
	u32 is_unknown; /* some figure of some packet was not seen */
};

struct rv_flow {
	u64 cookie; /* 0: free */
	u32 epoch;  /* counts the claims of this slot */
	u32 stage;  /* how far the packet being sent has come, enum rv_send_stage */
	struct rv_send_layers send;
	struct rv_receive_layers receive;
	u64 l3_entered_ns;
	u64 output_entered_ns;
	u64 l2_entered_ns;
	u64 netfilter_entered_ns;
	u32 is_sending; /* some thread is in a send */
	u32 pad;
	u32 interface_index;
	u32 told_index; /* the engine knows this one's name */
	u8 interface[RV_INTERFACE_BYTES];
	u32 pending_head;
	u32 pending_tail;
	u32 arrived_head;
	u32 arrived_tail;
	s64 surplus; /* payload bytes of consumed packets beyond those read */
	struct rv_pending pending[RV_PENDING];
	struct rv_arrived arrived[RV_ARRIVED];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_FLOW_SLOTS);
	__type(key, u32);
	__type(value, struct rv_flow);
} flows SEC(".maps");

/* Cookies come in batches of 4096 for each CPU: the batch number is spread, so that the first
 * connections of all CPUs do not meet. */
static __always_inline u32 rv_flow_slot(u64 cookie)
{
	return ((u32)cookie + (u32)(cookie >> 12) * 613) & (RV_FLOW_SLOTS - 1);
}

static __always_inline struct rv_flow *rv_flow(u64 cookie)
{
	u32 slot = rv_flow_slot(cookie);
	struct rv_flow *flow = bpf_map_lookup_elem(&flows, &slot);

	return flow && cookie && flow->cookie == cookie ? flow : NULL;
}

/* The slot, for this connection from now on. */
static __always_inline struct rv_flow *rv_claim(u64 cookie)
{
	u32 slot = rv_flow_slot(cookie);
	struct rv_flow *flow = bpf_map_lookup_elem(&flows, &slot);
	u32 epoch;

	if (!flow || !cookie || flow->cookie == cookie)
		return flow;
	epoch = flow->epoch + 1;
	*(volatile u64 *)&flow->cookie = 0;
	__builtin_memset(&flow->stage, 0,
			 offsetof(struct rv_flow, pending) - offsetof(struct rv_flow, stage));
	flow->epoch = flow->send.epoch = flow->receive.epoch = epoch;
	*(volatile u64 *)&flow->cookie = cookie;
	return flow;
}

static __always_inline void rv_let_go(u64 cookie)
{
	struct rv_flow *flow = rv_flow(cookie);

	if (flow)
		*(volatile u64 *)&flow->cookie = 0;
}

#endif
