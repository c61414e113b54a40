//! The texts of errors, as operators write them: templates of a message and a status.
//!
//! Nearly all of them name the two and do nothing else, which needs no language; others are Go templates, and of those
//! only a gateway with the feature `templates` has any. Source: gateway.md §5.11.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gateway_sdk::StatusCode;
use serde_json::json;

use super::written::Format;
use crate::template::{CompileError, Template};

/// A text with a message and a status in it.
#[derive(Debug)]
pub(crate) enum Text {
    Plain(Vec<Piece>),
    Template(Template),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Message,
    StatusCode,
}

impl Text {
    /// # Errors
    /// Where it is no template, or one that this binary has no language for.
    pub(crate) fn compile(text: &str) -> Result<Self, CompileError> {
        match pieces(text) {
            Some(pieces) => Ok(Self::Plain(pieces)),
            None => Template::compile(text).map(Self::Template),
        }
    }

    /// `message` is escaped already, as the format of the text wants it.
    ///
    /// # Errors
    /// Why the template did not come to its end.
    pub(crate) fn render(&self, message: &str, status: StatusCode) -> Result<String, String> {
        let pieces = match self {
            Self::Plain(pieces) => pieces,
            Self::Template(template) => {
                let data = json!({"Message": message, "StatusCode": status.as_u16()});
                return template.render(&data).map_err(|error| error.reason);
            }
        };
        Ok(pieces.iter().fold(String::new(), |text, piece| match piece {
            Piece::Text(more) => text + more,
            Piece::Message => text + message,
            Piece::StatusCode => text + status.as_str(),
        }))
    }
}

/// `None` where it is more than a text that names the two.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}")?;
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(match action.trim() {
            ".Message" => Piece::Message,
            ".StatusCode" => Piece::StatusCode,
            _ => return None,
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

/// The files `error*` of `template_path`, by their names.
#[derive(Debug, Default)]
pub(crate) struct Templates(HashMap<String, Arc<Text>>);

impl Templates {
    /// Reads a folder.
    ///
    /// # Errors
    /// What is wrong with it, and with each of its files.
    pub(crate) fn read(folder: &Path) -> Result<Self, Vec<String>> {
        let shown = folder.display();
        let unreadable = |error: std::io::Error| vec![format!("`{shown}` cannot be read: {error}")];
        let (mut templates, mut wrong) = (HashMap::new(), Vec::new());
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with("error") || entry.path().is_dir() {
                continue;
            }
            match file(&entry.path()) {
                Ok(text) => {
                    templates.insert(name, Arc::new(text));
                }
                Err(reason) => wrong.push(reason),
            }
        }
        wrong.sort();
        if wrong.is_empty() { Ok(Self(templates)) } else { Err(wrong) }
    }

    /// That of an error: the one of its status, the one of its format, or the JSON one; with the format that it has.
    pub(super) fn of(&self, status: StatusCode, format: Format) -> Option<(&Text, Format)> {
        if self.0.is_empty() {
            return None;
        }
        let extension = format.extension();
        let own = self.0.get(&format!("error_{}.{extension}", status.as_u16()));
        if let Some(text) = own.or_else(|| self.0.get(&format!("error.{extension}"))) {
            return Some((text, format));
        }
        Some((self.0.get("error.json")?, Format::Json))
    }

    /// The file of a name, with the extension or without.
    pub(super) fn named(&self, name: &str, extension: &str) -> Option<Arc<Text>> {
        self.0.get(&format!("{name}.{extension}")).or_else(|| self.0.get(name)).map(Arc::clone)
    }
}

fn file(path: &Path) -> Result<Text, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    Text::compile(&text).map_err(|error| match error {
        CompileError::At { line, column, reason } => format!("{shown}:{line}:{column}: {reason}"),
        #[cfg(not(feature = "templates"))]
        CompileError::NotHere => format!("{shown}: it is more than a text with `{{{{.Message}}}}` in it: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_names_the_two_needs_no_language() {
        let text = Text::compile("<{{.Message}} {{ .StatusCode }}}}").expect("a template");
        assert!(matches!(text, Text::Plain(_)));
        assert_eq!(text.render("no", StatusCode::NOT_FOUND), Ok("<no 404}}".to_owned()));
    }

    #[test]
    fn anything_else_is_a_template() {
        for text in ["{{if .Message}}a{{end}}", "{{- .Message}}", "{{"] {
            assert_eq!(pieces(text), None, "{text}");
        }
    }
}
