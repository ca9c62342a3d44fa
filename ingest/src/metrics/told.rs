//! What the store tells of a span of time, as text: `start,entity,figures in hexadecimal` for each row, with `;` between.
//! The entity is 0 where the bytes are a pack.
//!
//! SQLite joins the rows (`group_concat`), so that thousands of them are one step of a statement: Python's sqlite3 gives
//! the GIL up around each step and has to wait for it again.

use super::columns::NotFigures;
use super::pack::entries;

/// Calls `tell` with start, entity and figures of each that is told; with `only` of that entity alone.
///
/// # Errors
/// Other text, or what `tell` finds wrong.
pub fn read_told(
    text: &[u8],
    only: Option<u64>,
    mut tell: impl FnMut(i64, u64, &[u8]) -> Result<(), NotFigures>,
) -> Result<(), NotFigures> {
    let mut bytes = Vec::new();
    let is_wanted = |entity: u64| only.is_none_or(|only| only == entity);
    for row in text.split(|byte| *byte == b';').filter(|row| !row.is_empty()) {
        let mut fields = row.splitn(3, |byte| *byte == b',');
        let start = number(fields.next())?;
        let entity = u64::try_from(number(fields.next())?).map_err(|_| NotFigures)?;
        unhex(fields.next().ok_or(NotFigures)?, &mut bytes)?;
        if entity != 0 {
            if is_wanted(entity) {
                tell(start, entity, &bytes)?;
            }
            continue;
        }
        for entry in entries(&bytes)? {
            let (entity, figures) = entry?;
            if is_wanted(entity) {
                tell(start, entity, figures)?;
            }
        }
    }
    Ok(())
}

fn number(field: Option<&[u8]>) -> Result<i64, NotFigures> {
    field.and_then(|digits| str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok()).ok_or(NotFigures)
}

/// Bytes of an even number of upper-case digits.
///
/// # Errors
/// Other text.
pub(crate) fn unhex(digits: &[u8], into: &mut Vec<u8>) -> Result<(), NotFigures> {
    into.clear();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NotFigures);
    }
    into.reserve(pairs.len());
    for [high, low] in pairs {
        let (high, low) = (digit(*high), digit(*low));
        if high > 15 || low > 15 {
            return Err(NotFigures);
        }
        into.push(high << 4 | low);
    }
    Ok(())
}

/// 255: no digit.
const fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'F' => byte - b'A' + 10,
        _ => 255,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::columns::{Column, Figures};
    use super::super::pack::packed;
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn rows_and_packs_are_told_alike() {
        let mut figures = Figures::default();
        figures.add(Column::HttpCalls, 3);
        let one = figures.encode();
        let pack = packed(None, &[(4, &one), (9, &one)]).unwrap();
        let text = format!("60,9,{};120,0,{};", hex(&one), hex(&pack));
        let read = |only| {
            let mut found = Vec::new();
            read_told(text.as_bytes(), only, |start, entity, bytes| {
                assert_eq!(bytes, one);
                found.push((start, entity));
                Ok(())
            })
            .unwrap();
            found
        };
        assert_eq!(read(None), [(60, 9), (120, 4), (120, 9)]);
        assert_eq!((read(Some(4)), read(Some(5))), (vec![(120, 4)], vec![]));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["60", "60,1", "60,1,0", "60,1,0g", "x,1,00", "60,-1,00", "60,0,02"] {
            assert_eq!(read_told(text.as_bytes(), None, |_, _, _| Ok(())), Err(NotFigures), "{text}");
        }
        assert_eq!(read_told(b"60,1,00", None, |_, _, _| Err(NotFigures)), Err(NotFigures));
        assert_eq!(read_told(b"", None, |_, _, _| Err(NotFigures)), Ok(()));
    }
}
