/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions: the connection that each belongs to, its handshake, its plaintext.
 */
#ifndef ROVER_HOOK_TLS_SESSIONS_H
#define ROVER_HOOK_TLS_SESSIONS_H

/* Where the engine steers this plaintext; the same is computed in engine/src/policy.rs. With the
 * time, as the library makes a new session where it has freed one, to which nothing applies that
 * was wanted of that. */
static __always_inline u64 rv_tls_policy_cookie(const struct rv_tls_session *session,
						const struct rv_tls_key *key)
{
	if (session->cookie && !session->is_inside)
		return session->cookie ^ RV_TLS_COOKIE;
	return ((key->session ^ (u64)key->tgid << 32 ^ session->opened_ns << 16) *
			0x9e3779b97f4a7c15ULL >>
		16) |
	       1ULL << 63;
}

/* No part of its caller: a new session takes much of a stack of which, with that of the functions
 * that copy payload, kernels up to 6.12 allow 512 bytes in all. */
static __noinline int rv_tls_new_session(const struct rv_tls_key *key, u64 opened_ns)
{
	struct rv_tls_session fresh = {};

	fresh.opened_ns = opened_ns;
	fresh.steered.cookie = rv_tls_policy_cookie(&fresh, key);
	return bpf_map_update_elem(&tls_sessions, key, &fresh, BPF_NOEXIST);
}

static __always_inline struct rv_tls_session *rv_tls_session(const struct rv_tls_key *key,
							     u64 opened_ns)
{
	struct rv_tls_session *session = bpf_map_lookup_elem(&tls_sessions, key);

	if (session)
		return session;
	rv_tls_new_session(key, opened_ns);
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
	s = rv_claim_at(*place);
	if (s)
		return s;
	*place += 1;
	return rv_claim_at(*place);
}

/* An event that lies right in front of the payload. */
#define RV_BEFORE_PAYLOAD(s, type) ((type *)((void *)(s)->payload - sizeof(type)))

static __always_inline void rv_fill_plaintext(struct rv_tls_event *event,
					      const struct rv_tls_session *session,
					      const struct rv_tls_key *key,
					      const struct rv_tls_call *call, u8 library,
					      const struct rv_excerpt *x)
{
	event->type = RV_EVENT_TLS;
	event->tgid = key->tgid;
	event->session = key->session;
	event->opened_ns = session->opened_ns;
	event->cookie = session->cookie;
	event->start_ns = call->start_ns;
	event->end_ns = bpf_ktime_get_boot_ns();
	event->offset = x->offset;
	event->cipher_offset = x->direction == RV_RX ? call->offset[0] : call->offset[1];
	event->tid = bpf_get_current_pid_tgid();
	event->length = x->length;
	event->captured = x->captured;
	event->skipped = x->skipped;
	event->tail = x->tail;
	event->direction = x->direction;
	event->library = library;
	event->flags = (call->nested & 1 << x->direction ? RV_TLS_NESTED : 0) |
		       (session->is_inside ? RV_TLS_INSIDE : 0) |
		       (call->buffer ? 0 : RV_TLS_UNREADABLE) | (x->has_pieces ? RV_TLS_PIECES : 0);
	event->pad = 0;
}

/* As rv_tell_in. */
static __always_inline bool rv_tell_plaintext_in(struct rv_scratch *s,
						 struct rv_tls_session *session,
						 const struct rv_tls_key *key,
						 const struct rv_tls_call *call, u8 library,
						 u32 most)
{
	struct rv_tls_event *event;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event) + RV_ROOM(most), 0);
	if (!event)
		return false;
	rv_read_parts(s, &session->steered, (u8 *)(event + 1), most);
	rv_fill_plaintext(event, session, key, call, library, &s->excerpt);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return true;
}

static __always_inline bool rv_tell_plaintext_in_place(struct rv_scratch *s,
						       struct rv_tls_session *session,
						       const struct rv_tls_key *key,
						       const struct rv_tls_call *call, u8 library)
{
	switch (rv_room_for(s, &session->steered)) {
	case RV_ROOM_SMALL:
		return rv_tell_plaintext_in(s, session, key, call, library, RV_ROOM_SMALL);
	case RV_ROOM_MIDDLE:
		return rv_tell_plaintext_in(s, session, key, call, library, RV_ROOM_MIDDLE);
	case RV_ROOM_LARGE:
		return rv_tell_plaintext_in(s, session, key, call, library, RV_ROOM_LARGE);
	}
	return false;
}

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
	if (!rv_tell_plaintext_in_place(s, session, key, call, library)) {
		rv_capture_steered(s, steered, place);
		event = RV_BEFORE_PAYLOAD(s, struct rv_tls_event);
		rv_fill_plaintext(event, session, key, call, library, x);
		rv_send_event(event, sizeof(*event), x->captured, rv_becomes_long(steered, x));
	}
	rv_free_scratch(s);
}

#endif
