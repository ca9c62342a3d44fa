//! Wall-clock time as text, cached by the second: records come many to a second.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::Timestamp;

use crate::encoder::EncoderError;

const SECOND_NS: u64 = 1_000_000_000;

/// One instant in the clock's zone.
#[derive(Clone, Copy, Debug)]
pub struct WallTime {
    pub civil: DateTime,
    pub offset: Offset,
    /// 0…999 999 999
    pub subsecond_ns: u32,
}

/// Nanoseconds since the Unix epoch → date and time in one zone.
#[derive(Debug)]
pub struct WallClock {
    zone: TimeZone,
    second: u64,
    civil: DateTime,
    offset: Offset,
}

impl WallClock {
    pub fn utc() -> WallClock {
        WallClock::in_zone(TimeZone::UTC)
    }

    /// The named zone, or the machine's.
    pub fn named(zone: Option<&str>) -> Result<WallClock, EncoderError> {
        match zone {
            None => Ok(WallClock::in_zone(TimeZone::system())),
            Some("UTC") => Ok(WallClock::utc()),
            Some(name) => {
                TimeZone::get(name).map(WallClock::in_zone).map_err(|_| EncoderError::UnknownZone(name.to_owned()))
            }
        }
    }

    fn in_zone(zone: TimeZone) -> WallClock {
        WallClock { zone, second: u64::MAX, civil: DateTime::ZERO, offset: Offset::UTC }
    }

    pub fn at(&mut self, wall_ns: u64) -> WallTime {
        let second = wall_ns / SECOND_NS;
        if second != self.second {
            // A u64 of nanoseconds ends in the year 2554, well inside the range of a timestamp.
            let timestamp = i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default();
            self.offset = self.zone.to_offset(timestamp);
            self.civil = self.offset.to_datetime(timestamp);
            self.second = second;
        }
        WallTime { civil: self.civil, offset: self.offset, subsecond_ns: (wall_ns % SECOND_NS) as u32 }
    }
}

/// Appends `value` as exactly `digits` decimal digits, leading zeros included.
pub fn push_digits(out: &mut Vec<u8>, value: u32, digits: usize) {
    let mut buffer = [b'0'; 10];
    let mut rest = value;
    for slot in buffer.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(buffer.iter().skip(10usize.saturating_sub(digits)));
}

/// Appends the offset from UTC as `+02:00`, or `+0200` without the separator.
pub fn push_offset(out: &mut Vec<u8>, offset: Offset, separator: &[u8]) {
    let seconds = offset.seconds();
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let minutes = seconds.unsigned_abs() / 60;
    push_digits(out, minutes / 60, 2);
    out.extend_from_slice(separator);
    push_digits(out, minutes % 60, 2);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn seconds_minutes_and_zones_change_with_the_instant() {
        let mut berlin = WallClock::named(Some("Europe/Berlin")).unwrap();
        // 2024-03-31 01:00 UTC is the moment when summer time begins.
        let before = berlin.at(1_711_846_799 * SECOND_NS + 7);
        let after = berlin.at(1_711_846_800 * SECOND_NS);
        assert_eq!((before.civil.hour(), before.subsecond_ns, before.offset.seconds()), (1, 7, 3600));
        assert_eq!((after.civil.hour(), after.offset.seconds()), (3, 7200));
    }

    #[test]
    fn digits_are_padded_and_offsets_signed() {
        let mut out = Vec::new();
        push_digits(&mut out, 7, 3);
        push_digits(&mut out, 4_000_000_000, 10);
        push_offset(&mut out, Offset::from_seconds(-12_600).unwrap(), b":");
        assert_eq!(out, b"0074000000000-03:30");
    }
}
