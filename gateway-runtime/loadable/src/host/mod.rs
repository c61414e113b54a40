//! The gateway's side.

mod body;
mod call;
pub mod examine;
mod library;
mod life;
mod message;
mod metric;
mod operation;
mod table;

use std::pin::Pin;
use std::sync::OnceLock;

use gateway_sdk::host::Level;

pub use library::{Failure, Library, load};

/// What this crate asks of the gateway's process.
#[derive(Clone, Copy)]
pub struct Process {
    /// A line for the log that belongs to no API.
    pub log: fn(Level, &str),
    /// A panic in a file's code: where, and what it said.
    pub panicked: fn(&str, &str),
    /// Waits on this thread for what needs the gateway's timers and sockets.
    pub wait: fn(Pin<&mut (dyn Future<Output = ()> + Send)>),
}

static PROCESS: OnceLock<Process> = OnceLock::new();

/// Says what the process does. The first call counts.
pub fn in_process(process: Process) {
    let _ = PROCESS.set(process);
}

fn process() -> Option<&'static Process> {
    PROCESS.get()
}
