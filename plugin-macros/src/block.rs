//! `#[gw_plugin]` on an `impl` block: a plugin with state.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{ImplItem, ImplItemFn, ItemImpl, LitStr, ReceiverKind, Signature};

use crate::argument::{Argument, Kind};
use crate::attribute::{self, Attribute};
use crate::errors::Errors;
use crate::expand::{HookCode, PluginCode, StateCode, doc};
use crate::function::hook_code;
use crate::hooks::Hook;

pub(crate) fn expand(attribute: &Attribute, block: &mut ItemImpl, errors: &mut Errors) -> TokenStream {
    check_block(attribute, block, errors);
    let ty = (*block.self_ty).clone();
    let mut hooks: Vec<HookCode> = Vec::new();
    let mut served: Vec<Hook> = Vec::new();
    let mut init_arguments = Vec::new();
    let mut state = StateCode { ty: ty.clone(), init: None, shutdown: None };
    let mut marked = false;
    for method in block.items.iter_mut().filter_map(as_method) {
        let named = take_hooks(method, &mut served, errors);
        marked |= named.is_some();
        let signature = &method.sig;
        match (named, signature.ident.to_string().as_str()) {
            (Some(named), _) => {
                check_receiver(signature, errors);
                hooks.extend(hook_code(&named, signature, quote!(<#ty>::), errors));
            }
            (None, "init") => {
                init_arguments = check_init(signature, errors);
                state.init = Some(signature.asyncness.is_some());
            }
            (None, "shutdown") => {
                check_shutdown(signature, errors);
                state.shutdown = Some(signature.asyncness.is_some());
            }
            (None, _) => {}
        }
    }
    if !marked {
        let message = "no method is a hook: mark one with `#[hook(\"post\")]`";
        errors.push(attribute.span, message);
    }
    let plugin = PluginCode {
        sdk: attribute.sdk(),
        name: attribute.name.clone().unwrap_or_else(|| LitStr::new("unnamed", attribute.span)),
        doc: doc(&block.attrs),
        hooks,
        init_arguments,
        state: Some(state),
    };
    plugin.tokens()
}

fn check_block(attribute: &Attribute, block: &ItemImpl, errors: &mut Errors) {
    if attribute.name.is_none() {
        let message = "an `impl` block needs the name that definitions use: `#[gw_plugin(name = \"HitCounter\")]`";
        errors.push(attribute.span, message);
    }
    if let Some((span, hooks)) = &attribute.hooks
        && !hooks.is_empty()
    {
        errors.push(*span, "on an `impl` block each method names its hook: `#[hook(\"post\")]`");
    }
    if !block.generics.params.is_empty() {
        let message = "a plugin cannot be generic: the gateway would not know which one to make";
        errors.push(block.generics.params.span(), message);
    }
    if let Some((path, ..)) = &block.trait_ {
        errors.push(path.span(), "`#[gw_plugin]` goes on the type's own `impl` block, not on that of a trait");
    }
}

fn as_method(item: &mut ImplItem) -> Option<&mut ImplItemFn> {
    match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    }
}

/// Takes `#[hook(…)]` off a method. `None`: it has none.
fn take_hooks(method: &mut ImplItemFn, served: &mut Vec<Hook>, errors: &mut Errors) -> Option<Vec<Hook>> {
    let is_hook = |attribute: &syn::Attribute| attribute.path().is_ident("hook");
    let attributes: Vec<_> = method.attrs.iter().filter(|a| is_hook(a)).cloned().collect();
    method.attrs.retain(|attribute| !is_hook(attribute));
    let mut named = Vec::new();
    for attribute in &attributes {
        for hook in attribute::method_hooks(attribute, errors) {
            if served.contains(&hook) {
                let message = format!("`{}` is served twice by this plugin", hook.name());
                errors.push(attribute.span(), message);
            } else {
                served.push(hook);
                named.push(hook);
            }
        }
    }
    (!attributes.is_empty()).then_some(named)
}

fn check_receiver(signature: &Signature, errors: &mut Errors) {
    let Some(receiver) = signature.receiver() else { return };
    let taken = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return,
        ReceiverKind::Reference(..) => "&mut self",
        _ => "self",
    };
    let message = format!(
        "a hook is called by many requests at once: take `&self`, not `{taken}`, and keep what changes in an atomic \
         or a lock"
    );
    errors.push(receiver.span(), message);
}

fn check_init(signature: &Signature, errors: &mut Errors) -> Vec<Argument> {
    if let Some(receiver) = signature.receiver() {
        errors.push(receiver.span(), "`init` makes the plugin: it has no `self`, and returns `Self`");
    }
    if !signature.generics.params.is_empty() {
        errors.push(signature.generics.params.span(), "`init` cannot be generic");
    }
    let arguments = Argument::all(&signature.inputs, errors);
    for argument in &arguments {
        if !matches!(argument.kind, Kind::Config(_) | Kind::InitEnv) {
            let message = "`init` runs when the API loads: it may take `&Config<T>` and `&InitEnv`";
            errors.push(argument.span, message);
        }
    }
    arguments
}

fn check_shutdown(signature: &Signature, errors: &mut Errors) {
    let by_value = signature
        .receiver()
        .is_some_and(|receiver| matches!(receiver.kind, ReceiverKind::Value));
    if !by_value || signature.inputs.len() != 1 {
        let message = "`shutdown` ends the plugin: it takes `self` and nothing else";
        errors.push(signature.ident.span(), message);
    }
}
