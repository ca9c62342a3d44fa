//! The kernel side's growing sums as figures of single operations: what came since the operation before.

use rover_reporters::layers::{Layers, Read, Write, WRITE_NAMES};

use crate::events::{ReceiveLayers, SendLayers};
use crate::hooks::Figures;

/// Absolute times of an operation's first packet on its way, and of its last; 0: unknown. Received: arrival at the
/// interface, IP, hand-over to TCP. Sent: TCP, IP, queue, device, last packet at the device.
pub type Times = [u64; 5];

/// What one operation's packets took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Bit by index of `values`.
    known: u32,
    pub interface: u32,
    values: [u64; WRITE_NAMES.len()],
    pub times: Times,
    /// A hook was not run by the kernel, so the figures of IP and below are not known.
    pub is_contradictory: bool,
}

impl Measured {
    pub const NOTHING: Measured =
        Measured { known: 0, interface: 0, values: [0; WRITE_NAMES.len()], times: [0; 5], is_contradictory: false };

    pub fn layers(&self) -> Layers {
        Layers::of(self.known, &self.values)
    }

    /// Of an operation whose figures count elsewhere: none of them anything.
    pub fn spent(&self) -> Layers {
        Layers::of(self.known, &[0; WRITE_NAMES.len()])
    }
}

/// The sums as of the last event of each direction.
#[derive(Debug, Default)]
pub struct Meter {
    send: SendLayers,
    receive: ReceiveLayers,
}

const fn bit(index: usize) -> u32 {
    1 << index
}

/// What the kernel's hooks from IP downwards measure.
const BELOW_TCP: u32 = bit(Write::L3Ns as usize)
    | bit(Write::L3LocalNs as usize)
    | bit(Write::L3OutputNs as usize)
    | bit(Write::L2Ns as usize)
    | bit(Write::NetfilterCount as usize)
    | bit(Write::NetfilterNs as usize);

/// Whether parts took longer than their whole: the kernel left out a run of a probe, as it does where one hits while
/// another runs (`nmissed` of kprobes).
fn contradicts(known: u32, values: &[u64; WRITE_NAMES.len()]) -> bool {
    let took = |figure: Write| if known & bit(figure as usize) == 0 { 0 } else { values[figure as usize] };
    let inner = [took(Write::L3LocalNs) + took(Write::L3OutputNs), took(Write::L2Ns), took(Write::NetfilterNs)];
    known & bit(Write::L3Ns as usize) != 0 && inner.iter().any(|part| *part > values[Write::L3Ns as usize])
}

impl Meter {
    /// TCP's own counts since the connection was opened, as of its last operations: retransmits, out of order, closed
    /// windows of the peer.
    pub fn tcp(&self) -> [Option<u64>; 3] {
        let sent = |count: u32| (self.send.epoch != 0).then_some(u64::from(count));
        let received = |count: u32| (self.receive.epoch != 0).then_some(u64::from(count));
        [sent(self.send.retransmits), received(self.receive.out_of_order), received(self.receive.zero_windows)]
    }

    /// Figures of a write. `is_older`: the connection is older than rover, so TCP's own counters say nothing at first.
    pub fn sent(
        &mut self,
        now: &SendLayers,
        figures: &Figures,
        is_v6: bool,
        is_older: bool,
        l4_ns: Option<u64>,
    ) -> Measured {
        let is_first = self.send.epoch == 0;
        let last = std::mem::replace(&mut self.send, *now);
        let mut known = figures.write[usize::from(is_v6)];
        let is_other_claim = !is_first && last.epoch != now.epoch;
        let last =
            if is_other_claim { SendLayers { retransmits: last.retransmits, ..SendLayers::default() } } else { last };
        if is_other_claim {
            // What came between the two claims of the slot was not seen.
            known &= bit(Write::Retransmits as usize) | bit(Write::L4Ns as usize);
        }
        if is_first && is_older {
            known &= !bit(Write::Retransmits as usize);
        }
        if now.unseen != last.unseen {
            known &= bit(Write::Retransmits as usize) | bit(Write::L4Ns as usize);
        }
        if now.unended != last.unended {
            known &= !BELOW_TCP;
        }
        if now.lost != last.lost {
            known &= !bit(Write::L2ReadyNs as usize);
        }
        // What was sent outside of any call is TCP's work too, so that no layer takes longer than the one above it.
        let late_ns = now.late_ns.saturating_sub(last.late_ns);
        let l4_ns = l4_ns.map(|took| took + late_ns);
        if l4_ns.is_none() {
            known &= !bit(Write::L4Ns as usize);
        }
        let since = |now: u64, last: u64| now.saturating_sub(last);
        let counted = |now: u32, last: u32| u64::from(now.wrapping_sub(last));
        let mut values = [0; WRITE_NAMES.len()];
        let mut set = |figure: Write, value: u64| values[figure as usize] = value;
        set(Write::Packets, counted(now.packets, last.packets));
        set(Write::PacketBytes, since(now.packet_bytes, last.packet_bytes));
        set(Write::Retransmits, counted(now.retransmits, last.retransmits));
        set(Write::L4Ns, l4_ns.unwrap_or(0));
        set(Write::L3Ns, since(now.l3_ns, last.l3_ns));
        set(Write::L3LocalNs, since(now.l3_local_ns, last.l3_local_ns));
        set(Write::L3OutputNs, since(now.l3_output_ns, last.l3_output_ns));
        set(Write::L2Ns, since(now.l2_ns, last.l2_ns));
        set(Write::L2ReadyNs, since(now.l2_ready_ns, last.l2_ready_ns));
        set(Write::L2SendNs, since(now.l2_send_ns, last.l2_send_ns));
        set(Write::QueueEntries, counted(now.queue_entries, last.queue_entries));
        set(Write::NetfilterCount, counted(now.netfilter_count, last.netfilter_count));
        set(Write::NetfilterNs, since(now.netfilter_ns, last.netfilter_ns));
        set(Write::ResolveCount, counted(now.resolve_count, last.resolve_count));
        set(Write::ResolveNs, since(now.resolve_ns, last.resolve_ns));
        let is_contradictory = contradicts(known, &values);
        if is_contradictory {
            known &= !BELOW_TCP;
        }
        Measured {
            known,
            values,
            is_contradictory,
            times: [
                now.first_tcp_out_ns,
                now.first_ip_out_ns,
                now.first_queue_out_ns,
                now.first_nic_out_ns,
                now.last_nic_out_ns,
            ],
            interface: now.ifindex,
        }
    }

    /// Figures of a read.
    pub fn received(&mut self, now: &ReceiveLayers, figures: &Figures, is_v6: bool) -> Measured {
        let is_other_claim = self.receive.epoch != 0 && self.receive.epoch != now.epoch;
        let last = std::mem::replace(&mut self.receive, *now);
        let last = if is_other_claim { ReceiveLayers::default() } else { last };
        let mut known = figures.read[usize::from(is_v6)];
        if is_other_claim || now.unknown != last.unknown {
            known = 0;
        }
        if now.unseen_ip != last.unseen_ip {
            known &= !(bit(Read::L3Ns as usize) | bit(Read::L3ReceiveNs as usize));
        }
        let since = |now: u64, last: u64| now.saturating_sub(last);
        let counted = |now: u32, last: u32| u64::from(now.wrapping_sub(last));
        let mut values = [0; WRITE_NAMES.len()];
        let mut set = |figure: Read, value: u64| values[figure as usize] = value;
        set(Read::Packets, counted(now.packets, last.packets));
        set(Read::PacketBytes, since(now.packet_bytes, last.packet_bytes));
        set(Read::L2ToQueueNs, since(now.l2_to_queue_ns, last.l2_to_queue_ns));
        set(Read::QueueWaitNs, since(now.queue_wait_ns, last.queue_wait_ns));
        set(Read::L3Ns, since(now.l3_ns, last.l3_ns));
        set(Read::L3ReceiveNs, since(now.l3_receive_ns, last.l3_receive_ns));
        set(Read::L3LocalNs, since(now.l3_local_ns, last.l3_local_ns));
        set(Read::L4Ns, since(now.l4_ns, last.l4_ns));
        set(Read::NetfilterCount, counted(now.netfilter_count, last.netfilter_count));
        set(Read::NetfilterNs, since(now.netfilter_ns, last.netfilter_ns));
        Measured {
            known,
            values,
            is_contradictory: false,
            times: [now.first_arrived_ns, now.first_ip_ns, now.first_handed_ns, 0, 0],
            interface: now.ifindex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Figures = Figures { write: [0x7fff; 2], read: [0x3ff; 2], drops: true };

    #[test]
    fn an_operation_has_what_came_since_the_one_before() {
        let mut meter = Meter::default();
        let first = SendLayers { epoch: 1, packets: 2, l3_ns: 50, retransmits: 1, ..SendLayers::default() };
        let second = SendLayers { packets: 5, l3_ns: 90, retransmits: 1, ..first };
        assert_eq!(meter.sent(&first, &ALL, false, false, Some(9)).layers().write(Write::Packets), Some(2));
        let layers = meter.sent(&second, &ALL, false, false, Some(9)).layers();
        assert_eq!((layers.write(Write::Packets), layers.write(Write::L3Ns)), (Some(3), Some(40)));
        assert_eq!((layers.write(Write::Retransmits), layers.write(Write::L4Ns)), (Some(0), Some(9)));
    }

    #[test]
    fn parts_that_took_longer_than_their_whole_are_unknown_and_so_is_the_whole() {
        let mut meter = Meter::default();
        let missed = SendLayers { epoch: 1, packets: 1, l3_local_ns: 20, l3_output_ns: 3, ..SendLayers::default() };
        let measured = meter.sent(&missed, &ALL, false, false, Some(99));
        assert!(measured.is_contradictory);
        let layers = measured.layers();
        assert_eq!((layers.write(Write::L3Ns), layers.write(Write::L3LocalNs)), (None, None));
        assert_eq!((layers.write(Write::Packets), layers.write(Write::L4Ns)), (Some(1), Some(99)));
        let next = SendLayers { packets: 2, l3_ns: 40, l3_local_ns: 30, l3_output_ns: 13, ..missed };
        assert_eq!(meter.sent(&next, &ALL, false, false, Some(99)).layers().write(Write::L3Ns), Some(40));
    }

    #[test]
    fn what_passed_while_another_had_the_slot_is_unknown() {
        let mut meter = Meter::default();
        let first = SendLayers { epoch: 1, packets: 2, ..SendLayers::default() };
        let again = SendLayers { epoch: 3, packets: 1, ..SendLayers::default() };
        let next = SendLayers { packets: 2, ..again };
        meter.sent(&first, &ALL, false, false, None);
        assert_eq!(meter.sent(&again, &ALL, false, false, None).layers().write(Write::Packets), None);
        assert_eq!(meter.sent(&next, &ALL, false, false, None).layers().write(Write::Packets), Some(1));
    }

    #[test]
    fn packets_of_the_write_by_which_an_older_connection_is_met_are_unknown() {
        let now = SendLayers { epoch: 1, unseen: 1, ..SendLayers::default() };
        let next = SendLayers { packets: 1, ..now };
        let mut meter = Meter::default();
        assert_eq!(meter.sent(&now, &ALL, false, true, Some(9)).layers().write(Write::Packets), None);
        assert_eq!(meter.sent(&next, &ALL, false, true, Some(9)).layers().write(Write::Packets), Some(1));
    }

    #[test]
    fn a_packet_whose_way_out_was_not_seen_to_its_end_costs_the_figures_of_it_alone() {
        let first = SendLayers { epoch: 1, packets: 1, l3_ns: 5, ..SendLayers::default() };
        let next = SendLayers { packets: 2, l3_ns: 9, unended: 1, ..first };
        let mut meter = Meter::default();
        meter.sent(&first, &ALL, false, false, Some(9));
        let told = meter.sent(&next, &ALL, false, false, Some(9)).layers();
        assert_eq!((told.write(Write::L3Ns), told.write(Write::L2Ns)), (None, None));
        assert_eq!((told.write(Write::Packets), told.write(Write::L4Ns)), (Some(1), Some(9)));
        let after = SendLayers { packets: 3, l3_ns: 12, ..next };
        assert_eq!(meter.sent(&after, &ALL, false, false, Some(9)).layers().write(Write::L3Ns), Some(3));
    }

    #[test]
    fn a_read_with_a_packet_that_was_not_seen_has_no_figures() {
        let mut meter = Meter::default();
        let first = ReceiveLayers { epoch: 1, packets: 1, unknown: 1, ..ReceiveLayers::default() };
        let next = ReceiveLayers { packets: 2, ..first };
        assert!(meter.received(&first, &ALL, false).layers().is_empty());
        assert_eq!(meter.received(&next, &ALL, false).layers().read(Read::Packets), Some(1));
    }
}
