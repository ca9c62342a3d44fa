/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that stand in for others at the same places (hooks/again.h). Some of each, for threads
 * that are preempted one after the other. They repeat what the first does and do not jump to it: a
 * tail call corrupted the kernel (7.2). Most likely because it may give a program one private stack
 * for each CPU, which nothing but the program's guard keeps from being used twice at a time.
 */
#ifndef ROVER_STAND_INS_H
#define ROVER_STAND_INS_H

#define RV_ENTERED_AGAIN(number)                                                                   \
	SEC("tp_btf/tcp_sendmsg_locked")                                                           \
	int BPF_PROG(rv_t_send_e_##number, struct sock *sk, const struct msghdr *message)          \
	{                                                                                          \
		return rv_send_entered_again(sk, message);                                         \
	}                                                                                          \
	SEC("fentry/tcp_sendmsg_locked")                                                           \
	int BPF_PROG(rv_f_send_e_##number, struct sock *sk, const struct msghdr *message)          \
	{                                                                                          \
		return rv_send_entered_again(sk, message);                                         \
	}
RV_ENTERED_AGAIN(2)
RV_ENTERED_AGAIN(3)
RV_ENTERED_AGAIN(4)

#define RV_TRACED_AGAIN(number)                                                                    \
	SEC("tp_btf/sock_send_length")                                                             \
	int BPF_PROG(rv_t_send_##number, struct sock *sk, int result, int flags)                   \
	{                                                                                          \
		return rv_ended_again(sk, RV_TX, result, flags);                                   \
	}                                                                                          \
	SEC("tp_btf/sock_recv_length")                                                             \
	int BPF_PROG(rv_t_recv_##number, struct sock *sk, int result, int flags)                   \
	{                                                                                          \
		return rv_ended_again(sk, RV_RX, result, flags);                                   \
	}                                                                                          \
	SEC("tp_btf/tcp_probe")                                                                    \
	int BPF_PROG(rv_t_taken_##number, struct sock *sk, struct sk_buff *skb)                    \
	{                                                                                          \
		return rv_tcp_taken_again(sk, skb);                                                \
	}                                                                                          \
	SEC("tp_btf/inet_sock_set_state")                                                          \
	int BPF_PROG(rv_t_state_##number, struct sock *sk, int from, int to)                       \
	{                                                                                          \
		return rv_state_changed_again(sk, from, to);                                       \
	}                                                                                          \
	SEC("tp_btf/tcp_destroy_sock")                                                             \
	int BPF_PROG(rv_t_destroy_##number, struct sock *sk)                                       \
	{                                                                                          \
		return rv_destroyed(sk);                                                           \
	}                                                                                          \
	SEC("tp_btf/sched_process_fork")                                                           \
	int BPF_PROG(rv_t_fork_##number, struct task_struct *parent, struct task_struct *child)    \
	{                                                                                          \
		return rv_forked_again(child);                                                     \
	}                                                                                          \
	SEC("tp_btf/sched_process_exec")                                                           \
	int BPF_PROG(rv_t_exec_##number, struct task_struct *task, int old_pid,                    \
		     struct linux_binprm *program)                                                 \
	{                                                                                          \
		return rv_executed_again(task, program);                                           \
	}                                                                                          \
	SEC("tp_btf/sched_process_exit")                                                           \
	int BPF_PROG(rv_t_exit_##number, struct task_struct *task)                                 \
	{                                                                                          \
		return rv_exited_again(task);                                                      \
	}
RV_TRACED_AGAIN(2)
RV_TRACED_AGAIN(3)
RV_TRACED_AGAIN(4)

#define RV_LEFT_AGAIN(family, number)                                                              \
	SEC("fexit/inet" RV_FAMILY_NAME_##family "_sendmsg")                                       \
	int BPF_PROG(rv_f_send##family##_##number, struct socket *socket, struct msghdr *message,  \
		     size_t size, int result)                                                      \
	{                                                                                          \
		return rv_left_again(socket, RV_TX, result, 0);                                    \
	}                                                                                          \
	SEC("fexit/inet" RV_FAMILY_NAME_##family "_recvmsg")                                       \
	int BPF_PROG(rv_f_recv##family##_##number, struct socket *socket, struct msghdr *message,  \
		     size_t size, int flags, int result)                                           \
	{                                                                                          \
		return rv_left_again(socket, RV_RX, result, flags);                                \
	}
#define RV_FAMILY_NAME_4 ""
#define RV_FAMILY_NAME_6 "6"
RV_LEFT_AGAIN(4, 2)
RV_LEFT_AGAIN(4, 3)
RV_LEFT_AGAIN(4, 4)
RV_LEFT_AGAIN(6, 2)
RV_LEFT_AGAIN(6, 3)
RV_LEFT_AGAIN(6, 4)

#endif
