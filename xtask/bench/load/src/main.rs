//! The load generator and the upstream of `cargo xtask bench`.
//!
//! `load upstream` serves on a port of the system's choice, and prints the address. `load run JOB` does what a job in
//! JSON says (`job.rs`), and prints events in JSON, one per line: `begin` and `end` of what is measured, when they
//! happen, and then the result.

mod generate;
mod job;
mod open;
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
        _ => Err(io::Error::other("usage: load upstream | load run JOB")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
