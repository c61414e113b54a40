//! Go's `text/template`, as bodies, errors and webhooks use it: compiled when what names it is read, rendered with JSON.
//!
//! | to find | look in |
//! |---|---|
//! | what is known of a template before it runs | `template/check.rs` |
//! | the functions beside Go's own | `template/functions/` |
//!
//! The language is that of the crate `gotmpl`. A gateway without the feature `templates` compiles none.
//! Source: gateway.md §5.9.

#[cfg(feature = "templates")]
mod check;
#[cfg(feature = "templates")]
mod functions;
#[cfg(all(test, feature = "templates"))]
mod tests;

use serde_json::Value;

#[cfg(feature = "templates")]
pub(crate) use functions::as_go_reads;

/// What to do about a gateway that has no templates in it.
#[cfg(not(feature = "templates"))]
pub(crate) const NO_TEMPLATES: &str =
    "templates are not in this binary: build one that has them with `cargo xtask build --features templates`";

/// How many bytes a template may make.
#[cfg(feature = "templates")]
const LONGEST: usize = 16 * 1024 * 1024;

/// How many times all its `range`s together may go round: what a client sends must not hold a core for long.
#[cfg(feature = "templates")]
const ROUNDS: u64 = 1_000_000;

/// A template that can be rendered.
pub(crate) struct Template {
    #[cfg(feature = "templates")]
    compiled: gotmpl::Template,
    /// The context variables that it names.
    #[cfg(feature = "templates")]
    context: Vec<String>,
    #[cfg(not(feature = "templates"))]
    never: std::convert::Infallible,
}

/// A text is no template.
#[cfg_attr(not(feature = "templates"), allow(dead_code, reason = "there are no templates"))]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CompileError {
    /// `line` and `column` count from 1, in the text of the template.
    #[error("line {line}, column {column} of the template: {reason}")]
    At { line: usize, column: usize, reason: String },
    #[cfg(not(feature = "templates"))]
    #[error("{NO_TEMPLATES}")]
    NotHere,
}

/// A template did not come to its end.
#[cfg_attr(not(feature = "templates"), allow(dead_code, reason = "there are no templates"))]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct RenderError {
    /// What it had written by then.
    pub(crate) partial: String,
    pub(crate) reason: String,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

impl Template {
    /// # Errors
    /// Where it is not of the language, or calls what there is not.
    #[cfg(feature = "templates")]
    pub(crate) fn compile(text: &str) -> Result<Self, CompileError> {
        let functions = functions::all();
        let template = gotmpl::Template::new("").funcs(functions).max_range_iters(ROUNDS);
        let compiled = template.parse(text).map_err(CompileError::of)?;
        let context = check::check(text)?;
        Ok(Self { compiled, context })
    }

    /// # Errors
    /// Always: there are no templates in this binary.
    #[cfg(not(feature = "templates"))]
    pub(crate) fn compile(_text: &str) -> Result<Self, CompileError> {
        Err(CompileError::NotHere)
    }

    /// The names of the context variables that it asks for, as `._tyk_context.NAME`.
    pub(crate) fn context(&self) -> &[String] {
        #[cfg(feature = "templates")]
        {
            &self.context
        }
        #[cfg(not(feature = "templates"))]
        match self.never {}
    }

    /// Renders it; `data` is the dot. Whole numbers stay whole, and those with a point are Go's `float64`.
    ///
    /// # Errors
    /// When it fails on the way.
    #[cfg(feature = "templates")]
    pub(crate) fn render(&self, data: &Value) -> Result<String, RenderError> {
        let mut written = Bounded::default();
        match self.compiled.execute_fmt(&mut written, &functions::of_json(data)) {
            Ok(()) => Ok(written.text),
            Err(error) => {
                let reason =
                    if written.is_full { format!("it writes more than {LONGEST} bytes") } else { error.to_string() };
                Err(RenderError { partial: written.text, reason })
            }
        }
    }

    /// # Errors
    /// Never: there are no templates in this binary.
    #[cfg(not(feature = "templates"))]
    pub(crate) fn render(&self, _data: &Value) -> Result<String, RenderError> {
        match self.never {}
    }
}

#[cfg(feature = "templates")]
impl CompileError {
    fn of(error: gotmpl::TemplateError) -> Self {
        use gotmpl::TemplateError::{Lex, Parse};
        match error {
            Parse { line, col, message, .. } | Lex { line, col, message, .. } => {
                Self::At { line: line.max(1), column: col.max(1), reason: message }
            }
            other => Self::At { line: 1, column: 1, reason: other.to_string() },
        }
    }
}

/// A text that has an end.
#[cfg(feature = "templates")]
#[derive(Default)]
struct Bounded {
    text: String,
    is_full: bool,
}

#[cfg(feature = "templates")]
impl std::fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        if self.text.len() + more.len() > LONGEST {
            self.is_full = true;
            return Err(std::fmt::Error);
        }
        self.text.push_str(more);
        Ok(())
    }
}
