//! What stands in the parentheses of `#[gw_plugin(…)]` and `#[hook(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitStr, MetaNameValue, Token};

use crate::errors::Errors;
use crate::hooks::Hook;

/// The keys of `#[gw_plugin(…)]`.
pub(crate) struct Attribute {
    /// Where the attribute stands, for mistakes of omission.
    pub(crate) span: Span,
    /// `hook = …`, with its place.
    pub(crate) hooks: Option<(Span, Vec<Hook>)>,
    /// `name = …`
    pub(crate) name: Option<LitStr>,
    sdk: Option<Expr>,
}

impl Attribute {
    pub(crate) fn parse(keys: TokenStream, errors: &mut Errors) -> Self {
        let span = Span::call_site();
        let mut attribute = Self { span, hooks: None, name: None, sdk: None };
        let parser = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
        let pairs = match parser.parse2(keys) {
            Ok(pairs) => pairs,
            Err(error) => {
                let message = "expected `key = value`, such as `#[gw_plugin(hook = \"post\", name = \"Greet\")]`";
                errors.push(error.span(), message);
                // What was meant cannot be known: do not complain about missing keys as well.
                attribute.hooks = Some((span, Vec::new()));
                attribute.name = Some(LitStr::new("unknown", span));
                return attribute;
            }
        };
        for pair in pairs {
            attribute.take(&pair, errors);
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

    fn take(&mut self, pair: &MetaNameValue, errors: &mut Errors) {
        let key = pair.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match key.as_str() {
            "hook" if self.hooks.is_some() => {
                errors.push(pair.path.span(), "`hook` is given twice; several are a list: `hook = [\"pre\", \"post\"]`");
            }
            "name" if self.name.is_some() => errors.push(pair.path.span(), "`name` is given twice"),
            "hook" => self.hooks = Some((pair.value.span(), hooks(&pair.value, errors))),
            "name" => self.name = name(&pair.value, errors),
            "crate" => match &pair.value {
                Expr::Path(_) => self.sdk = Some(pair.value.clone()),
                other => errors.push(other.span(), "`crate` is a path, such as `crate = my_sdk`"),
            },
            unknown => {
                let message = format!("unknown key `{unknown}`; keys are `hook`, `name`, `crate`");
                errors.push(pair.path.span(), message);
            }
        }
    }
}

/// The literals of `#[hook("pre", "post")]`.
pub(crate) fn method_hooks(attribute: &syn::Attribute, errors: &mut Errors) -> Vec<Hook> {
    match attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated) {
        Ok(literals) if !literals.is_empty() => {
            literals.iter().filter_map(|literal| Hook::parse(literal, errors)).collect()
        }
        Ok(_) | Err(_) => {
            errors.push(attribute.span(), "name the hook: `#[hook(\"post\")]`");
            Vec::new()
        }
    }
}

fn hooks(value: &Expr, errors: &mut Errors) -> Vec<Hook> {
    let listed: Vec<&Expr> = match value {
        Expr::Array(array) => array.elems.iter().collect(),
        one => vec![one],
    };
    if listed.is_empty() {
        errors.push(value.span(), "name at least one hook, such as `hook = \"post\"`");
    }
    let mut hooks = Vec::new();
    for expr in listed {
        let Some(literal) = text(expr) else {
            errors.push(expr.span(), "a hook is a text, such as `hook = \"post\"`");
            continue;
        };
        let Some(hook) = Hook::parse(literal, errors) else { continue };
        if hooks.contains(&hook) {
            errors.push(literal.span(), format!("`{}` is named twice", hook.name()));
        } else {
            hooks.push(hook);
        }
    }
    hooks
}

fn name(value: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let Some(literal) = text(value) else {
        errors.push(value.span(), "a name is a text, such as `name = \"AddFooBarHeader\"`");
        return None;
    };
    let written = literal.value();
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | ':');
    if written.is_empty() || written.contains(odd) {
        let message = "a name is not empty, and has no spaces, quotes, colons or backslashes";
        errors.push(literal.span(), message);
    }
    Some(literal.clone())
}

fn text(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
        _ => None,
    }
}
