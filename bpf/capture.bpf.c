// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * Entry points of the capture object; the logic is in hooks/. Compiled twice: as it is, with BTF
 * tracepoints and fentry/fexit; and with RV_PROBE for kernels that need kprobes, which then holds
 * all kinds. Which programs are loaded is the engine's choice, hook by hook (engine/src/hooks.rs).
 */
#define __VMLINUX_H__ /* bpf_tracing.h: registers have the kernel's names */
#include "kernel.h"
#include "events.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "compat.h"
#include "options.h"
#include "maps/ring.h"
#include "maps/counters.h"
#include "maps/watch.h"
#include "maps/attended.h"
#include "maps/operations.h"
#include "maps/connections.h"
#include "maps/flows.h"
#include "maps/packets.h"
#include "maps/policies.h"
#include "maps/scratch.h"
#include "maps/tls.h"
#include "maps/tables.h"
#include "hooks/pages.h"
#include "hooks/payload.h"
#include "hooks/frames.h"
#include "hooks/registers.h"
#include "hooks/connection.h"
#include "hooks/sending.h"
#include "hooks/receiving.h"
#include "hooks/capturing.h"
#include "hooks/rooms.h"
#include "hooks/telling.h"
#include "hooks/socket.h"
#include "hooks/stack.h"
#include "hooks/tls.h"
#include "hooks/tables.h"
#include "hooks/copy.h"
#include "hooks/process.h"
#include "hooks/again.h"
#include "hooks/netfilter.h"
#include "hooks/drops.h"

/* Some helpers are open to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Operations and connections. */

SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(rv_t_send_e, struct sock *sk, const struct msghdr *message)
{
	return rv_send_entered(sk, message);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(rv_t_send_x, struct sock *sk, int result, int flags)
{
	return rv_operation_ended(sk, RV_TX, result, flags);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(rv_t_recv_x, struct sock *sk, int result, int flags)
{
	return rv_operation_ended(sk, RV_RX, result, flags);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(rv_t_copy, const struct sk_buff *skb, int length)
{
	return rv_copying(skb, length);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(rv_t_state, struct sock *sk, int from, int to)
{
	return rv_state_changed(sk, from, to);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(rv_t_destroy, struct sock *sk)
{
	return rv_destroyed(sk);
}

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(rv_f_send_e, struct sock *sk, const struct msghdr *message)
{
	return rv_send_entered(sk, message);
}

/*
 * The ends of operations are hooked where the socket calls its protocol, not in TCP: kernel TLS has
 * functions of its own instead of TCP's, in a module that may be loaded later.
 */
SEC("fexit/inet_sendmsg")
int BPF_PROG(rv_f_send4_x, struct socket *socket, struct msghdr *message, size_t size, int result)
{
	return rv_socket_left(socket, RV_TX, result, 0);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(rv_f_send6_x, struct socket *socket, struct msghdr *message, size_t size, int result)
{
	return rv_socket_left(socket, RV_TX, result, 0);
}

/* Sendfile and splice before 6.5. */
SEC("fexit/inet_sendpage")
int BPF_PROG(rv_f_page_x, struct socket *socket, struct page *page, int offset, size_t size,
	     int flags, int result)
{
	return rv_socket_left(socket, RV_TX, result, 0);
}

SEC("fentry/inet_recvmsg")
int BPF_PROG(rv_f_recv4_e, struct socket *socket, struct msghdr *message, size_t size, int flags)
{
	return rv_socket_read(socket, flags);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(rv_f_recv4_x, struct socket *socket, struct msghdr *message, size_t size, int flags,
	     int result)
{
	return rv_socket_left(socket, RV_RX, result, flags);
}

SEC("fentry/inet6_recvmsg")
int BPF_PROG(rv_f_recv6_e, struct socket *socket, struct msghdr *message, size_t size, int flags)
{
	return rv_socket_read(socket, flags);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(rv_f_recv6_x, struct socket *socket, struct msghdr *message, size_t size, int flags,
	     int result)
{
	return rv_socket_left(socket, RV_RX, result, flags);
}

/* The bytes go from the socket into a pipe: their number is all that there is to see. */
SEC("fexit/tcp_splice_read")
int BPF_PROG(rv_f_splice_x, struct socket *socket, void *position, void *pipe, size_t size,
	     unsigned int flags, long result)
{
	return rv_socket_left(socket, RV_RX, result, MSG_TRUNC);
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(rv_f_accept2, struct sock *listener, void *argument, struct sock *sk)
{
	return rv_accepted(sk);
}

/* Before 6.10. */
SEC("fexit/inet_csk_accept")
int BPF_PROG(rv_f_accept4, struct sock *listener, int flags, int *error, bool kern, struct sock *sk)
{
	return rv_accepted(sk);
}

/* Processes. */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(rv_t_fork, struct task_struct *parent, struct task_struct *child)
{
	return rv_forked(child);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rv_t_exec, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	return rv_executed(task, program);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(rv_t_exit, struct task_struct *task)
{
	return rv_exited(task);
}

/* Packets on their way down. */

SEC("fentry/__ip_queue_xmit")
int BPF_PROG(rv_f_ip4_e, struct sock *sk, struct sk_buff *skb)
{
	return rv_ip_entered(sk, skb);
}

SEC("fexit/__ip_queue_xmit")
int BPF_PROG(rv_f_ip4_x, struct sock *sk)
{
	return rv_ip_left(sk);
}

SEC("fentry/inet6_csk_xmit")
int BPF_PROG(rv_f_ip6_e, struct sock *sk, struct sk_buff *skb)
{
	return rv_ip_entered(sk, skb);
}

SEC("fexit/inet6_csk_xmit")
int BPF_PROG(rv_f_ip6_x, struct sock *sk)
{
	return rv_ip_left(sk);
}

SEC("fentry/ip_output")
int BPF_PROG(rv_f_output4, struct net *net, struct sock *sk)
{
	return rv_ip_output(sk);
}

SEC("fentry/ip6_output")
int BPF_PROG(rv_f_output6, struct net *net, struct sock *sk)
{
	return rv_ip_output(sk);
}

SEC("fentry/ip_finish_output2")
int BPF_PROG(rv_f_finish4, struct net *net, struct sock *sk)
{
	return rv_ip_finish(sk);
}

SEC("fentry/ip6_finish_output2")
int BPF_PROG(rv_f_finish6, struct net *net, struct sock *sk)
{
	return rv_ip_finish(sk);
}

SEC("fentry/neigh_resolve_output")
int BPF_PROG(rv_f_neigh_e, void *neighbour, struct sk_buff *skb)
{
	return rv_resolving(skb);
}

SEC("fexit/neigh_resolve_output")
int BPF_PROG(rv_f_neigh_x, void *neighbour, struct sk_buff *skb)
{
	return rv_resolved(skb);
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(rv_t_queued, struct sk_buff *skb)
{
	return rv_queued(skb);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(rv_t_started, const struct sk_buff *skb, const struct net_device *device)
{
	return rv_started(skb, device);
}

SEC("tp_btf/net_dev_xmit")
int BPF_PROG(rv_t_handed, struct sk_buff *skb, int result, struct net_device *device)
{
	return rv_handed(skb, device);
}

/* Packets on their way up. */

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(rv_t_arrived, struct sk_buff *skb)
{
	return rv_arrived_at(skb);
}

SEC("fentry/ip_rcv")
int BPF_PROG(rv_f_rcv4_e, struct sk_buff *skb)
{
	return rv_ip_arrived(skb);
}

SEC("fentry/ipv6_rcv")
int BPF_PROG(rv_f_rcv6_e, struct sk_buff *skb)
{
	return rv_ip_arrived(skb);
}

SEC("fentry/ip_local_deliver")
int BPF_PROG(rv_f_deliver4, struct sk_buff *skb)
{
	return rv_ip_local(skb);
}

SEC("fentry/ip6_input")
int BPF_PROG(rv_f_deliver6, struct sk_buff *skb)
{
	return rv_ip_local(skb);
}

SEC("fentry/tcp_v4_rcv")
int BPF_PROG(rv_f_tcp4_e, struct sk_buff *skb)
{
	return rv_tcp_entered(skb);
}

SEC("fexit/tcp_v4_rcv")
int BPF_PROG(rv_f_tcp4_x, struct sk_buff *skb)
{
	return rv_tcp_left(skb);
}

SEC("fentry/tcp_v6_rcv")
int BPF_PROG(rv_f_tcp6_e, struct sk_buff *skb)
{
	return rv_tcp_entered(skb);
}

SEC("fexit/tcp_v6_rcv")
int BPF_PROG(rv_f_tcp6_x, struct sk_buff *skb)
{
	return rv_tcp_left(skb);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(rv_t_taken, struct sock *sk, struct sk_buff *skb)
{
	return rv_tcp_taken(sk, skb);
}

SEC("fentry/nf_hook_slow")
int BPF_PROG(rv_f_nf_e, struct sk_buff *skb, struct nf_hook_state *state)
{
	return rv_netfilter_entered(skb, state);
}

SEC("fexit/nf_hook_slow")
int BPF_PROG(rv_f_nf_x, struct sk_buff *skb, struct nf_hook_state *state)
{
	return rv_netfilter_left(skb, state);
}

/* Since 6.11 the tracepoint knows the receiver. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(rv_t_drop4, struct sk_buff *skb, void *location, u32 reason, struct sock *receiver)
{
	return rv_dropped(skb, receiver, location, reason);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(rv_t_drop3, struct sk_buff *skb, void *location, u32 reason)
{
	return rv_dropped(skb, NULL, location, reason);
}

/* Calls of TLS libraries. The engine attaches these to the places it finds, as long as it runs. */
#define RV_UPROBE(name, handler)                                                                   \
	SEC("uprobe")                                                                              \
	int name(struct pt_regs *regs)                                                             \
	{                                                                                          \
		rv_use_stack_of_thread(regs);                                                      \
		return handler(regs);                                                              \
	}

RV_UPROBE(rv_u_enter, rv_tls_entered)
RV_UPROBE(rv_u_leave, rv_tls_left)
RV_UPROBE(rv_u_free, rv_tls_freed)
RV_UPROBE(rv_u_cipher, rv_tls_ciphered)
RV_UPROBE(rv_u_table, rv_table_read)

#include "stand_ins.h"
#ifdef RV_PROBE
#include "kprobes.h"
#endif

/*
 * Keeps the layouts of events.h in the object's BTF, from which the Rust side is generated. By
 * value: of what only a pointer leads to, clang writes the name alone.
 */
struct rv_layouts {
	struct rv_data_event data;
	struct rv_piece piece;
	struct rv_copy_event copy;
	struct rv_sent_event sent;
	struct rv_received_event received;
	struct rv_drop_event drop;
	struct rv_interface_event interface;
	struct rv_activity_event activity;
	struct rv_connection_event connection;
	struct rv_process_event process;
	struct rv_tls_event tls;
	struct rv_cipher_event cipher;
	struct rv_tls_state_event tls_state;
	struct rv_table_event table;
	struct rv_tls_site tls_site;
	struct rv_tls_account tls_account;
	struct rv_policy policy;
	struct rv_options options;
	enum rv_event_type type;
	enum rv_direction direction;
	enum rv_role role;
	enum rv_syscall syscall;
	enum rv_data_flag data_flag;
	enum rv_connection_change connection_change;
	enum rv_process_change process_change;
	enum rv_policy_mode policy_mode;
	enum rv_tls_library tls_library;
	enum rv_tls_flag tls_flag;
	enum rv_tls_change tls_change;
	enum rv_tls_action tls_action;
	enum rv_tls_outcome tls_outcome;
	enum rv_tls_site_flag tls_site_flag;
	enum rv_counter counter;
	enum rv_layers_level layers_level;
} rv_layouts;
