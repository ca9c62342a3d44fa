//! OpenSSL 3 and newer without symbols: it hands `__func__` over with each error, so functions name themselves.
//!
//! `ssl_read_internal` and `ssl_write_internal` are found so, and `ssl3_write_bytes`, whose address stands in each method
//! table. Where such a table begins is what its own functions say: the one that `ssl_write_internal` calls through it
//! jumps, through the same table, to `ssl3_write_bytes`.

use std::collections::BTreeSet;
use std::iter::once;

use iced_x86::{FlowControl, Register};

use crate::calls::{Call, Sites};
use crate::code::{Code, Exit, Function, Step};
use crate::found::Found;
use crate::image::{Image, Symbols};

use super::method::{pointer_place, Methods, TABLE_BYTES};
use super::{READ, WRITE};

/// None where nothing speaks of OpenSSL.
pub(crate) fn find(image: &Image) -> Option<Found> {
    image.string("ssl_read_internal")?;
    let code = Code::new(image, &Symbols::new());
    let mut found = Found::default();
    let Some(methods) = methods(&code) else {
        found.notes.push("OpenSSL without symbols: its table of methods was not found".into());
        return Some(found);
    };
    let sites = Sites { code: &code };
    for twins in [&READ, &WRITE] {
        let call: Option<Call> = twins.method;
        let method = naming(&code, twins.inner.name).and_then(|inner| methods.called_by(once(&inner)));
        let function = method.and_then(|method| Function::decode(&code, method, 0));
        match call.zip(function).and_then(|(call, function)| sites.cheap(&call, &function, &methods)) {
            Some(sites) => found.sites.extend(sites),
            None => found.notes.push(format!("{}: nothing gives it away, or its end is dear", twins.plain.name)),
        }
    }
    found.notes.push("SSL_free, SSL_do_handshake, BIO_read, BIO_write: not looked for without symbols".into());
    Some(found)
}

/// The one function that hands over this name with an error: `ERR_set_debug(file, line, func)`.
fn naming(code: &Code, name: &str) -> Option<Function> {
    let address = code.image.string(name)?;
    let starts = code.image.function_starts();
    let mut found = BTreeSet::new();
    for reference in code.image.references_to(address) {
        let is_third = code.instruction(reference).is_some_and(|it| it.op0_register().full_register() == Register::RDX);
        let after = starts.partition_point(|&start| start <= reference);
        if let Some(&start) = after.checked_sub(1).and_then(|at| starts.get(at)).filter(|_| is_third) {
            found.insert(start);
        }
    }
    // A cold part has an entry of its own, and no beginning: then there are two, and neither is taken.
    let start = found.first().copied().filter(|_| found.len() == 1)?;
    Function::decode(code, start, 0)
}

fn methods<'a, 'b>(code: &'a Code<'b>) -> Option<Methods<'a, 'b>> {
    let write_bytes = naming(code, "ssl3_write_bytes")?.start();
    let write = naming(code, "ssl_write_internal")?;
    let write_place = through_pointer(&write).find_map(|step| pointer_place(&write, step))?;
    let mut tables = Vec::new();
    for word in code.relocations.places_of(code.image, write_bytes) {
        for distance in (0..TABLE_BYTES).step_by(8) {
            let Some(table) = word.checked_sub(distance) else { continue };
            if is_table(code, table, write_place, distance) {
                tables.push(table);
            }
        }
    }
    (!tables.is_empty()).then(|| Methods::at(code, tables))
}

/// Whether the function at `write_place` of the table jumps or calls through `distance` of a table, and through no other
/// pointer.
fn is_table(code: &Code, table: u64, write_place: u64, distance: u64) -> bool {
    let pointer = table.checked_add(write_place).and_then(|at| code.relocations.address_at(code.image, at));
    let Some(write) = pointer.filter(|&it| code.image.is_code(it)).and_then(|it| Function::decode(code, it, 0)) else {
        return false;
    };
    let mut places = through_pointer(&write).map(|step| pointer_place(&write, step));
    places.next() == Some(Some(distance)) && places.next().is_none()
}

fn through_pointer(function: &Function) -> impl Iterator<Item = &Step> {
    function.steps.iter().filter(|step| {
        step.exit == Some(Exit::TailIndirect) || step.instruction.flow_control() == FlowControl::IndirectCall
    })
}
