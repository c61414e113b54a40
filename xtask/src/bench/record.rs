//! What a gateway runs through under load, counted by a gateway that counts, for the compiler (`gateway/recording.rs`).
//!
//! What it is compiled for is what it is asked here: small and large bodies, posts, plugins, reloads, clients and upstreams
//! that break off, and TLS and HTTP/2 on both sides. That is spoken between two gateways, of which one is the other's upstream.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::error::BenchError;
use super::gateway::{Conf, Gateway, Tls};
use super::load::{Job, Load, Pace};
use super::outcome::Outcome;
use super::process::Process;
use super::rounds::Samples;
use super::subject::Place;
use super::tools::fresh;
use super::{Effort, soak};
use crate::report::Report;
use crate::repository::{Repository, shown};
use crate::toolchain::{Toolchain, in_path, run};

/// Of mixed load.
const MINUTES: u32 = 1;
/// How long a pair of gateways is asked for one thing.
const SECONDS: f64 = 1.5;

/// Records, and writes the file that is to be committed.
///
/// # Errors
/// When something cannot be built, run or written.
pub(super) fn record(repository: &Repository, open_files: u64, report: &Report) -> Result<ExitCode, BenchError> {
    // What is missing is better told now than after minutes.
    let profdata = profdata(&Toolchain::ask(repository.root())?)?;
    let counted = repository.work_dir().join("bench/counted");
    fresh(&counted)?;
    let (gateway, file) = Gateway::that_counts(repository, &counted, report)?;
    let dir = repository.work_dir().join("bench/run");
    fresh(&dir)?;
    let load = Load::start(dir, report)?;
    Samples::take(&load, &[gateway.plain(), gateway.header()], Effort { quick: true }, report)?;
    for http2 in [true, false] {
        report.note(&format!("two gateways, with TLS and HTTP/{} between them …", if http2 { "2" } else { "1.1" }));
        pair(&load, &gateway, http2)?;
    }
    soak::measure(&load, &gateway, MINUTES, open_files, &mut Outcome::default(), report)?;
    // Gateways have ended, and written.
    drop(load);
    merge(&profdata, &counted, &file)?;
    report.product("recording", &format!("{}: commit it", shown(&file)), &file);
    Ok(ExitCode::SUCCESS)
}

/// A gateway in front of another one.
fn pair(load: &Load, gateway: &Gateway, http2: bool) -> Result<(), BenchError> {
    let name = if http2 { "h2" } else { "h1" };
    let dir = load.place.dir.join(format!("behind-{name}"));
    fs::create_dir_all(&dir).map_err(BenchError::io("make", &dir))?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let behind = port.map_err(|source| BenchError::Io { what: "find a free port".to_owned(), source })?;
    let conf = Conf { tls: Tls::Clients, ..Conf::PLAIN }.write(&dir, behind.port(), load.place.upstream)?;
    let mut command = Command::new(&gateway.binary);
    let command = command.arg("--conf").arg(conf).current_dir(&dir);
    let _behind = Process::spawn("the gateway behind", command, &dir)?;
    let place = Place { upstream: SocketAddr::from(([127, 0, 0, 1], behind.port())), ..load.place.clone() };
    let subject = gateway.with("gateway in front", Conf { tls: Tls::Upstream { http2 }, ..Conf::PLAIN });
    // It is asked until the one behind answers.
    let front = subject.start(&place)?;
    for (path, post) in [("/hello", 0), ("/10k", 0), ("/hello", 10 << 10), ("/1m", 0)] {
        let job = Job { path, post, connections: 16, pace: Pace::Closed { seconds: SECONDS } };
        load.run(&front, &job, |_, _| Ok(()))?;
    }
    Ok(())
}

/// The program that puts together what was counted: of rustup, or of a package.
fn profdata(toolchain: &Toolchain) -> Result<PathBuf, BenchError> {
    let Toolchain { sysroot, host, llvm, .. } = toolchain;
    let of_rustup = sysroot.join(format!("lib/rustlib/{host}/bin/llvm-profdata"));
    let program = llvm.map_or_else(|| "llvm-profdata".to_owned(), |major| format!("llvm-profdata-{major}"));
    if of_rustup.is_file() {
        Ok(of_rustup)
    } else if in_path(&program) {
        Ok(program.into())
    } else {
        Err(BenchError::NoProfdata { program })
    }
}

fn merge(profdata: &Path, counted: &Path, file: &Path) -> Result<(), BenchError> {
    let entries = fs::read_dir(counted).map_err(BenchError::io("read", counted))?;
    let raw = entries.flatten().map(|entry| entry.path());
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(BenchError::io("make", folder))?;
    // What is there already is replaced by a whole one.
    let half = counted.join("merged");
    let output = run(Command::new(profdata).args(["merge", "--output"]).arg(&half).args(raw))?;
    if output.status.success() {
        return fs::copy(&half, file).map(drop).map_err(BenchError::io("write", file));
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(BenchError::Unrecorded { program: profdata.to_owned(), stderr, dir: counted.to_owned() })
}
