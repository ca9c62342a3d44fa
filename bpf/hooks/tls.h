/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of TLS libraries: plaintext, the connection that it belongs to, handshakes, and ciphertext
 * that goes through memory. The programs are the same for every library: what a probed place means
 * and where its values are stands in `tls_sites` under the probe's cookie.
 *
 * A call knows its connection by the socket operation of the same thread within it
 * (rv_tls_nested); a session remembers it for calls that the library answers from its own buffer.
 * No layout of any library's objects is known here.
 */
#ifndef ROVER_HOOK_TLS_H
#define ROVER_HOOK_TLS_H

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

/* What the first calls show of a library. */
static __always_inline struct rv_tls_account *rv_tls_account(const struct rv_tls_site *site)
{
	u32 index = site->account;
	struct rv_tls_account *account = bpf_map_lookup_elem(&tls_accounts, &index);

	return account && account->entered < RV_TLS_CHECKED_CALLS ? account : NULL;
}

static __always_inline bool rv_is_handshake(u8 action)
{
	return action == RV_TLS_HANDSHAKE_ENTER;
}

static __always_inline bool rv_is_tls_watched(const struct rv_tls_thread *thread, u32 tgid)
{
	if (thread && thread->tgid == tgid && thread->generation == rv_generation)
		return true;
	return bpf_map_lookup_elem(&watch, &tgid) != NULL;
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
	if (!rv_is_tls_watched(thread, tgid))
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
		rv_count(RV_COUNT_TLS_MISSED);
		return 0;
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

/* Where the engine steers this plaintext; the same is computed in engine/src/policy.rs. */
static __always_inline u64 rv_tls_policy_cookie(const struct rv_tls_session *session,
						const struct rv_tls_key *key)
{
	if (session->cookie && !session->is_inside)
		return session->cookie ^ RV_TLS_COOKIE;
	return ((key->session ^ (u64)key->tgid << 32) * 0x9e3779b97f4a7c15ULL >> 16) | 1ULL << 63;
}

static __always_inline struct rv_tls_session *rv_tls_session(const struct rv_tls_key *key,
							     u64 opened_ns)
{
	struct rv_tls_session *session = bpf_map_lookup_elem(&tls_sessions, key);
	struct rv_tls_session fresh = {};

	if (session)
		return session;
	fresh.opened_ns = opened_ns;
	fresh.steered.cookie = rv_tls_policy_cookie(&fresh, key);
	bpf_map_update_elem(&tls_sessions, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tls_sessions, key);
}

/* The connection that the call showed. Another one than before: the library has made a new session
 * at the address of one whose end was not seen. */
static __always_inline void rv_tls_bind(struct rv_tls_session *session,
					const struct rv_tls_key *key,
					const struct rv_tls_call *call)
{
	if (!call->cookie || session->cookie == call->cookie)
		return;
	if (session->cookie) {
		__builtin_memset(session, 0, sizeof(*session));
		session->opened_ns = call->start_ns;
	}
	session->cookie = call->cookie;
	session->is_inside = call->is_inside;
	session->steered.cookie = rv_tls_policy_cookie(session, key);
}

static __always_inline void rv_tls_tell(struct rv_tls_session *session,
					const struct rv_tls_key *key, u8 library, u8 change,
					u64 start_ns)
{
	struct rv_tls_state_event event = {.type = RV_EVENT_TLS_STATE};

	event.tgid = key->tgid;
	event.session = key->session;
	event.opened_ns = session->opened_ns;
	event.cookie = session->cookie;
	event.start_ns = start_ns;
	event.time_ns = bpf_ktime_get_boot_ns();
	event.tid = bpf_get_current_pid_tgid();
	event.change = change;
	event.library = library;
	event.flags = session->is_inside ? RV_TLS_INSIDE : 0;
	if (bpf_ringbuf_output(&ring, &event, sizeof(event), BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_TLS_LOST);
}

static __always_inline void rv_tls_shaken(struct rv_tls_session *session,
					  const struct rv_tls_key *key, u8 library, u64 start_ns,
					  bool is_done)
{
	if (!session->handshake_ns)
		session->handshake_ns = start_ns;
	if (!is_done || session->is_shaken)
		return;
	session->is_shaken = 1;
	rv_tls_tell(session, key, library, RV_TLS_CHANGE_HANDSHAKE, session->handshake_ns);
}

static __always_inline struct rv_scratch *rv_tls_scratch(u32 *place)
{
	struct rv_scratch *s;

	*place = RV_OF_TLS | 2 * bpf_get_smp_processor_id();
	s = rv_scratch(*place);
	if (s && !__sync_val_compare_and_swap(&s->busy, 0, 1))
		return s;
	*place += 1;
	s = rv_scratch(*place);
	return s && !__sync_val_compare_and_swap(&s->busy, 0, 1) ? s : NULL;
}

/* An event that lies right in front of the payload. */
#define RV_BEFORE_PAYLOAD(s, type) ((type *)((void *)(s)->payload - sizeof(type)))

/* `length` bytes of plaintext at `offset` of their direction. */
static __always_inline void rv_tls_plaintext(struct rv_tls_session *session,
					     const struct rv_tls_key *key,
					     const struct rv_tls_call *call, u8 library,
					     u8 direction, u32 length)
{
	u64 offset = direction == RV_RX ? session->moved[0] : session->moved[1];
	struct rv_buffers buffers = {
		.vector = call->buffer,
		.is_single = 1,
		.is_readable = call->buffer != 0,
	};
	struct rv_steered *steered = &session->steered;
	struct rv_tls_event *event;
	struct rv_excerpt *x;
	struct rv_scratch *s;
	u64 ignore;
	u32 place;

	if (direction == RV_RX)
		session->moved[0] = offset + length;
	else
		session->moved[1] = offset + length;
	rv_count(RV_COUNT_CAPTURED);
	ignore = rv_read_policy(steered, direction);
	if (steered->mode == RV_POLICY_NONE) {
		rv_count(RV_COUNT_NOT_HTTP);
		return;
	}
	s = rv_tls_scratch(&place);
	if (!s) {
		rv_count(RV_COUNT_SCRATCH_BUSY);
		rv_count(RV_COUNT_RING_FULL);
		return;
	}
	x = &s->excerpt;
	rv_ask_for(x, direction, offset, length, ignore);
	x->is_older = 1;
	s->walk.buffers = buffers;
	rv_capture_steered(s, steered, place);
	event = RV_BEFORE_PAYLOAD(s, struct rv_tls_event);
	event->type = RV_EVENT_TLS;
	event->tgid = key->tgid;
	event->session = key->session;
	event->opened_ns = session->opened_ns;
	event->cookie = session->cookie;
	event->start_ns = call->start_ns;
	event->end_ns = bpf_ktime_get_boot_ns();
	event->offset = offset;
	event->cipher_offset = direction == RV_RX ? call->offset[0] : call->offset[1];
	event->tid = bpf_get_current_pid_tgid();
	event->length = length;
	event->captured = x->captured;
	event->skipped = x->skipped;
	event->tail = x->tail;
	event->direction = direction;
	event->library = library;
	event->flags = (call->nested & 1 << direction ? RV_TLS_NESTED : 0) |
		       (session->is_inside ? RV_TLS_INSIDE : 0) |
		       (call->buffer ? 0 : RV_TLS_UNREADABLE) | (x->has_pieces ? RV_TLS_PIECES : 0);
	event->pad = 0;
	rv_send_event(event, sizeof(*event), x->captured, rv_becomes_long(steered, x));
	*(volatile u64 *)&s->busy = 0;
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

/* The call that a BIO serves, if its session has no socket. */
static __always_inline struct rv_tls_call *rv_tls_without_socket(struct rv_tls_thread *thread,
								 struct rv_tls_key *key)
{
	struct rv_tls_session *session;
	struct rv_tls_call *call;

	if (!thread || !thread->depth)
		return NULL;
	call = rv_tls_call(thread, thread->depth);
	/* One that has failed is over: what its owner does with BIOs now may be another session's.
	 */
	if (call->cookie || call->is_failed)
		return NULL;
	key->session = call->session;
	key->tgid = thread->tgid;
	session = bpf_map_lookup_elem(&tls_sessions, key);
	/* What the engine steers it has bound. */
	if (session && (session->cookie || session->steered.mode != RV_POLICY_UNKNOWN))
		return NULL;
	return call;
}

/*
 * OpenSSL uses BIOs for other things as well within a call: the messages of a handshake are written
 * to one for their digest. What is sent begins with the head of a record in every write; of what is
 * received the first read does.
 */
static __always_inline bool rv_is_transport(const struct rv_tls_session *session, const u8 *bytes,
					    u8 direction, u32 captured)
{
	if (direction == RV_RX && session->ciphered[0])
		return true;
	return captured >= 5 && rv_is_tls_record(bytes);
}

static __always_inline void rv_tls_cipher(struct rv_tls_session *session,
					  const struct rv_tls_key *key, u64 buffer, u8 direction,
					  u32 length)
{
	struct {
		struct rv_cipher_event event;
		u8 bytes[RV_CIPHER_BYTES];
	} out = {};
	u32 size = length < RV_CIPHER_BYTES ? length : RV_CIPHER_BYTES;

	asm volatile("" : "+r"(size));
	if (size > RV_CIPHER_BYTES)
		return;
	out.event.type = RV_EVENT_CIPHER;
	out.event.tgid = key->tgid;
	out.event.session = key->session;
	out.event.opened_ns = session->opened_ns;
	out.event.time_ns = bpf_ktime_get_boot_ns();
	out.event.tid = bpf_get_current_pid_tgid();
	out.event.length = length;
	out.event.direction = direction;
	if (!bpf_probe_read_user(out.bytes, size, (void *)buffer))
		out.event.captured = size;
	if (!rv_is_transport(session, out.bytes, direction, out.event.captured))
		return;
	if (direction == RV_RX) {
		out.event.offset = session->ciphered[0];
		session->ciphered[0] += length;
	} else {
		out.event.offset = session->ciphered[1];
		session->ciphered[1] += length;
	}
	if (bpf_ringbuf_output(&ring, &out, sizeof(out.event) + size, BPF_RB_NO_WAKEUP))
		rv_count(RV_COUNT_TLS_LOST);
}

/* A write to memory, which takes all. It may be within a call of BIO_write, which has no more to
 * tell then. */
static __always_inline int rv_tls_written(struct pt_regs *regs, const struct rv_tls_site *site,
					  const struct rv_tls_key *key, struct rv_tls_call *call,
					  u64 frame)
{
	u64 buffer = rv_tls_value(regs, site->buffer, frame);
	u32 length = rv_tls_value(regs, site->length, frame);
	struct rv_tls_session *session;

	call->cipher_buffer = 0;
	if (!buffer || !length)
		return 0;
	session = rv_tls_session(key, call->start_ns);
	if (session)
		rv_tls_cipher(session, key, buffer, RV_TX, length);
	return 0;
}

/* BIO_read and BIO_write, where they are probed: in processes that have sessions without socket. */
static __always_inline int rv_tls_ciphered(struct pt_regs *regs)
{
	struct rv_tls_thread *thread = rv_tls_thread(false);
	struct rv_tls_session *session;
	struct rv_tls_key key = {};
	struct rv_tls_call *call = rv_tls_without_socket(thread, &key);
	struct rv_tls_site *site;
	u64 frame, buffer, moved;
	s64 result;

	if (!call)
		return 0;
	site = rv_tls_site(regs);
	if (!site)
		return 0;
	frame = rv_tls_frame(regs, site);
	if (site->action == RV_TLS_CIPHER_WRITTEN)
		return rv_tls_written(regs, site, &key, call, frame);
	if (site->action == RV_TLS_CIPHER_READ_ENTER || site->action == RV_TLS_CIPHER_WRITE_ENTER) {
		call->cipher_buffer = rv_tls_value(regs, site->buffer, frame);
		call->cipher_length = rv_tls_value(regs, site->length, frame);
		call->cipher_count_at = rv_tls_value(regs, site->count, frame);
		return 0;
	}
	result = rv_tls_result(regs, site, frame);
	if (result <= 0 && !(site->flags & RV_TLS_SITE_LAST))
		return 0;
	buffer = call->cipher_buffer;
	call->cipher_buffer = 0;
	if (!buffer || result <= 0)
		return 0;
	moved = rv_tls_moved(regs, site, frame, call->cipher_count_at, result);
	if (!moved || moved > call->cipher_length)
		return 0;
	session = rv_tls_session(&key, call->start_ns);
	if (session)
		rv_tls_cipher(session, &key, buffer,
			      site->action == RV_TLS_CIPHER_READ_LEAVE ? RV_RX : RV_TX, moved);
	return 0;
}

/* Another program from here on: the calls that its forerunner was in never end. */
static __always_inline void rv_tls_forget(struct task_struct *task)
{
	struct rv_tls_thread *thread;

	if (!rv_options.has_tls)
		return;
	thread = bpf_task_storage_get(&tls_threads, task, NULL, 0);
	if (thread)
		thread->depth = 0;
}

/* The first bytes of an operation, 5 of them; false if they cannot be read. */
static __always_inline bool rv_first_bytes(const struct rv_buffers *buffers, u8 *to)
{
	u64 at = buffers->vector + buffers->vector_offset;
	struct rv_user_iovec segment = {};

	if (!buffers->is_readable || buffers->is_pages)
		return false;
	if (!buffers->is_single) {
		if (!rv_read_segment(buffers, 0, &segment) ||
		    segment.len < buffers->vector_offset + 5)
			return false;
		at = segment.base + buffers->vector_offset;
	}
	if (buffers->is_kernel_memory)
		return !bpf_probe_read_kernel(to, 5, (void *)at);
	return !bpf_probe_read_user(to, 5, (void *)at);
}

/*
 * A socket operation of a process that uses TLS: noted in the call that the thread is in, if any.
 * What a callback of the library sends over a connection of its own (a log, OCSP) is none of the
 * session's: only connections on which TLS records were seen count.
 */
static __noinline int rv_tls_nested(struct sock *sk, struct rv_connection *c,
				    const struct rv_send *send, u64 end, u32 direction)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct rv_tls_thread *thread = NULL;
	struct rv_tls_call *call;

	if (rv_tls_user(tgid) & RV_TLS_BY_GOROUTINE)
		thread = rv_tls_goroutine(tgid, false);
	if (!thread || !thread->depth)
		thread = rv_tls_thread(false);
	if (!thread || !thread->depth || !c)
		return 0;
	call = rv_tls_call(thread, thread->depth);
	/* Over: the operation is its owner's, for whatever session. */
	if (call->is_failed)
		return 0;
	if (!c->is_tls) {
		struct rv_buffers buffers = {};
		u8 first[8] = {};

		rv_find_buffers(sk, send, &buffers);
		if (!rv_first_bytes(&buffers, first) || !rv_is_tls_record(first))
			return 0;
		c->is_tls = 1;
	}
	call->cookie = c->cookie;
	call->is_inside = 0;
	if (direction == RV_RX)
		call->offset[0] = end;
	else
		call->offset[1] = end;
	call->nested |= direction == RV_RX ? 1 : 2;
	return 0;
}

#endif
