// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Entry points of the capture object; the logic is in hooks/. */
#include "kernel.h"
#include "events.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "compat.h"
#include "maps/ring.h"
#include "maps/counters.h"
#include "maps/watch.h"
#include "maps/connections.h"
#include "maps/operations.h"
#include "maps/policies.h"
#include "maps/scratch.h"
#include "hooks/pages.h"
#include "hooks/payload.h"
#include "hooks/registers.h"
#include "hooks/connection.h"
#include "hooks/socket.h"
#include "hooks/copy.h"
#include "hooks/process.h"

/* Some helpers are open to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(rv_send_e, struct sock *sk, const struct msghdr *message)
{
	return rv_send_entered(sk, message);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(rv_send_x, struct sock *sk, int result, int flags)
{
	return rv_operation_ended(sk, RV_TX, result, flags);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(rv_recv_x, struct sock *sk, int result, int flags)
{
	return rv_operation_ended(sk, RV_RX, result, flags);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(rv_copy, const struct sk_buff *skb, int length)
{
	return rv_copying(skb, length);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(rv_state, struct sock *sk, int from, int to)
{
	return rv_state_changed(sk, from, to);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(rv_destroy, struct sock *sk)
{
	return rv_destroyed(sk);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(rv_fork, struct task_struct *parent, struct task_struct *child)
{
	return rv_forked(child);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rv_exec, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	return rv_executed(task, program);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(rv_exit, struct task_struct *task)
{
	return rv_exited(task);
}

/*
 * Keeps the layouts of events.h in the object's BTF, from which the Rust side is generated. By
 * value: of what only a pointer leads to, clang writes the name alone.
 */
struct rv_layouts {
	struct rv_data_event data;
	struct rv_copy_event copy;
	struct rv_connection_event connection;
	struct rv_process_event process;
	struct rv_policy policy;
	enum rv_event_type type;
	enum rv_direction direction;
	enum rv_role role;
	enum rv_syscall syscall;
	enum rv_data_flag data_flag;
	enum rv_connection_change connection_change;
	enum rv_process_change process_change;
	enum rv_policy_mode policy_mode;
	enum rv_counter counter;
	u32 pad;
} rv_layouts;
