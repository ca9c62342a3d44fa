//! Integers and string literals of header blocks (RFC 7541 §5).

/// Reads a header block from its beginning.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// A string literal as it stands in the block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    pub bytes: &'a [u8],
    pub is_huffman: bool,
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The block ends within a field.
    Cut,
    /// No encoder writes that.
    Malformed,
}

impl<'a> Reader<'a> {
    pub(super) fn new(block: &'a [u8]) -> Reader<'a> {
        Reader { rest: block }
    }

    /// The first byte of the next representation, not consumed; `None` at the end.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An integer behind the high bits of its first byte (RFC 7541 §5.1). Below 2^28, the largest that makes sense by far.
    #[inline]
    pub(super) fn integer(&mut self, prefix_bits: u32) -> Result<u32, Unreadable> {
        let [first, rest @ ..] = self.rest else {
            return Err(Unreadable::Cut);
        };
        self.rest = rest;
        let most = (1_u32 << prefix_bits) - 1;
        let value = u32::from(*first) & most;
        if value < most {
            return Ok(value);
        }
        self.long_integer(value)
    }

    fn long_integer(&mut self, mut value: u32) -> Result<u32, Unreadable> {
        for shift in [0, 7, 14, 21] {
            let [byte, rest @ ..] = self.rest else {
                return Err(Unreadable::Cut);
            };
            self.rest = rest;
            value += u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable::Malformed)
    }

    #[inline]
    pub(super) fn literal(&mut self) -> Result<Literal<'a>, Unreadable> {
        let is_huffman = self.peek().is_some_and(|first| first & 0x80 != 0);
        let length = self.integer(7)? as usize;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Unreadable::Cut)?;
        self.rest = rest;
        Ok(Literal { bytes, is_huffman })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: &[u8], prefix_bits: u32) -> Result<u32, Unreadable> {
        Reader::new(bytes).integer(prefix_bits)
    }

    /// RFC 7541 §C.1.
    #[test]
    fn integers_of_the_rfc_are_read() {
        assert_eq!(integer(&[0b1110_1010], 5), Ok(10));
        assert_eq!(integer(&[0b1111_1111, 0b1001_1010, 0b0000_1010], 5), Ok(1337));
        assert_eq!(integer(&[42], 8), Ok(42));
    }

    #[test]
    fn integers_beyond_all_sense_are_refused() {
        assert_eq!(integer(&[0x7f, 0xff, 0xff, 0xff, 0x7f], 7), Ok(127 + (1 << 28) - 1));
        assert_eq!(integer(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0], 7), Err(Unreadable::Malformed));
        // Zeros in front are a waste but not forbidden.
        assert_eq!(integer(&[0x7f, 0x80, 0x80, 0], 7), Ok(127));
    }

    #[test]
    fn a_field_that_ends_too_early_is_cut() {
        assert_eq!(integer(&[], 7), Err(Unreadable::Cut));
        assert_eq!(integer(&[0x7f, 0x80], 7), Err(Unreadable::Cut));
        assert_eq!(Reader::new(&[3, b'a', b'b']).literal().err(), Some(Unreadable::Cut));
    }
}
