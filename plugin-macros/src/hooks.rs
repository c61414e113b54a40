//! The hooks, and which argument each may have.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::LitStr;

use crate::argument::{Argument, Kind};
use crate::errors::Errors;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Pre,
    AuthCheck,
    PostKeyAuth,
    Post,
    Response,
    Endpoint,
}

const ALL: [(Hook, &str, &str); 6] = [
    (Hook::Pre, "pre", "Pre"),
    (Hook::AuthCheck, "auth_check", "AuthCheck"),
    (Hook::PostKeyAuth, "post_key_auth", "PostKeyAuth"),
    (Hook::Post, "post", "Post"),
    (Hook::Response, "response", "Response"),
    (Hook::Endpoint, "endpoint", "Endpoint"),
];

impl Hook {
    /// The hook that a literal names, or an error that lists them.
    pub(crate) fn parse(literal: &LitStr, errors: &mut Errors) -> Option<Self> {
        let written = literal.value();
        let found = ALL.iter().find(|(_, name, _)| *name == written).map(|(hook, ..)| *hook);
        if found.is_none() {
            let known: Vec<_> = ALL.iter().map(|(_, name, _)| format!("`{name}`")).collect();
            let message = format!("unknown hook `{written}`; hooks are {}", known.join(", "));
            errors.push(literal.span(), message);
        }
        found
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn variant(self) -> Ident {
        Ident::new(self.row().2, Span::call_site())
    }

    /// How what the function returned becomes an outcome. `value` is an expression.
    pub(crate) fn into_outcome(self, sdk: &TokenStream, value: &TokenStream) -> TokenStream {
        match self {
            Self::AuthCheck => {
                quote!(#sdk::IntoAuthOutcome::into_auth_outcome(#value, &mut __exchange.session))
            }
            Self::Response => quote!(#sdk::IntoResponseOutcome::into_response_outcome(#value)),
            Self::Pre | Self::PostKeyAuth | Self::Post | Self::Endpoint => {
                quote!(#sdk::IntoOutcome::into_outcome(#value))
            }
        }
    }

    /// Says so where this hook cannot have an argument.
    pub(crate) fn check(self, argument: &Argument, errors: &mut Errors) {
        let name = self.name();
        let refusal = match (&argument.kind, self) {
            (Kind::Response { .. }, hook) if hook != Self::Response => Some(format!(
                "the hook `{name}` has no response yet: only `response` may take it; to answer here, return a \
                 `Response`"
            )),
            (Kind::Request { mutable: true }, Self::Response) => Some(
                "the hook `response` cannot change the request, which has been sent: take `&Request`".to_owned(),
            ),
            (Kind::Session { optional: false, .. }, Self::Pre | Self::AuthCheck) => Some(format!(
                "the hook `{name}` runs before anybody is authenticated, so there may be no session: take \
                 `Option<&Session>`"
            )),
            _ => None,
        };
        if let Some(message) = refusal {
            errors.push(argument.span, message);
        }
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        ALL.iter().find(|(hook, ..)| *hook == self).expect("every hook has a row")
    }
}
