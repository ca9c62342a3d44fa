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

#include "tls_callers.h"
#include "tls_sessions.h"
#include "tls_calls.h"
#include "tls_ciphertext.h"

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

static __always_inline void rv_table_reads(u32 tgid, u64 cookie);

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

	if (rv_tls_user(tgid) & RV_TLS_TABLES && direction == RV_RX && c)
		rv_table_reads(tgid, c->cookie);
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
