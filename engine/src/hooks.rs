//! The table of hooks: what each feeds, by which programs it can be had, and which of them are loaded on this kernel.
//!
//! A hook has candidates, cheapest first as measured: a BTF tracepoint where there is one, then fentry/fexit, then
//! kprobe/kretprobe. One that cannot be attached takes the figures it feeds with it and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use rover_reporters::layers::{Read, Write};
use serde::Serialize;

use crate::options::Layers as Level;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Tracepoint,
    Fentry,
    Kprobe,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Tracepoint => "tracepoint",
            Mode::Fentry => "fentry",
            Mode::Kprobe => "kprobe",
        }
    }

    /// None: `auto`.
    pub fn from_option(name: &str) -> Option<Mode> {
        [Mode::Tracepoint, Mode::Fentry, Mode::Kprobe].into_iter().find(|mode| mode.name() == name)
    }
}

/// One way to have a hook: all its programs, or none.
#[derive(Debug)]
pub struct Candidate {
    pub mode: Mode,
    pub programs: &'static [&'static str],
}

/// One hook.
#[derive(Debug)]
pub struct Hook {
    /// The tracepoint or function of the kernel.
    pub name: &'static str,
    pub feeds: &'static str,
    /// No records without it.
    pub is_needed: bool,
    /// From this level of `capture.layers` on.
    pub level: Level,
    /// A kernel without the function needs no such hook either.
    pub is_conditional: bool,
    pub candidates: &'static [Candidate],
}

macro_rules! hook {
    ($name:literal, $level:ident, $needed:literal, $conditional:literal, $feeds:literal,
     [$($mode:ident: $($program:literal)+),+]) => {
        Hook {
            name: $name,
            feeds: $feeds,
            is_needed: $needed,
            level: Level::$level,
            is_conditional: $conditional,
            candidates: &[$(Candidate { mode: Mode::$mode, programs: &[$($program),+] }),+],
        }
    };
}

/// All of them, in the order of the way of the data.
pub const HOOKS: &[Hook] = &[
    hook!("tcp_sendmsg", None, true, false, "sent bytes: requests of clients, responses of servers",
        [Tracepoint: "rv_t_send_x", Fentry: "rv_f_send4_x", Kprobe: "rv_k_send4_x" "rv_k_send4_n"]),
    hook!("tcp_sendmsg (IPv6)", None, false, true, "sent bytes of IPv6 sockets",
        [Tracepoint: "rv_t_send_x", Fentry: "rv_f_send6_x", Kprobe: "rv_k_send6_x" "rv_k_send6_n"]),
    hook!("tcp_recvmsg", None, true, false, "received bytes: requests at servers, responses at clients",
        [Tracepoint: "rv_t_recv_x", Fentry: "rv_f_recv4_x", Kprobe: "rv_k_recv4_x" "rv_k_recv4_e"]),
    hook!("tcp_recvmsg (IPv6)", None, false, true, "received bytes of IPv6 sockets",
        [Tracepoint: "rv_t_recv_x", Fentry: "rv_f_recv6_x", Kprobe: "rv_k_recv6_x" "rv_k_recv6_e"]),
    hook!("tcp_sendmsg_locked", None, false, false, "start time of writes and of their way out, l4_ns, payload of io_uring and sendmmsg",
        [Tracepoint: "rv_t_send_e", Fentry: "rv_f_send_e", Kprobe: "rv_k_send_e"]),
    hook!("tcp_recvmsg entry", L4, false, false, "start time of reads",
        [Fentry: "rv_f_recv4_e", Kprobe: "rv_k_recv4_e"]),
    hook!("tcp_recvmsg entry (IPv6)", L4, false, true, "start time of reads from IPv6 sockets",
        [Fentry: "rv_f_recv6_e", Kprobe: "rv_k_recv6_e"]),
    hook!("tcp_sendpage", None, false, true, "bytes of sendfile and splice before Linux 6.5",
        [Fentry: "rv_f_page_x", Kprobe: "rv_k_page_x" "rv_k_page_n" "rv_k_page_e"]),
    hook!("tcp_splice_read", None, false, false, "bytes spliced from a socket",
        [Fentry: "rv_f_splice_x", Kprobe: "rv_k_splice_x" "rv_k_splice_e"]),
    hook!("skb_copy_datagram_iovec", None, false, false, "payload of reads by io_uring and recvmmsg",
        [Tracepoint: "rv_t_copy"]),
    hook!("inet_sock_set_state", None, false, false, "connections: opened, handshake time, ends of streams, packets of their first operation",
        [Tracepoint: "rv_t_state"]),
    hook!("inet_csk_accept", L4, false, false, "time of accept",
        [Fentry: "rv_f_accept2", Fentry: "rv_f_accept4", Kprobe: "rv_k_accept"]),
    hook!("tcp_destroy_sock", None, false, false, "connections: closed, totals", [Tracepoint: "rv_t_destroy"]),
    hook!("sched_process_fork", None, true, false, "processes started while rover runs", [Tracepoint: "rv_t_fork"]),
    hook!("sched_process_exec", None, true, false, "programs started while rover runs", [Tracepoint: "rv_t_exec"]),
    hook!("sched_process_exit", None, true, false, "ends of processes", [Tracepoint: "rv_t_exit"]),
    hook!("__ip_queue_xmit", All, false, false, "l3_ns, l2_ns of writes (IPv4)",
        [Fentry: "rv_f_ip4_e" "rv_f_ip4_x", Kprobe: "rv_k_ip4_e" "rv_k_ip4_x"]),
    hook!("inet6_csk_xmit", All, false, false, "l3_ns, l2_ns of writes (IPv6)",
        [Fentry: "rv_f_ip6_e" "rv_f_ip6_x", Kprobe: "rv_k_ip6_e" "rv_k_ip6_x"]),
    hook!("ip_output", All, false, false, "l3_local_ns, l3_output_ns of writes (IPv4)",
        [Fentry: "rv_f_output4", Kprobe: "rv_k_output4"]),
    hook!("ip6_output", All, false, false, "l3_local_ns, l3_output_ns of writes (IPv6)",
        [Fentry: "rv_f_output6", Kprobe: "rv_k_output6"]),
    hook!("ip_finish_output2", All, false, false, "l3_output_ns of writes (IPv4)",
        [Fentry: "rv_f_finish4", Kprobe: "rv_k_finish4"]),
    hook!("ip6_finish_output2", All, false, false, "l3_output_ns of writes (IPv6)",
        [Fentry: "rv_f_finish6", Kprobe: "rv_k_finish6"]),
    hook!("neigh_resolve_output", All, false, false, "resolve_count, resolve_ns",
        [Fentry: "rv_f_neigh_e" "rv_f_neigh_x", Kprobe: "rv_k_neigh_e" "rv_k_neigh_x"]),
    hook!("nf_hook_slow", All, false, false, "netfilter_count, netfilter_ns, both ways",
        [Fentry: "rv_f_nf_e" "rv_f_nf_x", Kprobe: "rv_k_nf_e" "rv_k_nf_x"]),
    hook!("net_dev_queue", All, false, false, "packets, packet_bytes, queue_entries, l2_ns, l2_ready_ns, interface of writes",
        [Tracepoint: "rv_t_queued"]),
    hook!("net_dev_start_xmit", All, false, false, "l2_ready_ns, l2_send_ns", [Tracepoint: "rv_t_started"]),
    hook!("net_dev_xmit", All, false, false, "l2_send_ns", [Tracepoint: "rv_t_handed"]),
    hook!("netif_receive_skb", All, false, false, "arrival and interface of received packets, without which reads have no figures of packets",
        [Tracepoint: "rv_t_arrived"]),
    hook!("ip_rcv", All, false, false, "l3_ns of reads (IPv4)",
        [Fentry: "rv_f_rcv4_e", Kprobe: "rv_k_rcv4_e"]),
    hook!("ipv6_rcv", All, false, false, "l3_ns of reads (IPv6)",
        [Fentry: "rv_f_rcv6_e", Kprobe: "rv_k_rcv6_e"]),
    hook!("ip_local_deliver", All, false, false, "l3_receive_ns, l3_local_ns of reads (IPv4)",
        [Fentry: "rv_f_deliver4", Kprobe: "rv_k_deliver4"]),
    hook!("ip6_input", All, false, false, "l3_receive_ns, l3_local_ns of reads (IPv6)",
        [Fentry: "rv_f_deliver6", Kprobe: "rv_k_deliver6"]),
    hook!("tcp_v4_rcv", All, false, false, "l4_ns, l3_ns, l3_local_ns of reads (IPv4)",
        [Fentry: "rv_f_tcp4_e" "rv_f_tcp4_x", Kprobe: "rv_k_tcp4_e" "rv_k_tcp4_x"]),
    hook!("tcp_v6_rcv", All, false, false, "l4_ns, l3_ns, l3_local_ns of reads (IPv6)",
        [Fentry: "rv_f_tcp6_e" "rv_f_tcp6_x", Kprobe: "rv_k_tcp6_e" "rv_k_tcp6_x"]),
    hook!("tcp_probe", All, false, false, "whose a received packet is, without which reads have no figures of packets", [Tracepoint: "rv_t_taken"]),
    hook!("kfree_skb", All, false, false, "drops with reason and location",
        [Tracepoint: "rv_t_drop4", Tracepoint: "rv_t_drop3"]),
];

/// Programs that must not miss a thing, and more of the same at the same place: each asks whether the kernel passed those before it
/// over, because threads were preempted amid them. Where that cannot be, these are refused.
const AGAIN: &[(&str, &[&str])] = &[
    ("rv_t_send_x", &["rv_t_send_2", "rv_t_send_3", "rv_t_send_4"]),
    ("rv_t_recv_x", &["rv_t_recv_2", "rv_t_recv_3", "rv_t_recv_4"]),
    ("rv_t_send_e", &["rv_t_send_e_2", "rv_t_send_e_3", "rv_t_send_e_4"]),
    ("rv_f_send_e", &["rv_f_send_e_2", "rv_f_send_e_3", "rv_f_send_e_4"]),
    ("rv_t_taken", &["rv_t_taken_2", "rv_t_taken_3", "rv_t_taken_4"]),
    ("rv_t_state", &["rv_t_state_2", "rv_t_state_3", "rv_t_state_4"]),
    ("rv_t_destroy", &["rv_t_destroy_2", "rv_t_destroy_3", "rv_t_destroy_4"]),
    ("rv_t_fork", &["rv_t_fork_2", "rv_t_fork_3", "rv_t_fork_4"]),
    ("rv_t_exec", &["rv_t_exec_2", "rv_t_exec_3", "rv_t_exec_4"]),
    ("rv_t_exit", &["rv_t_exit_2", "rv_t_exit_3", "rv_t_exit_4"]),
    ("rv_f_send4_x", &["rv_f_send4_2", "rv_f_send4_3", "rv_f_send4_4"]),
    ("rv_f_send6_x", &["rv_f_send6_2", "rv_f_send6_3", "rv_f_send6_4"]),
    ("rv_f_recv4_x", &["rv_f_recv4_2", "rv_f_recv4_3", "rv_f_recv4_4"]),
    ("rv_f_recv6_x", &["rv_f_recv6_2", "rv_f_recv6_3", "rv_f_recv6_4"]),
];

/// The program that this one stands in for.
pub fn first_of(again: &str) -> Option<&'static str> {
    AGAIN.iter().find(|(_, others)| others.contains(&again)).map(|(first, _)| *first)
}

/// When a program's turn to be attached is, so that the others run after the first: what a tracepoint has runs in the
/// order in which it came, what a function has in reverse.
pub fn turn(program: &str) -> u8 {
    match first_of(program) {
        Some(first) if first.starts_with("rv_f_") => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// Not attached to the kernel, but to places in TLS libraries (`tls`).
pub const TLS_PROGRAMS: &[&str] = &["rv_u_enter", "rv_u_leave", "rv_u_free", "rv_u_cipher", "rv_u_table"];
/// What these are called together.
pub const TLS_HOOK: &str = "calls of TLS libraries";

/// The table's own name of a program, if it has it.
pub fn program_name(name: &str) -> Option<&'static str> {
    let candidates = HOOKS.iter().flat_map(|hook| hook.candidates);
    let others = AGAIN.iter().flat_map(|(_, others)| *others);
    let mut programs = candidates.flat_map(|candidate| candidate.programs).chain(others).chain(TLS_PROGRAMS);
    programs.find(|program| **program == name).copied()
}

/// The name of the hook that a program belongs to.
pub fn hook_of(program: &str) -> Option<&'static str> {
    if TLS_PROGRAMS.contains(&program) {
        return Some(TLS_HOOK);
    }
    let program = first_of(program).unwrap_or(program);
    let hook = HOOKS.iter().find(|hook| hook.candidates.iter().any(|candidate| candidate.programs.contains(&program)));
    hook.map(|hook| hook.name)
}

/// How a hook fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookStatus {
    pub hook: &'static str,
    pub mode: &'static str,
    pub attached: bool,
    pub feeds: &'static str,
    /// Why it is not attached.
    pub reason: Option<String>,
}

/// Why programs cannot be used, by program; what the kernel said where it did.
pub type Refusals = BTreeMap<&'static str, String>;

/// The candidate chosen for each hook of the table, or why there is none.
#[derive(Debug)]
pub struct Selection {
    pub chosen: Vec<Result<&'static Candidate, String>>,
    /// What stands in for programs that are chosen.
    again: Vec<&'static str>,
}

impl Selection {
    /// The first candidate of each hook whose programs nobody refused. `forced` takes that mode for every hook that can
    /// be had by it; the others keep their tracepoint.
    pub fn new(level: Level, forced: Option<Mode>, refused: &Refusals) -> Selection {
        let chosen: Vec<Result<&'static Candidate, String>> = HOOKS
            .iter()
            .map(|hook| {
                if level < hook.level {
                    return Err(format!("capture.layers is {}", level.name()));
                }
                let is_forced = |candidate: &&Candidate| forced == Some(candidate.mode);
                let has_forced = hook.candidates.iter().any(|candidate| is_forced(&candidate));
                let allowed = |candidate: &&'static Candidate| match forced {
                    None => true,
                    Some(_) if has_forced => is_forced(candidate),
                    Some(_) => candidate.mode == Mode::Tracepoint,
                };
                let candidates: Vec<&'static Candidate> = hook.candidates.iter().filter(allowed).collect();
                let refusal = |candidate: &Candidate| candidate.programs.iter().find_map(|name| refused.get(name));
                match candidates.iter().find(|candidate| refusal(candidate).is_none()) {
                    Some(candidate) => Ok(*candidate),
                    None => Err(candidates.iter().find_map(|c| refusal(c)).cloned().unwrap_or_else(|| {
                        let mode = forced.map_or("any", Mode::name);
                        format!("not to be had by {mode} alone")
                    })),
                }
            })
            .collect();
        let is_chosen = |program: &&str| chosen.iter().flatten().any(|candidate| candidate.programs.contains(program));
        let of_chosen = AGAIN.iter().filter(|(first, _)| is_chosen(first)).flat_map(|(_, others)| *others);
        let again = of_chosen.filter(|name| !refused.contains_key(*name)).copied().collect();
        Selection { chosen, again }
    }

    /// Names of the programs to load.
    pub fn programs(&self) -> BTreeSet<&'static str> {
        let first = self.chosen.iter().flatten().flat_map(|candidate| candidate.programs);
        first.chain(&self.again).copied().collect()
    }

    /// Names of the programs that no hook of a lower level needs.
    pub fn programs_only_of(&self, level: Level) -> Vec<&'static str> {
        let of = |is_wanted: &dyn Fn(Level) -> bool| -> BTreeSet<&'static str> {
            let hooks = HOOKS.iter().zip(&self.chosen).filter(|(hook, _)| is_wanted(hook.level));
            hooks.filter_map(|(_, chosen)| chosen.as_ref().ok()).flat_map(|c| c.programs.iter().copied()).collect()
        };
        of(&|each| each == level).difference(&of(&|each| each < level)).copied().collect()
    }

    pub fn has(&self, program: &str) -> bool {
        self.chosen.iter().flatten().any(|candidate| candidate.programs.contains(&program))
            || self.again.contains(&program)
    }

    /// Whether programs stand in for others.
    pub fn has_others(&self) -> bool {
        !self.again.is_empty()
    }

    /// Whether some hook is attached in this way.
    pub fn has_mode(&self, mode: Mode) -> bool {
        self.chosen.iter().flatten().any(|candidate| candidate.mode == mode)
    }

    fn has_hook(&self, name: &str) -> bool {
        HOOKS.iter().zip(&self.chosen).any(|(hook, chosen)| hook.name == name && chosen.is_ok())
    }

    /// The first needed hook that cannot be had, and why.
    pub fn missing(&self) -> Option<(&'static Hook, &str)> {
        HOOKS
            .iter()
            .zip(&self.chosen)
            .find_map(|(hook, chosen)| chosen.as_ref().err().filter(|_| hook.is_needed).map(|why| (hook, why.as_str())))
    }

    pub fn status(&self) -> Vec<HookStatus> {
        HOOKS
            .iter()
            .zip(&self.chosen)
            .filter(|(hook, chosen)| {
                let is_none_there = |why: &String| why.starts_with("this kernel has no ");
                !(hook.is_conditional && chosen.as_ref().err().is_some_and(is_none_there))
            })
            .map(|(hook, chosen)| HookStatus {
                hook: hook.name,
                mode: chosen.as_ref().map_or("none", |candidate| candidate.mode.name()),
                attached: chosen.is_ok(),
                feeds: hook.feeds,
                reason: chosen.as_ref().err().cloned(),
            })
            .collect()
    }

    /// What records can tell with these hooks.
    pub fn figures(&self, level: Level) -> Figures {
        let write = |is_v6: bool| {
            let mut known = 0u32;
            let mut set = |figure: Write, needs: &[&str]| {
                if needs.iter().all(|name| self.has_hook(name)) {
                    known |= 1 << figure as usize;
                }
            };
            let by = |v4: &'static str, v6: &'static str| if is_v6 { v6 } else { v4 };
            let out = by("__ip_queue_xmit", "inet6_csk_xmit");
            let output = by("ip_output", "ip6_output");
            if level >= Level::L4 {
                set(Write::Retransmits, &[]);
                set(Write::L4Ns, &["tcp_sendmsg_locked"]);
            }
            if level >= Level::All {
                set(Write::Packets, &["net_dev_queue"]);
                set(Write::PacketBytes, &["net_dev_queue"]);
                set(Write::QueueEntries, &["net_dev_queue"]);
                set(Write::L3Ns, &[out]);
                set(Write::L3LocalNs, &[out, output]);
                set(Write::L3OutputNs, &[out, output, by("ip_finish_output2", "ip6_finish_output2")]);
                set(Write::L2Ns, &[out, "net_dev_queue"]);
                set(Write::L2ReadyNs, &["net_dev_queue", "net_dev_start_xmit"]);
                set(Write::L2SendNs, &["net_dev_start_xmit", "net_dev_xmit"]);
                set(Write::NetfilterCount, &[out, "nf_hook_slow"]);
                set(Write::NetfilterNs, &[out, "nf_hook_slow"]);
                set(Write::ResolveCount, &["neigh_resolve_output"]);
                set(Write::ResolveNs, &["neigh_resolve_output"]);
            }
            known
        };
        let read = |is_v6: bool| {
            let mut known = 0u32;
            let by = |v4: &'static str, v6: &'static str| if is_v6 { v6 } else { v4 };
            let mut set = |figure: Read, needs: &[&str]| {
                let has = |name: &&str| self.has_hook(name);
                if has(&"netif_receive_skb") && has(&"tcp_probe") && needs.iter().all(has) {
                    known |= 1 << figure as usize;
                }
            };
            if level >= Level::All {
                for figure in [Read::Packets, Read::PacketBytes, Read::L2ToQueueNs, Read::QueueWaitNs] {
                    set(figure, &[]);
                }
                set(Read::L3Ns, &[by("ip_rcv", "ipv6_rcv"), by("tcp_v4_rcv", "tcp_v6_rcv")]);
                set(Read::L3ReceiveNs, &[by("ip_rcv", "ipv6_rcv"), by("ip_local_deliver", "ip6_input")]);
                set(Read::L3LocalNs, &[by("ip_local_deliver", "ip6_input"), by("tcp_v4_rcv", "tcp_v6_rcv")]);
                set(Read::L4Ns, &[by("tcp_v4_rcv", "tcp_v6_rcv")]);
                set(Read::NetfilterCount, &["nf_hook_slow"]);
                set(Read::NetfilterNs, &["nf_hook_slow"]);
            }
            known
        };
        Figures {
            write: [write(false), write(true)],
            read: [read(false), read(true)],
            drops: level >= Level::All && self.has_hook("kfree_skb"),
        }
    }
}

/// Bits of [`Write`] and [`Read`] that the attached hooks can fill in, for IPv4 and IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Figures {
    pub write: [u32; 2],
    pub read: [u32; 2],
    /// Packets that the kernel throws away are told.
    #[serde(default)]
    pub drops: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusing(names: &[&'static str]) -> Refusals {
        names.iter().map(|name| (*name, "refused".to_owned())).collect()
    }

    #[test]
    fn the_cheapest_way_is_taken_and_the_next_one_where_it_is_refused() {
        let best = Selection::new(Level::All, None, &Refusals::new());
        assert!(best.has("rv_t_send_x") && !best.has("rv_f_send4_x") && !best.has_mode(Mode::Kprobe));
        let next = Selection::new(Level::All, None, &refusing(&["rv_t_send_x"]));
        assert!(next.has("rv_f_send4_x"));
    }

    #[test]
    fn a_forced_mode_keeps_tracepoints_only_where_it_has_no_way_itself() {
        let forced = Selection::new(Level::All, Some(Mode::Kprobe), &Refusals::new());
        assert!(forced.has("rv_k_send4_x") && !forced.has("rv_t_send_x") && forced.has("rv_t_state"));
        let forced = Selection::new(Level::All, Some(Mode::Tracepoint), &Refusals::new());
        assert!(forced.chosen.iter().flatten().all(|candidate| candidate.mode == Mode::Tracepoint));
    }

    #[test]
    fn a_missing_hook_costs_exactly_its_own_figures() {
        let all = Selection::new(Level::All, None, &Refusals::new()).figures(Level::All);
        let without =
            Selection::new(Level::All, None, &refusing(&["rv_f_finish4", "rv_k_finish4"])).figures(Level::All);
        assert_eq!(all.write[0] & !without.write[0], 1 << Write::L3OutputNs as usize);
        assert_eq!((all.write[1], all.read), (without.write[1], without.read));
        assert_eq!(all.write[0].count_ones(), 15);
        assert_eq!(all.read[0].count_ones(), 10);
    }

    #[test]
    fn what_stands_in_for_a_program_comes_with_it_alone() {
        let count = |forced: Option<Mode>, refused: &Refusals| {
            let selection = Selection::new(Level::All, forced, refused);
            selection.programs().iter().filter(|name| first_of(name).is_some()).count()
        };
        assert_eq!(count(None, &Refusals::new()), 27);
        assert_eq!(count(Some(Mode::Fentry), &Refusals::new()), 33);
        assert_eq!(count(Some(Mode::Kprobe), &Refusals::new()), 18);
        assert_eq!(count(None, &refusing(&["rv_t_send_2"])), 26);
    }

    #[test]
    fn a_needed_hook_that_cannot_be_had_is_named() {
        let none = refusing(&["rv_t_recv_x", "rv_f_recv4_x", "rv_k_recv4_x"]);
        let selection = Selection::new(Level::All, None, &none);
        assert_eq!(selection.missing().map(|(hook, why)| (hook.name, why)), Some(("tcp_recvmsg", "refused")));
    }

    #[test]
    fn program_names_fit_the_kernel() {
        for hook in HOOKS {
            for candidate in hook.candidates {
                assert!(candidate.programs.iter().all(|name| name.len() <= 15), "{}", hook.name);
            }
        }
        for (first, others) in AGAIN {
            assert!(others.iter().all(|name| hook_of(name) == hook_of(first) && name.len() <= 15));
        }
    }
}
