//! What there is to say about a configuration, and where.

use std::collections::HashMap;
use std::fmt;

use gateway_model::{Position, Severity, locate};

/// One thing wrong with the configuration, or without effect in it.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    pub(crate) place: Place,
    /// The key, or the variable's name; empty for the file as a whole.
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(String, Position),
    Variable,
    /// There is no file, and no variable says otherwise.
    Default,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::File(file, position) = &self.place {
            write!(f, "{file}:{position}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// The remarks on one file, if there is one, and the variables that override it.
pub(super) struct Remarks<'a> {
    file: Option<&'a str>,
    text: &'a str,
    /// Which variable gave the value at a path.
    variables: HashMap<String, String>,
    list: Vec<Remark>,
}

impl<'a> Remarks<'a> {
    pub(super) fn on(file: Option<&'a str>, text: &'a str) -> Self {
        Self { file, text, variables: HashMap::new(), list: Vec::new() }
    }

    /// The value at `path` is not the file's.
    pub(super) fn overridden(&mut self, path: String, variable: &str) {
        self.variables.insert(path, variable.to_owned());
    }

    pub(super) fn error(&mut self, path: &str, reason: impl Into<String>) {
        self.at(Severity::Error, path, reason.into());
    }

    pub(super) fn warning(&mut self, path: &str, reason: impl Into<String>) {
        self.at(Severity::Warning, path, reason.into());
    }

    pub(super) fn on_variable(&mut self, severity: Severity, name: &str, reason: impl Into<String>) {
        let (path, reason) = (name.to_owned(), reason.into());
        self.list.push(Remark { severity, place: Place::Variable, path, reason });
    }

    pub(super) fn at_position(&mut self, position: Position, reason: String) {
        let (severity, place, path) = (Severity::Error, self.place(position), String::new());
        self.list.push(Remark { severity, place, path, reason });
    }

    /// The errors if there are any, else the warnings.
    pub(super) fn sorted_out(self) -> Result<Vec<Remark>, Vec<Remark>> {
        let (errors, warnings): (Vec<_>, Vec<_>) =
            self.list.into_iter().partition(|remark| remark.severity == Severity::Error);
        if errors.is_empty() { Ok(warnings) } else { Err(errors) }
    }

    fn at(&mut self, severity: Severity, path: &str, reason: String) {
        // A variable gives a list as a whole.
        let whole = path.split('[').next().unwrap_or_default();
        if let Some(variable) = self.variables.get(path).or_else(|| self.variables.get(whole)).cloned() {
            let reason = if whole == path { reason } else { format!("{}: {reason}", &path[whole.len()..]) };
            return self.on_variable(severity, &variable, reason);
        }
        let place = self.place(locate(self.text, path));
        self.list.push(Remark { severity, place, path: path.to_owned(), reason });
    }

    fn place(&self, position: Position) -> Place {
        self.file.map_or(Place::Default, |file| Place::File(file.to_owned(), position))
    }
}
