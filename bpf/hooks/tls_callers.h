/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is in which call of a TLS library: by thread or goroutine, with the values that the probed
 * place has in registers and on the stack.
 */
#ifndef ROVER_HOOK_TLS_CALLERS_H
#define ROVER_HOOK_TLS_CALLERS_H

/* RFC 8446, section 5.1; 23 application data, 24 heartbeat. The length may exceed 2^14 by what
 * encryption adds. */
static __always_inline bool rv_is_tls_record(const u8 *b)
{
	u32 length = b[3] << 8 | b[4];

	return b[0] >= 20 && b[0] <= 24 && b[1] == 3 && b[2] <= 4 && length <= 16384 + 2048;
}

static __always_inline struct rv_tls_thread *rv_tls_thread(bool creates)
{
	return bpf_task_storage_get(&tls_threads, bpf_get_current_task_btf(), NULL,
				    creates ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}

/*
 * The goroutine that this thread runs: Go's runtime keeps it in the thread's local storage, in the
 * only such variable that a Go executable has (runtime.tlsg).
 */
static __always_inline struct rv_tls_goroutine rv_running_goroutine(u32 tgid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct rv_tls_goroutine key = {.tgid = tgid};
	u64 at = RV_GET(task, thread.fsbase) - sizeof(key.g);

	if (bpf_probe_read_user(&key.g, sizeof(key.g), (void *)at))
		key.g = 0;
	return key;
}

static __always_inline struct rv_tls_thread *rv_tls_goroutine(u32 tgid, bool creates)
{
	struct rv_tls_goroutine key = rv_running_goroutine(tgid);
	struct rv_tls_thread *thread;

	if (!key.g)
		return NULL;
	thread = bpf_map_lookup_elem(&tls_goroutines, &key);
	if (thread || !creates)
		return thread;
	bpf_map_update_elem(&tls_goroutines, &key, &rv_fresh_thread, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tls_goroutines, &key);
}

/* Whose calls the place tells of: the thread's, or the goroutine's. */
static __always_inline struct rv_tls_thread *rv_tls_caller(const struct rv_tls_site *site, u32 tgid,
							   bool creates)
{
	return site->flags & RV_TLS_SITE_GO ? rv_tls_goroutine(tgid, creates)
					    : rv_tls_thread(creates);
}

/* A caller that is in no call any more. */
static __always_inline void rv_tls_leave(struct rv_tls_thread *thread,
					 const struct rv_tls_site *site, u32 tgid)
{
	struct rv_tls_goroutine key;

	if (thread->depth || !(site->flags & RV_TLS_SITE_GO))
		return;
	key = rv_running_goroutine(tgid);
	bpf_map_delete_elem(&tls_goroutines, &key);
}

static __always_inline struct rv_tls_call *rv_tls_call(struct rv_tls_thread *thread, u32 depth)
{
	return &thread->calls[(depth - 1) & (RV_TLS_DEPTH - 1)];
}

/* A barrier after each read: merged, they would be one read at a computed offset, which the
 * verifier does not allow of registers. */
#define RV_REGISTER(number, name)                                                                  \
	case number:                                                                               \
		value = regs->name;                                                                \
		asm volatile("" : "+r"(value));                                                    \
		break;

/* In DWARF's numbering. */
static __noinline u64 rv_tls_register(struct pt_regs *regs, u32 number)
{
	u64 value = 0;

	switch (number) {
		RV_REGISTER(0, ax)
		RV_REGISTER(1, dx)
		RV_REGISTER(2, cx)
		RV_REGISTER(3, bx)
		RV_REGISTER(4, si)
		RV_REGISTER(5, di)
		RV_REGISTER(6, bp)
		RV_REGISTER(7, sp)
		RV_REGISTER(8, r8)
		RV_REGISTER(9, r9)
		RV_REGISTER(10, r10)
		RV_REGISTER(11, r11)
		RV_REGISTER(12, r12)
		RV_REGISTER(13, r13)
		RV_REGISTER(14, r14)
		RV_REGISTER(15, r15)
	}
	return value;
}

/* 0 where there is none. */
static __always_inline u64 rv_tls_value(struct pt_regs *regs, struct rv_tls_operand operand,
					u64 frame)
{
	u64 value;

	if (operand.base == RV_TLS_NOWHERE)
		return 0;
	value = operand.base == RV_TLS_FRAME ? frame : rv_tls_register(regs, operand.base);
	value += (s16)operand.offset;
	if (operand.is_memory && bpf_probe_read_user(&value, sizeof(value), (void *)value))
		return 0;
	return value;
}

static __always_inline u64 rv_tls_frame(struct pt_regs *regs, const struct rv_tls_site *site)
{
	return site->flags & RV_TLS_SITE_FRAME ? regs->sp + (s32)site->frame_offset : 0;
}

static __always_inline struct rv_tls_site *rv_tls_site(void *regs)
{
	u32 index = bpf_get_attach_cookie(regs);

	return bpf_map_lookup_elem(&tls_sites, &index);
}

static __always_inline struct rv_tls_account *rv_tls_account_of(const struct rv_tls_site *site)
{
	u32 index = site->account;

	return bpf_map_lookup_elem(&tls_accounts, &index);
}

/* What the first calls show of a library. */
static __always_inline struct rv_tls_account *rv_tls_account(const struct rv_tls_site *site)
{
	struct rv_tls_account *account = rv_tls_account_of(site);

	return account && account->entered < RV_TLS_CHECKED_CALLS ? account : NULL;
}

/*
 * Attaching to a library takes a while, place by place, on a busy machine tenths of a second. A
 * session of which some calls were seen meanwhile and others not would give its requests the wrong
 * responses: no call begins before the last place is probed.
 */
static __always_inline bool rv_is_whole(const struct rv_tls_site *site)
{
	struct rv_tls_account *account = rv_tls_account_of(site);

	return account && *(volatile u32 *)&account->is_whole;
}

static __always_inline bool rv_is_handshake(u8 action)
{
	return action == RV_TLS_HANDSHAKE_ENTER;
}

static __always_inline bool rv_is_tls_watched(const struct rv_tls_thread *thread, u32 tgid)
{
	if (thread && thread->tgid == tgid && thread->generation == rv_generation)
		return true;
	return rv_is_in_watch(tgid);
}

/* Calls that have ended without being seen to: their frames are where this one's is. */
static __always_inline u32 rv_tls_prune(struct rv_tls_thread *thread, u64 frame, u32 depth,
					u32 *pruned)
{
	for (int i = 0; i < RV_TLS_DEPTH; i++) {
		if (!depth || !frame || rv_tls_call(thread, depth)->frame > frame)
			break;
		*pruned += !rv_tls_call(thread, depth)->is_failed;
		depth--;
	}
	/* A full stack without frames: more ends were missed than there can be calls. */
	if (depth >= RV_TLS_DEPTH && !frame) {
		*pruned += depth;
		depth = 0;
	}
	return depth;
}

static __always_inline bool rv_tls_moves(u8 action)
{
	return action == RV_TLS_READ_ENTER || action == RV_TLS_WRITE_ENTER;
}

/*
 * A session reads or writes one thing at a time: an earlier read or write of it is over, wherever
 * its frame was. Many reads end with nothing, of which no place tells, and a thread that reads at
 * ever lower frames would fill its stack with them.
 */
static __always_inline u32 rv_tls_prune_session(struct rv_tls_thread *thread, u64 session,
						u32 depth, u32 *pruned)
{
	for (int i = 0; i < RV_TLS_DEPTH; i++) {
		if (!depth || rv_tls_call(thread, depth)->session != session ||
		    !rv_tls_moves(rv_tls_call(thread, depth)->action))
			break;
		*pruned += !rv_tls_call(thread, depth)->is_failed;
		depth--;
	}
	return depth;
}

#endif
