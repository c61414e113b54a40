//! What stands in `#[gw_plugin(…)]` and `#[hook(…)]`, read as the macro reads it, and refused in its words.

use std::fmt::Display;

use gateway_model::Hook;
use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Token};

const PAIRS: &str = "expected `key = value`, such as `#[gw_plugin(hook = \"post\", name = \"Greet\")]`";

/// Whether an attribute is ours, under whatever path.
pub(super) fn is_gw_plugin(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "gw_plugin")
}

/// What is wrong in one file, and where.
#[derive(Default)]
pub(super) struct Mistakes(pub(super) Vec<(Span, String)>);

impl Mistakes {
    pub(super) fn at(&mut self, place: Span, reason: impl Display) {
        self.0.push((place, reason.to_string()));
    }
}

/// The keys of `#[gw_plugin(…)]`.
#[derive(Default)]
pub(super) struct Keys {
    /// `hook = …`, and where.
    pub(super) hooks: Option<(Span, Vec<Hook>)>,
    /// `name = …`
    pub(super) name: Option<String>,
    /// A key could not be read: do not complain about one that is missing as well.
    pub(super) unread: bool,
}

/// One thing between commas.
enum Key {
    Pair(Ident, Box<Expr>),
    Word(Ident),
    Other(Span),
}

/// What is said of a plugin's time and failures, which is the macro's business.
const GUARDS: [&str; 3] = ["timeout", "on_panic", "on_timeout"];
/// The same, without a value.
const BLOCKING: &str = "blocking";

impl Parse for Key {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            return Ok(Self::Pair(key, Box::new(input.parse()?)));
        }
        if input.peek(Ident::peek_any) && (input.peek2(Token![,]) || is_last(input)) {
            return Ok(Self::Word(input.call(Ident::parse_any)?));
        }
        let first = input.span();
        let mut is_empty = true;
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
            is_empty = false;
        }
        if is_empty { Err(input.error(PAIRS)) } else { Ok(Self::Other(first)) }
    }
}

/// Whether one word is all that is left.
fn is_last(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok() && ahead.is_empty()
}

impl Keys {
    pub(super) fn of(attribute: &Attribute, mistakes: &mut Mistakes) -> Self {
        let mut keys = Self::default();
        let tokens = match &attribute.meta {
            Meta::Path(_) => return keys,
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(_) => {
                keys.unread = true;
                mistakes.at(attribute.span(), PAIRS);
                return keys;
            }
        };
        match Punctuated::<Key, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(parsed) => parsed.into_iter().for_each(|key| keys.take(key, mistakes)),
            Err(error) => {
                keys.unread = true;
                mistakes.at(error.span(), error);
            }
        }
        keys
    }

    fn take(&mut self, key: Key, mistakes: &mut Mistakes) {
        let (key, value) = match key {
            Key::Pair(key, value) => (key, value),
            Key::Word(word) if word == BLOCKING => return,
            Key::Word(word) => {
                self.unread = true;
                mistakes.at(word.span(), PAIRS);
                return;
            }
            Key::Other(place) => {
                self.unread = true;
                mistakes.at(place, PAIRS);
                return;
            }
        };
        match key.to_string().as_str() {
            "hook" if self.hooks.is_some() => {
                mistakes.at(key.span(), "`hook` is given twice; several are a list: `hook = [\"pre\", \"post\"]`");
            }
            "name" if self.name.is_some() => mistakes.at(key.span(), "`name` is given twice"),
            "hook" => self.hooks = Some((value.span(), hooks(&value, mistakes))),
            "name" => {
                self.name = name(&value, mistakes);
                self.unread |= self.name.is_none();
            }
            "crate" if matches!(*value, Expr::Path(_)) => {}
            "crate" => mistakes.at(value.span(), "`crate` is a path, such as `crate = my_sdk`"),
            guard if GUARDS.contains(&guard) => {}
            unknown => {
                self.unread = true;
                let keys = "`hook`, `name`, `timeout`, `blocking`, `on_panic`, `on_timeout`, `crate`";
                mistakes.at(key.span(), format!("unknown key `{unknown}`; keys are {keys}"));
            }
        }
    }
}

/// One thing between the commas of `#[hook(…)]`.
enum OfMethod {
    Hook(LitStr),
    Guard,
}

impl Parse for OfMethod {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::Hook);
        }
        match input.parse()? {
            Key::Pair(key, _) if GUARDS.iter().any(|guard| key == guard) => Ok(Self::Guard),
            Key::Word(word) if word == BLOCKING => Ok(Self::Guard),
            Key::Pair(key, _) | Key::Word(key) => Err(syn::Error::new(key.span(), HOOK)),
            Key::Other(place) => Err(syn::Error::new(place, HOOK)),
        }
    }
}

const HOOK: &str = "name the hook: `#[hook(\"post\")]`";

/// The hooks of `#[hook("pre", "post", timeout = "5ms")]`, each with its place.
pub(super) fn method_hooks(attribute: &Attribute, mistakes: &mut Mistakes) -> Vec<(Span, Hook)> {
    let said = attribute.parse_args_with(Punctuated::<OfMethod, Token![,]>::parse_terminated).unwrap_or_default();
    let literals: Vec<LitStr> = said
        .into_iter()
        .filter_map(|said| match said {
            OfMethod::Hook(literal) => Some(literal),
            OfMethod::Guard => None,
        })
        .collect();
    if literals.is_empty() {
        mistakes.at(attribute.span(), HOOK);
    }
    literals.iter().filter_map(|literal| hook(literal, mistakes).map(|hook| (literal.span(), hook))).collect()
}

fn hooks(value: &Expr, mistakes: &mut Mistakes) -> Vec<Hook> {
    let listed: Vec<&Expr> = match value {
        Expr::Array(array) => array.elems.iter().collect(),
        one => vec![one],
    };
    if listed.is_empty() {
        mistakes.at(value.span(), "name at least one hook, such as `hook = \"post\"`");
    }
    let mut hooks = Vec::new();
    for expr in listed {
        let Some(literal) = text(expr) else {
            mistakes.at(expr.span(), "a hook is a text, such as `hook = \"post\"`");
            continue;
        };
        let Some(hook) = hook(literal, mistakes) else { continue };
        if hooks.contains(&hook) {
            mistakes.at(literal.span(), format!("`{hook}` is named twice"));
        } else {
            hooks.push(hook);
        }
    }
    hooks
}

fn hook(literal: &LitStr, mistakes: &mut Mistakes) -> Option<Hook> {
    literal.value().parse().map_err(|unknown| mistakes.at(literal.span(), unknown)).ok()
}

fn name(value: &Expr, mistakes: &mut Mistakes) -> Option<String> {
    let Some(literal) = text(value) else {
        mistakes.at(value.span(), "a name is a text, such as `name = \"AddFooBarHeader\"`");
        return None;
    };
    let written = literal.value();
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | ':');
    if written.is_empty() || written.contains(odd) {
        mistakes.at(literal.span(), "a name is not empty, and has no spaces, quotes, colons or backslashes");
    }
    Some(written)
}

fn text(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
        _ => None,
    }
}

/// Whether the attributes leave an item out of a gateway for certain: tests do; of features and targets nothing is known.
pub(super) fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|meta| holds(&meta) == Some(false))
        }
        _ => false,
    })
}

/// Whether an item, or its file, depends on how the crate is built.
pub(super) fn is_conditional(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr"))
}

/// Whether a predicate of `cfg` holds in a gateway, if that is known.
fn holds(predicate: &Meta) -> Option<bool> {
    let Meta::List(list) = predicate else {
        return predicate.path().is_ident("test").then_some(false);
    };
    let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let mut inner = inner.iter().map(holds);
    match list.path.get_ident()?.to_string().as_str() {
        "not" => inner.next()?.map(|holds| !holds),
        "all" => decided(inner, false),
        "any" => decided(inner, true),
        _ => None,
    }
}

/// One predicate that is `decisive` decides; else all must be known.
fn decided(predicates: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let predicates: Vec<Option<bool>> = predicates.collect();
    if predicates.contains(&Some(decisive)) {
        return Some(decisive);
    }
    (!predicates.contains(&None)).then_some(!decisive)
}
