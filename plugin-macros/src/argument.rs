//! A plugin function's arguments, told apart by their types.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, GenericArgument, Pat, PathArguments, PathSegment, Type};

use crate::errors::Errors;
use crate::fields::Fields;
use crate::tokens::{Place, bare, outside, shown};

/// What an argument is. `Config` and `State` hold what they are of, as it is written outside of the function.
pub(crate) enum Kind {
    Request {
        mutable: bool,
    },
    Response {
        mutable: bool,
    },
    Session {
        mutable: bool,
        optional: bool,
    },
    /// The analytics record.
    Record {
        mutable: bool,
    },
    Api,
    Oas,
    Config(TokenStream),
    State(TokenStream),
    Ctx,
    InitEnv,
}

/// One argument.
pub(crate) struct Argument {
    pub(crate) kind: Kind,
    /// The type as its author wrote it.
    pub(crate) ty: Type,
    /// The same as it is written outside of the function.
    outside: TokenStream,
    name: String,
}

const KNOWN: &str = "arguments are `&Request`, `&mut Request`, `&Response`, `&mut Response`, `&Session`, \
                     `&mut Session`, `Option<&Session>`, `&mut AnalyticsRecord`, `&ApiDefinition`, \
                     `Option<&OasDefinition>`, `&Config<T>`, `&State<T>`, `&Ctx`";

impl Argument {
    /// The arguments of a function, without `self`. In an `impl` block, `self_type` is its type.
    pub(crate) fn all<'a>(
        inputs: impl IntoIterator<Item = &'a FnArg>,
        self_type: Option<&Type>,
        errors: &mut Errors,
    ) -> Vec<Self> {
        let mut arguments: Vec<Self> = Vec::new();
        for input in inputs {
            let FnArg::Typed(input) = input else { continue };
            if let Some(cfg) = input.attrs.iter().find(|a| a.path().is_ident("cfg")) {
                errors.at(cfg, "an argument is always there: put `#[cfg]` on the function");
            }
            match kind(&input.ty, self_type) {
                Ok(kind) => {
                    let name = match &*input.pat {
                        Pat::Ident(pat) => pat.ident.to_string(),
                        _ => "_".to_owned(),
                    };
                    let argument = Self { kind, ty: (*input.ty).clone(), outside: outside(&input.ty, self_type), name };
                    let clash = arguments.iter().find_map(|other| other.clash(&argument));
                    if let Some(message) = clash {
                        errors.at(&argument.ty, message);
                    }
                    arguments.push(argument);
                }
                Err(message) => errors.at(&input.ty, message),
            }
        }
        arguments
    }

    /// What arguments take of a request, as the registration says it.
    pub(crate) fn takes(arguments: &[Self], sdk: &TokenStream) -> TokenStream {
        let access = |of: fn(&Kind) -> Option<bool>| {
            let taken: Vec<_> = arguments.iter().filter_map(|argument| of(&argument.kind)).collect();
            match (taken.contains(&true), taken.is_empty()) {
                (true, _) => quote!(#sdk::Access::Changes),
                (false, false) => quote!(#sdk::Access::Reads),
                (false, true) => quote!(#sdk::Access::Nothing),
            }
        };
        let request = access(|kind| if let Kind::Request { mutable } = kind { Some(*mutable) } else { None });
        let response = access(|kind| if let Kind::Response { mutable } = kind { Some(*mutable) } else { None });
        let session = access(|kind| if let Kind::Session { mutable, .. } = kind { Some(*mutable) } else { None });
        let record = access(|kind| if let Kind::Record { mutable } = kind { Some(*mutable) } else { None });
        let ctx = access(|kind| matches!(kind, Kind::Ctx).then_some(false));
        quote! {
            #sdk::Takes { request: #request, response: #response, session: #session, record: #record, ctx: #ctx }
        }
    }

    /// Whether it is a part of a request that is under way.
    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self.kind, Kind::Request { .. } | Kind::Response { .. } | Kind::Session { .. })
    }

    pub(crate) fn needs_session(&self) -> bool {
        matches!(self.kind, Kind::Session { optional: false, .. })
    }

    /// Binds `name` to this argument, at its author's own type: a type of that name that is not ours is reported there.
    pub(crate) fn bind(&self, name: &proc_macro2::Ident, value: TokenStream) -> TokenStream {
        let ty = &self.outside;
        let value = Place::of(&self.ty).locate(value);
        quote!(let #name: #ty = #value;)
    }

    /// The expression that takes this argument from a split exchange, or from the instance's data.
    pub(crate) fn expression(&self, fields: &Fields) -> TokenStream {
        match &self.kind {
            Kind::Request { mutable: false } => quote!(&*__request),
            Kind::Request { mutable: true } => quote!(&mut *__request),
            Kind::Response { mutable: false } => {
                quote!(__response.as_ref().expect("the response hook has a response"))
            }
            Kind::Response { mutable: true } => {
                quote!(__response.as_mut().expect("the response hook has a response"))
            }
            Kind::Session { mutable: false, optional: true } => quote!(__caller.get()),
            Kind::Session { mutable: true, optional: true } => quote!(__caller.get_mut()),
            Kind::Session { mutable: false, optional: false } => quote!(__caller.get().expect("checked above")),
            Kind::Session { mutable: true, optional: false } => {
                quote!(__caller.get_mut().expect("checked above"))
            }
            Kind::Record { mutable: false } => {
                quote!(&__draft.as_ref().expect("the analytics hook has a record").record)
            }
            Kind::Record { mutable: true } => {
                quote!(&mut __draft.as_mut().expect("the analytics hook has a record").record)
            }
            Kind::Api => quote!(__ctx.api()),
            Kind::Oas => quote!(__ctx.oas()),
            Kind::Config(_) | Kind::State(_) => {
                let field = fields.of(&self.kind);
                quote!(&__data.#field)
            }
            Kind::Ctx => quote!(&*__ctx),
            Kind::InitEnv => quote!(&__env),
        }
    }

    /// Why two arguments cannot be had together.
    fn clash(&self, other: &Self) -> Option<String> {
        let (what, take) = match (&self.kind, &other.kind) {
            (Kind::Request { mutable: a }, Kind::Request { mutable: b }) if *a || *b => {
                ("the request", "`&mut Request`")
            }
            (Kind::Response { mutable: a }, Kind::Response { mutable: b }) if *a || *b => {
                ("the response", "`&mut Response`")
            }
            (Kind::Record { mutable: a }, Kind::Record { mutable: b }) if *a || *b => {
                ("the record", "`&mut AnalyticsRecord`")
            }
            (Kind::Session { mutable: a, .. }, Kind::Session { mutable: b, .. }) if *a || *b => {
                ("the session", "`&mut Session`")
            }
            _ => return None,
        };
        let (a, b) = (&self.name, &other.name);
        Some(format!("`{a}` and `{b}` both borrow {what}, and one of them changes it: take {take} once"))
    }
}

/// What a type makes of an argument, or why it cannot be one.
fn kind(ty: &Type, self_type: Option<&Type>) -> Result<Kind, String> {
    let unknown = || format!("`{}` cannot be an argument of a plugin; {KNOWN}", shown(ty));
    match bare(ty) {
        Type::Reference(reference) => {
            let mutable = reference.mutability.is_some();
            let segment = last_segment(&reference.elem).ok_or_else(unknown)?;
            by_reference(segment, mutable, self_type).ok_or_else(unknown)?
        }
        Type::Path(_) => {
            let segment = last_segment(ty).ok_or_else(unknown)?;
            if segment.ident == "Option" {
                let inner = argument_of(segment).ok_or_else(unknown)?;
                return optional(inner).ok_or_else(unknown)?;
            }
            if by_reference(segment, false, self_type).is_some() {
                let ty = shown(ty);
                return Err(format!("a plugin borrows what it is given: take `&{ty}`, not `{ty}`"));
            }
            Err(unknown())
        }
        _ => Err(unknown()),
    }
}

/// What is in an `Option`. `None`: no such argument. `Some(Err)`: there is, but not like this.
fn optional(inner: &Type) -> Option<Result<Kind, String>> {
    let reference = match bare(inner) {
        Type::Reference(reference) => Some(reference),
        _ => None,
    };
    let lent = last_segment(reference.map_or(inner, |reference| &reference.elem))?;
    let name = lent.ident.to_string();
    Some(match (name.as_str(), reference.map(|reference| reference.mutability.is_some())) {
        ("Session", Some(mutable)) => Ok(Kind::Session { mutable, optional: true }),
        ("OasDefinition", Some(false)) => Ok(Kind::Oas),
        ("OasDefinition", Some(true)) => {
            Err("`OasDefinition` is lent for reading: take `Option<&OasDefinition>`".to_owned())
        }
        ("Session" | "OasDefinition", None) => {
            Err(format!("a plugin borrows what it is given: take `Option<&{name}>`, not `Option<{name}>`"))
        }
        _ => return None,
    })
}

/// What is behind a reference. `None`: no such argument. `Some(Err)`: there is, but not like this.
fn by_reference(segment: &PathSegment, mutable: bool, self_type: Option<&Type>) -> Option<Result<Kind, String>> {
    let name = &segment.ident;
    let lent = |kind: Kind, instead: &str| {
        Some(if mutable {
            Err(format!("`{name}` is lent for reading: take `&{name}`, not `&mut {name}`{instead}"))
        } else {
            Ok(kind)
        })
    };
    match name.to_string().as_str() {
        "Request" => Some(Ok(Kind::Request { mutable })),
        "Response" => Some(Ok(Kind::Response { mutable })),
        "AnalyticsRecord" => Some(Ok(Kind::Record { mutable })),
        "Session" => Some(Ok(Kind::Session { mutable, optional: false })),
        "ApiDefinition" => lent(Kind::Api, ""),
        "OasDefinition" => {
            Some(Err("an API may have been made without an OpenAPI document: take `Option<&OasDefinition>`".to_owned()))
        }
        "Ctx" => lent(Kind::Ctx, "; all its functions need no more"),
        "InitEnv" => lent(Kind::InitEnv, ""),
        "Config" | "State" => {
            let Some(inner) = argument_of(segment) else {
                return Some(Err(format!("say what it holds: `&{name}<T>` with a type of yours")));
            };
            if borrows(inner) {
                return Some(Err(format!(
                    "`{name}` outlives every request, so what it holds owns its parts: `String`, for example, in \
                     place of `&str`"
                )));
            }
            let inner = outside(inner, self_type);
            if name == "Config" {
                lent(Kind::Config(inner), "")
            } else {
                lent(Kind::State(inner), ", and keep what changes in an atomic or a lock")
            }
        }
        _ => None,
    }
}

fn borrows(ty: &Type) -> bool {
    let text = shown(ty).replace("&'static ", "").replace("'static", "");
    text.contains(['&', '\''])
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn argument_of(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}
