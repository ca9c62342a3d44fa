/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine sets before the programs are loaded. */
#ifndef ROVER_OPTIONS_H
#define ROVER_OPTIONS_H

enum rv_layers_level {
	RV_LAYERS_NONE = 0,
	RV_LAYERS_L4 = 1,
	RV_LAYERS_ALL = 2,
};

struct rv_options {
	u32 payload_bytes; /* most that is copied of one operation */
	u32 layers;	   /* enum rv_layers_level */
	u32 has_send_entries;
	u32 has_device_ends; /* net_dev_xmit tells when a packet is no longer on its way */
	u32 has_tls;	     /* calls of TLS libraries are probed */
	u32 is_preempted;    /* threads may be, amid a program: hooks/again.h */
};

/* In a section of its own: the engine writes it as a whole. */
SEC(".rodata.options")
const volatile struct rv_options rv_options = {
	.payload_bytes = 0x1ffff,
	.layers = RV_LAYERS_ALL,
	.has_send_entries = 1,
	.has_device_ends = 1,
	.has_tls = 1,
};

/* How often the operations of a connection that is not HTTP are told. */
#define RV_ACTIVITY_NS 1000000000ULL

#endif
