//! The plugins of a crate, read in its sources: what `#[gw_plugin]` would register.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use gateway_model::Hook;
use proc_macro2::Span;
use serde::Deserialize;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, ImplItem, ItemFn, ItemImpl, ItemMod, Lit, Meta};
use thiserror::Error;

use super::attribute::{Keys, Mistakes, is_conditional, is_gw_plugin, is_left_out, method_hooks};
use crate::repository::shown;

/// One plugin of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The name that definitions use.
    pub name: String,
    /// Where it can run, in the order in which they are written.
    pub hooks: Vec<Hook>,
}

/// Something in a source file that does not compile. Displays as `file:line:column: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The file.
    pub file: PathBuf,
    /// Where, from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

impl SourceFault {
    fn new(file: &Path, place: Span, reason: impl ToString) -> Self {
        let start = place.start();
        Self { file: file.to_owned(), line: start.line.max(1), column: start.column + 1, reason: reason.to_string() }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", shown(&self.file), self.line, self.column, self.reason)
    }
}

/// Why the plugins of a crate are not known.
#[derive(Debug, Error)]
pub enum OffersError {
    /// Not TOML, or not a package.
    #[error("`{}` cannot be read: {}", shown(manifest), .source.message())]
    Manifest {
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// Why not.
        source: toml::de::Error,
    },
    /// Sources that do not compile; all mistakes, one line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Sources(Vec<SourceFault>),
    /// The disk says no.
    #[error("cannot read `{}`: {source}", shown(path))]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    lib: Library,
}

#[derive(Default, Deserialize)]
struct Library {
    path: Option<PathBuf>,
}

/// The plugins of the crate in a folder, in the order of its sources.
///
/// What a macro writes is not seen, and neither is an attribute in `cfg_attr` or under another name.
///
/// # Errors
/// When its sources cannot be read, are not Rust, or have an attribute that the macro would refuse.
pub fn offers(dir: &Path) -> Result<Vec<Offer>, OffersError> {
    let manifest = dir.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|source| OffersError::Io { path: manifest.clone(), source })?;
    let parsed: Manifest = toml::from_str(&text).map_err(|source| OffersError::Manifest { manifest, source })?;
    let library = dir.join(parsed.lib.path.unwrap_or_else(|| "src/lib.rs".into()));
    let text = fs::read_to_string(&library).map_err(|source| OffersError::Io { path: library.clone(), source })?;
    let mut reader = Reader::default();
    let folder = folder_of(&library);
    reader.file(&library, &text, folder);
    if reader.faults.is_empty() { Ok(reader.offers) } else { Err(OffersError::Sources(reader.faults)) }
}

#[derive(Default)]
struct Reader {
    offers: Vec<Offer>,
    faults: Vec<SourceFault>,
    /// `#[path]` can lead in circles.
    seen: HashSet<PathBuf>,
}

impl Reader {
    /// Reads one file; `modules` is the folder of its modules.
    fn file(&mut self, file: &Path, text: &str, modules: PathBuf) {
        if !self.seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())) {
            return;
        }
        let parsed = match syn::parse_file(text) {
            Ok(parsed) => parsed,
            Err(error) => return self.faults.push(SourceFault::new(file, error.span(), in_plain_words(&error))),
        };
        if is_left_out(&parsed.attrs) {
            return;
        }
        let mut source = Source { reader: self, file, modules, is_inline: false, mistakes: Mistakes::default() };
        source.visit_file(&parsed);
        let mistakes = source.mistakes.0;
        self.faults.extend(mistakes.into_iter().map(|(place, reason)| SourceFault::new(file, place, reason)));
    }
}

/// One file that is being read.
struct Source<'r> {
    reader: &'r mut Reader,
    file: &'r Path,
    /// Where the modules are that are declared here.
    modules: PathBuf,
    /// Within `mod name { … }`.
    is_inline: bool,
    mistakes: Mistakes,
}

impl<'ast> Visit<'ast> for Source<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if is_left_out(&function.attrs) {
            return;
        }
        for attribute in function.attrs.iter().filter(|attribute| is_gw_plugin(attribute)) {
            self.function(attribute, function);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if is_left_out(&block.attrs) {
            return;
        }
        for attribute in block.attrs.iter().filter(|attribute| is_gw_plugin(attribute)) {
            self.block(attribute, block);
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if is_left_out(&module.attrs) {
            return;
        }
        let name = module.ident.unraw().to_string();
        let path = path_of(&module.attrs);
        if module.content.is_none() {
            return self.module(module, &name, path);
        }
        let base = self.base_of_paths();
        let inner = path.map_or_else(|| self.modules.join(&name), |path| base.join(path));
        let outer = std::mem::replace(&mut self.modules, inner);
        let was_inline = std::mem::replace(&mut self.is_inline, true);
        visit::visit_item_mod(self, module);
        (self.modules, self.is_inline) = (outer, was_inline);
    }
}

impl Source<'_> {
    fn function(&mut self, attribute: &Attribute, function: &ItemFn) {
        let keys = Keys::of(attribute, &mut self.mistakes);
        if keys.hooks.is_none() && !keys.unread {
            let known: Vec<_> = Hook::ALL.iter().map(|hook| format!("`{hook}`")).collect();
            let known = known.join(", ");
            let reason = format!("say where it runs: `#[gw_plugin(hook = \"post\")]`; hooks are {known}");
            self.mistakes.at(attribute.span(), reason);
        }
        let name = keys.name.unwrap_or_else(|| function.sig.ident.unraw().to_string());
        let hooks = keys.hooks.map(|(_, hooks)| hooks).unwrap_or_default();
        self.reader.offers.push(Offer { name, hooks });
    }

    fn block(&mut self, attribute: &Attribute, block: &ItemImpl) {
        let keys = Keys::of(attribute, &mut self.mistakes);
        let ty = block.self_ty.span().source_text().unwrap_or_default();
        if let Some((path, ..)) = &block.trait_ {
            let reason = format!("`#[gw_plugin]` goes on the type's own block, `impl {ty}`, not on that of a trait");
            return self.mistakes.at(path.span(), reason);
        }
        if keys.name.is_none() && !keys.unread {
            let reason =
                format!("an `impl` block needs the name that definitions use: `#[gw_plugin(name = \"{ty}\")]`");
            self.mistakes.at(attribute.span(), reason);
        }
        if let Some((place, _)) = &keys.hooks {
            let reason = "on an `impl` block each method names its hook: `#[hook(\"post\")]`";
            self.mistakes.at(*place, reason);
        }
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(method) => Some(method),
            _ => None,
        });
        let mut is_marked = false;
        let mut hooks = Vec::new();
        for attribute in methods.flat_map(|method| &method.attrs).filter(|attribute| attribute.path().is_ident("hook"))
        {
            is_marked = true;
            for (place, hook) in method_hooks(attribute, &mut self.mistakes) {
                if hooks.contains(&hook) {
                    self.mistakes.at(place, format!("`{hook}` is served twice by this plugin"));
                } else {
                    hooks.push(hook);
                }
            }
        }
        if !is_marked && keys.hooks.is_none() {
            self.mistakes.at(attribute.span(), "no method is a hook: mark one with `#[hook(\"post\")]`");
        }
        self.reader.offers.extend(keys.name.map(|name| Offer { name, hooks }));
    }

    /// A module in a file of its own: `name.rs`, `name/mod.rs`, or where `#[path]` says.
    fn module(&mut self, module: &ItemMod, name: &str, path: Option<String>) {
        let files: Vec<(PathBuf, PathBuf)> = match path {
            Some(path) => {
                let file = self.base_of_paths().join(path);
                let modules = folder_of(&file);
                vec![(file, modules)]
            }
            None => {
                let folder = self.modules.join(name);
                vec![(self.modules.join(format!("{name}.rs")), folder.clone()), (folder.join("mod.rs"), folder)]
            }
        };
        for (file, modules) in &files {
            match fs::read_to_string(file) {
                Ok(text) => return self.reader.file(file, &text, modules.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let reason = format!("`{}` cannot be read: {error}", shown(file));
                    return self.mistakes.at(module.ident.span(), reason);
                }
            }
        }
        // Another build may have it, or have it elsewhere.
        if !is_conditional(&module.attrs) {
            let files: Vec<_> = files.iter().map(|(file, _)| format!("`{}`", shown(file))).collect();
            let reason = format!("there is no file for module `{name}`: {}", files.join(", "));
            self.mistakes.at(module.ident.span(), reason);
        }
    }

    /// What `#[path]` is relative to. Source: the Rust reference, "The path attribute".
    fn base_of_paths(&self) -> PathBuf {
        if self.is_inline { self.modules.clone() } else { folder_of(self.file) }
    }
}

/// What the lexer says of a bracket without a partner tells nobody anything.
fn in_plain_words(error: &syn::Error) -> String {
    let told = error.to_string();
    if told == "cannot parse string into token stream" {
        return "not Rust: a bracket, a text or a comment has no end here, or no beginning".to_owned();
    }
    told
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal.value()),
            _ => None,
        },
        _ => None,
    })
}
