//! Records out of the blocks in which the store keeps them (`rover/backend/store/blocks.py`).
//!
//! SQLite gives all blocks of a page of exchanges as one text, `first,size,block in hexadecimal` with `;` between: each
//! row of a result would cost Python the GIL once more.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use flate2::bufread::ZlibDecoder;

use crate::metrics::unhex;

/// The records of these numbers, in this order; `None` for one whose block is damaged or not there.
pub fn records(blocks: &[u8], numbers: &[u64]) -> Vec<Option<Vec<u8>>> {
    let mut wanted: Vec<u64> = numbers.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found: HashMap<u64, Vec<u8>> = HashMap::with_capacity(wanted.len());
    for block in blocks.split(|byte| *byte == b';') {
        // What cannot be read is left out, as a damaged block is.
        let _ = read_block(block, &wanted, &mut found);
    }
    numbers.iter().map(|number| found.get(number).cloned()).collect()
}

fn read_block(block: &[u8], wanted: &[u64], found: &mut HashMap<u64, Vec<u8>>) -> Option<()> {
    let mut fields = block.splitn(3, |byte| *byte == b',');
    let (first, size) = (number(fields.next()?)?, number(fields.next()?)?);
    let end = first.checked_add(size)?;
    let from = wanted.partition_point(|number| *number < first);
    let until = wanted.partition_point(|number| *number < end);
    let wanted = wanted.get(from..until)?;
    let last = *wanted.last()?;
    let mut packed = Vec::new();
    unhex(fields.next()?, &mut packed).ok()?;
    let mut lines = BufReader::new(ZlibDecoder::new(packed.as_slice()));
    // Not further than the last that is wanted.
    for at in first..=last {
        if wanted.binary_search(&at).is_err() {
            skip_line(&mut lines)?;
            continue;
        }
        let mut line = Vec::with_capacity(1400);
        lines.read_until(b'\n', &mut line).ok()?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.is_empty() {
            return None;
        }
        found.insert(at, line);
    }
    Some(())
}

fn skip_line(lines: &mut impl BufRead) -> Option<()> {
    loop {
        let part = lines.fill_buf().ok()?;
        if part.is_empty() {
            return None;
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(part.len(), |at| at + 1);
        lines.consume(used);
        if end.is_some() {
            return Some(());
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::{write::ZlibEncoder, Compression};

    use super::*;

    fn block(first: u64, records: &[&str]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(records.join("\n").as_bytes()).unwrap();
        let hex: String = encoder.finish().unwrap().iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{first},{},{hex}", records.len())
    }

    fn texts(found: &[Option<Vec<u8>>]) -> Vec<Option<&str>> {
        found.iter().map(|each| each.as_deref().map(|bytes| str::from_utf8(bytes).unwrap())).collect()
    }

    #[test]
    fn records_come_in_the_order_that_is_asked() {
        let long = "x".repeat(100_000);
        let text = [block(1, &["{a}", &long, "{c}"]), block(4, &["{d}", "{e}"])].join(";");
        let found = records(text.as_bytes(), &[5, 3, 1, 3, 2, 9]);
        assert_eq!(texts(&found), [Some("{e}"), Some("{c}"), Some("{a}"), Some("{c}"), Some(long.as_str()), None]);
    }

    #[test]
    fn a_damaged_block_costs_its_records_alone() {
        let good = block(1, &["{a}", "{b}"]);
        for bad in ["4,2,00", "4,2,0", "4,2", "x,2,00", "4,2,zz", ""] {
            let found = records(format!("{bad};{good}").as_bytes(), &[4, 2]);
            assert_eq!(texts(&found), [None, Some("{b}")], "{bad}");
        }
        // One that says it has more than it has.
        let short = block(1, &["{a}"]).replacen("1,1,", "1,9,", 1);
        assert_eq!(texts(&records(short.as_bytes(), &[1, 3])), [Some("{a}"), None]);
    }
}
