/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPACK tables of connections that are older than rover, read from the decoder's own memory.
 *
 * Probed is Go's hpack.(*Decoder).Write, in processes that the engine has asked for and only for
 * seconds. Which connection a decoder is of is known by the goroutine: the one that decodes has
 * received the block just before. The engine finds the block in what it has seen itself, and
 * believes no table that has not the entries which it knows.
 */
#ifndef ROVER_HOOK_TABLES_H
#define ROVER_HOOK_TABLES_H

/* Go's hpack.HeaderField: name, value, whether it is sensitive. */
#define RV_GO_FIELD_BYTES 40

struct rv_go_field {
	u64 name;
	u64 name_bytes;
	u64 value;
	u64 value_bytes;
};

struct rv_table_walk {
	u64 fields;
	u64 count;
	u32 is_done;
	u32 pad;
};

static __always_inline struct rv_table_room *rv_table_room(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&table_rooms, &zero);
}

/* `bytes` of user memory behind what is there; less than RV_TABLE_TEXT. */
static __always_inline bool rv_table_append(struct rv_table_room *room, u64 at, u64 from, u64 bytes)
{
	asm volatile("" : "+r"(at), "+r"(bytes));
	if (at > RV_TABLE_BYTES + RV_TABLE_TEXT || bytes >= RV_TABLE_TEXT)
		return false;
	return !bytes || !bpf_probe_read_user(room->bytes + at, bytes, (void *)from);
}

/* The newest entry is the last one of the slice. */
static long rv_table_step(u32 index, struct rv_table_walk *walk)
{
	struct rv_table_room *room = rv_table_room();
	struct rv_go_field field = {};
	u64 at;

	if (!room)
		return 1;
	if (index >= walk->count) {
		walk->is_done = 1;
		return 1;
	}
	at = room->at;
	if (at > RV_TABLE_BYTES ||
	    bpf_probe_read_user(
		    &field, sizeof(field),
		    (void *)(walk->fields + (walk->count - 1 - index) * RV_GO_FIELD_BYTES)) ||
	    field.name_bytes >= RV_TABLE_TEXT || field.value_bytes >= RV_TABLE_TEXT)
		return 1;
	room->bytes[at] = field.name_bytes;
	room->bytes[at + 1] = field.name_bytes >> 8;
	room->bytes[at + 2] = field.value_bytes;
	room->bytes[at + 3] = field.value_bytes >> 8;
	at += 4;
	if (!rv_table_append(room, at, field.name, field.name_bytes))
		return 1;
	at += field.name_bytes;
	if (!rv_table_append(room, at, field.value, field.value_bytes))
		return 1;
	room->at = at + field.value_bytes;
	return 0;
}

static __always_inline void rv_table_tell(struct rv_table_room *room, u64 cookie, u64 decoder,
					  u64 block, u64 block_bytes)
{
	struct rv_table_walk walk = {};
	u64 slice[2], size;

	if (bpf_probe_read_user(slice, sizeof(slice), (void *)decoder))
		return;
	walk.fields = slice[0];
	walk.count = slice[1];
	if (!walk.fields || !walk.count || walk.count > RV_TABLE_ENTRIES || !block_bytes ||
	    block_bytes > RV_TABLE_BLOCK || !rv_table_append(room, 0, block, block_bytes))
		return;
	room->at = block_bytes;
	bpf_loop(RV_TABLE_ENTRIES + 1, rv_table_step, &walk, 0);
	size = room->at;
	asm volatile("" : "+r"(size));
	if (!walk.is_done || size > sizeof(room->bytes))
		return;
	__builtin_memset(&room->event, 0, sizeof(room->event));
	room->event.type = RV_EVENT_TABLE;
	room->event.tgid = bpf_get_current_pid_tgid() >> 32;
	room->event.cookie = cookie;
	room->event.time_ns = bpf_ktime_get_boot_ns();
	room->event.block_bytes = block_bytes;
	room->event.entries = walk.count;
	room->event.captured = size;
	room->event.direction = RV_RX;
	if (bpf_ringbuf_output(&ring, &room->event, sizeof(room->event) + size, BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_TLS_LOST);
}

static __always_inline int rv_table_read(struct pt_regs *regs)
{
	struct rv_tls_site *site = rv_tls_site(regs);
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 frame, now = bpf_ktime_get_boot_ns();
	struct rv_table_reader *reader;
	struct rv_tls_goroutine key;
	struct rv_table_room *room;

	if (!site || !rv_is_in_watch(tgid))
		return 0;
	rv_tables_until_ns = now + RV_TABLE_LASTS_NS;
	if (!(rv_tls_user(tgid) & RV_TLS_TABLES)) {
		rv_set_tls_user(tgid, RV_TLS_TABLES);
		__sync_fetch_and_add(&rv_tables_era, 1);
		return 0;
	}
	key = rv_running_goroutine(tgid);
	reader = bpf_map_lookup_elem(&table_readers, &key);
	if (!reader || reader->era != rv_tables_era || now - reader->told_ns < RV_TABLE_EVERY_NS)
		return 0;
	reader->told_ns = now;
	room = rv_table_room();
	if (!room || __sync_val_compare_and_swap(&room->busy, 0, 1))
		return 0;
	frame = rv_tls_frame(regs, site);
	rv_table_tell(room, reader->cookie, rv_tls_value(regs, site->session, frame),
		      rv_tls_value(regs, site->buffer, frame),
		      rv_tls_value(regs, site->length, frame));
	*(volatile u32 *)&room->busy = 0;
	return 0;
}

/* A process whose decoders are probed has received something. */
static __always_inline void rv_table_reads(u32 tgid, u64 cookie)
{
	struct rv_tls_goroutine key = rv_running_goroutine(tgid);
	struct rv_table_reader fresh = {.cookie = cookie, .era = rv_tables_era}, *reader;

	if (bpf_ktime_get_boot_ns() > rv_tables_until_ns) {
		rv_clear_tls_way(tgid, RV_TLS_TABLES);
		return;
	}
	reader = bpf_map_lookup_elem(&table_readers, &key);
	if (!reader)
		bpf_map_update_elem(&table_readers, &key, &fresh, BPF_ANY);
	else if (reader->cookie != cookie || reader->era != fresh.era)
		*reader = fresh;
}

#endif
