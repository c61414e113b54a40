//! What the command line may say. Diagnostics go to stderr, results to stdout; 0 ok, 1 findings, 2 usage.

mod check;
mod health;
pub(crate) mod plugins;
mod schema;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Loaded};
use crate::{Build, drivers, server, telemetry};

/// An API gateway with its plugins linked in.
#[derive(Debug, Parser)]
#[command(name = "gateway", disable_version_flag = true, args_conflicts_with_subcommands = false)]
struct Cli {
    /// The configuration file; by default `tyk.conf`, then `/etc/tyk/tyk.conf`.
    #[arg(long, global = true, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Listen on this port instead of the configured one; 0 lets the system choose.
    #[arg(long, global = true, value_name = "N")]
    port: Option<u16>,
    /// Log everything.
    #[arg(long, global = true)]
    debug: bool,
    /// Tell StatsD what steps do, as `TYK_INSTRUMENTATION=1` does.
    #[arg(long, global = true)]
    log_instrumentation: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default).
    #[command(alias = "start")]
    Serve,
    /// The plugins in this binary.
    Plugins {
        #[command(subcommand)]
        command: PluginsCommand,
    },
    /// Check the configuration and the API definitions, without serving.
    Check {
        /// The folder of definitions, instead of the configured one.
        #[arg(long, value_name = "DIR")]
        apis: Option<PathBuf>,
        /// Print the findings as JSON, on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Ask the gateway that runs by this configuration whether it is well.
    Health,
    /// What this binary is, and what it was built from.
    Version {
        /// Also list the linked plugins, with their sources.
        #[arg(short)]
        modules: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Everything that is in this binary, as CycloneDX JSON.
    Sbom,
}

#[derive(Debug, Subcommand)]
enum PluginsCommand {
    /// List them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// The JSON Schema of an API definition with what each of them takes as `config_data`, for editors.
    Schema {
        /// Of this plugin's configuration alone: `Name`, or `crate::Name`.
        name: Option<String>,
    },
}

/// Runs what the command line asks for.
pub(crate) fn run(build: &Build) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is a result, a mistake a diagnostic; clap knows which stream is whose.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Err(missing) = plugins::expect(build.expected) {
        diagnose(&missing);
        return ExitCode::FAILURE;
    }
    match &cli.command {
        Some(Command::Version { modules, json }) => version::print_version(build, *modules, *json),
        Some(Command::Plugins { command: PluginsCommand::List { json } }) => plugins::print_plugins(*json),
        Some(Command::Plugins { command: PluginsCommand::Schema { name } }) => schema::run(name.as_deref()),
        Some(Command::Check { apis, json }) => check::run(cli.conf.as_deref(), apis.as_deref(), *json),
        Some(Command::Sbom) => version::print_sbom(build),
        Some(Command::Health) => health::run(cli.conf.as_deref(), cli.port),
        Some(Command::Serve) | None => serve(build, &cli),
    }
}

fn serve(build: &Build, cli: &Cli) -> ExitCode {
    let Loaded { mut config, file, warnings } = match config::load(cli.conf.as_deref(), std::env::vars_os()) {
        Ok(loaded) => loaded,
        Err(error) => {
            diagnose(&error);
            return ExitCode::FAILURE;
        }
    };
    if let Some(port) = cli.port {
        config.listen.set_port(port);
    }
    if cli.debug {
        config.log_level = tracing::Level::DEBUG;
    }
    telemetry::init(&config);
    drivers::set_up(&config.plugin_files);
    version::log(build);
    match file {
        Some(file) => tracing::info!(file = %file.display(), "configuration"),
        None => tracing::info!("no configuration file: defaults and environment"),
    }
    for warning in warnings {
        tracing::warn!(finding = %warning, "configuration");
    }
    if !cli.log_instrumentation && std::env::var_os("TYK_INSTRUMENTATION").is_none_or(|value| value != "1") {
        config.statsd = None;
    } else if config.statsd.is_none() {
        tracing::error!("Instrumentation is enabled, but no connectionstring set for statsd");
    }
    server::run(config, cli.port).unwrap_or_else(|error| {
        tracing::error!(%error, "the gateway does not start");
        ExitCode::FAILURE
    })
}

/// One line on stderr.
#[expect(clippy::print_stderr, reason = "diagnostics of commands, before there is a log")]
fn diagnose(what: &dyn std::fmt::Display) {
    eprintln!("{what}");
}

/// A result on stdout. A reader that has gone away needs no more of it.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => diagnose(&error),
    }
}
