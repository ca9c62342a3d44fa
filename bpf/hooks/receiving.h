/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet on its way up: interface → IP → TCP → the socket's queue → the reader. Runs in softirq;
 * whose packet it is shows when TCP takes it. From there on it is known by its place in the stream,
 * because the kernel may merge it with its neighbours.
 */
#ifndef ROVER_HOOK_RECEIVING_H
#define ROVER_HOOK_RECEIVING_H

static __always_inline int rv_arrived_at(const struct sk_buff *skb)
{
	struct rv_packet *packet = rv_packet(skb);
	u32 hash = RV_GET(skb, hash);

	/* The layers above then pass over it. */
	if (hash && *rv_stranger(hash) == hash) {
		if (packet)
			packet->skb = 0;
		return 0;
	}
	/* skb_iif is set behind this hook: a bridge or VLAN hands the same packet up once more. */
	if (packet && RV_GET(skb, skb_iif)) {
		packet->device = (u64)RV_GET(skb, dev);
		packet->ifindex = RV_GET2(skb, dev, ifindex);
		return 0;
	}
	if (!packet)
		packet = rv_packet_room(skb);
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->skb = (u64)skb;
	packet->arrived_ns = bpf_ktime_get_boot_ns();
	packet->cpu = bpf_get_smp_processor_id();
	packet->device = (u64)RV_GET(skb, dev);
	packet->ifindex = RV_GET2(skb, dev, ifindex);
	return 0;
}

static __always_inline int rv_ip_arrived(const void *skb)
{
	struct rv_packet *packet = rv_packet(skb);

	if (packet)
		packet->ip_ns = bpf_ktime_get_boot_ns();
	return 0;
}

/* Routed to this host. What lies between (ip_rcv_finish) is compiled into its caller where no rule
 * of netfilter comes before it: no place for a hook. */
static __always_inline int rv_ip_local(const void *skb)
{
	struct rv_packet *packet = rv_packet(skb);

	if (!packet)
		return 0;
	packet->local_ns = bpf_ktime_get_boot_ns();
	if (packet->ip_ns)
		packet->l3_receive_ns = packet->local_ns - packet->ip_ns;
	return 0;
}

static __always_inline int rv_tcp_entered(const void *skb)
{
	struct rv_packet *packet = rv_packet(skb);

	if (!packet || packet->tcp_ns)
		return 0;
	packet->tcp_ns = bpf_ktime_get_boot_ns();
	if (packet->local_ns)
		packet->l3_local_ns = packet->tcp_ns - packet->local_ns;
	return 0;
}

/* When the packet came to TCP; the clock is asked only where no hook before it has. */
static __always_inline u64 rv_handed_over(const struct rv_packet *packet)
{
	return packet && packet->local_ns ? packet->local_ns : bpf_ktime_get_boot_ns();
}

static __always_inline void rv_fill_arrived(struct rv_arrived *entry, const struct sk_buff *skb,
					    struct rv_packet *packet, u32 seq, u32 end)
{
	u32 len = RV_GET(skb, len);
	u64 from = (u64)RV_GET(skb, head) + RV_GET(skb, mac_header);

	entry->seq = seq;
	entry->end = end;
	entry->later_ns = 0;
	entry->packets = 1;
	entry->segments = rv_segments(skb, len);
	/* skb->data points to TCP's payload or head by now: counted from the link layer's head. */
	len += (u32)((u64)RV_GET(skb, data) - from);
	entry->bytes = rv_wire_bytes(skb, len, entry->segments, from);
	entry->is_unknown = !packet;
	entry->handed_ns = rv_handed_over(packet);
	if (!packet) {
		entry->arrived_ns = entry->ip_ns = entry->tcp_ns = 0;
		entry->to_queue_ns = entry->l3_ns = entry->l3_receive_ns = entry->l3_local_ns = 0;
		entry->l4_ns = entry->netfilter_ns = entry->netfilter_count = 0;
		return;
	}
	entry->arrived_ns = packet->arrived_ns;
	entry->ip_ns = packet->ip_ns;
	entry->tcp_ns = packet->tcp_ns;
	entry->to_queue_ns = entry->handed_ns - packet->arrived_ns;
	entry->l3_ns = packet->l3_ns;
	entry->l3_receive_ns = packet->l3_receive_ns;
	entry->l3_local_ns = packet->l3_local_ns;
	entry->l4_ns = packet->l4_ns;
	entry->netfilter_ns = packet->netfilter_ns;
	entry->netfilter_count = packet->netfilter_count;
}

/* No room for one more: it shares the last one's fate. */
static __always_inline void rv_merge_arrived(struct rv_arrived *entry,
					     const struct rv_arrived *more)
{
	if ((s32)(more->end - entry->end) > 0)
		entry->end = more->end;
	entry->later_ns += (more->handed_ns - entry->handed_ns) * more->packets;
	entry->packets += more->packets;
	entry->segments += more->segments;
	entry->bytes += more->bytes;
	entry->to_queue_ns += more->to_queue_ns;
	entry->l3_ns += more->l3_ns;
	entry->l3_receive_ns += more->l3_receive_ns;
	entry->l3_local_ns += more->l3_local_ns;
	entry->l4_ns += more->l4_ns;
	entry->netfilter_ns += more->netfilter_ns;
	entry->netfilter_count += more->netfilter_count;
	entry->is_unknown |= more->is_unknown;
}

/* TCP has found the socket and looks at the packet. */
static __always_inline int rv_tcp_taken(const struct sock *sk, const struct sk_buff *skb)
{
	struct rv_flow *flow = rv_flow_of_socket(sk);
	struct rv_packet *packet = rv_packet(skb);
	u32 hash = RV_GET(skb, hash);
	u32 seq, end, head, index;

	if (!flow) {
		*rv_stranger(hash) = hash;
		if (packet)
			packet->skb = 0;
		return 0;
	}
	if (hash && *rv_stranger(hash) == hash)
		*rv_stranger(hash) = 0;
	seq = RV_CAST_GET(struct tcp_skb_cb, skb->cb, seq);
	end = RV_CAST_GET(struct tcp_skb_cb, skb->cb, end_seq);
	if (seq == end) {
		if (!rv_tcp_head(skb).window)
			flow->receive.zero_windows++;
		if (packet)
			packet->skb = 0;
		return 0;
	}
	/* Received before: the peer has sent it twice. */
	if ((s32)(end - RV_CAST_GET(struct tcp_sock, sk, rcv_nxt)) <= 0) {
		if (packet)
			packet->skb = 0;
		return 0;
	}
	head = flow->arrived_head;
	if (head - flow->arrived_tail < RV_ARRIVED) {
		rv_fill_arrived(&flow->arrived[head & (RV_ARRIVED - 1)], skb, packet, seq, end);
		flow->arrived_head = head + 1;
	} else {
		struct rv_arrived more = {};

		head--;
		rv_fill_arrived(&more, skb, packet, seq, end);
		rv_merge_arrived(&flow->arrived[head & (RV_ARRIVED - 1)], &more);
	}
	/* The interface that IP saw. A VLAN's has no hook of its own: then its name is known from
	 * what is sent. */
	index = RV_GET(skb, skb_iif);
	if (packet && flow->receive.ifindex != index) {
		flow->receive.ifindex = index;
		if (packet->ifindex == index)
			rv_note_interface(flow, (const struct net_device *)packet->device, index);
	}
	if (packet) {
		packet->cookie = flow->cookie;
		packet->index = head;
		packet->seq = flow->arrived[head & (RV_ARRIVED - 1)].seq;
	}
	return 0;
}

/* The packet's entry, if nobody has read it yet. */
static __always_inline struct rv_arrived *rv_entry_of(struct rv_flow *flow,
						      const struct rv_packet *packet)
{
	struct rv_arrived *entry = &flow->arrived[packet->index & (RV_ARRIVED - 1)];

	return (s32)(packet->index - flow->arrived_tail) >= 0 && entry->seq == packet->seq &&
			       entry->seq != entry->end
		       ? entry
		       : NULL;
}

/*
 * Its return: the packet itself may be gone, its address is still the key. IP returns with it, a
 * few instructions later: no hook of its own.
 */
static __always_inline int rv_tcp_left(const void *skb)
{
	struct rv_packet *packet = rv_packet(skb);
	struct rv_arrived *entry;
	struct rv_flow *flow;
	u64 now;
	u32 l3, l4;

	if (!packet || !packet->tcp_ns || packet->cpu != bpf_get_smp_processor_id())
		return 0;
	now = bpf_ktime_get_boot_ns();
	l4 = now - packet->tcp_ns;
	l3 = packet->ip_ns ? now - packet->ip_ns : 0;
	if (!packet->cookie) {
		/* It waits until the socket's owner lets go. */
		packet->l4_ns = l4;
		packet->l3_ns = l3;
		return 0;
	}
	packet->skb = 0;
	flow = rv_flow(packet->cookie);
	entry = flow ? rv_entry_of(flow, packet) : NULL;
	if (entry) {
		entry->l4_ns += l4;
		entry->l3_ns += l3;
	}
	return 0;
}

/* A read under way: what it takes out of the queue. */
struct rv_reading {
	struct rv_flow *flow;
	u64 now;
	u32 until; /* sequence number behind the last byte read */
	u32 tail;
};

/* One entry of the queue; a loop of its own, which is verified once. */
static __noinline long rv_consume_entry(u32 i, void *context)
{
	struct rv_reading *reading = context;
	struct rv_flow *flow = reading->flow;
	struct rv_receive_layers *sum = &flow->receive;
	struct rv_arrived *entry = &flow->arrived[(reading->tail + i) & (RV_ARRIVED - 1)];

	if (entry->seq == entry->end || (s32)(entry->seq - reading->until) >= 0)
		return 0;
	if (!sum->first_arrived_ns) {
		sum->first_arrived_ns = entry->arrived_ns;
		sum->first_ip_ns = entry->ip_ns;
		sum->first_handed_ns = entry->handed_ns;
	}
	flow->surplus += entry->end - entry->seq;
	sum->packets += entry->segments;
	sum->packet_bytes += entry->bytes;
	sum->l2_to_queue_ns += entry->to_queue_ns;
	if (reading->now > entry->handed_ns)
		sum->queue_wait_ns +=
			(reading->now - entry->handed_ns) * entry->packets - entry->later_ns;
	/* The reader may be faster than the way back out of the layers: what they do after it has
	 * the bytes is no part of the exchange any more. */
	if (!entry->l4_ns && entry->tcp_ns)
		entry->l4_ns = reading->now - entry->tcp_ns;
	if (!entry->l3_ns && entry->ip_ns)
		entry->l3_ns = reading->now - entry->ip_ns;
	sum->l3_ns += entry->l3_ns;
	sum->l3_receive_ns += entry->l3_receive_ns;
	sum->l3_local_ns += entry->l3_local_ns;
	sum->l4_ns += entry->l4_ns;
	sum->netfilter_ns += entry->netfilter_ns;
	sum->netfilter_count += entry->netfilter_count;
	sum->unknown += entry->is_unknown;
	sum->unseen_ip += !entry->ip_ns;
	entry->seq = entry->end;
	return 0;
}

/* The queue begins behind what was read. */
static __noinline long rv_advance_tail(u32 i, void *context)
{
	struct rv_reading *reading = context;
	struct rv_flow *flow = reading->flow;
	struct rv_arrived *entry = &flow->arrived[reading->tail & (RV_ARRIVED - 1)];

	if (entry->seq != entry->end)
		return 1;
	reading->tail++;
	return 0;
}

/* Every packet whose first byte lies before `until` was read now. */
static __always_inline void rv_consume(struct rv_flow *flow, u32 until, u32 length, u64 now)
{
	struct rv_reading reading = {
		.flow = flow,
		.now = now,
		.until = until,
		.tail = flow->arrived_tail,
	};
	u32 waiting = flow->arrived_head - reading.tail;

	flow->receive.first_arrived_ns = 0;
	flow->receive.first_ip_ns = flow->receive.first_handed_ns = 0;
	flow->surplus -= length;
	if (waiting > RV_ARRIVED)
		waiting = RV_ARRIVED;
	if (waiting == 1) { /* the usual case, without the loops' cost */
		rv_consume_entry(0, &reading);
		rv_advance_tail(0, &reading);
	} else {
		bpf_loop(waiting, rv_consume_entry, &reading, 0);
		bpf_loop(waiting, rv_advance_tail, &reading, 0);
	}
	flow->arrived_tail = reading.tail;
	/* Bytes without a packet: some came before the hooks, or by a way that they do not see. */
	if (flow->surplus < 0) {
		flow->surplus = 0;
		flow->receive.unknown++;
	}
}

#endif
