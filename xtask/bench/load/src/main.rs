//! The load generator and the upstream of `cargo xtask bench`.
//!
//! `load upstream` serves on a port of the system's choice, and prints the address. `load run JOB` does what a job in
//! JSON says (`job.rs`), and prints events in JSON, one per line: `begin` and `end` of what is measured, when they
//! happen, and then the result. `load soak SOAK` asks everything at once (`soak.rs`), and says every five seconds that it
//! is time to look at the proxy.

mod generate;
mod job;
mod open;
mod soak;
mod upstream;

use std::process::ExitCode;
use std::{env, io};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["upstream"] => upstream::serve(),
        ["run", job] => serde_json::from_str(job).map_err(io::Error::other).and_then(generate::run),
        ["soak", soak] => serde_json::from_str(soak).map_err(io::Error::other).and_then(soak::run),
        _ => Err(io::Error::other("usage: load upstream | load run JOB | load soak SOAK")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
