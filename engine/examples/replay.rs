//! Replays a recording and throws the records away: what a profiler is pointed at.
//!
//! `cargo run --release -p rover-engine --example replay -- FILE [FORMAT] > /dev/null`

fn main() {
    let path = std::env::args().nth(1).unwrap_or_default();
    match rover_engine::engine::replay(
        path.as_ref(),
        1,
        &std::env::args().nth(2).unwrap_or_else(|| "json".into()),
        "",
        rover_engine::options::Options::default(),
    ) {
        Ok(ledger) => eprintln!("{}", ledger.to_json()),
        Err(error) => eprintln!("{path}: {error:?}"),
    }
}
