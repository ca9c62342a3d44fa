/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received packets from their arrival at the interface until TCP takes them, by the address of
 * their sk_buff: whose they are is not known before. Direct-mapped: an entry is simply overwritten
 * by the next packet that falls on it, and `skb` says whose it is; so few are under way at any time
 * that this is rare, and it costs figures, never truth.
 */
#ifndef ROVER_MAP_PACKETS_H
#define ROVER_MAP_PACKETS_H

#define RV_PACKET_SLOTS 4096

struct rv_packet {
	u64 skb;    /* only ever compared; 0: none */
	u64 cookie; /* once TCP has taken it */
	u64 arrived_ns;
	u64 ip_ns;
	u64 local_ns;
	u64 tcp_ns;
	u64 netfilter_entered_ns;
	u64 device; /* TCP takes it out of the packet */
	u32 cpu;
	u32 ifindex;
	u32 index; /* of its entry among the arrived */
	u32 seq;
	u32 l3_ns;
	u32 l3_receive_ns;
	u32 l3_local_ns;
	u32 l4_ns;
	u32 netfilter_ns;
	u32 netfilter_count;
};

/* Here and for the strangers below: memory of the object, whose place is known when programs are
 * loaded. A look-up in a map of type array costs four times as much, and each packet has ten. */
SEC(".bss.packets") struct rv_packet rv_packets[RV_PACKET_SLOTS];

static __always_inline struct rv_packet *rv_packet_slot(u64 skb, u32 way)
{
	return &rv_packets[(((u32)(skb >> 8) ^ (u32)(skb >> 20) ^ way) & (RV_PACKET_SLOTS - 1))];
}

static __always_inline struct rv_packet *rv_packet(const void *skb)
{
	struct rv_packet *packet = rv_packet_slot((u64)skb, 0);

	if (packet->skb == (u64)skb)
		return packet;
	packet = rv_packet_slot((u64)skb, 1);
	return packet->skb == (u64)skb ? packet : NULL;
}

/* For a packet without an entry, the one of two that is free or older: packets of two CPUs may
 * meet. */
static __always_inline struct rv_packet *rv_packet_room(const void *skb)
{
	struct rv_packet *packet = rv_packet_slot((u64)skb, 0);
	struct rv_packet *other;

	if (!packet->skb)
		return packet;
	other = rv_packet_slot((u64)skb, 1);
	return !other->skb || other->arrived_ns < packet->arrived_ns ? other : packet;
}

/*
 * Hashes of flows whose sockets nobody watches, as the kernel has them in their packets: TCP says
 * so of one packet, and the next ones are not looked at on their way up. Direct-mapped; 0: none. A
 * hash that a watched flow shares is taken out by that flow's next packet.
 */
#define RV_STRANGERS 4096

SEC(".bss.strangers") volatile u32 rv_strangers[RV_STRANGERS];

static __always_inline volatile u32 *rv_stranger(u32 hash)
{
	return &rv_strangers[hash & (RV_STRANGERS - 1)];
}

/* The packet that a CPU is handing to a device: between net_dev_start_xmit and net_dev_xmit nothing
 * else runs there. */
struct rv_handing {
	u64 skb;
	u64 device;
	u64 cookie;
	u64 started_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rv_handing);
} handing SEC(".maps");

#endif
