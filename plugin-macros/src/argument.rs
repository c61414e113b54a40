//! A plugin function's arguments, told apart by their types.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Pat, PathArguments, PathSegment, Type};

use crate::errors::Errors;

/// What an argument is.
pub(crate) enum Kind {
    Request { mutable: bool },
    Response { mutable: bool },
    Session { mutable: bool, optional: bool },
    Api,
    Config(Box<Type>),
    State(Box<Type>),
    Ctx,
    InitEnv,
}

/// One argument.
pub(crate) struct Argument {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// The type as its author wrote it: a wrong one is reported by rustc at these tokens.
    pub(crate) ty: Type,
    name: String,
}

const KNOWN: &str = "arguments are `&Request`, `&mut Request`, `&mut Response`, `&Session`, `Option<&Session>`, \
                     `&ApiDefinition`, `&Config<T>`, `&State<T>`, `&Ctx`";

impl Argument {
    /// The arguments of a function, without `self`.
    pub(crate) fn all<'a>(
        inputs: impl IntoIterator<Item = &'a FnArg>,
        errors: &mut Errors,
    ) -> Vec<Self> {
        let mut arguments: Vec<Self> = Vec::new();
        for input in inputs {
            let FnArg::Typed(input) = input else { continue };
            let ty = (*input.ty).clone();
            match kind(&ty) {
                Ok(kind) => {
                    let name = match &*input.pat {
                        Pat::Ident(pat) => pat.ident.to_string(),
                        _ => "_".to_owned(),
                    };
                    let argument = Self { kind, span: input.ty.span(), ty, name };
                    if let Some(message) = arguments.iter().find_map(|other| other.clash(&argument)) {
                        errors.push(argument.span, message);
                    }
                    arguments.push(argument);
                }
                Err(message) => errors.push(input.ty.span(), message),
            }
        }
        arguments
    }

    pub(crate) fn takes_request(&self) -> bool {
        matches!(self.kind, Kind::Request { .. })
    }

    pub(crate) fn needs_session(&self) -> bool {
        matches!(self.kind, Kind::Session { optional: false, .. })
    }

    /// The expression that takes this argument from a split exchange. `data` are the instance's fields.
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
            Kind::Session { mutable: false, optional: true } => quote!(__session.as_deref()),
            Kind::Session { mutable: true, optional: true } => quote!(__session.as_deref_mut()),
            Kind::Session { mutable: false, optional: false } => {
                quote!(__session.as_deref().expect("checked above"))
            }
            Kind::Session { mutable: true, optional: false } => {
                quote!(__session.as_deref_mut().expect("checked above"))
            }
            Kind::Api => quote!(__ctx.api()),
            Kind::Config(_) | Kind::State(_) => {
                let field = fields.of(self);
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
            (Kind::Session { mutable: a, .. }, Kind::Session { mutable: b, .. }) if *a || *b => {
                ("the session", "`&mut Session`")
            }
            _ => return None,
        };
        let (a, b) = (&self.name, &other.name);
        Some(format!("`{a}` and `{b}` both borrow {what}, and one of them changes it: take {take} once"))
    }
}

/// The fields that a plugin's instance has for its `Config<T>` and `State<T>` arguments: one for each type.
#[derive(Default)]
pub(crate) struct Fields(Vec<Field>);

pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) inner: Type,
    pub(crate) is_config: bool,
    key: String,
}

impl Fields {
    pub(crate) fn add(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            let (is_config, inner) = match &argument.kind {
                Kind::Config(inner) => (true, inner),
                Kind::State(inner) => (false, inner),
                _ => continue,
            };
            let key = key(is_config, inner);
            if self.0.iter().all(|field| field.key != key) {
                let kind = if is_config { "config" } else { "state" };
                let name = Ident::new(&format!("{kind}_{}", self.0.len()), Span::call_site());
                self.0.push(Field { name, inner: (**inner).clone(), is_config, key });
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    pub(crate) fn of(&self, argument: &Argument) -> &Ident {
        let wanted = match &argument.kind {
            Kind::Config(inner) => key(true, inner),
            Kind::State(inner) => key(false, inner),
            _ => String::new(),
        };
        let field = self.0.iter().find(|field| field.key == wanted);
        &field.expect("fields are made from the same arguments").name
    }
}

fn key(is_config: bool, inner: &Type) -> String {
    format!("{is_config} {}", inner.to_token_stream())
}

/// What a type makes of an argument, or why it cannot be one.
fn kind(ty: &Type) -> Result<Kind, String> {
    let unknown = || format!("`{}` cannot be an argument of a plugin; {KNOWN}", shown(ty));
    match ty {
        Type::Reference(reference) => {
            let mutable = reference.mutability.is_some();
            let segment = last_segment(&reference.elem).ok_or_else(unknown)?;
            by_reference(segment, mutable).ok_or_else(unknown)?
        }
        Type::Path(_) => {
            let segment = last_segment(ty).ok_or_else(unknown)?;
            if let Some(Type::Reference(inner)) = argument_of(segment).filter(|_| segment.ident == "Option")
                && last_segment(&inner.elem).is_some_and(|inner| inner.ident == "Session")
            {
                return Ok(Kind::Session { mutable: inner.mutability.is_some(), optional: true });
            }
            if by_reference(segment, false).is_some() {
                let ty = shown(ty);
                return Err(format!("a plugin borrows what it is given: take `&{ty}`, not `{ty}`"));
            }
            Err(unknown())
        }
        _ => Err(unknown()),
    }
}

/// `None`: no such argument. `Some(Err)`: there is, but not like this.
fn by_reference(segment: &PathSegment, mutable: bool) -> Option<Result<Kind, String>> {
    let shared = |kind: Kind| {
        let name = &segment.ident;
        Some(if mutable {
            Err(format!("`{name}` is shared with other requests: take `&{name}`, not `&mut {name}`"))
        } else {
            Ok(kind)
        })
    };
    match segment.ident.to_string().as_str() {
        "Request" => Some(Ok(Kind::Request { mutable })),
        "Response" => Some(Ok(Kind::Response { mutable })),
        "Session" => Some(Ok(Kind::Session { mutable, optional: false })),
        "ApiDefinition" => shared(Kind::Api),
        "Ctx" => shared(Kind::Ctx),
        "InitEnv" => shared(Kind::InitEnv),
        name @ ("Config" | "State") => match argument_of(segment) {
            Some(inner) if name == "Config" => shared(Kind::Config(Box::new(inner.clone()))),
            Some(inner) => shared(Kind::State(Box::new(inner.clone()))),
            None => Some(Err(format!("say what it holds: `&{name}<T>` with a type of yours"))),
        },
        _ => None,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn argument_of(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// A type as a person writes it: tokens are printed with spaces around every sign.
pub(crate) fn shown(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let tight = [(" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&"), (" ::", "::"), (":: ", "::"), (" ,", ",")];
    tight.iter().fold(text, |text, (from, to)| text.replace(from, to))
}
