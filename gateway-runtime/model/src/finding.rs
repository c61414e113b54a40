//! What is wrong in a document, where, and why.

use std::fmt;

use crate::locate::Locator;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is used, but not all that it says has an effect.
    Warning,
    /// The document is not used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A place in a text; both numbers begin at 1, and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The path of the value, such as `custom_middleware.post[0].name`; empty for the document as a whole.
    pub path: String,
    /// Where the value, or the nearest thing around it that exists, begins.
    pub position: Position,
    /// What is wrong, and what to do about it.
    pub reason: String,
}

impl Finding {
    /// What serde_json says of a text that is no JSON.
    pub(crate) fn of_syntax(locator: &Locator<'_>, error: &serde_json::Error) -> Self {
        let told = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Self {
            severity: Severity::Error,
            path: String::new(),
            position: locator.position_of_error(error),
            reason: told.strip_suffix(&place).unwrap_or(&told).to_owned(),
        }
    }

    /// The finding as one line, `file:line:column: path: reason`; an empty path is left out.
    pub fn at<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        At { finding: self, file }
    }
}

struct At<'a> {
    finding: &'a Finding,
    file: &'a str,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { path, position, reason, .. } = self.finding;
        write!(f, "{}:{position}: ", self.file)?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_file_line_column_path_and_reason() {
        let mut finding = Finding {
            severity: Severity::Error,
            path: "custom_middleware.post[0].name".to_owned(),
            position: Position { line: 6, column: 17 },
            reason: "invalid type: integer `7`, expected a string".to_owned(),
        };
        assert_eq!(
            finding.at("apis/orders.json").to_string(),
            "apis/orders.json:6:17: custom_middleware.post[0].name: invalid type: integer `7`, expected a string"
        );
        finding.path.clear();
        assert_eq!(
            finding.at("apis/orders.json").to_string(),
            "apis/orders.json:6:17: invalid type: integer `7`, expected a string"
        );
    }
}
