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
    Analytics,
}

const ALL: [(Hook, &str, &str); 7] = [
    (Hook::Pre, "pre", "Pre"),
    (Hook::AuthCheck, "auth_check", "AuthCheck"),
    (Hook::PostKeyAuth, "post_key_auth", "PostKeyAuth"),
    (Hook::Post, "post", "Post"),
    (Hook::Response, "response", "Response"),
    (Hook::Endpoint, "endpoint", "Endpoint"),
    (Hook::Analytics, "analytics", "Analytics"),
];

impl Hook {
    /// The hook that a literal names, or an error that lists them.
    pub(crate) fn parse(literal: &LitStr, errors: &mut Errors) -> Option<Self> {
        let written = literal.value();
        let found = ALL.iter().find(|(_, name, _)| *name == written).map(|(hook, ..)| *hook);
        if found.is_none() {
            let message = format!("unknown hook `{written}`; hooks are {}", Self::known());
            errors.at(literal, message);
        }
        found
    }

    /// All hooks, as a sentence lists them.
    pub(crate) fn known() -> String {
        let known: Vec<_> = ALL.iter().map(|(_, name, _)| format!("`{name}`")).collect();
        known.join(", ")
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn variant(self) -> Ident {
        Ident::new(self.row().2, Span::call_site())
    }

    /// The trait that makes an outcome of what the function returned, its method, and what the method takes beside it.
    pub(crate) fn outcome(self) -> (TokenStream, TokenStream, Option<TokenStream>) {
        match self {
            Self::AuthCheck => {
                (quote!(IntoAuthOutcome), quote!(into_auth_outcome), Some(quote!(&mut __exchange.caller)))
            }
            Self::Response => (quote!(IntoResponseOutcome), quote!(into_response_outcome), None),
            Self::Analytics => (quote!(IntoRecordOutcome), quote!(into_record_outcome), None),
            Self::Pre | Self::PostKeyAuth | Self::Post | Self::Endpoint => {
                (quote!(IntoOutcome), quote!(into_outcome), None)
            }
        }
    }

    /// Says so, once, where some of the hooks cannot have an argument.
    pub(crate) fn check(hooks: &[Self], argument: &Argument, errors: &mut Errors) {
        if hooks.contains(&Self::Analytics) && argument.is_of_request() {
            let message = "in `analytics` the request is over: take `&mut AnalyticsRecord`, which tells of it";
            errors.at(&argument.ty, message);
            return;
        }
        let refusing: Vec<_> = hooks.iter().filter(|hook| hook.refuses(argument)).collect();
        if refusing.is_empty() {
            return;
        }
        let names: Vec<_> = refusing.iter().map(|hook| format!("`{}`", hook.name())).collect();
        let names = names.join(", ");
        let message = match &argument.kind {
            Kind::Response { .. } => format!(
                "there is no response yet in {names}: only the hook `response` may take it; to answer here, return \
                 a `Response`"
            ),
            Kind::Record { .. } => {
                format!("there is no analytics record yet in {names}: only the hook `analytics` may take it")
            }
            Kind::Request { .. } => {
                format!("in {names} the request has been sent and cannot change: take `&Request`")
            }
            Kind::Session { mutable, .. } => {
                let lend = if *mutable { "&mut Session" } else { "&Session" };
                format!("in {names} nobody is authenticated yet, so there may be no session: take `Option<{lend}>`")
            }
            _ => return,
        };
        errors.at(&argument.ty, message);
    }

    fn refuses(self, argument: &Argument) -> bool {
        match &argument.kind {
            Kind::Response { .. } => self != Self::Response,
            Kind::Record { .. } => self != Self::Analytics,
            Kind::Request { mutable } => *mutable && self == Self::Response,
            Kind::Session { optional, .. } => !optional && matches!(self, Self::Pre | Self::AuthCheck),
            _ => false,
        }
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        ALL.iter().find(|(hook, ..)| *hook == self).expect("every hook has a row")
    }
}
