//! engine/src/events.rs is generated from the BTF of the object, that is from bpf/events.h: never edited, and stale
//! is a failure. `ROVER_WRITE_LAYOUTS=1 cargo test -p rover-engine --test event_layouts` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::PathBuf;

use libbpf_rs::btf::types::{Array, Enum, Int, Struct};
use libbpf_rs::btf::{BtfKind, BtfType, HasSize as _};
use libbpf_rs::Btf;

const STRUCTS: &[&str] = &[
    "rv_data_event",
    "rv_copy_event",
    "rv_send_layers",
    "rv_receive_layers",
    "rv_drop_event",
    "rv_interface_event",
    "rv_activity_event",
    "rv_connection_event",
    "rv_process_event",
    "rv_tls_event",
    "rv_cipher_event",
    "rv_tls_state_event",
    "rv_table_event",
    "rv_tls_operand",
    "rv_tls_site",
    "rv_tls_account",
    "rv_policy",
];
const ENUMS: &[&str] = &[
    "rv_event_type",
    "rv_direction",
    "rv_role",
    "rv_syscall",
    "rv_data_flag",
    "rv_connection_change",
    "rv_process_change",
    "rv_policy_mode",
    "rv_tls_library",
    "rv_tls_flag",
    "rv_tls_change",
    "rv_tls_action",
    "rv_tls_outcome",
    "rv_tls_site_flag",
    "rv_counter",
];

/// `rv_data_event` → `DataEvent`
fn type_name(name: &str) -> String {
    name.trim_start_matches("rv_").split('_').map(|w| w[..1].to_uppercase() + &w[1..]).collect()
}

fn field_type(ty: BtfType<'_>) -> String {
    let ty = ty.skip_mods_and_typedefs();
    match ty.kind() {
        BtfKind::Int => {
            let int = Int::try_from(ty).unwrap();
            format!("u{}", int.bits)
        }
        BtfKind::Array => {
            let array = Array::try_from(ty).unwrap();
            format!("[{}; {}]", field_type(array.contained_type()), array.capacity())
        }
        BtfKind::Struct => type_name(ty.name().unwrap().to_str().unwrap()),
        kind => panic!("no rule for a field of kind {kind:?}"),
    }
}

fn generate(btf: &Btf<'_>) -> String {
    let mut out = String::from(
        "//! Layouts of bpf/events.h. Generated from the object's BTF by tests/event_layouts.rs; do not edit.\n\n",
    );
    for name in STRUCTS {
        let ty: Struct<'_> = btf.type_by_name(name).unwrap_or_else(|| panic!("{name} is not in the object's BTF"));
        writeln!(out, "#[derive(Clone, Copy, Debug, Default)]\n#[repr(C)]\npub struct {} {{", type_name(name)).unwrap();
        for member in ty.iter() {
            let field = member.name.unwrap().to_str().unwrap();
            let field = if field == "type" { "kind" } else { field };
            let ty = field_type(btf.type_by_id(member.ty).unwrap());
            writeln!(out, "    pub {field}: {ty},").unwrap();
        }
        writeln!(out, "}}\n").unwrap();
        let size = ty.size();
        writeln!(out, "const _: () = assert!(std::mem::size_of::<{}>() == {size});\n", type_name(name)).unwrap();
    }
    for name in ENUMS {
        let ty: Enum<'_> = btf.type_by_name(name).unwrap_or_else(|| panic!("{name} is not in the object's BTF"));
        for member in ty.iter() {
            let constant = member.name.unwrap().to_str().unwrap().trim_start_matches("RV_").to_owned();
            writeln!(out, "pub const {constant}: u32 = {};", member.value).unwrap();
        }
        writeln!(out).unwrap();
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[test]
fn the_rust_layouts_are_those_of_the_object() {
    let btf = Btf::from_path(env!("ROVER_BPF_OBJECT")).unwrap();
    let fresh = generate(&btf);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/events.rs");
    if std::env::var_os("ROVER_WRITE_LAYOUTS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == fresh, "engine/src/events.rs is stale: run scripts/generate-events.sh");
}
