//! The code that registers a plugin and calls its functions.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Type};

use crate::argument::{Argument, Fields};
use crate::hooks::Hook;

/// Everything that is known of a plugin.
pub(crate) struct PluginCode {
    pub(crate) sdk: TokenStream,
    pub(crate) name: LitStr,
    pub(crate) doc: String,
    pub(crate) hooks: Vec<HookCode>,
    pub(crate) init_arguments: Vec<Argument>,
    pub(crate) state: Option<StateCode>,
}

/// A function that serves hooks.
pub(crate) struct HookCode {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) function: String,
    pub(crate) path: TokenStream,
    pub(crate) receiver: bool,
    pub(crate) is_async: bool,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) span: Span,
    pub(crate) returns: Span,
}

/// The type of an `impl` block, and its life. The flags say whether a function is async.
pub(crate) struct StateCode {
    pub(crate) ty: Type,
    pub(crate) init: Option<bool>,
    pub(crate) shutdown: Option<bool>,
}

impl PluginCode {
    pub(crate) fn tokens(&self) -> TokenStream {
        let sdk = &self.sdk;
        let mut fields = Fields::default();
        fields.add(&self.init_arguments);
        self.hooks.iter().for_each(|hook| fields.add(&hook.arguments));

        let data = self.data(&fields);
        let prepare = self.prepare(&fields);
        let calls = self.hooks.iter().flat_map(|code| code.calls(sdk, &fields));
        let plugin = self.registration();
        let unique = self.unique_name();
        quote! {
            #unique
            #[allow(clippy::all, clippy::pedantic, unused_variables, unused_qualifications)]
            const _: () = {
                #data
                #prepare
                #(#calls)*
                #plugin
            };
        }
    }

    /// Two plugins of one crate with one name must not compile, wherever they stand: exported macros share the crate's
    /// root, so two with the same name clash there, at the literal that named them.
    fn unique_name(&self) -> TokenStream {
        let mut text = String::from("this_crate_has_two_plugins_named_");
        for c in self.name.value().chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => text.push(c),
                '_' => text.push_str("__"),
                other => text.push_str(&format!("_{:x}_", u32::from(other))),
            }
        }
        let ident = Ident::new(&text, self.name.span());
        quote! {
            #[doc(hidden)]
            #[macro_export]
            macro_rules! #ident { () => {} }
        }
    }

    /// The struct that an instance holds.
    fn data(&self, fields: &Fields) -> TokenStream {
        let sdk = &self.sdk;
        let state = self.state.iter().map(|state| &state.ty);
        let rest = fields.iter().map(|field| {
            let (name, inner) = (&field.name, &field.inner);
            let wrapper = format_ident!("{}", if field.is_config { "Config" } else { "State" });
            quote!(#name: #sdk::#wrapper<#inner>)
        });
        quote!(struct __Data { #(plugin: #state,)* #(#rest,)* })
    }

    /// Parses the configuration, then makes the instance.
    fn prepare(&self, fields: &Fields) -> TokenStream {
        let sdk = &self.sdk;
        let parsed = fields.iter().filter(|field| field.is_config).map(|field| {
            let (name, inner) = (&field.name, &field.inner);
            quote!(let #name = __source.parse::<#inner>()?;)
        });
        let made = fields.iter().filter(|field| !field.is_config).map(|field| {
            let name = &field.name;
            quote!(let #name = ::core::default::Default::default();)
        });
        let names = fields.iter().map(|field| &field.name);
        let init = self.state.as_ref().map(|state| self.init(state, fields));
        let plugin = self.state.iter().map(|_| quote!(plugin,));
        let (shutdown, shutdown_fn) = self.shutdown();
        quote! {
            fn __prepare(
                __source: &#sdk::ConfigSource<'_>,
            ) -> ::core::result::Result<#sdk::Prepared, #sdk::ConfigError> {
                #(#parsed)*
                ::core::result::Result::Ok(#sdk::Prepared::new(move |__env: #sdk::InitEnv| async move {
                    #(#made)*
                    #init
                    let __data = __Data { #(#plugin)* #(#names,)* };
                    ::core::result::Result::Ok(#sdk::Instance::new(__data, #shutdown))
                }))
            }
            #shutdown_fn
        }
    }

    fn init(&self, state: &StateCode, fields: &Fields) -> TokenStream {
        let (sdk, ty) = (&self.sdk, &state.ty);
        let span = syn::spanned::Spanned::span(ty);
        let Some(is_async) = state.init else {
            return quote_spanned!(span=> let plugin = <#ty as ::core::default::Default>::default(););
        };
        let arguments = self.init_arguments.iter().map(|argument| match &argument.kind {
            crate::argument::Kind::Config(_) => {
                let field = fields.of(argument);
                quote!(&#field)
            }
            _ => argument.expression(fields),
        });
        let wait = is_async.then(|| quote!(.await));
        quote_spanned! {span=>
            let plugin: #ty = #sdk::IntoInit::<#ty>::into_init(<#ty>::init(#(#arguments),*) #wait)?;
        }
    }

    /// The value for `Instance::new`, and the function it names.
    fn shutdown(&self) -> (TokenStream, TokenStream) {
        let sdk = &self.sdk;
        let Some((ty, is_async)) =
            self.state.as_ref().and_then(|state| Some((&state.ty, state.shutdown?)))
        else {
            return (quote!(::core::option::Option::None), TokenStream::new());
        };
        let wait = is_async.then(|| quote!(.await));
        let function = quote! {
            fn __shutdown(
                __data: ::std::boxed::Box<dyn ::core::any::Any + ::core::marker::Send + ::core::marker::Sync>,
            ) -> #sdk::BoxFuture<'static, ()> {
                ::std::boxed::Box::pin(async move {
                    if let ::core::result::Result::Ok(__data) = __data.downcast::<__Data>() {
                        let __Data { plugin, .. } = *__data;
                        let _ = <#ty>::shutdown(plugin) #wait;
                    }
                })
            }
        };
        (quote!(::core::option::Option::Some(__shutdown)), function)
    }

    /// What the linker gathers.
    fn registration(&self) -> TokenStream {
        let (sdk, name, doc) = (&self.sdk, &self.name, &self.doc);
        let name = LitStr::new(&name.value(), Span::call_site());
        let served = || self.hooks.iter().flat_map(|code| code.hooks.iter().map(move |hook| (code, *hook)));
        let entries = served().map(|(code, hook)| code.entry(hook, sdk));
        let hooks: Vec<_> = served().map(|(_, hook)| format!("\"{}\"", hook.name())).collect();
        let about = |key: &str| std::env::var(format!("CARGO_PKG_{key}")).unwrap_or_default();
        let (package, version) = (about("NAME"), about("VERSION"));
        let record = format!(
            "{{\"crate\":\"{package}\",\"version\":\"{version}\",\"name\":\"{}\",\"hooks\":[{}]}}\n",
            name.value(),
            hooks.join(",")
        );
        let length = Literal::usize_unsuffixed(record.len());
        let (description, repository, license) = (about("DESCRIPTION"), about("REPOSITORY"), about("LICENSE"));
        quote! {
            #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = ".gw_plugins"))]
            static __RECORD: [u8; #length] = #sdk::bytes(#record);

            const __PACKAGE: #sdk::Package = #sdk::Package { name: #package, version: #version };

            #[#sdk::linkme::distributed_slice(#sdk::PLUGINS)]
            #[linkme(crate = #sdk::linkme)]
            static __PLUGIN: #sdk::Plugin = #sdk::Plugin {
                name: #name,
                package: __PACKAGE,
                module: ::core::module_path!(),
                doc: #doc,
                hooks: &[#(#entries),*],
                record: &__RECORD,
                prepare: __prepare,
            };

            #sdk::inventory::submit! {
                #sdk::Crate {
                    package: __PACKAGE,
                    description: #description,
                    repository: #repository,
                    license: #license,
                }
            }
        }
    }
}

impl HookCode {
    /// One function for each hook: it takes the arguments from the exchange, calls, and reads what came back.
    fn calls(&self, sdk: &TokenStream, fields: &Fields) -> Vec<TokenStream> {
        self.hooks.iter().map(|hook| self.call(*hook, sdk, fields)).collect()
    }

    fn call(&self, hook: Hook, sdk: &TokenStream, fields: &Fields) -> TokenStream {
        let (path, ident) = (&self.path, self.call_ident(hook));
        let session = self.arguments.iter().any(Argument::needs_session).then(|| {
            quote! {
                if __exchange.session.is_none() {
                    return #sdk::Outcome::MissingSession;
                }
            }
        });
        let names: Vec<_> = (0..self.arguments.len()).map(|i| format_ident!("__argument_{i}")).collect();
        // Each argument is bound to its author's own type: a type of that name that is not ours is reported there.
        let bound = self.arguments.iter().zip(&names).map(|(argument, name)| {
            let (ty, value) = (&argument.ty, argument.expression(fields));
            quote_spanned!(argument.span=> let #name: #ty = #value;)
        });
        let receiver = self.receiver.then(|| quote!(&__data.plugin,));
        let wait = self.is_async.then(|| quote!(.await));
        let returned = quote!(__returned);
        let outcome = hook.into_outcome(sdk, &returned);
        let outcome = respan(outcome, self.returns);
        let body = quote! {
            let __data = __instance.data::<__Data>();
            #session
            let __returned = {
                let #sdk::Exchange {
                    request: __request, response: __response, session: __session, ctx: __ctx, ..
                } = &mut *__exchange;
                #(#bound)*
                #path(#receiver #(#names),*) #wait
            };
            #outcome
        };
        if self.is_async {
            let pinned = quote_spanned!(self.span=> ::std::boxed::Box::pin(async move { #body }));
            quote! {
                fn #ident<'a>(
                    __instance: &'a #sdk::Instance,
                    __exchange: &'a mut #sdk::Exchange,
                ) -> #sdk::BoxFuture<'a, #sdk::Outcome> {
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

    fn entry(&self, hook: Hook, sdk: &TokenStream) -> TokenStream {
        let (variant, function, ident) = (hook.variant(), &self.function, self.call_ident(hook));
        let call = format_ident!("{}", if self.is_async { "Async" } else { "Sync" });
        let takes_request = self.arguments.iter().any(Argument::takes_request);
        quote! {
            #sdk::HookEntry {
                hook: #sdk::Hook::#variant,
                function: #function,
                call: #sdk::Call::#call(#ident),
                takes_request: #takes_request,
            }
        }
    }

    fn call_ident(&self, hook: Hook) -> Ident {
        format_ident!("__{}_{}", hook.name(), self.function)
    }
}

/// The same tokens at another place: rustc reports a wrong return type where it is written.
fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    let located = |mut token: proc_macro2::TokenTree| {
        if let proc_macro2::TokenTree::Group(group) = &token {
            let inner = respan(group.stream(), span);
            token = proc_macro2::Group::new(group.delimiter(), inner).into();
        }
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(located).collect()
}

/// The first paragraph of a doc comment, on one line.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let paragraph: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}
