//! What memory BIOs write with: the function behind `BIO_s_mem`, which has no symbol. A session with a socket does not get
//! there with its records, so a probe costs it nothing.

use super::method::table;
use crate::code::Code;
use crate::image::Symbols;

/// Behind type and name (`struct bio_method_st` of include/internal/bio.h) no table has more pointers.
const MOST_POINTERS: u64 = 10;
/// Another table of the same kind, to compare with.
const OTHER: &str = "BIO_s_socket";

/// Address of `mem_write`, which takes all that it is given or nothing.
///
/// A table has in this order: what turns a write with a count behind a pointer into a plain one, the plain one, and the
/// same two of reads (since 1.1.1). What turns is one function in all tables, so places of two tables with the same
/// pointer and with different ones alternate, twice; no offset need be known.
pub(super) fn write(code: &Code, symbols: &Symbols) -> Option<u64> {
    let pointers = |name: &str| {
        let table = table(code, symbols.get(name)?.address)?;
        let pointer = |place| {
            let target = code.relocations.address_at(code.image, table.checked_add(8 * place)?)?;
            code.image.is_code(target).then_some(target)
        };
        Some((0..MOST_POINTERS).map(pointer).collect::<Vec<Option<u64>>>())
    };
    let (own, other) = (pointers("BIO_s_mem")?, pointers(OTHER)?);
    let begin = own.iter().zip(&other).position(|(own, other)| own.is_some() && other.is_some())?;
    let pairs: Vec<(u64, u64)> =
        own.iter().zip(&other).skip(begin).take(4).map(|(own, other)| own.zip(*other)).collect::<Option<_>>()?;
    match pairs.as_slice() {
        [(a, b), (write, _), (c, d), (read, _)] => {
            let alternate = a == b && c == d && pairs.iter().skip(1).step_by(2).all(|(own, other)| own != other);
            (alternate && a != c && write != read).then_some(*write)
        }
        _ => None,
    }
}
