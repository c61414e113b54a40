//! The program itself, run in a stand-in repository: what it says, and what it leaves behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::standin::{StandIn, registration};

/// What is where the gateway goes, before anything is built.
pub(crate) const PREVIOUS: &str = "the gateway of yesterday";

/// What the program said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::read(command.output().expect("it runs"))
    }

    pub(crate) fn read(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Our message: the last one of stderr, from its `error: ` on.
    pub(crate) fn error(&self) -> &str {
        let at = self.stderr.rfind("\nerror: ").map(|at| at + 1).or(self.stderr.starts_with("error: ").then_some(0));
        self.stderr[at.unwrap_or_else(|| panic!("no error: {self:?}"))..].trim_end()
    }

    /// The warnings, without what stands below their first lines.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).collect()
    }
}

/// The program in a repository. cargo gets a home of its own, and nobody is asked for a password.
pub(crate) fn program(here: &StandIn, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    alone(&mut command, here);
    command.args(args);
    command
}

/// An environment in which nothing of this machine's cargo and git is used or touched.
pub(crate) fn alone(command: &mut Command, here: &StandIn) {
    command.current_dir(here.path("")).env("CARGO_HOME", here.path("cargo-home")).env("CARGO_NET_RETRY", "0");
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("SSH_AUTH_SOCK");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy);
    }
}

pub(crate) fn xtask(here: &StandIn, args: &[&str]) -> Ran {
    Ran::of(&mut program(here, args))
}

/// Builds what must be refused: gives the message, with the repository written as `$ROOT`.
pub(crate) fn refused(here: &StandIn, code: u8, args: &[&str]) -> String {
    here.write("dist/gateway", PREVIOUS);
    let ran = xtask(here, args);
    assert_eq!(ran.code, Some(i32::from(code)), "{args:?}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{args:?}");
    assert_kept(here);
    let text = ran.error().replace(root(here).as_str(), "$ROOT");
    assert!(text.contains("\n  = "), "a remedy: {text}");
    text
}

/// The previous output is as it was, and alone.
pub(crate) fn assert_kept(here: &StandIn) {
    assert_eq!(fs::read_to_string(here.path("dist/gateway")).expect("there"), PREVIOUS);
    assert_eq!(here.entries("dist"), ["gateway"], "nothing is left beside it");
}

/// The repository, without a slash at its end.
pub(crate) fn root(here: &StandIn) -> String {
    here.path("").display().to_string().trim_end_matches('/').to_owned()
}

/// A plugin with functions that `--from-apis` can read: `(name, hooks)`. The stand-in has no macro, so they are not
/// compiled.
pub(crate) fn offering(here: &StandIn, folder: &str, package: &str, dependencies: &str, offers: &[(&str, &[&str])]) {
    here.plugin(folder, package, dependencies);
    let functions = offers.iter().enumerate().map(|(at, (name, hooks))| {
        format!("#[cfg(windows)]\n#[gateway_sdk::gw_plugin(name = {name:?}, hook = {hooks:?})]\nfn f{at}() {{}}\n")
    });
    let source = format!("{}{}", registration(package), functions.collect::<String>());
    here.write(&format!("{folder}/src/lib.rs"), &source);
}

/// Whether anything was compiled.
pub(crate) fn has_compiled(here: &StandIn) -> bool {
    Path::new(&here.path("target/gw/target")).exists()
}
