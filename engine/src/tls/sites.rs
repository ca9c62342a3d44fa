//! A place as `rover-sites` names it, in the words of bpf/maps/tls.h.

use rover_sites::{Action, Arguments, Convention, Kind, Outcome, Place, Site};

use super::programs::Program;
use crate::events::{self, TlsOperand, TlsSite};

/// DWARF numbers of the registers that arguments come in, in their order.
const C: &[u8] = &[5, 4, 1, 2, 8, 9];
const GO: &[u8] = &[0, 3, 2, 5, 4, 8, 9, 10, 11];
/// RV_TLS_NOWHERE and RV_TLS_FRAME of bpf/maps/tls.h.
const NOWHERE: TlsOperand = TlsOperand { base: 0xff, is_memory: 0, offset: 0 };
const FRAME: u8 = 0x20;

/// Which program is attached there.
pub fn program_of(action: Action) -> Program {
    use Action::*;
    match action {
        ReadEnter | WriteEnter | SendfileEnter | HandshakeEnter => Program::Enter,
        ReadLeave | WriteLeave | SendfileLeave | HandshakeLeave => Program::Leave,
        Free => Program::Free,
        CipherReadEnter | CipherReadLeave | CipherWriteEnter | CipherWriteLeave | CipherWritten => Program::Cipher,
        TableRead => Program::Table,
    }
}

fn action_number(action: Action) -> u32 {
    match action {
        Action::ReadEnter => events::TLS_READ_ENTER,
        Action::ReadLeave => events::TLS_READ_LEAVE,
        // A write of which nobody can see the bytes.
        Action::WriteEnter | Action::SendfileEnter => events::TLS_WRITE_ENTER,
        Action::WriteLeave | Action::SendfileLeave => events::TLS_WRITE_LEAVE,
        Action::HandshakeEnter => events::TLS_HANDSHAKE_ENTER,
        Action::HandshakeLeave => events::TLS_HANDSHAKE_LEAVE,
        Action::Free => events::TLS_FREE,
        Action::CipherReadEnter => events::TLS_CIPHER_READ_ENTER,
        Action::CipherReadLeave => events::TLS_CIPHER_READ_LEAVE,
        Action::CipherWriteEnter => events::TLS_CIPHER_WRITE_ENTER,
        Action::CipherWriteLeave => events::TLS_CIPHER_WRITE_LEAVE,
        Action::CipherWritten => events::TLS_CIPHER_WRITTEN,
        Action::TableRead => events::TLS_TABLE_READ,
    }
}

/// As in records: `openssl`, `go`.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Openssl => "openssl",
        Kind::Boringssl => "boringssl",
        Kind::Gnutls => "gnutls",
        Kind::Nss => "nss",
        Kind::Go => "go",
        Kind::Rustls => "rustls",
        Kind::Jsse => "jsse",
    }
}

fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Openssl => events::TLS_OPENSSL,
        Kind::Boringssl => events::TLS_BORINGSSL,
        Kind::Gnutls => events::TLS_GNUTLS,
        Kind::Nss => events::TLS_NSS,
        Kind::Go => events::TLS_GO,
        Kind::Rustls => events::TLS_RUSTLS,
        // Never probed.
        Kind::Jsse => events::TLS_OTHER,
    }
}

fn register(number: u8) -> TlsOperand {
    TlsOperand { base: number, is_memory: 0, offset: 0 }
}

/// A value on the stack; none if it is farther away than the program can tell.
fn maybe_stacked(offset: i32) -> Option<TlsOperand> {
    let offset = i16::try_from(offset).ok()? as u16;
    Some(TlsOperand { base: FRAME, is_memory: 1, offset })
}

fn maybe_place(place: Place) -> Option<TlsOperand> {
    match place {
        Place::Register(number) => (number < 16).then(|| register(number)),
        Place::Stack(offset) => maybe_stacked(offset),
    }
}

fn maybe_argument(convention: Convention, argument: Option<u8>) -> Option<TlsOperand> {
    let Some(argument) = argument else {
        return Some(NOWHERE);
    };
    match convention {
        Convention::C => C.get(usize::from(argument)).copied().map(register),
        Convention::GoRegisters => GO.get(usize::from(argument)).copied().map(register),
        // The first one lies behind the return address.
        Convention::GoStack => maybe_stacked(8 + 8 * i32::from(argument)),
    }
}

/// Places that tell of failures only: a call that moved nothing is over with the next one, and needs no probe for that.
pub fn is_of_failures(site: &Site) -> bool {
    use Outcome::*;
    matches!(site.outcome, Failed | FailedIfNotPositive | FailedIfNegative | FailedIfZero)
}

/// What the kernel side is told of a place; none if it cannot be told.
pub fn maybe_site(kind: Kind, site: &Site, account: u32) -> Option<TlsSite> {
    let Arguments { session, buffer, length, count } = site.arguments;
    let argument = |argument| maybe_argument(site.convention, argument);
    let mut count = argument(count)?;
    let outcome = match site.outcome {
        Outcome::CountInResult | Outcome::GoResult => events::TLS_COUNT,
        Outcome::OkAndCountAt { .. } => events::TLS_COUNT_BEHIND,
        Outcome::OkAndCountOnStack { offset } => {
            count = maybe_stacked(offset)?;
            events::TLS_COUNT_IN_PLACE
        }
        Outcome::OkOnly => events::TLS_SUCCESS,
        Outcome::ZeroIsOk => events::TLS_SUCCESS_ZERO,
        Outcome::Failed | Outcome::FailedIfNotPositive | Outcome::FailedIfNegative | Outcome::FailedIfZero => {
            return None;
        }
    };
    let result = maybe_place(site.result)?;
    let more = site.result_plus.map_or(Some(NOWHERE), maybe_place)?;
    let is_go = site.convention != Convention::C;
    let mut flags = 0;
    for (flag, is_set) in [
        (events::TLS_SITE_GO, is_go),
        (events::TLS_SITE_LAST, site.is_last),
        (events::TLS_SITE_LONG, site.result_bytes == 8),
        (events::TLS_SITE_FRAME, site.frame_offset.is_some()),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    Some(TlsSite {
        session: argument(session)?,
        buffer: argument(buffer)?,
        length: argument(length)?,
        count,
        result,
        more,
        account,
        frame_offset: site.frame_offset.unwrap_or(0) as u32,
        action: action_number(site.action) as u8,
        outcome: outcome as u8,
        library: kind_number(kind) as u8,
        flags: flags as u8,
        pad: 0,
    })
}

/// Numbers to give out and to take back.
#[derive(Debug)]
pub struct Slots {
    free: Vec<u32>,
    next: u32,
    count: u32,
}

impl Slots {
    pub fn new(count: u32) -> Slots {
        Slots { free: Vec::new(), next: 0, count }
    }

    pub fn maybe_take(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        (self.next < self.count).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    pub fn give_back(&mut self, slots: impl IntoIterator<Item = u32>) {
        self.free.extend(slots);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn site(action: Action, convention: Convention, outcome: Outcome) -> Site {
        Site {
            action,
            function: "f",
            offset: 16,
            address: 16,
            is_return_probe: false,
            is_emulated: true,
            convention,
            outcome,
            arguments: Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: Some(3) },
            result: Place::Register(0),
            result_plus: None,
            result_bytes: 4,
            frame_offset: Some(-8),
            is_last: true,
            bytes: [0; 16],
        }
    }

    fn bases(site: &TlsSite) -> [u8; 4] {
        [site.session.base, site.buffer.base, site.length.base, site.count.base]
    }

    #[test]
    fn arguments_are_where_the_convention_has_them() {
        let count_at = Outcome::OkAndCountAt { argument: 3 };
        let place = maybe_site(Kind::Openssl, &site(Action::ReadEnter, Convention::C, count_at), 7).unwrap();
        assert_eq!(bases(&place), [5, 4, 1, 2]);
        assert_eq!((place.account, place.frame_offset as i32), (7, -8));
        assert_eq!(u32::from(place.flags), events::TLS_SITE_LAST | events::TLS_SITE_FRAME);
        let place =
            maybe_site(Kind::Go, &site(Action::ReadEnter, Convention::GoRegisters, Outcome::GoResult), 0).unwrap();
        assert_eq!(bases(&place), [0, 3, 2, 5]);
        assert!(u32::from(place.flags) & events::TLS_SITE_GO != 0);
        let place = maybe_site(Kind::Go, &site(Action::ReadEnter, Convention::GoStack, Outcome::GoResult), 0).unwrap();
        assert_eq!((bases(&place), place.session.offset, place.length.offset), ([FRAME; 4], 8, 24));
        assert_eq!(place.session.is_memory, 1);
    }

    #[test]
    fn a_count_on_the_stack_is_read_at_the_end() {
        let outcome = Outcome::OkAndCountOnStack { offset: -40 };
        let place = maybe_site(Kind::Openssl, &site(Action::ReadLeave, Convention::C, outcome), 0).unwrap();
        assert_eq!(u32::from(place.outcome), events::TLS_COUNT_IN_PLACE);
        assert_eq!((place.count.base, place.count.is_memory, place.count.offset as i16), (FRAME, 1, -40));
    }

    #[test]
    fn what_no_program_can_read_is_no_site() {
        let far = Outcome::OkAndCountOnStack { offset: 1 << 20 };
        assert!(maybe_site(Kind::Openssl, &site(Action::ReadLeave, Convention::C, far), 0).is_none());
        let vector = Site { result: Place::Register(17), ..site(Action::ReadLeave, Convention::C, Outcome::OkOnly) };
        assert!(maybe_site(Kind::Openssl, &vector, 0).is_none());
        let ninth = Arguments { session: Some(9), ..Arguments::default() };
        let site = Site { arguments: ninth, ..site(Action::ReadEnter, Convention::C, Outcome::OkOnly) };
        assert!(maybe_site(Kind::Openssl, &site, 0).is_none());
    }

    #[test]
    fn numbers_that_were_given_back_are_given_out_again() {
        let mut slots = Slots::new(2);
        assert_eq!([slots.maybe_take(), slots.maybe_take(), slots.maybe_take()], [Some(0), Some(1), None]);
        slots.give_back([1]);
        assert_eq!([slots.maybe_take(), slots.maybe_take()], [Some(1), None]);
    }
}
