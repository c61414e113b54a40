//! The attribute `#[gw_plugin]`. Plugin authors use it through `gateway_sdk`, which documents it by example.
//!
//! | file | holds |
//! |---|---|
//! | `attribute.rs` | what stands in the parentheses |
//! | `guard.rs` | of that, how long a call may take, and what its failures lead to |
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
mod guard;
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
/// - `timeout = "50ms"` (`us`, `ms`, `s`, `m`): how long a call may take. Who is late ends the request with 504: an `async
///   fn` is cancelled, a `fn` is noticed when it returns. Without it, what the gateway's `plugins.timeout_ms` says counts.
/// - `blocking`: a `fn` that holds its thread for long, and so is called on a thread of a pool; with `timeout` it is left
///   behind there.
/// - `on_panic = "continue"`, `on_timeout = "continue"`: the request goes on as if the plugin had not been there. Without
///   them, and always in `auth_check`, it fails with 500 or 504. Both are counted, and told in the log, in any case.
/// - `crate = path`: where `gateway_sdk` is, if it was renamed.
///
/// The last but `name` and `crate` may stand in a `#[hook("pre", timeout = "5ms")]` too, for one method of a block.
///
/// # Hooks
///
/// | hook | runs | gives |
/// |---|---|---|
/// | `pre` | before authentication | nothing to go on, or an answer |
/// | `auth_check` | to authenticate, in an API with `"use_keyless": false` and `"use_go_plugin_auth": true` | `Result<Session, Reject>` |
/// | `post_key_auth` | after authentication | as `pre` |
/// | `post` | last, before the upstream is called | as `pre` |
/// | `endpoint` | as `post`, on one path and method (`extended_paths.go_plugin`) | as `pre` |
/// | `response` | on the upstream's response | nothing, or another `Response` |
/// | `analytics` | on the record of a request that is over (`analytics_plugin`), on a thread that serves nobody | nothing, or `Fate`: whether it is kept |
///
/// An answer is a `Response`, a `StatusCode`, `Json(value)`, a text or bytes, or `(StatusCode, one of these)`; the
/// request ends with it. `Flow`, `Option<answer>` and `ControlFlow<answer>` are either, and every hook may give a
/// `Result` of what it gives with `Reject` as its error. An `auth_check` that returns `None` or `Flow::Continue` sets no
/// session, and the gateway then refuses with 400; to refuse in your own words, return `Err`.
///
/// # Arguments
/// By type, in any order, for `fn` and `async fn`:
///
/// | argument | what it is |
/// |---|---|
/// | `&Request`, `&mut Request` | the request; in `response` its head alone, and not to be changed |
/// | `&Response`, `&mut Response` | the upstream's response; in `response` only |
/// | `Option<&Session>`, `Option<&mut Session>` | who is calling, if that is known |
/// | `&Session`, `&mut Session` | the same, where it must be known: without a session the client gets 400; not in `pre` and `auth_check`, which run before there is one |
/// | `&AnalyticsRecord`, `&mut AnalyticsRecord` | what is kept of the request; in `analytics` only, where there is no request and no session |
/// | `&ApiDefinition` | the API's definition |
/// | `&Config<T>` | the plugin's configuration, parsed once when the API loads; `T` implements serde's `Deserialize` (add `serde` to your `Cargo.toml`) |
/// | `&State<T>` | what a function keeps between calls; `T` implements `Default` |
/// | `&Ctx` | the log, an HTTP client, a key-value store, headers for the final response |
///
/// # Configuration
/// With the feature `schemars` of `gateway-sdk`, a `T` that derives `JsonSchema` (`use gateway_sdk::schemars::{self,
/// JsonSchema};`) has its schema in the gateway: `gateway plugins schema` prints it, for editors.
///
/// # State
/// On an `impl` block, `init` makes the plugin once for each API that uses it (without `init`, `Default` does). It may be
/// `async`, may take `&Config<T>` and `&InitEnv` (the log, the HTTP client, the store), and returns `Self` or
/// `Result<Self, E>` with any error. Hooks take `&self`, and may take `&Config<T>` too, so that it need not be kept.
/// `shutdown(self)` runs when the API is gone and its last request has ended.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use gateway_sdk::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Limits {
///     most: u64,
/// }
///
/// /// Refuses everybody after so many requests.
/// struct HitCounter {
///     hits: AtomicU64,
/// }
///
/// #[gw_plugin(name = "HitCounter")]
/// impl HitCounter {
///     async fn init(limits: &Config<Limits>, env: &InitEnv) -> Result<Self, InitError> {
///         env.info(format_args!("at most {} requests", limits.most));
///         Ok(Self { hits: AtomicU64::new(0) })
///     }
///
///     #[hook("pre")]
///     fn count(&self, limits: &Config<Limits>) -> Result<(), Reject> {
///         if self.hits.fetch_add(1, Ordering::Relaxed) >= limits.most {
///             return Err(Reject::error(StatusCode::TOO_MANY_REQUESTS, "come back later"));
///         }
///         Ok(())
///     }
///
///     #[hook("response")]
///     fn stamp(&self, res: &mut Response) {
///         let hits = HeaderValue::from(self.hits.load(Ordering::Relaxed));
///         res.headers_mut().insert("x-hits", hits);
///     }
///
///     async fn shutdown(self) {}
/// }
/// # fn main() {}
/// ```
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
