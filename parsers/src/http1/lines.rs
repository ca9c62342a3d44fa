//! Lines of a head or trailer section out of a byte stream that comes in any pieces.
//!
//! A line that lies within one slice is handed out in place; one that does not is gathered in a carry buffer of at
//! most `limit` bytes, whose tail is then dropped. A folded field (RFC 9112 §5.2) is one line, so the end of a field
//! line is known only with the first byte of the next one.

/// Carry buffers above this size are freed after use: long lines are rare, connections are many.
const CARRY_RETAINED_BYTES: usize = 4096;

/// Bytes of a line, its LF included, and how they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Without line end; at most `limit` bytes. Folds inside are left as sent.
    pub text: &'a [u8],
    /// The line is longer than the limit and `text` is its beginning.
    pub is_cut: bool,
    pub is_folded: bool,
}

impl Line<'_> {
    /// The line that ends a section.
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    carry: Vec<u8>,
    /// Bytes of the unfinished line, more than `carry` when it is longer than the limit.
    length: u64,
    is_folded: bool,
    /// The carried line has its LF; whether it is folded shows the next byte.
    is_ended: bool,
    /// The carried line was handed out.
    is_used: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Lines {
        Lines { limit, carry: Vec::new(), length: 0, is_folded: false, is_ended: false, is_used: false }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a line has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.length > 0 && !self.is_used
    }

    /// What is held of the unfinished line.
    pub(super) fn begun(&self) -> &[u8] {
        if self.is_used {
            &[]
        } else {
            &self.carry
        }
    }

    /// Forgets an unfinished line.
    pub(super) fn clear(&mut self) {
        self.is_used = true;
        self.recycle();
    }

    /// The next line and how many bytes of `data` it took, or `None` when all of `data` was taken without an end.
    /// `may_fold` is false for start lines.
    #[inline(always)]
    pub(super) fn next<'a>(&'a mut self, data: &'a [u8], may_fold: bool) -> Option<(usize, Line<'a>)> {
        // The usual case, written out because it is most of the work: a line that lies in `data`, not folded.
        if self.length == 0 {
            if let Some((raw, rest)) = maybe_line_feed(data).and_then(|at| data.split_at_checked(at + 1)) {
                let is_last = !may_fold || matches!(raw, b"\n" | b"\r\n");
                if is_last || rest.first().is_some_and(|byte| !matches!(byte, b' ' | b'\t')) {
                    return Some((raw.len(), whole_line(raw, self.limit)));
                }
            }
        }
        self.next_in_pieces(data, may_fold)
    }

    #[cold]
    fn next_in_pieces<'a>(&'a mut self, data: &'a [u8], may_fold: bool) -> Option<(usize, Line<'a>)> {
        self.recycle();
        if self.is_ended {
            match data.first()? {
                b' ' | b'\t' => (self.is_ended, self.is_folded) = (false, true),
                _ => return Some((0, self.hand_out_carried())),
            }
        }
        let mut from = 0;
        loop {
            let Some(end) = data.get(from..).and_then(maybe_line_feed).map(|at| from + at + 1) else {
                self.push(data);
                return None;
            };
            let taken = data.get(..end).unwrap_or(data);
            if may_fold && !self.is_blank_with(taken) {
                match data.get(end) {
                    Some(b' ' | b'\t') => {
                        (self.is_folded, from) = (true, end);
                        continue;
                    }
                    Some(_) => {}
                    None => {
                        self.push(data);
                        self.is_ended = true;
                        return None;
                    }
                }
            }
            if self.length == 0 {
                let line = line(taken, taken.len() as u64, self.limit, self.is_folded);
                self.is_folded = false;
                return Some((end, line));
            }
            self.push(taken);
            return Some((end, self.hand_out_carried()));
        }
    }

    /// Whether the carried beginning and `taken` together are the blank line.
    fn is_blank_with(&self, taken: &[u8]) -> bool {
        match self.length {
            0 => matches!(taken, b"\n" | b"\r\n"),
            1 => taken == b"\n" && self.carry == b"\r",
            _ => false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.carry.len());
        self.carry.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.length += bytes.len() as u64;
    }

    fn hand_out_carried(&mut self) -> Line<'_> {
        self.is_used = true;
        line(&self.carry, self.length, self.limit, self.is_folded)
    }

    fn recycle(&mut self) {
        if !self.is_used {
            return;
        }
        if self.carry.capacity() > CARRY_RETAINED_BYTES {
            self.carry = Vec::new();
        }
        self.carry.clear();
        (self.length, self.is_folded, self.is_ended, self.is_used) = (0, false, false, false);
    }
}

/// Where the first LF is. Most lines are shorter than what a call into a vector search pays off for, so the first words
/// are searched in place.
#[inline(always)]
fn maybe_line_feed(data: &[u8]) -> Option<usize> {
    const WORDS: usize = 8;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    for word in data.chunks_exact(8).take(WORDS) {
        // Bytes that equal LF become zero; the lowest zero byte is the lowest one with its high bit set below.
        let zeros = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ (ONES * b'\n' as u64);
        let found = zeros.wrapping_sub(ONES) & !zeros & (ONES << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr(b'\n', data.get(at..)?).map(|found| at + found)
}

/// An unfolded line of these bytes, line end included.
#[inline]
pub(super) fn whole_line(raw: &[u8], limit: usize) -> Line<'_> {
    line(raw, raw.len() as u64, limit, false)
}

/// `raw` holds the line from its start, at least up to the limit.
#[inline]
fn line(raw: &[u8], length: u64, limit: usize, is_folded: bool) -> Line<'_> {
    if length > limit as u64 {
        return Line { text: raw.get(..limit).unwrap_or(raw), is_cut: true, is_folded };
    }
    let text = raw.strip_suffix(b"\n").unwrap_or(raw);
    Line { text: text.strip_suffix(b"\r").unwrap_or(text), is_cut: false, is_folded }
}
