//! Prints what is found in files: `cargo run -p rover-sites --example sites FILE…`

use std::path::Path;

use rover_sites::{inspect, Library, Site};

fn main() {
    for path in std::env::args().skip(1) {
        match inspect(Path::new(&path)) {
            Ok(Some(library)) => print(&path, &library),
            Ok(None) => println!("{path}: no TLS"),
            Err(error) => println!("{path}: {error}"),
        }
    }
}

fn print(path: &str, library: &Library) {
    let version = library.version.as_deref().unwrap_or("unknown version");
    let build_id = library.build_id.as_deref().unwrap_or("none");
    println!("{path}: {:?} {version}, {:?}, build id {build_id}", library.kind, library.linkage);
    library.sites.iter().for_each(print_site);
    if !library.return_sites.is_empty() {
        println!("  or, where return probes do no harm:");
        library.return_sites.iter().for_each(print_site);
    }
    for note in &library.notes {
        println!("  note: {note}");
    }
}

fn print_site(site: &Site) {
    let how = match (site.is_return_probe, site.is_emulated) {
        (true, _) => "return probe",
        (false, true) => "emulated",
        (false, false) => "STEPPED",
    };
    let bytes: String = site.bytes.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    print!("  {:16} {:20} {:#9x} {how:12} {bytes}", format!("{:?}", site.action), site.function, site.offset);
    if site.action.is_leave() {
        print!(" {:?} {}B {:?}", site.result, site.result_bytes, site.outcome);
        if let Some(plus) = site.result_plus {
            print!(" + {plus:?}");
        }
        if !site.is_last {
            print!(" not last");
        }
    } else {
        let arguments = site.arguments;
        print!(
            " {:?}",
            [arguments.session, arguments.buffer, arguments.length, arguments.count].map(|at| at.unwrap_or(99))
        );
    }
    println!(" frame {:?} at {:#x}", site.frame_offset, site.address);
}
