//! Raw ring-buffer records as events. A record that is too short for what it claims is none.

use crate::events::*;

/// One event with its variable part.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A socket operation and the payload that was captured of it.
    Data(DataEvent, &'a [u8]),
    /// Payload of a receive that is still to come.
    Copy(CopyEvent, &'a [u8]),
    Connection(ConnectionEvent),
    Process(ProcessEvent, ProcessText<'a>),
}

/// Path given to execve and NUL-separated argv, both possibly cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessText<'a> {
    pub executable: &'a [u8],
    pub arguments: &'a [u8],
}

/// Plain integers in `repr(C)`: every bit pattern is a value.
trait Layout: Copy {}
impl Layout for DataEvent {}
impl Layout for CopyEvent {}
impl Layout for ConnectionEvent {}
impl Layout for ProcessEvent {}

fn split<T: Layout>(raw: &[u8]) -> Option<(T, &[u8])> {
    let size = std::mem::size_of::<T>();
    if raw.len() < size {
        return None;
    }
    // SAFETY: `raw` holds at least size_of::<T>() bytes, read_unaligned needs no alignment, and Layout promises that
    // all bit patterns are valid.
    let value = unsafe { raw.as_ptr().cast::<T>().read_unaligned() };
    Some((value, &raw[size..]))
}

/// The event in `raw`; none if it is malformed or of an unknown kind.
pub fn maybe_event(raw: &[u8]) -> Option<Event<'_>> {
    let kind = u32::from_ne_bytes(raw.get(..4)?.try_into().ok()?);
    match kind {
        EVENT_DATA => {
            let (event, payload) = split::<DataEvent>(raw)?;
            let payload = payload.get(..event.captured as usize)?;
            let fits = u64::from(event.skipped) + u64::from(event.captured) <= u64::from(event.length);
            (fits && event.direction <= 1 && event.tail <= event.captured).then_some(Event::Data(event, payload))
        }
        EVENT_COPY => {
            let (event, payload) = split::<CopyEvent>(raw)?;
            Some(Event::Copy(event, payload.get(..event.captured as usize)?))
        }
        EVENT_CONNECTION => Some(Event::Connection(split::<ConnectionEvent>(raw)?.0)),
        EVENT_PROCESS => {
            let (event, text) = split::<ProcessEvent>(raw)?;
            let executable = text.get(..event.executable_bytes as usize)?;
            let arguments = text[executable.len()..].get(..event.arguments_bytes as usize)?;
            Some(Event::Process(event, ProcessText { executable, arguments }))
        }
        _ => None,
    }
}
