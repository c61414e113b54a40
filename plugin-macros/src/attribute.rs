//! What stands in the parentheses of `#[gw_plugin(…)]` and `#[hook(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, Token};

use crate::errors::Errors;
use crate::guard::Guard;
use crate::hooks::Hook;

/// The keys of `#[gw_plugin(…)]`.
#[derive(Default)]
pub(crate) struct Attribute {
    /// `hook = …`: the value, and the hooks it names.
    pub(crate) hooks: Option<(Expr, Vec<Hook>)>,
    /// `name = …`
    pub(crate) name: Option<LitStr>,
    /// A key could not be read: do not complain about one that is missing as well.
    pub(crate) unread: bool,
    /// Its time, and what its failures lead to.
    pub(crate) guard: Guard,
    sdk: Option<Expr>,
}

/// One thing between commas.
enum Key {
    Pair(Ident, Expr),
    /// `post`, `"post"`, `hook("post")`
    Other(TokenStream),
}

impl Parse for Key {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            return Ok(Self::Pair(key, input.parse()?));
        }
        let mut other = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            other.extend([input.parse::<proc_macro2::TokenTree>()?]);
        }
        if other.is_empty() {
            return Err(input.error(PAIRS));
        }
        Ok(Self::Other(other))
    }
}

const PAIRS: &str = "expected `key = value`, such as `#[gw_plugin(hook = \"post\", name = \"Greet\")]`";

impl Attribute {
    pub(crate) fn parse(keys: TokenStream, errors: &mut Errors) -> Self {
        let mut attribute = Self::default();
        match Punctuated::<Key, Token![,]>::parse_terminated.parse2(keys) {
            Ok(keys) => keys.into_iter().for_each(|key| attribute.take(key, errors)),
            Err(error) => {
                attribute.unread = true;
                errors.extend(error);
            }
        }
        attribute
    }

    /// The path of what the expansion names.
    pub(crate) fn sdk(&self) -> TokenStream {
        match &self.sdk {
            Some(path) => quote!(#path::__private),
            None => quote!(::gateway_sdk::__private),
        }
    }

    fn take(&mut self, key: Key, errors: &mut Errors) {
        let (key, value) = match key {
            Key::Pair(key, value) => (key, value),
            Key::Other(word) if self.guard.take_word(&word, errors) => return,
            Key::Other(other) => {
                self.unread = true;
                errors.at(other, PAIRS);
                return;
            }
        };
        match key.to_string().as_str() {
            "hook" if self.hooks.is_some() => {
                let message = "`hook` is given twice; several are a list: `hook = [\"pre\", \"post\"]`";
                errors.at(key, message);
            }
            "name" if self.name.is_some() => errors.at(key, "`name` is given twice"),
            "hook" => {
                let hooks = hooks(&value, errors);
                self.hooks = Some((value, hooks));
            }
            "name" => {
                self.name = name(&value, errors);
                self.unread |= self.name.is_none();
            }
            "crate" if matches!(plain(&value), Expr::Path(_)) => self.sdk = Some(value),
            "crate" => errors.at(value, "`crate` is a path, such as `crate = my_sdk`"),
            _ if self.guard.take(&key, &value, errors) => {}
            unknown => {
                self.unread = true;
                let message = format!(
                    "unknown key `{unknown}`; keys are `hook`, `name`, `timeout`, `blocking`, `on_panic`, `on_timeout`, \
                     `crate`"
                );
                errors.at(key, message);
            }
        }
    }
}

/// The literals of `#[hook("pre", "post", timeout = "50ms")]`; what else it says goes to `guard`.
pub(crate) fn method_hooks(attribute: &syn::Attribute, guard: &mut Guard, errors: &mut Errors) -> Vec<(LitStr, Hook)> {
    let parser = Punctuated::<Key, Token![,]>::parse_terminated;
    let keys = attribute.parse_args_with(parser).unwrap_or_default();
    let mut literals = Vec::new();
    let mut is_wrong = false;
    for key in keys {
        match key {
            Key::Pair(key, value) if guard.take(&key, &value, errors) => {}
            Key::Other(word) if guard.take_word(&word, errors) => {}
            Key::Other(literal) => match syn::parse2::<LitStr>(literal) {
                Ok(literal) => literals.push(literal),
                Err(_) => is_wrong = true,
            },
            Key::Pair(..) => is_wrong = true,
        }
    }
    if is_wrong || literals.is_empty() {
        errors.at(attribute, "name the hook: `#[hook(\"post\")]`");
        return Vec::new();
    }
    let named = |literal: LitStr| Hook::parse(&literal, errors).map(|hook| (literal, hook));
    literals.into_iter().filter_map(named).collect()
}

fn hooks(value: &Expr, errors: &mut Errors) -> Vec<Hook> {
    let listed: Vec<&Expr> = match plain(value) {
        Expr::Array(array) => array.elems.iter().collect(),
        one => vec![one],
    };
    if listed.is_empty() {
        errors.at(value, "name at least one hook, such as `hook = \"post\"`");
    }
    let mut hooks = Vec::new();
    for expr in listed {
        let Some(literal) = text(expr) else {
            errors.at(expr, "a hook is a text, such as `hook = \"post\"`");
            continue;
        };
        let Some(hook) = Hook::parse(literal, errors) else {
            continue;
        };
        if hooks.contains(&hook) {
            errors.at(literal, format!("`{}` is named twice", hook.name()));
        } else {
            hooks.push(hook);
        }
    }
    hooks
}

fn name(value: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let Some(literal) = text(value) else {
        errors.at(value, "a name is a text, such as `name = \"AddFooBarHeader\"`");
        return None;
    };
    let written = literal.value();
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | ':');
    if written.is_empty() || written.contains(odd) {
        let message = "a name is not empty, and has no spaces, quotes, colons or backslashes";
        errors.at(literal, message);
    }
    Some(literal.clone())
}

/// The literal that an expression is, if it is a text.
pub(crate) fn text(expr: &Expr) -> Option<&LitStr> {
    match plain(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
        _ => None,
    }
}

/// An expression without the invisible parentheses of a `macro_rules!` argument.
fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => plain(&group.expr),
        _ => expr,
    }
}

/// What an item's author allows: its types stand in the expansion once more. A blanket `allow` of ours would not compile
/// where a crate forbids the lint.
pub(crate) fn allowed(attributes: &[syn::Attribute]) -> TokenStream {
    let allow = |attribute: &syn::Attribute| {
        let path = attribute.path();
        if path.is_ident("deprecated") {
            return quote!(#[allow(deprecated)]);
        }
        match &attribute.meta {
            Meta::List(list) if path.is_ident("allow") || path.is_ident("expect") => {
                let lints = &list.tokens;
                quote!(#[allow(#lints)])
            }
            _ => TokenStream::new(),
        }
    };
    attributes.iter().map(allow).collect()
}
