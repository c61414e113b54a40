//! `#[gw_plugin]` on a free function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{ItemFn, LitStr, ReturnType, Safety, Signature};

use crate::argument::{Argument, Kind};
use crate::attribute::Attribute;
use crate::errors::Errors;
use crate::expand::{HookCode, PluginCode, doc};
use crate::hooks::Hook;

pub(crate) fn expand(attribute: &Attribute, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let signature = &function.sig;
    let hooks = attribute.hooks.as_ref().map(|(_, hooks)| hooks.clone()).unwrap_or_else(|| {
        let message = "say where it runs: `#[gw_plugin(hook = \"post\")]`; hooks are `pre`, `auth_check`, \
                       `post_key_auth`, `post`, `response`, `endpoint`";
        errors.push(attribute.span, message);
        Vec::new()
    });
    if let Some(receiver) = signature.receiver() {
        errors.push(receiver.span(), "a plugin that is a function has no `self`; state goes on an `impl` block");
    }
    let code = hook_code(&hooks, signature, quote!(), errors);
    let ident = &signature.ident;
    let default = || LitStr::new(&ident.to_string(), ident.span());
    let plugin = PluginCode {
        sdk: attribute.sdk(),
        name: attribute.name.clone().unwrap_or_else(default),
        doc: doc(&function.attrs),
        hooks: code.into_iter().collect(),
        init_arguments: Vec::new(),
        state: None,
    };
    plugin.tokens()
}

/// Checks a function that serves hooks, and gives what is needed to call it. `owner` is `Type::` for a method.
pub(crate) fn hook_code(
    hooks: &[Hook],
    signature: &Signature,
    owner: TokenStream,
    errors: &mut Errors,
) -> Option<HookCode> {
    if !signature.generics.params.is_empty() {
        let what = signature.generics.params.span();
        errors.push(what, "a plugin cannot be generic: the gateway would not know which one to call");
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        errors.push(keyword.span(), "a plugin is a safe function: write `fn`, not `unsafe fn`");
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi.span(), "a plugin is a Rust function: write `fn`, not `extern fn`");
    }
    let arguments = Argument::all(&signature.inputs, errors);
    for argument in &arguments {
        if matches!(argument.kind, Kind::InitEnv) {
            errors.push(argument.span, "`&InitEnv` is for `init`; a hook takes `&Ctx`");
        }
        hooks.iter().for_each(|hook| hook.check(argument, errors));
    }
    let returns = match &signature.output {
        ReturnType::Default => {
            if hooks.contains(&Hook::AuthCheck) {
                let message = "an `auth_check` plugin must say who the caller is: return `Result<Session, Reject>`";
                errors.push(signature.ident.span(), message);
                return None;
            }
            signature.ident.span()
        }
        ReturnType::Type(_, ty) => ty.span(),
    };
    let ident = &signature.ident;
    Some(HookCode {
        hooks: hooks.to_vec(),
        function: ident.to_string(),
        path: quote!(#owner #ident).into_token_stream(),
        receiver: signature.receiver().is_some(),
        is_async: signature.asyncness.is_some(),
        arguments,
        span: signature.fn_token.span,
        returns,
    })
}
