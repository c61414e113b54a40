//! The code that makes a plugin and registers it.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Type};

use crate::argument::{Argument, Kind};
use crate::call::{HookCode, Returns};
use crate::fields::{Field, Fields};
use crate::tokens::Place;

/// Everything that is known of a plugin.
pub(crate) struct PluginCode {
    pub(crate) sdk: TokenStream,
    pub(crate) name: LitStr,
    pub(crate) doc: String,
    /// The `#[allow(…)]` of its functions.
    pub(crate) allowed: TokenStream,
    pub(crate) hooks: Vec<HookCode>,
    pub(crate) state: Option<StateCode>,
}

/// The type of an `impl` block, and its life.
pub(crate) struct StateCode {
    pub(crate) ty: Type,
    pub(crate) init: Option<InitCode>,
    pub(crate) shutdown: Option<ShutdownCode>,
}

/// The function `init`.
pub(crate) struct InitCode {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) is_async: bool,
    pub(crate) place: Place,
    pub(crate) returns: Returns,
}

/// The function `shutdown`.
pub(crate) struct ShutdownCode {
    pub(crate) is_async: bool,
    pub(crate) place: Place,
}

impl PluginCode {
    pub(crate) fn tokens(&self) -> TokenStream {
        let (sdk, allowed) = (&self.sdk, &self.allowed);
        let mut fields = Fields::default();
        if let Some(init) = self.state.as_ref().and_then(|state| state.init.as_ref()) {
            fields.add(&init.arguments);
        }
        self.hooks.iter().for_each(|hook| fields.add(&hook.arguments));

        let data = self.data(&fields);
        let prepare = self.prepare(&fields);
        let shutdown = self.shutdown();
        let calls = self.hooks.iter().flat_map(|code| code.calls(sdk, &fields));
        let plugin = self.registration(&fields);
        let unique = self.unique_name();
        quote! {
            #unique
            #allowed
            const _: () = {
                #data
                #prepare
                #shutdown
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
        Place::of(&self.name).locate(quote! {
            #[doc(hidden)]
            #[allow(non_local_definitions)]
            #[macro_export]
            macro_rules! #ident { () => {} }
        })
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
        quote!(struct __Data { #(__plugin: #state,)* #(#rest,)* })
    }

    /// Parses the configuration, then makes the instance.
    fn prepare(&self, fields: &Fields) -> TokenStream {
        let sdk = &self.sdk;
        let name = self.name.value();
        let source = fields
            .iter()
            .any(|field| field.is_config)
            .then(|| quote!(let __source = &#sdk::ConfigSource::of(__api, #name);));
        let parsed = fields.iter().filter(|field| field.is_config).map(|field| {
            let (name, inner) = (&field.name, &field.inner);
            let parse = Place::of(inner).function_of(inner, &quote!(#sdk::FromConfigData), &quote!(parse));
            quote!(let #name = #parse(__source)?;)
        });
        let made = fields.iter().filter(|field| !field.is_config).map(|field| {
            let (name, inner) = (&field.name, &field.inner);
            let make = Place::of(inner).function_of(inner, &quote!(#sdk::DefaultState), &quote!(make));
            quote!(let #name = #make();)
        });
        let names = fields.iter().map(|field| &field.name);
        let init = self.state.as_ref().map(|state| self.init(state, fields));
        let plugin = self.state.iter().map(|_| quote!(__plugin,));
        let shutdown = match self.state.as_ref().and_then(|state| state.shutdown.as_ref()) {
            Some(_) => quote!(::core::option::Option::Some(__shutdown)),
            None => quote!(::core::option::Option::None),
        };
        let init_code = self.state.as_ref().and_then(|state| state.init.as_ref());
        let place = init_code.map_or_else(Place::call_site, |init| init.place);
        let instance = self.kept(fields).locate(quote!(#sdk::Instance::new(__data, #shutdown)));
        let waiting = place.waiting(quote! {
            #(#made)*
            #init
            let __data = __Data { #(#plugin)* #(#names,)* };
            ::core::result::Result::Ok(#instance)
        });
        let start = quote!(move |__env: #sdk::InitEnv| #waiting);
        let prepared = place.call(quote!(#sdk::Prepared::new), start);
        quote! {
            fn __prepare(
                _: &'static #sdk::Plugin,
                __api: &#sdk::ApiDefinition,
            ) -> ::core::result::Result<#sdk::Prepared, #sdk::ConfigError> {
                #source
                #(#parsed)*
                ::core::result::Result::Ok(#prepared)
            }
        }
    }

    /// Where the types are written that an instance keeps: one that threads cannot share is reported there.
    fn kept(&self, fields: &Fields) -> Place {
        let state = self.state.as_ref().map(|state| Place::of(&state.ty));
        let first = |field: &Field| Place::of(&field.inner);
        state.or_else(|| fields.iter().next().map(first)).unwrap_or_else(Place::call_site)
    }

    fn init(&self, state: &StateCode, fields: &Fields) -> TokenStream {
        let (sdk, ty) = (&self.sdk, &state.ty);
        let Some(init) = &state.init else {
            let make = Place::of(ty).function_of(ty, &quote!(#sdk::DefaultPlugin), &quote!(make));
            return quote!(let __plugin = #make(););
        };
        let names: Vec<_> = (0..init.arguments.len()).map(|i| format_ident!("__argument_{i}")).collect();
        let bound = init.arguments.iter().zip(&names).map(|(argument, name)| {
            let value = match &argument.kind {
                Kind::Config(_) => {
                    let field = fields.of(&argument.kind);
                    quote!(&#field)
                }
                _ => argument.expression(fields),
            };
            argument.bind(name, value)
        });
        let wait = init.is_async.then(|| quote!(.await));
        let made = init.returns.convert(sdk, quote!(IntoInit<#ty>), quote!(into_init), None);
        quote! {
            let __plugin = {
                #(#bound)*
                let __returned = <#ty>::init(#(#names),*) #wait;
                #made?
            };
        }
    }

    fn shutdown(&self) -> Option<TokenStream> {
        let (sdk, state) = (&self.sdk, self.state.as_ref()?);
        let (ty, shutdown) = (&state.ty, state.shutdown.as_ref()?);
        let wait = shutdown.is_async.then(|| quote!(.await));
        let waiting = shutdown.place.waiting(quote! {
            if let ::core::result::Result::Ok(__data) = __data.downcast::<__Data>() {
                let __Data { __plugin, .. } = *__data;
                let _ = <#ty>::shutdown(__plugin) #wait;
            }
        });
        let pinned = shutdown.place.call(quote!(::std::boxed::Box::pin), waiting);
        Some(quote! {
            fn __shutdown(
                __data: ::std::boxed::Box<dyn ::core::any::Any + ::core::marker::Send + ::core::marker::Sync>,
            ) -> #sdk::BoxFuture<'static, ()> {
                #pinned
            }
        })
    }

    /// What the linker gathers.
    fn registration(&self, fields: &Fields) -> TokenStream {
        let (sdk, doc, name) = (&self.sdk, &self.doc, self.name.value());
        let entries = self.hooks.iter().flat_map(|code| code.entries(sdk));
        let config = fields.iter().filter(|field| field.is_config).map(|field| field.known(sdk));
        let served = self.hooks.iter().flat_map(|code| &code.hooks);
        let hooks: Vec<_> = served.map(|hook| format!("\"{}\"", hook.name())).collect();
        let about = |key: &str| std::env::var(format!("CARGO_PKG_{key}")).unwrap_or_default();
        let (package, version) = (about("NAME"), about("VERSION"));
        let record = format!(
            "{{\"crate\":\"{package}\",\"version\":\"{version}\",\"name\":\"{name}\",\"hooks\":[{}]}}\n",
            hooks.join(",")
        );
        let length = Literal::usize_unsuffixed(record.len());
        let description = about("DESCRIPTION");
        let (repository, license) = (about("REPOSITORY"), about("LICENSE"));
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
                config: &[#(#config),*],
                record: &__RECORD,
                loaded: ::core::option::Option::None,
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

/// The first paragraph of a doc comment, on one line.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let texts = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let texts: Vec<_> = texts.collect();
    let lines = texts.iter().flat_map(|text| text.split('\n').map(str::trim));
    let paragraph: Vec<_> = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}
