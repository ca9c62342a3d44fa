//! Probes the entry and each return instruction of OpenSSL's public functions, as others do, with a program that does
//! nothing: what `make bench` compares with. `entries LIBRARY FOLDER`; ends with its standard input.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../tests/live/counter.rs"]
mod counter;
#[allow(dead_code)]
#[path = "../tests/live/reference.rs"]
mod reference;

use std::path::Path;

fn main() {
    let [_, library, folder] = std::env::args().collect::<Vec<_>>().try_into().expect("a library and a folder");
    let library = Path::new(&library);
    let object = counter::compile(Path::new(&folder)).expect("clang");
    let families = [false, true].map(|is_ex| reference::entries_and_returns(library, is_ex).with_return_instructions);
    let _probes = counter::Counter::attach_nothing(&object, library, &families.concat());
    println!("ready");
    let _ = std::io::stdin().lines().count();
}
