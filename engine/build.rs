//! Compiles the BPF objects with clang; their paths go to the sources as `ROVER_BPF_OBJECT` and `ROVER_BPF_PROBES`.
//!
//! The warnings are errors here already, so that there is no second place that must agree on the flags.

use std::path::{Path, PathBuf};
use std::process::Command;

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpadded", "-Werror", "-Wno-unused-parameter"];

/// The same source twice: its second form has kprobes too, and does without what they cannot use.
const OBJECTS: &[(&str, &str, &[&str])] =
    &[("ROVER_BPF_OBJECT", "capture.bpf.o", &[]), ("ROVER_BPF_PROBES", "capture_probes.bpf.o", &["-DRV_PROBE"])];

fn main() {
    if let Err(message) = compile() {
        // The one line a person who lacks a tool must see; cargo prints it as the reason of the failure.
        eprintln!("{message}");
        std::process::exit(1);
    }
}

fn compile() -> Result<(), String> {
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR")?).join("../bpf");
    let headers = Path::new(&env("DEP_BPF_INCLUDE")?).to_path_buf();
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-env-changed=CLANG");
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    for (variable, name, defines) in OBJECTS {
        let object = PathBuf::from(env("OUT_DIR")?).join(name);
        let status = Command::new(&clang)
            .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86"])
            .args(WARNINGS)
            .args(*defines)
            .arg("-isystem")
            .arg(&headers)
            .arg("-I")
            .arg(&root)
            .arg("-c")
            .arg(root.join("capture.bpf.c"))
            .arg("-o")
            .arg(&object)
            .status()
            .map_err(|error| format!("cannot run {clang} ({error}); install it with: apt-get install clang"))?;
        if !status.success() {
            return Err(format!("{clang} rejected bpf/capture.bpf.c"));
        }
        println!("cargo:rustc-env={variable}={}", object.display());
    }
    Ok(())
}

fn env(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: this script is run by cargo"))
}
