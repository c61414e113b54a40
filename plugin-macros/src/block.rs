//! `#[gw_plugin]` on an `impl` block: a plugin with state.

use proc_macro2::TokenStream;
use syn::{ImplItem, ImplItemFn, ItemImpl, LitStr, Receiver, ReceiverKind, ReturnType, Signature, Type};

use crate::argument::{Argument, Kind};
use crate::attribute::{Attribute, allowed, method_hooks};
use crate::call::{HookCode, Returns};
use crate::errors::Errors;
use crate::expand::{InitCode, PluginCode, ShutdownCode, StateCode, doc};
use crate::function::{check_plain, hook_code};
use crate::guard::Guard;
use crate::hooks::Hook;
use crate::tokens::{Place, bare, shown};

pub(crate) fn expand(attribute: &Attribute, block: &mut ItemImpl, errors: &mut Errors) -> TokenStream {
    if let Some((path, ..)) = &block.trait_ {
        let ty = shown(&block.self_ty);
        let message = format!("`#[gw_plugin]` goes on the type's own block, `impl {ty}`, not on that of a trait");
        errors.at(path, message);
        return TokenStream::new();
    }
    check_block(attribute, block, errors);
    let ty = (*block.self_ty).clone();
    let mut hooks: Vec<HookCode> = Vec::new();
    let mut served: Vec<Hook> = Vec::new();
    let mut state = StateCode { ty: ty.clone(), init: None, shutdown: None };
    let mut marked = false;
    let mut allows = allowed(&block.attrs);
    for method in block.items.iter_mut().filter_map(as_method) {
        let named = take_hooks(method, &mut served, errors);
        let signature = &method.sig;
        match (named, signature.ident.to_string().as_str()) {
            (Some((named, guard)), _) => {
                marked = true;
                check_receiver(signature, errors);
                hooks.push(hook_code(&named, guard.within(&attribute.guard), signature, Some(&ty), errors));
            }
            (None, "init") => state.init = Some(init_code(signature, &ty, errors)),
            (None, "shutdown") => state.shutdown = Some(shutdown_code(signature, errors)),
            (None, _) => continue,
        }
        allows.extend(allowed(&method.attrs));
        if let Some(cfg) = method.attrs.iter().find(|a| a.path().is_ident("cfg")) {
            let message = "a plugin serves the same hooks in every build: put `#[cfg]` on the `impl` block, or \
                           inside of the function";
            errors.at(cfg, message);
        }
    }
    if !marked && attribute.hooks.is_none() {
        errors.at_attribute("no method is a hook: mark one with `#[hook(\"post\")]`");
    }
    let unnamed = || LitStr::new("unnamed", proc_macro2::Span::call_site());
    let plugin = PluginCode {
        sdk: attribute.sdk(),
        name: attribute.name.clone().unwrap_or_else(unnamed),
        doc: doc(&block.attrs),
        allowed: allows,
        hooks,
        state: Some(state),
    };
    plugin.tokens()
}

fn check_block(attribute: &Attribute, block: &ItemImpl, errors: &mut Errors) {
    if attribute.name.is_none() && !attribute.unread {
        errors.at_attribute(format!(
            "an `impl` block needs the name that definitions use: `#[gw_plugin(name = \"{}\")]`",
            shown(&block.self_ty)
        ));
    }
    if let Some((value, _)) = &attribute.hooks {
        let message = "on an `impl` block each method names its hook: `#[hook(\"post\")]`";
        errors.at(value, message);
    }
    if !block.generics.params.is_empty() {
        let message = "a plugin cannot be generic: the gateway would not know which one to make";
        errors.at(&block.generics, message);
    }
}

fn as_method(item: &mut ImplItem) -> Option<&mut ImplItemFn> {
    match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    }
}

/// Takes `#[hook(…)]` off a method. `None`: it has none.
fn take_hooks(method: &mut ImplItemFn, served: &mut Vec<Hook>, errors: &mut Errors) -> Option<(Vec<Hook>, Guard)> {
    let (hooks, others): (Vec<_>, _) =
        std::mem::take(&mut method.attrs).into_iter().partition(|attribute| attribute.path().is_ident("hook"));
    let (nested, others): (Vec<_>, _) = others.into_iter().partition(is_gw_plugin);
    method.attrs = others;
    for attribute in &nested {
        let message = "in an `impl` block that is a plugin, a method is marked with `#[hook(\"post\")]`";
        errors.at(attribute, message);
    }
    let (mut named, mut guard) = (Vec::new(), Guard::default());
    for attribute in &hooks {
        for (literal, hook) in method_hooks(attribute, &mut guard, errors) {
            if served.contains(&hook) {
                let message = format!("`{}` is served twice by this plugin", hook.name());
                errors.at(literal, message);
            } else {
                served.push(hook);
                named.push(hook);
            }
        }
    }
    (!hooks.is_empty() || !nested.is_empty()).then_some((named, guard))
}

fn is_gw_plugin(attribute: &syn::Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == "gw_plugin")
}

fn check_receiver(signature: &Signature, errors: &mut Errors) {
    let Some(receiver) = signature.receiver() else {
        return;
    };
    let taken = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return,
        ReceiverKind::Reference(..) => "`&mut self`".to_owned(),
        ReceiverKind::Value => "`self`".to_owned(),
        ReceiverKind::Typed(_, ty) => match bare(ty) {
            Type::Reference(reference) if reference.mutability.is_none() => return,
            ty => format!("`self: {}`", shown(ty)),
        },
        // What syn does not know yet.
        _ => "another `self`".to_owned(),
    };
    let message = format!(
        "a hook is called by many requests at once: take `&self`, not {taken}, and keep what changes in an atomic or \
         a lock"
    );
    errors.at(receiver, message);
}

fn init_code(signature: &Signature, ty: &Type, errors: &mut Errors) -> InitCode {
    check_plain(signature, errors);
    if let Some(receiver) = signature.receiver() {
        let message = "`init` makes the plugin: it has no `self`, and returns `Self`";
        errors.at(receiver, message);
    }
    if matches!(signature.output, ReturnType::Default) {
        let message = "`init` makes the plugin: return `Self`, or `Result<Self, InitError>`";
        errors.at(&signature.ident, message);
    }
    let arguments = Argument::all(&signature.inputs, Some(ty), errors);
    for argument in &arguments {
        if !matches!(argument.kind, Kind::Config(_) | Kind::InitEnv) {
            let message = "`init` runs when the API loads: it may take `&Config<T>` and `&InitEnv`";
            errors.at(&argument.ty, message);
        }
    }
    InitCode {
        arguments,
        is_async: signature.asyncness.is_some(),
        place: Place::of_head(signature),
        returns: Returns::of(signature, Some(ty)),
    }
}

fn shutdown_code(signature: &Signature, errors: &mut Errors) -> ShutdownCode {
    check_plain(signature, errors);
    let by_value = |receiver: &Receiver| matches!(receiver.kind, ReceiverKind::Value);
    let message = "`shutdown` ends the plugin: it takes `self` and nothing else";
    match signature.receiver() {
        Some(receiver) if !by_value(receiver) => errors.at(receiver, message),
        Some(_) if signature.inputs.len() == 1 => {}
        _ => errors.at(&signature.ident, message),
    }
    ShutdownCode { is_async: signature.asyncness.is_some(), place: Place::of_head(signature) }
}
