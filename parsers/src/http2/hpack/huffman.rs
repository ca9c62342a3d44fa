//! Huffman decoding of string literals (RFC 7541 §5.2).
//!
//! The code comes from `httlib-huffman`. Its decoder is not used: it reads 5 bits at a time at most, allocates for
//! every string, and accepts padding that RFC 7541 §5.2 calls a decoding error (its bits are compared without their number).
//! The table below is the crate's code, turned around at compile time: symbols by the next bits of the input.

use httlib_huffman::encoder::table::ENCODE_TABLE;

/// Codes up to this length, all of ASCII that headers are made of, are found in one look.
const SHORT_BITS: u32 = 10;
const LONGEST_BITS: usize = 30;

struct Decoding {
    /// By the next bits: symbol, and length of its code; 0 for longer codes.
    short: [(u8, u8); 1 << SHORT_BITS],
    /// By length: the first code of that length, aligned to the left. Codes of a length are consecutive and greater
    /// than all shorter ones.
    first: [u32; LONGEST_BITS + 2],
    /// By length: where its symbols begin in `symbols`.
    begin: [u16; LONGEST_BITS + 2],
    symbols: [u16; 257],
}

static DECODING: Decoding = decoding();

const fn decoding() -> Decoding {
    let mut decoding = Decoding {
        short: [(0, 0); 1 << SHORT_BITS],
        first: [u32::MAX; LONGEST_BITS + 2],
        begin: [257; LONGEST_BITS + 2],
        symbols: [0; 257],
    };
    let mut count = 0;
    let mut length = 0;
    while length <= LONGEST_BITS {
        decoding.begin[length] = count;
        let mut symbol = 0;
        while symbol < 257 {
            let (bits, code) = ENCODE_TABLE[symbol];
            if bits as usize == length {
                if decoding.begin[length] == count {
                    decoding.first[length] = code << (32 - length);
                }
                decoding.symbols[count as usize] = symbol as u16;
                count += 1;
                if length as u32 <= SHORT_BITS {
                    let shift = SHORT_BITS - length as u32;
                    let mut rest = 0;
                    while rest < 1 << shift {
                        decoding.short[(code << shift | rest) as usize] = (symbol as u8, bits);
                        rest += 1;
                    }
                }
            }
            symbol += 1;
        }
        length += 1;
    }
    decoding
}

/// Appends what `encoded` means to `text`. `None` if it is no Huffman string: what was appended is then of no value.
pub(super) fn decode(encoded: &[u8], text: &mut Vec<u8>) -> Option<()> {
    // No code is shorter than 5 bits.
    let begin = text.len();
    text.resize(begin + encoded.len() * 8 / 5 + 1, 0);
    let mut room = text.get_mut(begin..)?.iter_mut();
    let most = room.len();
    let ended = decode_into(encoded, &mut room);
    let unused = room.len();
    text.truncate(begin + most - unused);
    ended
}

fn decode_into(encoded: &[u8], room: &mut std::slice::IterMut<'_, u8>) -> Option<()> {
    // The next bits of the input, aligned to the left, and ones behind them.
    let mut window = u64::MAX;
    let mut bits = 0_u32;
    let mut rest = encoded;
    loop {
        // RFC 7541 §5.2: padding is the beginning of the code of EOS, ones; less than 8 of them.
        (window, bits, rest) = fill(window, bits, rest);
        // A look takes 10 bits at most, and a filled window has 56 at least.
        while bits >= SHORT_BITS {
            let (symbol, length) = short(window);
            if length == 0 {
                break;
            }
            *room.next()? = symbol;
            (window, bits) = (window << length | ones(length), bits - length);
        }
        // A longer code, or the end. A long code needs more bits than a look.
        (window, bits, rest) = fill(window, bits, rest);
        if bits >= LONGEST_BITS as u32 || rest.is_empty() {
            if bits == 0 || (bits < 8 && window == u64::MAX) {
                return Some(());
            }
            let (symbol, length) = match short(window) {
                (_, 0) => long((window >> 32) as u32)?,
                found => found,
            };
            if length > bits {
                return None;
            }
            *room.next()? = symbol;
            (window, bits) = (window << length | ones(length), bits - length);
        }
    }
}

#[inline]
fn short(window: u64) -> (u8, u32) {
    let (symbol, length) = DECODING.short[(window >> (64 - SHORT_BITS)) as usize];
    (symbol, u32::from(length))
}

#[inline]
fn ones(length: u32) -> u64 {
    (1 << length) - 1
}

/// Takes as many whole bytes of the input into the window as have room.
#[inline]
fn fill(window: u64, bits: u32, rest: &[u8]) -> (u64, u32, &[u8]) {
    let room = (64 - bits) / 8;
    if let Some((next, _)) = rest.split_first_chunk::<8>() {
        if room == 0 {
            return (window, bits, rest);
        }
        let taken = room * 8;
        let next = u64::from_be_bytes(*next) >> (64 - taken);
        let kept = if bits == 0 { 0 } else { window >> (64 - bits) << (64 - bits) };
        let filled = kept | next << (64 - bits - taken);
        let after = bits + taken;
        let behind = if after == 64 { 0 } else { u64::MAX >> after };
        return (filled | behind, after, rest.get(room as usize..).unwrap_or_default());
    }
    let (mut window, mut bits, mut rest) = (window, bits, rest);
    while let ([byte, behind @ ..], true) = (rest, bits <= 56) {
        // The ones behind the bits so far are cleared where the byte has zeros.
        window &= !(u64::from(!*byte) << (56 - bits));
        bits += 8;
        rest = behind;
    }
    (window, bits, rest)
}

/// Symbol at the beginning of these bits whose code is longer than [`SHORT_BITS`]; `None` for EOS.
fn long(bits: u32) -> Option<(u8, u32)> {
    let length = (SHORT_BITS as usize + 1..=LONGEST_BITS).rev().find(|length| DECODING.first[*length] <= bits)?;
    let nth = (bits - DECODING.first[length]) >> (32 - length);
    let symbol = DECODING.symbols.get(usize::from(DECODING.begin[length]) + nth as usize)?;
    Some((u8::try_from(*symbol).ok()?, length as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(encoded, &mut text).map(|()| text)
    }

    /// RFC 7541 §C.4.1, §C.6.1.
    #[test]
    fn examples_of_the_rfc_are_decoded() {
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&host).as_deref(), Some(&b"www.example.com"[..]));
        assert_eq!(decoded(&[0x64, 0x02]).as_deref(), Some(&b"302"[..]));
        assert_eq!(decoded(&[]).as_deref(), Some(&b""[..]));
    }

    /// Every symbol, alone and between all others, as the crate encodes it.
    #[test]
    fn what_the_crate_encodes_is_decoded() {
        for symbol in 0..=255_u8 {
            for neighbour in 0..=255_u8 {
                let text = [neighbour, symbol, symbol, neighbour, b'a', symbol];
                let mut encoded = Vec::new();
                assert!(httlib_huffman::encode(&text, &mut encoded).is_ok());
                assert_eq!(decoded(&encoded).as_deref(), Some(&text[..]));
            }
        }
    }

    /// Long codes at every place between short ones, so that they begin at every bit of the window.
    #[test]
    fn long_codes_are_decoded_wherever_they_begin() {
        for symbol in 0..=255_u8 {
            for before in 0..24 {
                let text = [vec![b'0'; before], vec![symbol, b'9', symbol, symbol], vec![b'X'; 12]].concat();
                let mut encoded = Vec::new();
                assert!(httlib_huffman::encode(&text, &mut encoded).is_ok());
                assert_eq!(decoded(&encoded).as_deref(), Some(&text[..]));
            }
        }
    }

    /// RFC 7541 §5.2: more than 7 bits of padding, padding of other bits, and EOS are errors.
    #[test]
    fn wrong_padding_is_refused() {
        // "0" is 00000 and 3 bits of padding.
        assert_eq!(decoded(&[0b0000_0111]).as_deref(), Some(&b"0"[..]));
        for wrong in [&[0b0000_0110][..], &[0b0000_0011], &[0b0000_0111, 0xff], &[0xff], &[0xff; 4], &[0xff, 0xff]] {
            assert_eq!(decoded(wrong), None, "{wrong:x?}");
        }
    }

    /// No code is a prefix of another, so every two bytes are decoded or refused alike.
    #[test]
    fn short_inputs_agree_with_a_search_of_the_code() {
        for input in 0..=u16::MAX {
            assert_eq!(decoded(&input.to_be_bytes()), searched(input), "{input:016b}");
        }
    }

    /// Bit by bit.
    fn searched(input: u16) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let (mut code, mut length) = (0_u32, 0_u8);
        for at in (0..16).rev() {
            code = code << 1 | u32::from(input >> at & 1);
            length += 1;
            if let Some(symbol) = ENCODE_TABLE.iter().position(|entry| *entry == (length, code)) {
                text.push(u8::try_from(symbol).ok()?);
                (code, length) = (0, 0);
            }
        }
        (length < 8 && code == (1 << length) - 1).then_some(text)
    }
}
