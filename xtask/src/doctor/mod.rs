//! `cargo xtask doctor`: what is missing on this machine, and the command that adds it.
//!
//! ```text
//! machine.rs    programs, variables and limits, as they are here; tests make their own
//! rust.rs       rustc, cargo, and the standard library of each target
//! link.rs       a C compiler, and a static program that is really linked
//! system.rs     disk, folders, limits, git, and tools that are nice to have
//! registry.rs   whether cargo can ask for crates
//! ```

mod link;
mod machine;
mod registry;
mod rust;
mod system;

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

pub use machine::{Free, Machine};

use crate::FAILED;
use crate::cli::DoctorArgs;
use crate::report::{Report, indented};
use crate::repository::Repository;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be. A remedy is then only a hint.
    Ok,
    /// Something works less well, or only for a while.
    Warning,
    /// Builds fail.
    Problem,
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: one word.
    pub check: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What to do about it: a command, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn new(check: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { check, level, text: text.into(), remedy: None }
    }

    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, text)
    }

    fn warning(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, text).hint(remedy)
    }

    fn problem(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Level::Problem, text).hint(remedy)
    }

    fn hint(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        write!(out, "{level}  {}", self.text)?;
        self.remedy.iter().try_for_each(|remedy| write!(out, "\n  = {remedy}"))
    }
}

/// What the checks look at.
struct Examination<'a> {
    machine: &'a Machine,
    repository: &'a Repository,
    args: &'a DoctorArgs,
    /// What rustc calls this machine; `None` if there is no rustc.
    host: Option<String>,
}

/// The checks, in the order in which a build would stumble.
const CHECKS: &[fn(&Examination<'_>) -> Vec<Finding>] = &[
    rust::versions,
    rust::targets,
    link::compilers,
    link::linkers,
    system::git,
    system::disk,
    system::folders,
    registry::reach,
    system::watches,
    system::open_files,
    system::optional,
];

/// Runs the command: one result for each check. The exit code says whether there is a problem.
pub fn command(args: &DoctorArgs, report: &Report) -> ExitCode {
    let findings = examine(&Machine::this(), &Repository::discover(), args, |finding| {
        report.product("finding", &finding.to_string(), finding);
    });
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    report.note(&summary(count(Level::Problem), count(Level::Warning)));
    if count(Level::Problem) == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn summary(problems: usize, warnings: usize) -> String {
    let some = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    format!("{}, {}", some(problems, "problem"), some(warnings, "warning"))
}

/// Makes all checks; `each` hears of a finding as soon as it is known.
pub fn examine(
    machine: &Machine,
    repository: &Repository,
    args: &DoctorArgs,
    mut each: impl FnMut(&Finding),
) -> Vec<Finding> {
    let examination = Examination { machine, repository, args, host: rust::host(machine, repository) };
    let mut findings = Vec::new();
    for check in CHECKS {
        let found = check(&examination);
        found.iter().for_each(&mut each);
        findings.extend(found);
    }
    findings
}

/// What another program said, where only the end tells why.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    indented(&lines[lines.len().saturating_sub(6)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        assert_eq!(Finding::ok("git", "git 2").to_string(), "ok  git 2");
        let problem = Finding::problem("git", "no git", "apt-get install git");
        assert_eq!(problem.to_string(), "problem  no git\n  = apt-get install git");
        let json = serde_json::to_string(&problem).expect("JSON");
        assert_eq!(json, r#"{"check":"git","level":"problem","text":"no git","remedy":"apt-get install git"}"#);
    }

    #[test]
    fn the_sum_can_be_read_aloud() {
        assert_eq!(summary(0, 0), "no problems, no warnings");
        assert_eq!(summary(1, 2), "1 problem, 2 warnings");
    }
}
