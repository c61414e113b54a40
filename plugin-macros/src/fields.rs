//! What a plugin's instance holds for its `Config<T>` and `State<T>` arguments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::argument::{Argument, Kind};

/// One field for each type, however many functions take it.
#[derive(Default)]
pub(crate) struct Fields(Vec<Field>);

pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) inner: TokenStream,
    pub(crate) is_config: bool,
    key: String,
}

impl Field {
    /// What the registration says of it.
    pub(crate) fn known(&self, sdk: &TokenStream) -> TokenStream {
        let inner = &self.inner;
        let name = inner.to_string().replace(' ', "");
        quote! {
            #sdk::ConfigType {
                name: #name,
                schema: || {
                    #[allow(unused_imports)]
                    use #sdk::{Known as _, Unknown as _};
                    (&#sdk::SchemaOf::<#inner>::ask()).schema()
                },
            }
        }
    }
}

impl Fields {
    pub(crate) fn add(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            let Some((is_config, inner)) = held(&argument.kind) else {
                continue;
            };
            let key = key(is_config, inner);
            if self.0.iter().all(|field| field.key != key) {
                let kind = if is_config { "config" } else { "state" };
                let name = format!("__{kind}_{}", self.0.len());
                self.0.push(Field { name: Ident::new(&name, Span::call_site()), inner: inner.clone(), is_config, key });
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// The field of a `Config` or `State` argument that was added before.
    pub(crate) fn of(&self, kind: &Kind) -> &Ident {
        let wanted = held(kind).map(|(is_config, inner)| key(is_config, inner));
        let field = self.0.iter().find(|field| Some(&field.key) == wanted.as_ref());
        &field.expect("fields are made from the same arguments").name
    }
}

fn held(kind: &Kind) -> Option<(bool, &TokenStream)> {
    match kind {
        Kind::Config(inner) => Some((true, inner)),
        Kind::State(inner) => Some((false, inner)),
        _ => None,
    }
}

fn key(is_config: bool, inner: &TokenStream) -> String {
    format!("{is_config} {inner}")
}
