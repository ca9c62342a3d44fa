//! What others do: probes on the entry and the return of the public functions.

use std::path::Path;

use iced_x86::{Decoder, DecoderOptions, FlowControl};
use object::{Object, ObjectSegment, ObjectSymbol};
use rover_sites::{Action, Arguments, Convention, Outcome, Place, Site};

pub struct Entries {
    pub with_return_probes: Vec<Site>,
    pub with_return_instructions: Vec<Site>,
}

/// The two functions of a family, as sites: at the symbol's address, and at each `ret` of its bytes.
pub fn entries_and_returns(library: &Path, is_ex: bool) -> Entries {
    let data = std::fs::read(library).unwrap();
    let file = object::File::parse(data.as_slice()).unwrap();
    let names = if is_ex { ["SSL_read_ex", "SSL_write_ex"] } else { ["SSL_read", "SSL_write"] };
    let actions = [(Action::ReadEnter, Action::ReadLeave), (Action::WriteEnter, Action::WriteLeave)];
    let mut entries = Entries { with_return_probes: Vec::new(), with_return_instructions: Vec::new() };
    for (name, (enter, leave)) in names.into_iter().zip(actions) {
        let symbol = file.dynamic_symbols().find(|symbol| symbol.name() == Ok(name)).unwrap();
        let offset = |address: u64| {
            let segments = file.segments();
            let segment = segments.into_iter().find(|it| (it.address()..it.address() + it.size()).contains(&address));
            let segment = segment.unwrap();
            address - segment.address() + segment.file_range().0
        };
        let site = |action, address, is_return_probe, frame_offset| Site {
            action,
            function: if is_ex { "extended" } else { "plain" },
            offset: offset(address),
            address,
            is_return_probe,
            is_emulated: false,
            convention: Convention::C,
            outcome: if is_ex { Outcome::OkAndCountAt { argument: 3 } } else { Outcome::CountInResult },
            arguments: Arguments { session: Some(0), buffer: Some(1), length: Some(2), count: is_ex.then_some(3) },
            result: Place::Register(0),
            result_plus: None,
            result_bytes: 4,
            frame_offset: Some(frame_offset),
            is_last: true,
            bytes: [0; 16],
        };
        let start = site(enter, symbol.address(), false, 0);
        entries.with_return_probes.extend([start.clone(), site(leave, symbol.address(), true, -8)]);
        entries.with_return_instructions.push(start);
        let at = offset(symbol.address()) as usize;
        let code = &data[at..at + symbol.size() as usize];
        for instruction in &mut Decoder::with_ip(64, code, symbol.address(), DecoderOptions::NONE) {
            if instruction.flow_control() == FlowControl::Return {
                entries.with_return_instructions.push(site(leave, instruction.ip(), false, 0));
            }
        }
    }
    entries
}
