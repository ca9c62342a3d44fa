/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The begin and the end of calls that move plaintext or shake hands.
 */
#ifndef ROVER_HOOK_TLS_CALLS_H
#define ROVER_HOOK_TLS_CALLS_H

/* Nothing nests that deep: the outermost is a read that found nothing, of which no place tells. The
 * one that begins now is never given up for it: its bytes would be missing without anybody knowing.
 */
static __noinline u32 rv_tls_forget_outermost(struct rv_tls_thread *thread)
{
	if (!thread)
		return 0;
	for (int i = 0; i < RV_TLS_DEPTH - 1; i++)
		thread->calls[i] = thread->calls[i + 1];
	return RV_TLS_DEPTH - 1;
}

static __always_inline int rv_tls_entered(struct pt_regs *regs)
{
	struct rv_tls_site *site = rv_tls_site(regs);
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rv_tls_account *account;
	struct rv_tls_thread *thread;
	struct rv_tls_call *call;
	u32 depth, pruned = 0;
	u64 session, frame;
	bool is_go;

	if (!site)
		return 0;
	is_go = site->flags & RV_TLS_SITE_GO;
	thread = rv_tls_caller(site, tgid, false);
	if (!rv_is_tls_watched(thread, tgid) || !rv_is_whole(site))
		return 0;
	if (!thread) {
		thread = rv_tls_caller(site, tgid, true);
		if (!thread) {
			rv_count(RV_COUNT_TLS_MISSED);
			return 0;
		}
	}
	thread->tgid = tgid;
	thread->generation = rv_generation;
	rv_set_tls_user(tgid, is_go ? RV_TLS_BY_GOROUTINE : RV_TLS_BY_THREAD);
	account = rv_tls_account(site);
	if (account)
		account->entered++;
	frame = rv_tls_frame(regs, site);
	session = rv_tls_value(regs, site->session, frame);
	if (!session) {
		if (account)
			account->unlikely++;
		return 0;
	}
	depth = thread->depth;
	/* A function that ends by a jump into another one of the library: the same call. One of Go
	 * begins anew when its stack was too small, at another place. */
	if (depth && (is_go || (frame && rv_tls_call(thread, depth)->frame == frame)) &&
	    rv_tls_call(thread, depth)->session == session &&
	    rv_tls_call(thread, depth)->action == site->action)
		depth--;
	else
		depth = rv_tls_prune(thread, is_go ? 0 : frame, depth, &pruned);
	if (rv_tls_moves(site->action))
		depth = rv_tls_prune_session(thread, session, depth, &pruned);
	if (pruned) {
		rv_count(RV_COUNT_TLS_MISSED);
		if (account)
			account->unended += pruned;
	}
	if (depth >= RV_TLS_DEPTH) {
		depth = rv_tls_forget_outermost(thread);
		rv_count(RV_COUNT_TLS_MISSED);
	}
	thread->depth = depth + 1;
	call = rv_tls_call(thread, depth + 1);
	__builtin_memset(call, 0, sizeof(*call));
	call->session = session;
	call->frame = is_go ? 0 : frame;
	call->buffer = rv_tls_value(regs, site->buffer, frame);
	call->length = rv_tls_value(regs, site->length, frame);
	call->count_at = rv_tls_value(regs, site->count, frame);
	call->action = site->action;
	call->start_ns = bpf_ktime_get_boot_ns();
	return 0;
}

static __always_inline s64 rv_tls_result(struct pt_regs *regs, const struct rv_tls_site *site,
					 u64 frame)
{
	u64 value = rv_tls_value(regs, site->result, frame);
	s64 result = site->flags & RV_TLS_SITE_LONG ? (s64)value : (s32)value;

	if (site->outcome == RV_TLS_SUCCESS_ZERO)
		return !result;
	if (site->more.base != RV_TLS_NOWHERE)
		result += rv_tls_value(regs, site->more, frame);
	return result;
}

/* What a call moved whose result is above 0; for handshakes 1. */
static __always_inline u64 rv_tls_moved(struct pt_regs *regs, const struct rv_tls_site *site,
					u64 frame, u64 count_at, s64 result)
{
	u64 count = 0;

	switch (site->outcome) {
	case RV_TLS_COUNT:
		return result;
	case RV_TLS_COUNT_BEHIND:
		if (bpf_probe_read_user(&count, sizeof(count), (void *)count_at))
			return 0;
		return count;
	case RV_TLS_COUNT_IN_PLACE:
		return rv_tls_value(regs, site->count, frame);
	default:
		return 1;
	}
}

/* What the call that made this one learns from it. */
static __always_inline void rv_tls_pass_on(struct rv_tls_call *outer,
					   const struct rv_tls_call *call)
{
	if (outer->session != call->session) {
		if (call->cookie && !outer->cookie) {
			outer->cookie = call->cookie;
			outer->is_inside = 1;
		}
		return;
	}
	if (call->cookie) {
		outer->cookie = call->cookie;
		outer->is_inside = call->is_inside;
	}
	if (call->nested & 1)
		outer->offset[0] = call->offset[0];
	if (call->nested & 2)
		outer->offset[1] = call->offset[1];
	outer->nested |= call->nested;
}

/* The depth of the call that ends here, above it what has ended unseen; 0: its begin is unknown. */
static __always_inline u32 rv_tls_ending(struct rv_tls_thread *thread, u8 action, u64 frame,
					 u32 *missed)
{
	u32 depth = thread->depth;

	for (int i = 0; i < RV_TLS_DEPTH; i++) {
		struct rv_tls_call *call;

		if (!depth)
			return 0;
		call = rv_tls_call(thread, depth);
		if (frame && call->frame > frame)
			return 0;
		if (call->action == action - 1 && (!frame || !call->frame || call->frame == frame))
			return depth;
		*missed += !call->is_failed;
		depth--;
	}
	return 0;
}

static __always_inline void rv_tls_ended(struct pt_regs *regs, const struct rv_tls_site *site,
					 struct rv_tls_thread *thread)
{
	struct rv_tls_account *account = rv_tls_account(site);
	u64 frame = rv_tls_frame(regs, site);
	s64 result = rv_tls_result(regs, site, frame);
	struct rv_tls_session *session;
	struct rv_tls_key key = {};
	struct rv_tls_call *call;
	u32 depth, missed = 0;
	u64 moved = 0;

	if (result <= 0 && !(site->flags & RV_TLS_SITE_LAST)) {
		/* Another place may follow, or none: it has moved nothing, and its end is no
		 * riddle. */
		call = rv_tls_call(thread, thread->depth);
		if (thread->depth && call->action == site->action - 1)
			call->is_failed = 1;
		return;
	}
	depth = rv_tls_ending(thread, site->action, frame, &missed);
	if (!depth) {
		/* Normal: other ways through the library lead past this place too. */
		if (account)
			account->orphans++;
		return;
	}
	if (missed) {
		rv_count(RV_COUNT_TLS_MISSED);
		if (account)
			account->unended += missed;
	}
	thread->depth = depth - 1;
	call = rv_tls_call(thread, depth);
	if (result > 0)
		moved = rv_tls_moved(regs, site, frame, call->count_at, result);
	if (account)
		account->left++;
	if (!rv_is_handshake(call->action) && call->length && moved > call->length) {
		if (account)
			account->excess++;
		rv_count(RV_COUNT_TLS_MISSED);
		return;
	}
	if (depth > 1)
		rv_tls_pass_on(rv_tls_call(thread, depth - 1), call);
	if (!moved && !call->cookie && !rv_is_handshake(call->action))
		return;
	key.session = call->session;
	key.tgid = thread->tgid;
	session = rv_tls_session(&key, call->start_ns);
	if (!session) {
		rv_count(RV_COUNT_TLS_MISSED);
		return;
	}
	rv_tls_bind(session, &key, call);
	if (rv_is_handshake(call->action))
		rv_tls_shaken(session, &key, site->library, call->start_ns, moved > 0);
	else if (moved)
		rv_tls_plaintext(session, &key, call, site->library,
				 call->action == RV_TLS_READ_ENTER ? RV_RX : RV_TX, moved);
}

static __always_inline int rv_tls_left(struct pt_regs *regs)
{
	struct rv_tls_site *site = rv_tls_site(regs);
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rv_tls_thread *thread;

	if (!site)
		return 0;
	thread = rv_tls_caller(site, tgid, false);
	/* Never in any call: not watched, or attached in the middle of one. */
	if (!thread || !thread->depth)
		return 0;
	rv_tls_ended(regs, site, thread);
	rv_tls_leave(thread, site, tgid);
	return 0;
}

static __always_inline int rv_tls_freed(struct pt_regs *regs)
{
	struct rv_tls_site *site = rv_tls_site(regs);
	struct rv_tls_session *session;
	struct rv_tls_key key = {};

	key.tgid = bpf_get_current_pid_tgid() >> 32;
	if (!site || !rv_tls_user(key.tgid))
		return 0;
	key.session = rv_tls_value(regs, site->session, rv_tls_frame(regs, site));
	session = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!session)
		return 0;
	rv_tls_tell(session, &key, site->library, RV_TLS_CHANGE_FREED, 0);
	bpf_map_delete_elem(&tls_sessions, &key);
	return 0;
}

#endif
