//! The attribute `#[gw_plugin]`. Plugin authors use it through `gateway_sdk`, which documents it by example.
//!
//! | file | holds |
//! |---|---|
//! | `attribute.rs` | what stands in the parentheses |
//! | `hooks.rs` | the hooks, and which argument each may have |
//! | `argument.rs`, `fields.rs` | a function's arguments, by their types; those that are kept |
//! | `function.rs`, `block.rs` | a free function; an `impl` block with state |
//! | `expand.rs`, `call.rs` | the code that is written for both: the plugin; the call in a hook |
//! | `errors.rs`, `tokens.rs` | all mistakes of one item, reported at once; where they are reported |
//!
//! The *shape* of an item is checked here, in our words, at the token that is wrong; *types* are left to rustc, which
//! sees them at the author's own tokens. The expansion passes `#![forbid(unsafe_code)]`. Every message is pinned in
//! `tests/ui`, one mistake to a file.

mod argument;
mod attribute;
mod block;
mod call;
mod errors;
mod expand;
mod fields;
mod function;
mod hooks;
mod tokens;

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as TokenStream2};
use quote::ToTokens;

use crate::attribute::Attribute;
use crate::errors::Errors;

/// Makes a function, or an `impl` block, a plugin of the gateway it is linked into.
///
/// # Keys
/// - `hook = "post"` or `hook = ["pre", "post"]`: where the function runs (on an `impl` block, `#[hook("post")]` on
///   each method instead).
/// - `name = "AddFooBarHeader"`: the name in API definitions; by default the function's own.
/// - `crate = path`: where `gateway_sdk` is, if it was renamed.
///
/// # Hooks
///
/// | hook | runs | gives |
/// |---|---|---|
/// | `pre` | before authentication | nothing, an answer, or `Result` of these |
/// | `auth_check` | instead of the gateway's authentication | `Result<Session, Reject>` |
/// | `post_key_auth` | after authentication | as `pre` |
/// | `post` | last, before the upstream is called | as `pre` |
/// | `endpoint` | as `post`, on one path and method (`extended_paths.go_plugin`) | as `pre` |
/// | `response` | on the upstream's response | nothing, another `Response`, or `Result` of these |
///
/// # Arguments
/// By type, in any order, for `fn` and `async fn`: `&Request`, `&mut Request`; `&Response`, `&mut Response` (hook
/// `response`); `&Session`, `&mut Session` and `Option` of them; `&ApiDefinition`; `&Config<T>`; `&State<T>`; `&Ctx`.
///
/// # State
/// On an `impl` block, `init` makes the plugin once for each API that uses it (without `init`, `Default` does), hooks
/// take `&self`, and `shutdown(self)` runs when the API is gone and its last request has ended.
#[proc_macro_attribute]
pub fn gw_plugin(keys: TokenStream, item: TokenStream) -> TokenStream {
    let item = TokenStream2::from(item);
    let first = item.clone().into_iter().next();
    let mut errors = Errors::new(first.map_or_else(Span::call_site, |token| token.span()));
    let attribute = Attribute::parse(keys.into(), &mut errors);
    let (kept, written) = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Fn(function)) => {
            let written = function::expand(&attribute, &function, &mut errors);
            (function.into_token_stream(), written)
        }
        Ok(syn::Item::Impl(mut block)) => {
            let written = block::expand(&attribute, &mut block, &mut errors);
            (block.into_token_stream(), written)
        }
        Ok(syn::Item::Struct(item)) => {
            let name = &item.ident;
            errors.at_attribute(format!(
                "`#[gw_plugin]` goes on the block with the functions, `impl {name}`, not on the struct"
            ));
            (item.into_token_stream(), TokenStream2::new())
        }
        Ok(other) => {
            errors.at_attribute("`#[gw_plugin]` goes on a function or on an `impl` block");
            (other.into_token_stream(), TokenStream2::new())
        }
        Err(error) => {
            errors.extend(error);
            (item, TokenStream2::new())
        }
    };
    // The item stays, whatever is wrong with its attribute: one mistake must not look like two.
    let written = errors.into_tokens().unwrap_or(written);
    quote::quote!(#kept #written).into()
}
