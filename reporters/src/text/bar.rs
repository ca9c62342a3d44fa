//! The bar under a line: where the time of an exchange went, to the scale of this exchange alone.

use super::columns::width_of;
use super::UNKNOWN;
use crate::record::Record;
use crate::timeline::{segments, Layer, Segment};

/// Before the bar and the legend.
const INDENT: &str = "  ";
/// Without a terminal.
const WIDTH: usize = 80;

struct Look {
    layer: Layer,
    name: &'static str,
    /// Alike with and without colour, which only repeats it; the same in `rover/cli/waterfall.py`.
    block: char,
    /// Of the 256 of a terminal the one next to the page's token.
    color: u8,
}

const fn look(layer: Layer, name: &'static str, block: char, color: u8) -> Look {
    Look { layer, name, block, color }
}

const LOOKS: [Look; 10] = [
    look(Layer::Application, "application", '█', 32),
    look(Layer::Tls, "TLS", '▓', 133),
    look(Layer::Socket, "socket", '▒', 74),
    look(Layer::Tcp, "TCP (L4)", '▚', 36),
    look(Layer::Ip, "IP (L3)", '▞', 107),
    look(Layer::Netfilter, "netfilter", '▙', 167),
    look(Layer::Queue, "queue (L2)", '▄', 178),
    look(Layer::Device, "device", '▀', 95),
    look(Layer::Network, "network", '░', 98),
    look(Layer::Wait, "wait", '·', 247),
];

/// Where bars are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Bars {
    width: usize,
    has_color: bool,
}

impl Bars {
    /// `width`: of the terminal, `None` without one.
    pub fn new(width: Option<usize>, has_color: bool) -> Bars {
        Bars { width: width.unwrap_or(WIDTH), has_color }
    }

    /// Which block is which layer, in as many lines as it takes.
    pub fn push_legend(&self, out: &mut Vec<u8>) {
        let mut used = 0;
        for look in &LOOKS {
            let width = width_of(look.name) + 4;
            if used + width - 2 > self.width - INDENT.len() {
                out.push(b'\n');
                used = 0;
            }
            out.extend_from_slice(INDENT.as_bytes());
            self.push_cells(out, look, 1);
            out.push(b' ');
            out.extend_from_slice(look.name.as_bytes());
            used += width;
        }
        out.push(b'\n');
    }

    /// One line; `–` and the reason if nothing is known.
    pub fn push_bar(&self, out: &mut Vec<u8>, record: &Record) {
        out.extend_from_slice(INDENT.as_bytes());
        let parts = segments(record);
        if parts.is_empty() {
            let why = match record.duration_ns {
                None => "no response was seen",
                Some(_) => "no points in time between start and end are known",
            };
            out.extend_from_slice(format!("{UNKNOWN} {why}\n").as_bytes());
            return;
        }
        let cells = cells(&parts, record.duration_ns.unwrap_or(0), self.width - INDENT.len());
        for run in cells.chunk_by(|one, next| one == next) {
            match run.first().copied().flatten().and_then(|layer| LOOKS.iter().find(|look| look.layer == layer)) {
                Some(look) => self.push_cells(out, look, run.len()),
                None => out.extend(std::iter::repeat_n(b' ', run.len())),
            }
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }

    fn push_cells(&self, out: &mut Vec<u8>, look: &Look, count: usize) {
        let blocks = look.block.to_string().repeat(count);
        let text = if self.has_color { format!("\x1b[38;5;{}m{blocks}\x1b[0m", look.color) } else { blocks };
        out.extend_from_slice(text.as_bytes());
    }
}

/// Layer of each cell. The short are laid over the long: a microsecond beside a second keeps a cell.
fn cells(parts: &[Segment], duration_ns: u64, width: usize) -> Vec<Option<Layer>> {
    let mut cells = vec![None; width];
    let length_ns = u128::from(parts.iter().map(|part| part.end_ns).fold(duration_ns.max(1), u64::max));
    let at = |ns: u64, round_ns: u128| {
        let cell = (u128::from(ns) * width as u128 + round_ns) / length_ns;
        usize::try_from(cell).unwrap_or(width).min(width)
    };
    let mut by_length: Vec<&Segment> = parts.iter().collect();
    by_length.sort_by_key(|part| std::cmp::Reverse(part.end_ns - part.start_ns));
    for part in by_length {
        let first = at(part.start_ns, 0).min(width.saturating_sub(1));
        let last = at(part.end_ns, length_ns / 2).max(first + 1);
        for cell in cells.iter_mut().take(last).skip(first) {
            *cell = Some(part.layer);
        }
    }
    cells
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::Side;
    use crate::samples;

    fn bar(record: &Record, width: Option<usize>, has_color: bool) -> String {
        let mut out = Vec::new();
        Bars::new(width, has_color).push_bar(&mut out, record);
        String::from_utf8(out).unwrap()
    }

    fn server(timeline: &[(&'static str, u64)]) -> Record {
        let duration_ns = timeline.last().map(|(_, at)| *at);
        Record { timeline: timeline.to_vec(), duration_ns, ..samples::exchange() }
    }

    #[test]
    fn a_bar_is_to_scale_and_as_wide_as_the_terminal() {
        let record = server(&[("read", 0), ("read_end", 10), ("write", 80), ("write_end", 100)]);
        assert_eq!(
            bar(&record, Some(102), false),
            format!("  {}{}{}\n", "▒".repeat(10), "█".repeat(70), "▒".repeat(20))
        );
        for width in 60..200 {
            assert_eq!(width_of(bar(&record, Some(width), false).trim_end()), width);
        }
    }

    #[test]
    fn what_lies_after_the_last_point_stays_empty() {
        let mut record = server(&[("read_end", 0), ("write", 50)]);
        record.duration_ns = Some(100);
        assert_eq!(bar(&record, Some(102), false), format!("  {}\n", "█".repeat(50)));
        record.duration_ns = None;
        assert_eq!(bar(&record, Some(102), false), format!("  {}\n", "█".repeat(100)));
    }

    #[test]
    fn a_microsecond_beside_a_second_keeps_a_cell() {
        let record = server(&[("nic_in", 0), ("tcp_in", 1_000), ("read", 2_000), ("write", 1_000_000_000)]);
        assert_eq!(bar(&record, Some(60), false), format!("  ·{}\n", "█".repeat(57)));
        let last = server(&[("read_end", 0), ("write", u64::MAX - 1), ("write_end", u64::MAX)]);
        assert_eq!(bar(&last, Some(60), false), format!("  {}▒\n", "█".repeat(57)));
    }

    #[test]
    fn every_layer_of_the_way_out_is_there() {
        let record = server(&[
            ("write", 0),
            ("tcp_out", 10),
            ("ip_out", 20),
            ("queue_out", 30),
            ("nic_out", 40),
            ("last_nic_out", 50),
            ("write_end", 60),
        ]);
        assert_eq!(bar(&record, Some(62), false), "  ▒▒▒▒▒▒▒▒▒▒▚▚▚▚▚▚▚▚▚▚▞▞▞▞▞▞▞▞▞▞▄▄▄▄▄▄▄▄▄▄▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒\n");
    }

    #[test]
    fn what_is_not_known_is_a_dash_with_its_reason() {
        assert_eq!(bar(&samples::unknown(), None, false), "  – no response was seen\n");
        let record = Record { duration_ns: Some(5), side: Side::Client, ..samples::unknown() };
        assert_eq!(bar(&record, None, false), "  – no points in time between start and end are known\n");
    }

    #[test]
    fn colours_only_repeat_what_the_blocks_say() {
        let record = server(&[("read", 0), ("read_end", 10), ("write", 80)]);
        let colored = bar(&record, Some(60), true);
        assert!(colored.starts_with("  \x1b[38;5;74m▒"), "{colored:?}");
        let plain = colored.replace("\x1b[38;5;74m", "").replace("\x1b[38;5;32m", "").replace("\x1b[0m", "");
        assert_eq!(plain, bar(&record, Some(60), false));
    }

    #[test]
    fn the_legend_names_every_layer_in_its_order_and_fits() {
        for width in [60, 80, 200] {
            let mut out = Vec::new();
            Bars::new(Some(width), false).push_legend(&mut out);
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| width_of(line) <= width && line.starts_with("  ")), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(
                words,
                "█ application ▓ TLS ▒ socket ▚ TCP (L4) ▞ IP (L3) ▙ netfilter ▄ queue (L2) ▀ device ░ network · wait"
            );
        }
    }
}
