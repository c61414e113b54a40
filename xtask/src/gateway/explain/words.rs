//! cargo's words, taken apart. They are for people, and change: what is not found here is not explained, and still shown.

/// Those who depend on each other, from the one that asks to the generated crate.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) names: Vec<String>,
}

/// A refusal, line by line.
pub(super) struct Words<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn new(stderr: &'a str) -> Self {
        Self { lines: stderr.lines().map(str::trim).collect() }
    }

    pub(super) fn position(&self, text: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.contains(text))
    }

    pub(super) fn line_with(&self, text: &str) -> Option<&'a str> {
        self.position(text).map(|at| self.lines[at])
    }

    /// What follows a text on its line.
    pub(super) fn after(&self, text: &str) -> Option<&'a str> {
        self.line_with(text)?.split_once(text).map(|(_, after)| after.trim())
    }

    pub(super) fn quoted_after(&self, text: &str) -> Option<&'a str> {
        self.after(text)?.split('`').next()
    }

    /// What is between backticks on a line.
    pub(super) fn quoted(&self, at: usize) -> Vec<&'a str> {
        self.lines.get(at).map(|line| line.split('`').skip(1).step_by(2).collect()).unwrap_or_default()
    }

    /// The dependents that the lines from here on name.
    pub(super) fn chain(&self, at: usize) -> Chain {
        let link = |line: &&&str| {
            line.contains("required by package `")
                || line.contains("which satisfies ")
                || line.contains("as a dependency of package `")
        };
        let lines = self.lines.iter().skip(at).take_while(link);
        let name = |line: &&str| {
            let package = line.rsplit_once("package `")?.1;
            Some(package.split([' ', '`']).next()?.to_owned())
        };
        Chain { names: lines.filter_map(name).collect() }
    }

    /// The version of ``which satisfies dependency `x = "1"` of …``.
    pub(super) fn requirement(&self, at: usize) -> Option<String> {
        let line = self.lines.get(at).filter(|line| line.contains("which satisfies dependency `"))?;
        let (_, requirement) = line.split('`').nth(1)?.split_once(" = ")?;
        Some(requirement.trim_matches('"').to_owned())
    }

    pub(super) fn is_offline(&self) -> bool {
        ["offline mode", "--offline was specified"].iter().any(|text| self.position(text).is_some())
    }

    /// What kind of reference is missing, and its name: in the words of cargo's own git, and of the program `git`.
    pub(super) fn missing_reference(&self) -> Option<(&'static str, &'a str)> {
        for (kind, text) in [("tag", "find remote ref refs/tags/"), ("branch", "find remote ref refs/heads/")] {
            if let Some(name) = self.after(text) {
                return Some((kind, name));
            }
        }
        for (kind, text) in [("tag", "failed to find tag `"), ("branch", "failed to find branch `")] {
            if let Some(name) = self.quoted_after(text) {
                return Some((kind, name));
            }
        }
        let name = self.line_with("revspec '")?.split('\'').nth(1)?;
        Some(("revision", name))
    }

    pub(super) fn wants_credentials(&self) -> bool {
        const SAID: &[&str] = &[
            "failed to authenticate",
            "authentication required",
            "Authentication failed",
            "no authentication methods succeeded",
            "Permission denied (",
            "could not read Username",
            "could not read Password",
            "http status code: 401",
            "http status code: 403",
            "got 401",
            "got 403",
        ];
        SAID.iter().any(|text| self.position(text).is_some())
    }

    /// The innermost of the causes; what `git` said, when cargo says only that it failed.
    pub(super) fn last_reason(&self) -> Option<&'a str> {
        if let Some(fatal) = self.lines.iter().find_map(|line| line.strip_prefix("fatal: ")) {
            return Some(fatal);
        }
        let at = self.lines.iter().rposition(|line| *line == "Caused by:")?;
        self.lines.get(at + 1).copied()
    }
}
