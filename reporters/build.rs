//! Compiles the protocol files: protox parses them, so no `protoc` has to be installed.

use std::error::Error;

const FILES: [&str; 6] = [
    "skywalking/v3/common.proto",
    "skywalking/v3/access_log.proto",
    "skywalking/v3/process.proto",
    "skywalking/v3/management.proto",
    "skywalking/v3/management_compat.proto",
    "skywalking/v3/profiling.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure().build_transport(true).compile_fds(descriptors)?;
    Ok(())
}
