//! The chunked transfer coding (RFC 9112 §7.1), without its trailer section.

/// Where in the coding the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the digits of a chunk size.
    Size { size: u64, has_digits: bool },
    /// Behind the size, up to the end of the line: chunk extensions are skipped, however long.
    Extension { size: u64 },
    /// This much data of a chunk is still to come, more than 0.
    Data { rest: u64 },
    /// At the line end behind the data.
    DataEnd { has_cr: bool },
}

/// What became of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All taken.
    NeedMore,
    /// The last chunk's line was taken up to here; trailers follow.
    Last { consumed: usize },
    /// The byte at `consumed` cannot be there.
    Malformed { consumed: usize },
}

impl Chunked {
    pub(super) const START: Chunked = Chunked::Size { size: 0, has_digits: false };

    /// Reads `data`, adding what is content to `body_bytes`.
    pub(super) fn step(&mut self, data: &[u8], body_bytes: &mut u64) -> Step {
        let mut at = 0;
        while let Some(rest) = data.get(at..) {
            let Some(first) = rest.first() else { break };
            match *self {
                Chunked::Size { size, has_digits } => match (hex_value(*first), first) {
                    (Some(_), _) if size > u64::MAX >> 4 => return Step::Malformed { consumed: at },
                    (Some(digit), _) => *self = Chunked::Size { size: size << 4 | digit, has_digits: true },
                    (None, b'\n' | b'\r' | b' ' | b'\t' | b';') if has_digits => {
                        *self = Chunked::Extension { size };
                        continue;
                    }
                    _ => return Step::Malformed { consumed: at },
                },
                Chunked::Extension { size } => {
                    let Some(end) = memchr::memchr(b'\n', rest) else { break };
                    at += end + 1;
                    if size == 0 {
                        return Step::Last { consumed: at };
                    }
                    *self = Chunked::Data { rest: size };
                    continue;
                }
                Chunked::Data { rest: size } => {
                    let taken = self.skip(size.min(rest.len() as u64));
                    *body_bytes += taken;
                    at += taken as usize;
                    continue;
                }
                Chunked::DataEnd { has_cr: false } if *first == b'\r' => *self = Chunked::DataEnd { has_cr: true },
                Chunked::DataEnd { .. } if *first == b'\n' => *self = Chunked::START,
                Chunked::DataEnd { .. } => return Step::Malformed { consumed: at },
            }
            at += 1;
        }
        Step::NeedMore
    }

    /// Takes up to `n` bytes of the data of the current chunk, seen or not; how many those were.
    pub(super) fn skip(&mut self, n: u64) -> u64 {
        let taken = n.min(self.data_rest());
        match self.data_rest() - taken {
            0 if taken > 0 => *self = Chunked::DataEnd { has_cr: false },
            0 => {}
            rest => *self = Chunked::Data { rest },
        }
        taken
    }

    /// Data bytes of the current chunk that are still to come.
    pub(super) fn data_rest(&self) -> u64 {
        match self {
            Chunked::Data { rest } => *rest,
            _ => 0,
        }
    }
}

fn hex_value(byte: u8) -> Option<u64> {
    (byte as char).to_digit(16).map(u64::from)
}
