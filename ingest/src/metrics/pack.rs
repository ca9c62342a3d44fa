//! The figures of all that one service has of a kind, in one step of time, as one stored value: so a page reads a value
//! for each service instead of a row for each of its endpoints or peers.
//!
//! A version, then for each entity in ascending order how far its number is from the one before, the length of its
//! figures, and these as [`Figures::encode`] writes them.

use super::columns::{Figures, NotFigures};
use rover_reporters::varint::{push_varint, take_varint};

/// What a pack begins with.
const VERSION: u8 = 1;

/// Entity and figures.
pub type Entry<'a> = (u64, &'a [u8]);

/// What is in a pack, in the order of entities.
#[derive(Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    entity: u64,
}

/// # Errors
/// Bytes that do not begin as a pack does.
pub fn entries(pack: &[u8]) -> Result<Entries<'_>, NotFigures> {
    match pack.split_first() {
        Some((&VERSION, rest)) => Ok(Entries { rest, entity: 0 }),
        _ => Err(NotFigures),
    }
}

impl<'a> Entries<'a> {
    fn take(&mut self) -> Option<Entry<'a>> {
        self.entity = self.entity.checked_add(take_varint(&mut self.rest)?)?;
        let length = usize::try_from(take_varint(&mut self.rest)?).ok()?;
        let (figures, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((self.entity, figures))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, NotFigures>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_none() {
            self.rest = &[];
        }
        Some(taken.ok_or(NotFigures))
    }
}

/// A pack of what is in `stored` and of `more`, in any order. What nothing is added to is copied as it is.
///
/// # Errors
/// Other bytes.
pub fn packed(stored: Option<&[u8]>, more: &[Entry<'_>]) -> Result<Vec<u8>, NotFigures> {
    let mut all: Vec<Entry<'_>> = match stored {
        Some(stored) => entries(stored)?.collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    all.extend_from_slice(more);
    all.sort_by_key(|(entity, _)| *entity);
    let mut out = Vec::with_capacity(1 + all.iter().map(|(_, figures)| figures.len() + 8).sum::<usize>());
    out.push(VERSION);
    let mut before = 0;
    for same in all.chunk_by(|left, right| left.0 == right.0) {
        let Some((&(entity, first), others)) = same.split_first() else { continue };
        push_varint(&mut out, entity - before);
        before = entity;
        if others.is_empty() {
            push(&mut out, first);
        } else {
            let mut sum = Figures::default();
            same.iter().try_for_each(|(_, figures)| sum.merge_encoded(figures))?;
            push(&mut out, &sum.encode());
        }
    }
    Ok(out)
}

fn push(out: &mut Vec<u8>, figures: &[u8]) {
    push_varint(out, figures.len() as u64);
    out.extend_from_slice(figures);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::columns::Column;
    use super::*;

    fn calls(count: u64) -> Vec<u8> {
        let mut figures = Figures::default();
        figures.add(Column::HttpCalls, count);
        figures.durations.add(count);
        figures.encode()
    }

    fn told(pack: &[u8]) -> Vec<(u64, u64)> {
        let each = entries(pack).unwrap().map(Result::unwrap);
        each.map(|(entity, bytes)| (entity, Figures::column_of(bytes, Column::HttpCalls as usize).unwrap())).collect()
    }

    #[test]
    fn a_pack_has_the_sum_of_each_entity() {
        let (one, two, five) = (calls(1), calls(2), calls(5));
        let first = packed(None, &[(300, &one), (7, &two), (300, &five)]).unwrap();
        assert_eq!(told(&first), [(7, 2), (300, 6)]);
        let second = packed(Some(&first), &[(8, &one), (7, &five)]).unwrap();
        assert_eq!(told(&second), [(7, 7), (8, 1), (300, 6)]);
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = packed(None, &[(7, &calls(1)), (9, &calls(2))]).unwrap();
        let is_read = |bytes: &[u8]| entries(bytes).is_ok_and(|mut found| found.all(|each| each.is_ok()));
        let whole = (1..good.len()).filter(|end| is_read(good.get(..*end).unwrap())).count();
        // A pack of nothing, and one of the first alone.
        assert_eq!((whole, is_read(&good), is_read(&[]), is_read(&[2])), (2, true, false, false));
        assert_eq!(packed(Some(&[2]), &[]), Err(NotFigures));
        assert_eq!(packed(None, &[(1, &[9, 9]), (1, &[9, 9])]), Err(NotFigures));
    }
}
