//! All mistakes of one item, so that its author reads them in one run.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

pub(crate) struct Errors {
    attribute: Span,
    found: Option<syn::Error>,
}

impl Errors {
    /// No mistakes yet. `item` is any token of the item: the attribute's own span is that of an expansion, which rustc
    /// explains at length; what its author wrote needs no explanation.
    pub(crate) fn new(item: Span) -> Self {
        Self { attribute: item.located_at(Span::call_site()), found: None }
    }

    /// A mistake at all of `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.extend(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake at the attribute itself: what is missing has no tokens.
    pub(crate) fn at_attribute(&mut self, message: impl Display) {
        self.extend(syn::Error::new(self.attribute, message));
    }

    pub(crate) fn extend(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(first) => first.combine(error),
            None => self.found = Some(error),
        }
    }

    /// The mistakes as code that does not compile; `None` if there are none.
    pub(crate) fn into_tokens(self) -> Option<TokenStream> {
        self.found.map(syn::Error::into_compile_error)
    }
}
