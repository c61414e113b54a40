//! `#[gw_plugin]` on a free function, and what every function that serves a hook must be.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{GenericParam, ItemFn, LitStr, ReturnType, Safety, Signature, Type, TypeParamBound};

use crate::argument::{Argument, Kind};
use crate::attribute::{Attribute, allowed};
use crate::call::{HookCode, Returns};
use crate::errors::Errors;
use crate::expand::{PluginCode, doc};
use crate::guard::Guard;
use crate::hooks::Hook;
use crate::tokens::{Place, bare};

pub(crate) fn expand(attribute: &Attribute, function: &ItemFn, errors: &mut Errors) -> TokenStream {
    let signature = &function.sig;
    let hooks = match &attribute.hooks {
        Some((_, hooks)) => hooks.clone(),
        None => {
            if !attribute.unread {
                errors.at_attribute(format!(
                    "say where it runs: `#[gw_plugin(hook = \"post\")]`; hooks are {}",
                    Hook::known()
                ));
            }
            Vec::new()
        }
    };
    if let Some(receiver) = signature.receiver() {
        let message = "a plugin that is a function has no `self`; to keep state, mark the whole `impl` block with \
                       `#[gw_plugin(name = \"…\")]`, and this method with `#[hook(\"…\")]`";
        errors.at(receiver, message);
    }
    let code = hook_code(&hooks, attribute.guard.clone(), signature, None, errors);
    let default = || LitStr::new(&signature.ident.unraw().to_string(), signature.ident.span());
    let plugin = PluginCode {
        sdk: attribute.sdk(),
        name: attribute.name.clone().unwrap_or_else(default),
        doc: doc(&function.attrs),
        allowed: allowed(&function.attrs),
        hooks: vec![code],
        state: None,
    };
    plugin.tokens()
}

/// Checks a function that serves hooks, and gives what is needed to call it. `owner` is the type of a method.
pub(crate) fn hook_code(
    hooks: &[Hook],
    guard: Guard,
    signature: &Signature,
    owner: Option<&Type>,
    errors: &mut Errors,
) -> HookCode {
    check_plain(signature, errors);
    guard.check(hooks, signature, errors);
    let arguments = Argument::all(&signature.inputs, owner, errors);
    for argument in &arguments {
        if matches!(argument.kind, Kind::InitEnv) {
            errors.at(&argument.ty, "`&InitEnv` is for `init`; a hook takes `&Ctx`");
        }
        Hook::check(hooks, argument, errors);
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && is_future(ty)
    {
        let message = "a plugin that waits is an `async fn`, and returns what the future gives";
        errors.at(ty, message);
    }
    let ident = &signature.ident;
    if matches!(signature.output, ReturnType::Default) && hooks.contains(&Hook::AuthCheck) {
        let message = "an `auth_check` plugin must say who the caller is: return `Result<Session, Reject>`";
        errors.at(ident, message);
    }
    HookCode {
        hooks: hooks.to_vec(),
        guard,
        function: ident.unraw().to_string(),
        path: match owner {
            Some(ty) => quote!(<#ty>::#ident),
            None => quote!(#ident),
        },
        receiver: signature.receiver().is_some(),
        is_async: signature.asyncness.is_some(),
        arguments,
        place: Place::of_head(signature),
        returns: Returns::of(signature, owner),
    }
}

/// Refuses what no function of a plugin can be: generic, unsafe, foreign.
pub(crate) fn check_plain(signature: &Signature, errors: &mut Errors) {
    let is_lifetime = |param: &GenericParam| matches!(param, GenericParam::Lifetime(_));
    if !signature.generics.params.iter().all(is_lifetime) {
        let message = "a plugin cannot be generic: the gateway would not know which one to call";
        errors.at(&signature.generics, message);
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        errors.at(keyword, "a plugin is a safe function: write `fn`, not `unsafe fn`");
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "a plugin is a Rust function: write `fn`, not `extern fn`");
    }
}

/// Whether a type is an `impl Future`.
fn is_future(ty: &Type) -> bool {
    let Type::ImplTrait(ty) = bare(ty) else {
        return false;
    };
    ty.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    })
}
