//! Figures of the kernel's layers: one table each for writes and reads, from which everything else is derived. A figure
//! that no hook measured is unknown, and so is a sum with an unknown part.

/// Durations are nanoseconds, sizes bytes on the wire with their link-layer heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Write {
    Packets,
    PacketBytes,
    Retransmits,
    L4Ns,
    L3Ns,
    L3LocalNs,
    L3OutputNs,
    L2Ns,
    L2ReadyNs,
    L2SendNs,
    QueueEntries,
    NetfilterCount,
    NetfilterNs,
    ResolveCount,
    ResolveNs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Read {
    Packets,
    PacketBytes,
    L2ToQueueNs,
    QueueWaitNs,
    L3Ns,
    L3ReceiveNs,
    L3LocalNs,
    L4Ns,
    NetfilterCount,
    NetfilterNs,
}

/// Names of [`Write`] as records have them.
pub const WRITE_NAMES: [&str; 15] = [
    "packets",
    "packet_bytes",
    "retransmits",
    "l4_ns",
    "l3_ns",
    "l3_local_ns",
    "l3_output_ns",
    "l2_ns",
    "l2_ready_ns",
    "l2_send_ns",
    "queue_entries",
    "netfilter_count",
    "netfilter_ns",
    "resolve_count",
    "resolve_ns",
];

/// Names of [`Read`] as records have them.
pub const READ_NAMES: [&str; 10] = [
    "packets",
    "packet_bytes",
    "l2_to_queue_ns",
    "queue_wait_ns",
    "l3_ns",
    "l3_receive_ns",
    "l3_local_ns",
    "l4_ns",
    "netfilter_count",
    "netfilter_ns",
];

const SLOTS: usize = WRITE_NAMES.len();

/// A set of figures, of writes or of reads: the owner knows which. Behind a pointer, so that what carries it stays small
/// where nothing is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(Option<Box<Figures>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    /// Bit by index.
    known: u32,
    values: [u64; SLOTS],
}

impl Layers {
    /// `known`: bit by index of `values`.
    pub fn of(known: u32, values: &[u64]) -> Layers {
        if known == 0 {
            return Layers::default();
        }
        let mut figures = Figures { known, ..Figures::default() };
        for (slot, value) in figures.values.iter_mut().zip(values) {
            *slot = *value;
        }
        Layers(Some(Box::new(figures)))
    }

    pub fn write(&self, figure: Write) -> Option<u64> {
        self.at(figure as usize)
    }

    pub fn read(&self, figure: Read) -> Option<u64> {
        self.at(figure as usize)
    }

    pub fn set_write(&mut self, figure: Write, value: u64) {
        self.set(figure as usize, value);
    }

    pub fn set_read(&mut self, figure: Read, value: u64) {
        self.set(figure as usize, value);
    }

    /// By position in [`WRITE_NAMES`] or [`READ_NAMES`].
    pub fn at(&self, index: usize) -> Option<u64> {
        let figures = self.0.as_ref().filter(|figures| figures.known & (1 << index) != 0)?;
        figures.values.get(index).copied()
    }

    fn set(&mut self, index: usize, value: u64) {
        let figures = self.0.get_or_insert_default();
        if let Some(slot) = figures.values.get_mut(index) {
            figures.known |= 1 << index;
            *slot = value;
        }
    }

    /// The same figures, none of them anything: of an operation that counts elsewhere.
    pub fn spent(&self) -> Layers {
        Layers(self.0.as_ref().map(|figures| Box::new(Figures { known: figures.known, values: [0; SLOTS] })))
    }

    /// Nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds those of a further operation; what is unknown of either is unknown of both.
    pub fn add(&mut self, other: &Layers) {
        let (Some(sum), Some(more)) = (&mut self.0, &other.0) else {
            self.0 = None;
            return;
        };
        sum.known &= more.known;
        for (value, more) in sum.values.iter_mut().zip(more.values) {
            *value = value.saturating_add(more);
        }
        if sum.known == 0 {
            self.0 = None;
        }
    }

    /// Each known figure, given with its position, replaced by another.
    pub fn map(&self, mut new_value: impl FnMut(usize, u64) -> u64) -> Layers {
        let mut layers = self.clone();
        if let Some(figures) = &mut layers.0 {
            for (index, value) in figures.values.iter_mut().enumerate() {
                if figures.known & (1 << index) != 0 {
                    *value = new_value(index, *value);
                }
            }
        }
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_with_an_unknown_part_is_unknown() {
        let (mut one, mut other) = (Layers::default(), Layers::default());
        one.set_write(Write::L4Ns, 5);
        one.set_write(Write::Packets, 1);
        other.set_write(Write::Packets, 2);
        one.add(&other);
        assert_eq!((one.write(Write::Packets), one.write(Write::L4Ns)), (Some(3), None));
    }

    #[test]
    fn the_tables_name_every_figure() {
        assert_eq!(WRITE_NAMES[Write::ResolveNs as usize], "resolve_ns");
        assert_eq!(READ_NAMES[Read::NetfilterNs as usize], "netfilter_ns");
    }
}
