/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet on its way down: TCP → IP → queue → device. Everything is charged to the socket in the
 * packet, whoever runs on the CPU. Down to the queue the socket is locked, so one packet at a time;
 * what follows may run on another CPU at the same time, hence the atomic additions.
 */
#ifndef ROVER_HOOK_SENDING_H
#define ROVER_HOOK_SENDING_H

enum rv_send_stage {
	RV_STAGE_NONE = 0,
	RV_STAGE_IP = 1,
	RV_STAGE_OUTPUT = 2,
	RV_STAGE_FINISH = 3,
};

/* Smallest segment size of TCP (RFC 879) and the largest heads: a shorter packet is one segment. */
#define RV_ONE_SEGMENT_BYTES 600

static __always_inline struct rv_flow *rv_flow_of_socket(const struct sock *sk)
{
	return sk ? rv_flow(RV_GET(sk, __sk_common.skc_cookie.counter)) : NULL;
}

static __always_inline struct rv_flow *rv_flow_of_packet(const struct sk_buff *skb)
{
	return rv_flow_of_socket(RV_GET(skb, sk));
}

static __always_inline u32 rv_segments(const struct sk_buff *skb, u32 len)
{
	const unsigned char *shared;
	u16 segments;

	if (len <= RV_ONE_SEGMENT_BYTES)
		return 1;
	shared = RV_GET(skb, head);
	shared += RV_GET(skb, end);
	segments = RV_CAST_GET(struct skb_shared_info, shared, gso_segs);
	return segments ? segments : 1;
}

static __always_inline struct rv_tcp_head rv_tcp_head(const struct sk_buff *skb)
{
	struct rv_tcp_head head = {};

	bpf_probe_read_kernel(&head, sizeof(head),
			      RV_GET(skb, head) + RV_GET(skb, transport_header));
	return head;
}

/* Bytes on the wire: a packet of several segments leaves with as many heads. `from` is where its
 * first head begins. */
static __always_inline u32 rv_wire_bytes(const struct sk_buff *skb, u32 len, u32 segments, u64 from)
{
	u64 head;

	if (segments == 1)
		return len;
	head = (u64)RV_GET(skb, head) + RV_GET(skb, transport_header) - from;
	head += rv_tcp_head(skb).data_offset >> 4 << 2;
	return len + (segments - 1) * (u32)head;
}

static __always_inline int rv_ip_entered(const struct sock *sk, const struct sk_buff *skb)
{
	struct rv_flow *flow = rv_flow_of_socket(sk);

	if (!flow)
		return 0;
	/* Nobody saw the packet before this one leave: its time must not go on. */
	if (flow->stage != RV_STAGE_NONE) {
		flow->stage = RV_STAGE_NONE;
		flow->send.unended++;
	}
	/* Payload lies in fragments: a packet without any is an acknowledgement, no operation's. */
	if (!RV_GET(skb, data_len))
		return 0;
	flow->l3_entered_ns = bpf_ktime_get_boot_ns();
	flow->l2_entered_ns = 0;
	flow->stage = RV_STAGE_IP;
	if (!flow->send.first_tcp_out_ns)
		flow->send.first_tcp_out_ns = flow->l3_entered_ns;
	return 0;
}

static __always_inline int rv_ip_output(const struct sock *sk)
{
	struct rv_flow *flow = rv_flow_of_socket(sk);

	/* Another stage: a tunnel sends the packet through IP once more. */
	if (!flow || flow->stage != RV_STAGE_IP)
		return 0;
	flow->output_entered_ns = bpf_ktime_get_boot_ns();
	flow->send.l3_local_ns += flow->output_entered_ns - flow->l3_entered_ns;
	flow->stage = RV_STAGE_OUTPUT;
	return 0;
}

static __always_inline int rv_ip_finish(const struct sock *sk)
{
	struct rv_flow *flow = rv_flow_of_socket(sk);

	if (!flow || flow->stage != RV_STAGE_OUTPUT)
		return 0;
	flow->send.l3_output_ns += bpf_ktime_get_boot_ns() - flow->output_entered_ns;
	flow->stage = RV_STAGE_FINISH;
	return 0;
}

static __always_inline int rv_ip_left(const struct sock *sk)
{
	struct rv_flow *flow = rv_flow_of_socket(sk);
	u64 now;

	if (!flow || flow->stage == RV_STAGE_NONE)
		return 0;
	now = bpf_ktime_get_boot_ns();
	flow->send.l3_ns += now - flow->l3_entered_ns;
	/* Sent by an acknowledgement or a timer: TCP's part of it lies in no call. */
	if (!flow->is_sending)
		flow->send.late_ns += now - flow->l3_entered_ns;
	/* The way back up from the queue is a few returns: no hook of its own. */
	if (flow->l2_entered_ns)
		flow->send.l2_ns += now - flow->l2_entered_ns;
	flow->stage = RV_STAGE_NONE;
	return 0;
}

/* The name is read once for each interface of a connection. */
static __always_inline void rv_note_interface(struct rv_flow *flow, const struct net_device *device,
					      u32 index)
{
	if (flow->interface_index == index)
		return;
	flow->interface_index = index;
	BPF_CORE_READ_INTO(&flow->interface, device, name);
}

static __always_inline struct rv_handing *rv_handing(void)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&handing, &key);
}

static __always_inline int rv_queued(const struct sk_buff *skb)
{
	struct rv_flow *flow = rv_flow_of_packet(skb);
	struct rv_pending *pending;
	struct rv_handing *h;
	u32 len, segments, head;
	u64 now;

	if (!flow || !RV_GET(skb, data_len))
		return 0;
	now = bpf_ktime_get_boot_ns();
	len = RV_GET(skb, len);
	segments = rv_segments(skb, len);
	h = rv_handing();
	__sync_fetch_and_add(&flow->send.queue_entries, 1);
	/* Inside another device (a tunnel, a bond): one more queue, but no further packet. */
	if (!h || h->cookie != flow->cookie) {
		__sync_fetch_and_add(&flow->send.packets, segments);
		__sync_fetch_and_add(&flow->send.packet_bytes,
				     rv_wire_bytes(skb, len, segments, (u64)RV_GET(skb, data)));
		rv_note_interface(flow, RV_GET(skb, dev), RV_GET2(skb, dev, ifindex));
		flow->send.ifindex = flow->interface_index;
		if (flow->stage && !flow->l2_entered_ns)
			flow->l2_entered_ns = now;
		if (!flow->send.first_ip_out_ns)
			flow->send.first_ip_out_ns = now;
	}
	head = flow->pending_head;
	if (head - flow->pending_tail >= RV_PENDING) {
		__sync_fetch_and_add(&flow->send.lost, 1);
		return 0;
	}
	pending = &flow->pending[head & (RV_PENDING - 1)];
	pending->skb = (u64)skb;
	pending->entered_ns = now;
	pending->segments = pending->left = segments;
	flow->pending_head = head + 1;
	return 0;
}

/* Time of the packet's entry into its queue; 0 if it is a further segment of one already counted.
 */
static __always_inline u64 rv_take_pending(struct rv_flow *flow, const void *skb)
{
	u32 tail = flow->pending_tail, head = flow->pending_head;
	struct rv_pending *pending;
	u32 i;

	for (i = 0; i < RV_PENDING; i++) {
		if (tail + i == head)
			break;
		pending = &flow->pending[(tail + i) & (RV_PENDING - 1)];
		if (pending->skb == (u64)skb) {
			/* Those before it were dropped in the queue. */
			flow->pending_tail = tail + i + 1;
			return pending->entered_ns;
		}
	}
	if (tail == head)
		return 0;
	/* Not itself, so one of the segments into which the oldest was cut. */
	pending = &flow->pending[tail & (RV_PENDING - 1)];
	if (pending->left <= 1)
		flow->pending_tail = tail + 1;
	pending->left--;
	return pending->left + 1 == pending->segments ? pending->entered_ns : 0;
}

static __always_inline int rv_started(const struct sk_buff *skb, const struct net_device *device)
{
	struct rv_flow *flow = rv_flow_of_packet(skb);
	struct rv_handing *h;
	u64 entered, now;

	if (!flow || !RV_GET(skb, data_len))
		return 0;
	now = bpf_ktime_get_boot_ns();
	entered = rv_take_pending(flow, skb);
	if (entered)
		__sync_fetch_and_add(&flow->send.l2_ready_ns, now - entered);
	if (!flow->send.first_queue_out_ns)
		flow->send.first_queue_out_ns = now;
	/* Never taken back, the note would make every later packet one within this device. */
	if (!rv_options.has_device_ends)
		return 0;
	h = rv_handing();
	if (!h || (h->cookie == flow->cookie && h->device != (u64)device &&
		   now - h->started_ns < 1000000000))
		return 0; /* within the device that is on its way already */
	h->skb = (u64)skb;
	h->device = (u64)device;
	h->cookie = flow->cookie;
	h->started_ns = now;
	return 0;
}

/* The packet may have been freed by now: only its address counts. */
static __always_inline int rv_handed(const void *skb, const void *device)
{
	struct rv_handing *h = rv_handing();
	struct rv_flow *flow;
	u64 now;

	if (!h || h->skb != (u64)skb || h->device != (u64)device)
		return 0;
	flow = rv_flow(h->cookie);
	h->skb = h->cookie = 0;
	if (!flow)
		return 0;
	now = bpf_ktime_get_boot_ns();
	__sync_fetch_and_add(&flow->send.l2_send_ns, now - h->started_ns);
	if (!flow->send.first_nic_out_ns)
		flow->send.first_nic_out_ns = now;
	flow->send.last_nic_out_ns = now;
	return 0;
}

static __always_inline int rv_resolving(const struct sk_buff *skb)
{
	struct rv_flow *flow = rv_flow_of_packet(skb);
	struct rv_packet *packet;

	if (!flow)
		return 0;
	__sync_fetch_and_add(&flow->send.resolve_count, 1);
	/* At the end the packet may be gone: the entry knows whose it was. */
	packet = rv_packet(skb);
	if (!packet)
		packet = rv_packet_room(skb);
	packet->skb = (u64)skb;
	packet->cookie = flow->cookie;
	packet->arrived_ns = bpf_ktime_get_boot_ns();
	return 0;
}

static __always_inline int rv_resolved(const void *skb)
{
	struct rv_packet *packet = rv_packet(skb);
	struct rv_flow *flow = packet ? rv_flow(packet->cookie) : NULL;

	if (!flow)
		return 0;
	__sync_fetch_and_add(&flow->send.resolve_ns, bpf_ktime_get_boot_ns() - packet->arrived_ns);
	packet->skb = 0;
	return 0;
}

#endif
