//! Raw ring-buffer records as events. A record that is too short for what it claims is none.

use crate::events::*;

/// One event with its variable part.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A socket operation, what the layers took of it, and the payload that was captured.
    Data(DataEvent, LayersBefore, &'a [u8]),
    /// Payload of a receive that is still to come.
    Copy(CopyEvent, &'a [u8]),
    Connection(ConnectionEvent),
    Drop(DropEvent),
    Interface(InterfaceEvent),
    Activity(Box<ActivityEvent>),
    Process(ProcessEvent, ProcessText<'a>),
    /// A call of a TLS library that moved plaintext, with what was captured of it.
    Tls(TlsEvent, &'a [u8]),
    /// Ciphertext of a session without a socket, its begin.
    Cipher(CipherEvent, &'a [u8]),
    TlsState(TlsStateEvent),
    /// An HPACK table, and what it says.
    Table(TableEvent, ToldTable<'a>),
}

/// The table of a decoder right before a header block.
#[derive(Clone, Debug)]
pub struct ToldTable<'a> {
    pub block: &'a [u8],
    /// Names and values, the newest first.
    pub entries: Vec<(&'a [u8], &'a [u8])>,
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
impl Layout for SendLayers {}
impl Layout for ReceiveLayers {}
impl Layout for DropEvent {}
impl Layout for InterfaceEvent {}
impl Layout for ActivityEvent {}
impl Layout for TlsEvent {}
impl Layout for CipherEvent {}
impl Layout for TlsStateEvent {}
impl Layout for TableEvent {}

/// The layers that came before a data event.
#[derive(Clone, Copy, Debug)]
pub enum LayersBefore {
    None,
    Sent(SendLayers),
    Received(ReceiveLayers),
}

/// Type and padding before the layers.
const BEFORE: usize = 8;

fn data(raw: &[u8], layers: LayersBefore) -> Option<Event<'_>> {
    let (event, payload) = split::<DataEvent>(raw)?;
    let payload = payload.get(..event.captured as usize)?;
    // Pieces have heads of their own.
    let is_pieces = u32::from(event.flags) & DATA_PIECES != 0;
    let fits = is_pieces || u64::from(event.skipped) + u64::from(event.captured) <= u64::from(event.length);
    let is_sound = event.kind == EVENT_DATA && fits && event.direction <= 1 && event.tail <= event.captured;
    is_sound.then_some(Event::Data(event, layers, payload))
}

fn tls(raw: &[u8]) -> Option<Event<'_>> {
    let (event, payload) = split::<TlsEvent>(raw)?;
    let payload = payload.get(..event.captured as usize)?;
    let is_pieces = u32::from(event.flags) & TLS_PIECES != 0;
    let fits = is_pieces || u64::from(event.skipped) + u64::from(event.captured) <= u64::from(event.length);
    (fits && event.direction <= 1 && event.tail <= event.captured).then_some(Event::Tls(event, payload))
}

fn table(raw: &[u8]) -> Option<Event<'_>> {
    let (event, text) = split::<TableEvent>(raw)?;
    let text = text.get(..event.captured as usize)?;
    let (block, mut rest) = text.split_at_checked(event.block_bytes as usize)?;
    let mut entries = Vec::new();
    for _ in 0..event.entries {
        let (lengths, texts) = rest.split_first_chunk::<4>()?;
        let [name_0, name_1, value_0, value_1] = *lengths;
        let (name, texts) = texts.split_at_checked(usize::from(u16::from_le_bytes([name_0, name_1])))?;
        let (value, behind) = texts.split_at_checked(usize::from(u16::from_le_bytes([value_0, value_1])))?;
        entries.push((name, value));
        rest = behind;
    }
    (event.direction <= 1).then_some(Event::Table(event, ToldTable { block, entries }))
}

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
        EVENT_DATA => data(raw, LayersBefore::None),
        EVENT_SENT => {
            let (layers, rest) = split::<SendLayers>(raw.get(BEFORE..)?)?;
            data(rest, LayersBefore::Sent(layers))
        }
        EVENT_RECEIVED => {
            let (layers, rest) = split::<ReceiveLayers>(raw.get(BEFORE..)?)?;
            data(rest, LayersBefore::Received(layers))
        }
        EVENT_DROP => Some(Event::Drop(split::<DropEvent>(raw)?.0)),
        EVENT_INTERFACE => Some(Event::Interface(split::<InterfaceEvent>(raw)?.0)),
        EVENT_ACTIVITY => Some(Event::Activity(Box::new(split::<ActivityEvent>(raw)?.0))),
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
        EVENT_TLS => tls(raw),
        EVENT_CIPHER => {
            let (event, payload) = split::<CipherEvent>(raw)?;
            let payload = payload.get(..event.captured as usize)?;
            (event.direction <= 1).then_some(Event::Cipher(event, payload))
        }
        EVENT_TABLE => table(raw),
        EVENT_TLS_STATE => Some(Event::TlsState(split::<TlsStateEvent>(raw)?.0)),
        _ => None,
    }
}

/// What of `raw` is the event: behind a short payload the ring may hold what was there before.
pub fn without_rest(raw: &[u8]) -> &[u8] {
    let payload = match maybe_event(raw) {
        Some(Event::Data(_, _, payload) | Event::Tls(_, payload)) => payload,
        _ => return raw,
    };
    let end = payload.as_ptr() as usize + payload.len() - raw.as_ptr() as usize;
    raw.get(..end).unwrap_or(raw)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `length` and what follows it in `struct rv_tls_event`.
    const LENGTH: usize = 68;

    fn tls_event(length: u32, captured: u32, skipped: u32, tail: u32, direction: u8, payload: &[u8]) -> Vec<u8> {
        let mut raw = vec![0; std::mem::size_of::<TlsEvent>()];
        raw[..4].copy_from_slice(&EVENT_TLS.to_ne_bytes());
        for (index, number) in [length, captured, skipped, tail].into_iter().enumerate() {
            raw[LENGTH + 4 * index..LENGTH + 4 * index + 4].copy_from_slice(&number.to_ne_bytes());
        }
        raw[LENGTH + 16] = direction;
        raw.extend(payload);
        raw
    }

    #[test]
    fn plaintext_is_as_long_as_the_event_says() {
        let raw = tls_event(10, 3, 7, 0, 1, b"abc and what the ring adds");
        let Some(Event::Tls(event, payload)) = maybe_event(&raw) else {
            unreachable!("no event");
        };
        assert_eq!((event.length, event.skipped, event.direction, payload), (10, 7, 1, &b"abc"[..]));
    }

    #[test]
    fn what_lies_behind_an_event_is_no_part_of_it() {
        let whole = tls_event(10, 3, 7, 0, 1, b"abc");
        let in_a_room = tls_event(10, 3, 7, 0, 1, b"abc and what the ring had there before");
        assert_eq!(without_rest(&in_a_room), whole);
        assert_eq!(without_rest(&whole), whole);
        assert_eq!(without_rest(&in_a_room[..8]), &in_a_room[..8]);
    }

    #[test]
    fn plaintext_that_contradicts_itself_is_no_event() {
        for raw in [
            tls_event(10, 4, 0, 0, 1, b"abc"),
            tls_event(2, 3, 0, 0, 1, b"abc"),
            tls_event(10, 3, 8, 0, 1, b"abc"),
            tls_event(10, 3, 0, 4, 1, b"abc"),
            tls_event(10, 3, 0, 0, 2, b"abc"),
            tls_event(10, 3, 0, 0, 1, b"abc")[..80].to_vec(),
        ] {
            assert!(maybe_event(&raw).is_none());
        }
    }
}
