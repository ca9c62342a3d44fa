/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nobody attended. The kernel passes a program over while the same one is under way on the
 * CPU; where it preempts threads amid programs (fentry; since Linux 7 tracepoints too), all that
 * the threads do that run meanwhile would be missed: one operation in fifty under load. So there
 * are more programs at the same place. Each asks whether one before it was there.
 */
#ifndef ROVER_HOOK_AGAIN_H
#define ROVER_HOOK_AGAIN_H

/* What remains where the thread was preempted in between: whether the stream is behind by exactly
 * this operation, and no other thread is in one. */
static __always_inline bool rv_is_behind(struct rv_connection *c, const struct tcp_sock *tp,
					 u8 direction, u32 length)
{
	if (!c->is_placed)
		return true;
	if (rv_is_layered(tp))
		return false;
	if (direction == RV_RX)
		return (u32)c->rx.now + length == rv_read_until(c, RV_GET(tp, copied_seq));
	return !c->send.owner && (u32)c->tx.now + length == RV_GET(tp, write_seq);
}

static __always_inline int rv_ended_again(struct sock *sk, u8 direction, int result, int flags)
{
	struct rv_connection *c;
	struct tcp_sock *tp;

	if (direction == RV_RX && result <= 0)
		return 0;
	tp = rv_tcp(sk);
	if (!tp)
		return 0;
	if (result > 0 && rv_is_attended(rv_attendance(direction), sk, rv_turn(tp, direction)))
		return 0;
	c = rv_connection(sk);
	if (direction == RV_TX && rv_send_under_way(sk, c, bpf_get_current_pid_tgid()))
		return rv_operation_ended(sk, direction, result, flags);
	if (result <= 0 || (c && !rv_is_behind(c, tp, direction, result)))
		return 0;
	return rv_operation_ended(sk, direction, result, flags);
}

static __always_inline int rv_left_again(const struct socket *socket, u8 direction, int result,
					 int flags)
{
	struct sock *sk = socket->sk;

	return sk ? rv_ended_again(sk, direction, result, flags) : 0;
}

static __always_inline int rv_send_entered_again(struct sock *sk, const struct msghdr *message)
{
	struct tcp_sock *tp = rv_tcp(sk);

	if (!tp || rv_is_attended(RV_ATTENDED_SEND, sk, rv_turn(tp, RV_TX)))
		return 0;
	return rv_send_entered(sk, message);
}

/* Whether the socket's last packet is this one. The socket is its owner's until TCP is done with
 * it: none came after. */
static __always_inline bool rv_is_last_arrived(const struct rv_flow *flow,
					       const struct sk_buff *skb)
{
	u32 end = RV_CAST_GET(struct tcp_skb_cb, skb->cb, end_seq);

	return flow && flow->arrived_head &&
	       flow->arrived[(flow->arrived_head - 1) & (RV_ARRIVED - 1)].end == end;
}

/* TCP looks at packets in threads too: those that came while the socket was in use. */
static __always_inline int rv_tcp_taken_again(const struct sock *sk, const struct sk_buff *skb)
{
	const struct rv_packet *packet = rv_packet(skb);
	u32 hash = RV_GET(skb, hash);

	if (packet ? packet->cookie : hash && *rv_stranger(hash) == hash)
		return 0;
	if (!packet && (RV_CAST_GET(struct tcp_skb_cb, skb->cb, seq) ==
				RV_CAST_GET(struct tcp_skb_cb, skb->cb, end_seq) ||
			rv_is_last_arrived(rv_flow_of_socket(sk), skb)))
		return 0;
	return rv_tcp_taken(sk, skb);
}

static __always_inline int rv_state_changed_again(struct sock *sk, int from, int to)
{
	if (rv_is_attended(RV_ATTENDED_STATE, sk, rv_transition(from, to)))
		return 0;
	return rv_state_changed(sk, from, to);
}

static __always_inline int rv_forked_again(struct task_struct *child)
{
	if (rv_is_attended(RV_ATTENDED_FORK, child, BPF_CORE_READ(child, pid)))
		return 0;
	return rv_forked(child);
}

static __always_inline int rv_executed_again(struct task_struct *task, struct linux_binprm *program)
{
	if (rv_is_attended(RV_ATTENDED_EXEC, task, BPF_CORE_READ(task, self_exec_id)))
		return 0;
	return rv_executed(task, program);
}

static __always_inline int rv_exited_again(struct task_struct *task)
{
	if (rv_is_attended(RV_ATTENDED_EXIT, task, BPF_CORE_READ(task, pid)))
		return 0;
	return rv_exited(task);
}

#endif
