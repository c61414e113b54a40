//! What Go finds when it parses, and `gotmpl` when it runs or never: ends too many or too few, and functions, variables
//! and templates that are named and that nothing has.

use gotmpl::parse::{BranchNode, Expr, ListNode, Node, Parser, PipeNode, Pos, SmolStr};

use super::CompileError;
use super::functions;

/// Go's own, which `gotmpl` has.
const OF_GO: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// What follows a template, to see whether the parser comes there: it ends without a word at an `end` too many, and takes
/// the end of the text for one too few.
const FOLLOWING: &str = "{{define \"what follows\"}}.{{end}}";
const NAME: &str = "what follows";

/// Gives the context variables that it names.
///
/// # Errors
/// At an `end` too many, at the end of the text where there is one too few, and at the first name that nothing has.
pub(super) fn check(text: &str) -> Result<Vec<String>, CompileError> {
    if !comes_to(text, FOLLOWING) {
        let begins = text.match_indices("{{").map(|(at, _)| at);
        let last = begins.filter(|at| text.get(..*at).is_some_and(|before| comes_to(before, FOLLOWING))).last();
        return Err(place(
            text,
            last.unwrap_or_default(),
            "there is nothing that this `end` or `else` is of".to_owned(),
        ));
    }
    if comes_to(text, &format!("{{{{end}}}}{FOLLOWING}")) {
        return Err(place(
            text,
            text.len(),
            "it ends before an `if`, `range`, `with`, `define` or `block` does".to_owned(),
        ));
    }
    names(text)
}

/// Whether the parser comes to the end of the text and what is `behind` it.
fn comes_to(text: &str, behind: &str) -> bool {
    let whole = format!("{text}{behind}");
    let parsed = Parser::new(&whole, "{{", "}}").and_then(Parser::parse);
    parsed.is_ok_and(|(_, defines)| defines.iter().any(|define| define.name == NAME))
}

/// A mistake at a byte of the text.
fn place(text: &str, at: usize, reason: String) -> CompileError {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    CompileError::At { line, column, reason }
}

fn names(text: &str) -> Result<Vec<String>, CompileError> {
    let parser = Parser::new(text, "{{", "}}").map_err(CompileError::of)?;
    let (tree, defines) = parser.parse().map_err(CompileError::of)?;
    let templates = defines.iter().map(|define| define.name.clone()).collect();
    let mut names = Names { text, templates, variables: Vec::new(), context: Vec::new() };
    for body in std::iter::once(&tree).chain(defines.iter().map(|define| &define.body)) {
        names.variables = vec!["$".into()];
        names.list(body)?;
    }
    Ok(names.context)
}

struct Names<'t> {
    text: &'t str,
    templates: Vec<SmolStr>,
    /// Those that are declared where we are.
    variables: Vec<SmolStr>,
    /// What follows `_tyk_context`.
    context: Vec<String>,
}

impl Names<'_> {
    fn list(&mut self, list: &ListNode) -> Result<(), CompileError> {
        list.nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &Node) -> Result<(), CompileError> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&action.pipe),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => self.branch(branch),
            Node::Template(call) => {
                if !self.templates.contains(&call.name) {
                    return Err(self.at(call.pos, format!("there is no template `{}`", call.name)));
                }
                call.pipe.as_ref().map_or(Ok(()), |pipe| self.pipe(pipe))
            }
            // Checked as one of all.
            Node::Define(_) | Node::Text(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    /// What is declared in a branch is gone after it.
    fn branch(&mut self, branch: &BranchNode) -> Result<(), CompileError> {
        let before = self.variables.len();
        self.pipe(&branch.pipe)?;
        let within = self.variables.len();
        self.list(&branch.body)?;
        self.variables.truncate(within);
        if let Some(other) = &branch.else_body {
            self.list(other)?;
        }
        self.variables.truncate(before);
        Ok(())
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Result<(), CompileError> {
        for expression in pipe.commands.iter().flat_map(|command| &command.args) {
            self.expression(expression)?;
        }
        for name in &pipe.decl {
            if pipe.is_assign {
                self.variable(pipe.pos, name)?;
            } else {
                self.variables.push(name.clone());
            }
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expr) -> Result<(), CompileError> {
        match expression {
            Expr::Identifier(pos, name) if !OF_GO.contains(&name.as_str()) && !functions::has(name) => {
                Err(self.at(*pos, format!("function `{name}` is not honoured by this gateway")))
            }
            Expr::Field(pos, fields) => self.context(*pos, fields),
            Expr::Variable(pos, name, fields) => {
                self.variable(*pos, name)?;
                self.context(*pos, fields)
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }

    /// Only what is named is looked up.
    fn context(&mut self, pos: Pos, fields: &[SmolStr]) -> Result<(), CompileError> {
        match fields {
            [root, name, ..] if root == "_tyk_context" => {
                self.context.push(name.to_string());
                Ok(())
            }
            [root] if root == "_tyk_context" => {
                Err(self.at(pos, "context variables are looked up by name: write `._tyk_context.NAME`".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Result<(), CompileError> {
        if self.variables.contains(name) {
            return Ok(());
        }
        Err(self.at(pos, format!("variable `{name}` is not declared")))
    }

    fn at(&self, pos: Pos, reason: String) -> CompileError {
        place(self.text, pos.offset, reason)
    }
}
