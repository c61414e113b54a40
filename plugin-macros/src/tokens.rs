//! Tokens at other places: rustc reports a wrong type where its author wrote it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Signature, Type};

/// Where something was written: its first and its last token. (A span of many tokens cannot be had on stable Rust.)
#[derive(Clone, Copy)]
pub(crate) struct Place {
    first: Span,
    last: Span,
}

impl Place {
    pub(crate) fn of(tokens: impl ToTokens) -> Self {
        let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
        let first = spans.next().unwrap_or_else(Span::call_site);
        let last = spans.last().unwrap_or(first);
        Self { first, last }
    }

    /// The head of a function: `async fn name`.
    pub(crate) fn of_head(signature: &Signature) -> Self {
        let (asyncness, word, name) = (signature.asyncness, signature.fn_token, &signature.ident);
        Self::of(quote!(#asyncness #word #name))
    }

    pub(crate) fn call_site() -> Self {
        let span = Span::call_site();
        Self { first: span, last: span }
    }

    /// The same tokens at this place. What they name stays the same: only messages move.
    pub(crate) fn locate(self, tokens: TokenStream) -> TokenStream {
        let mut located: Vec<TokenTree> = self.start(tokens).into_iter().collect();
        if let Some(token) = located.pop() {
            located.push(move_to(token, self.last));
        }
        located.into_iter().collect()
    }

    /// `<ty as of_trait>::function`, at this place; the type stays where it is. A type without the trait is reported
    /// where its author wrote it, in the trait's own words.
    pub(crate) fn function_of(self, ty: &impl ToTokens, of_trait: &TokenStream, function: &TokenStream) -> TokenStream {
        let (less, rest) = (quote!(<), quote!(as #of_trait>::#function));
        let (less, rest) = (self.locate(less), self.locate(rest));
        quote!(#less #ty #rest)
    }

    /// `async move { body }`, at this place; the body stays where it is. A future that threads cannot share is reported
    /// here.
    pub(crate) fn waiting(self, body: TokenStream) -> TokenStream {
        let mut block = Group::new(Delimiter::Brace, body);
        block.set_span(Span::call_site().located_at(self.last));
        let words = self.start(quote!(async move));
        quote!(#words #block)
    }

    /// `function(argument)`, at this place; the argument stays where it is.
    pub(crate) fn call(self, function: TokenStream, argument: TokenStream) -> TokenStream {
        let mut argument = Group::new(Delimiter::Parenthesis, argument);
        argument.set_span(Span::call_site().located_at(self.last));
        let function = self.start(function);
        quote!(#function #argument)
    }

    /// The same tokens at the beginning of this place.
    fn start(self, tokens: TokenStream) -> TokenStream {
        tokens.into_iter().map(|token| move_to(token, self.first)).collect()
    }
}

fn move_to(mut token: TokenTree, span: Span) -> TokenTree {
    if let TokenTree::Group(group) = &token {
        let inner = group.stream().into_iter().map(|inner| move_to(inner, span));
        let moved = Group::new(group.delimiter(), inner.collect());
        let own = group.span();
        token = moved.into();
        token.set_span(own);
    }
    token.set_span(token.span().located_at(span));
    token
}

/// A type of a signature as the expansion can write it, outside of that signature: `Self` is `self_type`, and every
/// lifetime but `'static` is `'_`.
pub(crate) fn outside(ty: &Type, self_type: Option<&Type>) -> TokenStream {
    rewrite(ty.to_token_stream(), self_type)
}

fn rewrite(tokens: TokenStream, self_type: Option<&Type>) -> TokenStream {
    let mut after_quote = false;
    let mut rewritten = TokenStream::new();
    for token in tokens {
        let is_lifetime = std::mem::take(&mut after_quote);
        match token {
            TokenTree::Ident(name) if is_lifetime && name != "static" => {
                rewritten.extend([TokenTree::from(Ident::new("_", name.span()))]);
            }
            TokenTree::Ident(name) if name == "Self" => match self_type {
                Some(ty) => {
                    let here = Place::of(&name);
                    rewritten.extend(here.locate(ty.to_token_stream()));
                }
                None => rewritten.extend([TokenTree::from(name)]),
            },
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), rewrite(group.stream(), self_type));
                inner.set_span(group.span());
                rewritten.extend([TokenTree::from(inner)]);
            }
            other => {
                after_quote = matches!(&other, TokenTree::Punct(sign) if sign.as_char() == '\'');
                rewritten.extend([other]);
            }
        }
    }
    rewritten
}

/// A type without the parentheses, and without the invisible ones of a `macro_rules!` argument.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => bare(&inner.elem),
        Type::Group(inner) => bare(&inner.elem),
        _ => ty,
    }
}

/// A type as a person writes it: tokens are printed with spaces around every sign.
pub(crate) fn shown(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let tight = [(" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&"), (" ::", "::"), (":: ", "::"), (" ,", ",")];
    tight.iter().fold(text, |text, (from, to)| text.replace(from, to))
}
