/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ciphertext of sessions without a socket of their own: what they read from memory and write to it.
 */
#ifndef ROVER_HOOK_TLS_CIPHERTEXT_H
#define ROVER_HOOK_TLS_CIPHERTEXT_H

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

#endif
