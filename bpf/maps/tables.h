/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPACK tables that are read from a program's memory, while its decoders are probed.
 */
#ifndef ROVER_MAP_TABLES_H
#define ROVER_MAP_TABLES_H

/* The connection that a goroutine received from last: written at the end of such an operation, read
 * when it decodes. One that ends is forgotten as the least recently used. */
struct rv_table_reader {
	u64 cookie;
	u64 told_ns; /* when a table of it was told last */
	u32 era;     /* another than rv_tables_era: it may have read since without being noted */
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct rv_tls_goroutine);
	__type(value, struct rv_table_reader);
} table_readers SEC(".maps");

/* The same table again is told after so long; one in which the engine cannot find its place. */
#define RV_TABLE_EVERY_NS 2000000
/* Decoders are probed until then at least; later nobody notes what goroutines read. */
#define RV_TABLE_LASTS_NS 10000000000

SEC(".bss.tables_until") volatile u64 rv_tables_until_ns;
/* Counts the times that a process began to be noted. */
SEC(".bss.tables_era") volatile u32 rv_tables_era;

/* Blocks and tables up to here are told: a table has 4096 bytes unless both sides want another, of
 * which every entry takes 32 beside its text (RFC 7541, section 4.1). */
#define RV_TABLE_BLOCK 512
#define RV_TABLE_ENTRIES 256
#define RV_TABLE_BYTES 8192
#define RV_TABLE_TEXT 4096

/* Room for one table on its way: what is below RV_TABLE_BYTES when an entry begins fits. By CPU;
 * who finds it busy does without. */
struct rv_table_room {
	u32 busy;
	u32 pad;
	u64 at; /* in `bytes` */
	struct rv_table_event event;
	u8 bytes[RV_TABLE_BYTES + 3 * RV_TABLE_TEXT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rv_table_room);
} table_rooms SEC(".maps");

#endif
