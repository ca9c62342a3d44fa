//! The terminal's line: time, status, method, host and path, duration, this side and its peer, flags.
//!
//! The observed process stands on the left of the peers, the arrow tells who asked: `nginx:80 ← 10.0.0.7` is a server's
//! record, `curl → 10.0.0.2:80` a client's. A line never exceeds the width it was made for, and nothing a peer
//! sent reaches the terminal as a control character. With `layers` a bar of the time in each layer stands below it.

mod bar;
mod columns;
mod units;

use bar::Bars;
use columns::{cut_middle, pad, printable, width_of, Align};
use units::{bytes_text, duration_text};

use crate::encoder::{Encoder, EncoderError, EncoderOptions};
use crate::json::push_address;
use crate::record::{Endpoint, Flag, Record, Side};
use crate::wall_time::{push_digits, push_offset, WallClock};

/// Stands for what was not measured.
const UNKNOWN: &str = "–";
/// Narrower than this no line makes sense: a smaller terminal wraps.
const NARROWEST: usize = 60;
/// From here on the zone, the response's size and the client's port have room.
const WIDE: usize = 110;
const METHOD: usize = 7;
const DURATION: usize = 8;
const SIZE: usize = 9;

/// Labels short enough for a terminal; `rover watch --help` explains them.
const LABELS: [(Flag, &str); 11] = [
    (Flag::Truncated, "cut"),
    (Flag::Gap, "gap"),
    (Flag::HpackPartial, "hpack?"),
    (Flag::PeerInferred, "peer?"),
    (Flag::PreExisting, "old"),
    (Flag::TlsUnbound, "tls?"),
    (Flag::Reset, "reset"),
    (Flag::NoResponse, "no-resp"),
    (Flag::NoRequest, "no-req"),
    (Flag::Upgraded, "upgraded"),
    (Flag::Unfinished, "open"),
];

/// By number, as gRPC's own documentation names them (statuscodes.md); the same in `rover/cli/lines.py` and on the page.
const GRPC_STATUS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What became of a call: its HTTP status is 200 whatever that was.
fn maybe_grpc_text(record: &Record) -> Option<String> {
    let status = record.grpc.as_ref()?.status;
    let name = |status: u32| GRPC_STATUS.get(status as usize).map_or_else(|| status.to_string(), |name| (*name).into());
    Some(format!("grpc:{}", status.map_or_else(|| UNKNOWN.to_owned(), name)))
}

/// Encoder of the format `text`.
#[derive(Debug)]
pub struct TextEncoder {
    clock: WallClock,
    has_color: bool,
    layout: Layout,
    bars: Option<Bars>,
    is_legend_due: bool,
}

/// Columns given to the two parts that share what the fixed ones leave.
#[derive(Clone, Copy, Debug)]
struct Layout {
    is_wide: bool,
    /// Absent: nothing is cut.
    most: Option<Share>,
    /// What an uncut line is padded to.
    target: usize,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    target: usize,
    /// Peers and flags.
    tail: usize,
}

impl Layout {
    fn new(width: Option<usize>) -> Layout {
        let Some(width) = width else {
            return Layout { is_wide: true, most: None, target: 48 };
        };
        let is_wide = width >= WIDE;
        // time, status, method, duration and their four separating blanks; the separator before the tail
        let fixed = if is_wide { 18 + SIZE + 1 } else { 12 } + 1 + 3 + 1 + METHOD + 1 + 1 + DURATION + 1;
        let free = width.saturating_sub(fixed);
        let target = free * 11 / 20;
        Layout { is_wide, most: Some(Share { target, tail: free - target }), target }
    }
}

impl TextEncoder {
    /// Uses `color`, `width`, `layers` and `zone` of the options.
    pub fn new(options: &EncoderOptions) -> Result<TextEncoder, EncoderError> {
        let width = options.width.map(|width| usize::from(width).max(NARROWEST));
        Ok(TextEncoder {
            clock: WallClock::named(options.zone.as_deref())?,
            has_color: options.color,
            layout: Layout::new(width),
            bars: options.layers.then(|| Bars::new(width, options.color)),
            is_legend_due: options.layers,
        })
    }

    fn push_time(&mut self, out: &mut Vec<u8>, wall_ns: u64) {
        let time = self.clock.at(wall_ns);
        let civil = time.civil;
        for (part, after) in [(civil.hour(), b':'), (civil.minute(), b':'), (civil.second(), b'.')] {
            push_digits(out, u32::from(part.unsigned_abs()), 2);
            out.push(after);
        }
        push_digits(out, time.subsecond_ns / 1_000_000, 3);
        if self.layout.is_wide {
            push_offset(out, time.offset, b":");
        }
    }

    fn painted(&self, out: &mut Vec<u8>, paint: Paint, text: &str) {
        match paint.code().filter(|_| self.has_color) {
            Some(code) => {
                out.extend_from_slice(code);
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\x1b[0m");
            }
            None => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Peers and flags (a call's status among them) share the rest of the line; flags, being the rarer and shorter, are kept whole.
    fn push_tail(&self, out: &mut Vec<u8>, record: &Record) {
        let labels = LABELS.iter().filter(|(flag, _)| record.flags.has(*flag)).map(|(_, label)| (*label).to_owned());
        let flags = maybe_grpc_text(record).into_iter().chain(labels).collect::<Vec<_>>().join(" ");
        let Some(Share { tail, .. }) = self.layout.most else {
            out.extend_from_slice(peers_text(record, self.layout.is_wide, usize::MAX).as_bytes());
            self.push_flags(out, &flags);
            return;
        };
        let flags = cut_middle(&flags, tail / 2);
        let for_flags = if flags.is_empty() { 0 } else { width_of(&flags) + 1 };
        let for_peers = tail.saturating_sub(for_flags);
        out.extend_from_slice(peers_text(record, self.layout.is_wide, for_peers).as_bytes());
        self.push_flags(out, &flags);
    }

    fn push_flags(&self, out: &mut Vec<u8>, flags: &str) {
        if !flags.is_empty() {
            out.push(b' ');
            self.painted(out, Paint::Flag, flags);
        }
    }
}

impl Encoder for TextEncoder {
    fn encode(&mut self, record: &Record, out: &mut Vec<u8>) {
        if let Some(bars) = self.bars.filter(|_| std::mem::take(&mut self.is_legend_due)) {
            bars.push_legend(out);
        }
        self.push_line(record, out);
        if let Some(bars) = self.bars {
            bars.push_bar(out, record);
        }
    }
}

impl TextEncoder {
    fn push_line(&mut self, record: &Record, out: &mut Vec<u8>) {
        let mut time = Vec::with_capacity(18);
        self.push_time(&mut time, record.id.wall_ns);
        self.painted(out, Paint::Muted, &String::from_utf8_lossy(&time));
        out.push(b' ');
        let status = record.status.map_or_else(|| UNKNOWN.to_owned(), |status| status.to_string());
        self.painted(out, Paint::of_status(record.status), &pad(&status, 3, Align::Right));
        out.push(b' ');
        let method = printable(record.method.as_deref().unwrap_or(UNKNOWN));
        out.extend_from_slice(pad(&cut_middle(&method, METHOD), METHOD, Align::Left).as_bytes());
        out.push(b' ');
        let target = target_text(record, self.layout.most.map(|share| share.target));
        out.extend_from_slice(pad(&target, self.layout.target, Align::Left).as_bytes());
        out.push(b' ');
        if self.layout.is_wide {
            let size = record.response.body_bytes.map_or_else(|| UNKNOWN.to_owned(), bytes_text);
            out.extend_from_slice(pad(&size, SIZE, Align::Right).as_bytes());
            out.push(b' ');
        }
        let duration = record.duration_ns.map_or_else(|| UNKNOWN.to_owned(), duration_text);
        out.extend_from_slice(pad(&duration, DURATION, Align::Right).as_bytes());
        out.push(b' ');
        self.push_tail(out, record);
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }
}

/// Colour is never the only signal: it repeats what the text says.
#[derive(Clone, Copy, Debug)]
enum Paint {
    Plain,
    Muted,
    Warning,
    Error,
    Flag,
}

impl Paint {
    fn of_status(status: Option<u16>) -> Paint {
        match status {
            None | Some(500..) => Paint::Error,
            Some(400..=499) => Paint::Warning,
            Some(300..=399) => Paint::Muted,
            Some(_) => Paint::Plain,
        }
    }

    fn code(self) -> Option<&'static [u8]> {
        match self {
            Paint::Plain => None,
            Paint::Muted => Some(b"\x1b[2m"),
            Paint::Warning => Some(b"\x1b[33m"),
            Paint::Error => Some(b"\x1b[31m"),
            Paint::Flag => Some(b"\x1b[35m"),
        }
    }
}

/// Host and path; the host goes first when they do not fit, since the peers tell much the same, then the path's middle.
fn target_text(record: &Record, most: Option<usize>) -> String {
    let host = record.host.as_deref().unwrap_or_default();
    let mut path = record.path.as_deref().unwrap_or_default().to_owned();
    if let Some(query) = &record.query {
        path.push('?');
        path.push_str(query);
    }
    if host.is_empty() && path.is_empty() {
        return UNKNOWN.to_owned();
    }
    let whole = printable(&format!("{host}{path}"));
    match most {
        Some(most) if width_of(&whole) > most => {
            cut_middle(&printable(if path.is_empty() { host } else { &path }), most)
        }
        _ => whole,
    }
}

/// This side on the left, in at most `most` columns: each end has half of them, and what one does not need goes to the
/// other. The ephemeral port of a client tells little and is only shown on a wide terminal.
fn peers_text(record: &Record, is_wide: bool, most: usize) -> String {
    let is_server = record.side == Side::Server;
    let local = endpoint_text(&record.local, is_server || is_wide);
    let remote = endpoint_text(&record.remote, !is_server || is_wide);
    let ends = most.saturating_sub(3);
    let half = ends / 2;
    let for_local = half.max(ends.saturating_sub(width_of(&remote)));
    let for_remote = (ends - half).max(ends.saturating_sub(width_of(&local)));
    let arrow = if is_server { '←' } else { '→' };
    format!("{} {arrow} {}", cut_middle(&local, for_local), cut_middle(&remote, for_remote))
}

fn endpoint_text(endpoint: &Endpoint, has_port: bool) -> String {
    let name = endpoint.identity.as_ref().and_then(|identity| identity.service.as_deref());
    let mut text = match name {
        Some(name) => printable(name),
        None if !endpoint.is_known() => "?".into(),
        None => {
            let mut address = Vec::with_capacity(40);
            push_address(&mut address, endpoint.address);
            let address = String::from_utf8_lossy(&address).into_owned();
            if has_port && endpoint.address.is_ipv6() {
                format!("[{address}]")
            } else {
                address
            }
        }
    };
    if has_port && endpoint.is_known() {
        text.push(':');
        text.push_str(&endpoint.port.to_string());
    }
    text
}

#[cfg(test)]
mod tests;
