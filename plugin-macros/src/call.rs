//! The code that calls a function in a hook: arguments from the exchange, an outcome from what it returned.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{ReturnType, Signature, Type};

use crate::argument::Argument;
use crate::fields::Fields;
use crate::guard::Guard;
use crate::hooks::Hook;
use crate::tokens::{Place, outside, shown};

/// A function that serves hooks.
pub(crate) struct HookCode {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) guard: Guard,
    /// Its own name.
    pub(crate) function: String,
    /// How the expansion names it.
    pub(crate) path: TokenStream,
    /// Whether it takes `&self`.
    pub(crate) receiver: bool,
    pub(crate) is_async: bool,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) place: Place,
    pub(crate) returns: Returns,
}

impl HookCode {
    /// One function for each hook.
    pub(crate) fn calls(&self, sdk: &TokenStream, fields: &Fields) -> Vec<TokenStream> {
        let call = |hook: &Hook| self.call(*hook, sdk, fields);
        self.hooks.iter().map(call).collect()
    }

    fn call(&self, hook: Hook, sdk: &TokenStream, fields: &Fields) -> TokenStream {
        let (path, ident) = (&self.path, self.call_ident(hook));
        let session = self.arguments.iter().any(Argument::needs_session).then(|| {
            quote! {
                if __exchange.caller.is_none() {
                    return #sdk::Outcome::MissingSession;
                }
            }
        });
        let names: Vec<_> = (0..self.arguments.len()).map(|i| format_ident!("__argument_{i}")).collect();
        let bound =
            self.arguments.iter().zip(&names).map(|(argument, name)| argument.bind(name, argument.expression(fields)));
        let receiver = self.receiver.then(|| quote!(&__data.__plugin,));
        let wait = self.is_async.then(|| quote!(.await));
        let (outcome, method, beside) = hook.outcome();
        let outcome = self.returns.convert(sdk, outcome, method, beside);
        let body = quote! {
            let __data = __instance.data::<__Data>();
            #session
            let __returned = {
                let #sdk::Exchange {
                    request: __request, response: __response, caller: __caller, ctx: __ctx, draft: __draft, ..
                } = &mut *__exchange;
                #(#bound)*
                #path(#receiver #(#names),*) #wait
            };
            #outcome
        };
        if self.is_async {
            let waiting = self.place.waiting(body);
            let pinned = self.place.call(quote!(::std::boxed::Box::pin), waiting);
            quote! {
                fn #ident<'__call>(
                    __instance: &'__call #sdk::Instance,
                    __exchange: &'__call mut #sdk::Exchange,
                ) -> #sdk::BoxFuture<'__call, #sdk::Outcome> {
                    #pinned
                }
            }
        } else {
            quote! {
                fn #ident(__instance: &#sdk::Instance, __exchange: &mut #sdk::Exchange) -> #sdk::Outcome {
                    #body
                }
            }
        }
    }

    /// What the registration says of each hook.
    pub(crate) fn entries(&self, sdk: &TokenStream) -> Vec<TokenStream> {
        let function = &self.function;
        let guard = self.guard.tokens(sdk);
        let takes = Argument::takes(&self.arguments, sdk);
        let kind = format_ident!("{}", if self.is_async { "Async" } else { "Sync" });
        let entry = |hook: &Hook| {
            let (variant, call) = (hook.variant(), self.call_ident(*hook));
            quote! {
                #sdk::HookEntry {
                    hook: #sdk::Hook::#variant,
                    function: #function,
                    call: #sdk::Call::#kind(#call),
                    takes: #takes,
                    guard: #guard,
                }
            }
        };
        self.hooks.iter().map(entry).collect()
    }

    fn call_ident(&self, hook: Hook) -> Ident {
        format_ident!("__{}_{}", hook.name(), self.function)
    }
}

/// What a function returns.
pub(crate) struct Returns {
    /// Its type; `None` if it cannot be written outside of the function.
    ty: Option<TokenStream>,
    place: Place,
}

impl Returns {
    pub(crate) fn of(signature: &Signature, owner: Option<&Type>) -> Self {
        match &signature.output {
            ReturnType::Default => Self { ty: Some(quote!(())), place: Place::of(&signature.ident) },
            ReturnType::Type(_, ty) => Self { ty: (!is_opaque(ty)).then(|| outside(ty, owner)), place: Place::of(ty) },
        }
    }

    /// Calls a method of one of our traits on `__returned`. A type that does not have the trait is reported where its
    /// author wrote it.
    pub(crate) fn convert(
        &self,
        sdk: &TokenStream,
        of_trait: TokenStream,
        method: TokenStream,
        beside: Option<TokenStream>,
    ) -> TokenStream {
        let ty = self.ty.clone().unwrap_or_else(|| quote!(_));
        let path = self.place.function_of(&ty, &quote!(#sdk::#of_trait), &method);
        quote!(#path(__returned, #beside))
    }
}

/// Whether a type has an `impl Trait` in it.
fn is_opaque(ty: &Type) -> bool {
    let text = shown(ty);
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word == "impl")
}
