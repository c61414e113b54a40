//! `cargo xtask run`: a gateway that one can talk to, with nothing to set up.

use std::error::Error;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use thiserror::Error;

use crate::cli::{BuildArgs, PluginArg, RunArgs, Selection};
use crate::gateway::BuildError;
use crate::gateway::manifest::ManifestFile;
use crate::gateway::plan::PlanError;
use crate::report::{Failure, Report};
use crate::repository::{Repository, shown};
use crate::sample::{self, Keys, Request};
use crate::{build, echo};

/// How long a gateway may take to answer `/hello`.
const READY: Duration = Duration::from_secs(10);

/// Why nothing is served.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no gateway.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Somebody else listens there.
    #[error("port {port} of 127.0.0.1 is taken\n  = choose another one: --port {}", other_port(*port))]
    PortTaken {
        /// As asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The upstream cannot be served.
    #[error("cannot start the echo upstream")]
    Echo(#[source] Box<dyn Error + Send + Sync>),
    /// The gateway ended before it served.
    #[error("the gateway ended before it served ({status}); its reason is printed above\n  = its configuration: {}", conf.display())]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// What it was given.
        conf: PathBuf,
    },
    /// The gateway is there and does not answer.
    #[error("the gateway did not answer http://127.0.0.1:{port}/hello within {} seconds", READY.as_secs())]
    Silent {
        /// Where it was asked.
        port: u16,
    },
    /// The system says no.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: What,
        /// Why not.
        source: io::Error,
    },
}

/// What `run` does with the system.
#[derive(Debug)]
pub enum What {
    /// Reads the folders of `plugins/`.
    ListPlugins(PathBuf),
    /// Writes configuration and definitions.
    WriteSamples(PathBuf),
    /// Starts or awaits the gateway.
    Start(PathBuf),
    /// Waits for Ctrl-C.
    Listen,
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListPlugins(path) => write!(out, "read `{}`", path.display()),
            Self::WriteSamples(path) => write!(out, "write the samples to `{}`", path.display()),
            Self::Start(path) => write!(out, "start `{}`", path.display()),
            Self::Listen => out.write_str("wait for signals"),
        }
    }
}

impl What {
    pub(crate) fn failed(self) -> impl FnOnce(io::Error) -> RunError {
        move |source| RunError::Io { what: self, source }
    }
}

impl Failure for RunError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Build(error) => error.exit_code(),
            _ => crate::FAILED,
        }
    }
}

/// Builds, serves until Ctrl-C, and passes the gateway's exit code on.
///
/// # Errors
/// When nothing can be built or served.
pub fn command(args: &RunArgs, report: &Report) -> Result<ExitCode, RunError> {
    let repository = Repository::discover();
    check_port(args.port)?;
    // Of this port alone: what another run serves is not touched.
    let dir = repository.work_dir().join("run").join(args.port.to_string());
    let mut build = with_all_plugins(&repository, &args.build)?;
    let definitions = definitions(&build.selection)?;
    build.output.get_or_insert_with(|| dir.join("gateway"));
    let (placed, proof) = build::build(&repository, &build, report)?;
    report.result(&placed.to_string());

    // A build takes its time, and another run may serve on this port, from this folder, by now.
    check_port(args.port)?;
    let written = match &definitions {
        Some(apis) => sample::write_configuration(&dir, args.port, Keys::Beside, apis),
        None => {
            let upstream = echo::serve().map_err(RunError::Echo)?;
            sample::write(&dir, args.port, Keys::Beside, upstream, &proof.records)
        }
    };
    let written = written.map_err(What::WriteSamples(dir).failed())?;
    let mut gateway = start(&placed.path, &written.conf)?;
    let outcome = serve(args, &mut gateway, &written, report);
    if outcome.is_err() {
        // It may be there still; nobody is going to use it.
        let _ = gateway.kill();
        let _ = gateway.wait();
    }
    outcome
}

/// Without a word about plugins: every folder of `plugins/`.
///
/// # Errors
/// When these folders cannot be listed.
pub(crate) fn with_all_plugins(repository: &Repository, build: &BuildArgs) -> Result<BuildArgs, RunError> {
    let mut build = build.clone();
    let selection = &mut build.selection;
    if selection.plugins.is_empty() && selection.manifest.is_none() && selection.from_apis.is_none() {
        let folders = repository.plugin_folders().map_err(What::ListPlugins(repository.plugins()).failed())?;
        selection.plugins = folders.into_iter().map(PluginArg::Folder).collect();
    }
    Ok(build)
}

/// The folder of definitions that is named, on the command line or in the manifest: these are served, and no samples.
///
/// # Errors
/// When the manifest cannot be read.
pub(crate) fn definitions(selection: &Selection) -> Result<Option<PathBuf>, BuildError> {
    let typed = selection.apis.as_ref().or(selection.from_apis.as_ref());
    if let (None, Some(manifest)) = (typed, &selection.manifest) {
        let file = ManifestFile::read(manifest).map_err(PlanError::from)?;
        return Ok(file.manifest.build.apis.as_ref().map(|apis| file.relative(apis)));
    }
    Ok(typed.cloned())
}

/// Says where it is served, and what to try.
pub(crate) fn tell(port: u16, requests: &[Request], report: &Report) {
    let sample = if requests.is_empty() { "" } else { "; try:" };
    report.result(&format!("serving on http://127.0.0.1:{port}; stop with Ctrl-C{sample}"));
    for request in requests {
        report.result(&format!("  {}", request.curl()));
    }
}

fn serve(
    args: &RunArgs,
    gateway: &mut Child,
    written: &sample::Written,
    report: &Report,
) -> Result<ExitCode, RunError> {
    forward_signals(gateway)?;
    await_hello(args.port, gateway, &written.conf)?;
    if args.once {
        if written.requests.is_empty() {
            report.result(&format!("it serves the definitions in {}; nothing is known to try", shown(&written.apps)));
        }
        let all_well = try_all(&written.requests, report);
        terminate(gateway);
        let status = gateway.wait().map_err(What::Start(written.conf.clone()).failed())?;
        return Ok(if all_well { code(status) } else { ExitCode::from(crate::FAILED) });
    }
    tell(args.port, &written.requests, report);
    gateway.wait().map(code).map_err(What::Start(written.conf.clone()).failed())
}

fn check_port(port: u16) -> Result<(), RunError> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(source) => Err(RunError::PortTaken { port, source }),
    }
}

/// In a process group of its own, so that Ctrl-C reaches it once, through us.
fn start(binary: &Path, conf: &Path) -> Result<Child, RunError> {
    let mut command = Command::new(binary);
    command.arg("--conf").arg(conf).stdin(Stdio::null()).process_group(0);
    command.spawn().map_err(What::Start(binary.to_owned()).failed())
}

/// Asks the gateway to stop when we are asked to.
fn forward_signals(gateway: &Child) -> Result<(), RunError> {
    let pid = Pid::from_child(gateway);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(What::Listen.failed())?;
    thread::spawn(move || {
        for _ in signals.forever() {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::TERM);
        }
    });
    Ok(())
}

fn terminate(gateway: &Child) {
    let _ = kill_process(Pid::from_child(gateway), Signal::TERM);
}

fn await_hello(port: u16, gateway: &mut Child, conf: &Path) -> Result<(), RunError> {
    let deadline = Instant::now() + READY;
    while Instant::now() < deadline {
        if let Some(status) = gateway.try_wait().map_err(What::Start(conf.to_owned()).failed())? {
            return Err(RunError::Ended { status, conf: conf.to_owned() });
        }
        let hello = minreq::get(format!("http://127.0.0.1:{port}/hello")).with_timeout(1).send();
        if hello.is_ok_and(|answer| answer.status_code == 200) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(RunError::Silent { port })
}

/// Sends the samples' requests and prints what comes. True when every answer is a 200.
fn try_all(requests: &[Request], report: &Report) -> bool {
    let mut all_well = true;
    for request in requests {
        report.result(&format!("$ {}", request.curl()));
        let mut sent = minreq::get(&request.url).with_timeout(10);
        if let Some((name, value)) = request.header {
            sent = sent.with_header(name, value);
        }
        match sent.send() {
            Ok(answer) => {
                all_well &= answer.status_code == 200;
                report.result(&format!(
                    "{} {}",
                    answer.status_code,
                    answer.as_str().unwrap_or("(not text)").trim_end()
                ));
            }
            Err(error) => {
                all_well = false;
                report.warn(&format!("{}: {error}", request.url));
            }
        }
    }
    all_well
}

/// As shells do: 128 and the signal for a process that was killed.
pub(crate) fn code(status: ExitStatus) -> ExitCode {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(crate::FAILED))
}

fn other_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(8080)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_before_anything_is_built() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let error = check_port(port).expect_err("taken").to_string();
        let other = other_port(port);
        assert_eq!(error, format!("port {port} of 127.0.0.1 is taken\n  = choose another one: --port {other}"));
    }

    #[test]
    fn the_exit_code_of_the_gateway_is_passed_on() {
        let shell = |script| Command::new("sh").args(["-c", script]).status().expect("sh runs");
        assert_eq!(code(shell("exit 3")), ExitCode::from(3));
        assert_eq!(code(shell("kill -TERM $$")), ExitCode::from(143));
    }
}
