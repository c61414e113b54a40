//! What a plugin's author says of its time and its failures: `timeout`, `blocking`, `on_panic`, `on_timeout`.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use syn::{Expr, LitStr, Signature};

use crate::attribute::text;
use crate::errors::Errors;
use crate::hooks::Hook;

/// A longer time is a mistake: nobody waits for an answer for an hour.
const LONGEST_NS: u64 = 60 * 60 * 1_000_000_000;

const TIMES: &str =
    "a time is a whole number above zero with its unit, up to an hour: `\"500us\"`, `\"50ms\"`, `\"2s\"`";
const LAPSES: &str = "say `\"fail\"`, which refuses the request and is the default, or `\"continue\"`";

/// The keys that one attribute has.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    /// In nanoseconds.
    timeout: Option<u64>,
    /// The word itself.
    blocking: Option<Ident>,
    on_panic: Option<Lapse>,
    on_timeout: Option<Lapse>,
}

/// What becomes of a request whose plugin failed.
#[derive(Clone)]
struct Lapse {
    written: LitStr,
    goes_on: bool,
}

impl Guard {
    /// Takes `key = value`, if it is one of these.
    pub(crate) fn take(&mut self, key: &Ident, value: &Expr, errors: &mut Errors) -> bool {
        match key.to_string().as_str() {
            "timeout" => once(&mut self.timeout, key, value, time, errors),
            "on_panic" => once(&mut self.on_panic, key, value, lapse, errors),
            "on_timeout" => once(&mut self.on_timeout, key, value, lapse, errors),
            "blocking" => {
                errors.at(value, "`blocking` stands alone: `#[gw_plugin(hook = \"post\", blocking)]`");
                self.blocking = Some(key.clone());
            }
            _ => return false,
        }
        true
    }

    /// Takes a word that stands alone, if it is one of these.
    pub(crate) fn take_word(&mut self, word: &TokenStream, errors: &mut Errors) -> bool {
        match syn::parse2::<Ident>(word.clone()) {
            Ok(word) if word == "blocking" => {
                if self.blocking.replace(word.clone()).is_some() {
                    errors.at(word, "`blocking` is given twice");
                }
                true
            }
            _ => false,
        }
    }

    /// This, and what `block` says beside it for all of its methods.
    pub(crate) fn within(self, block: &Self) -> Self {
        let Self { timeout, blocking, on_panic, on_timeout } = block.clone();
        Self {
            timeout: self.timeout.or(timeout),
            blocking: self.blocking.or(blocking),
            on_panic: self.on_panic.or(on_panic),
            on_timeout: self.on_timeout.or(on_timeout),
        }
    }

    /// Says what cannot be together.
    pub(crate) fn check(&self, hooks: &[Hook], signature: &Signature, errors: &mut Errors) {
        if let (Some(word), Some(_)) = (&self.blocking, &signature.asyncness) {
            let message = format!(
                "`{}` is an `async fn`, which holds no thread while it waits: leave out `blocking`, or make it a plain \
                 `fn`",
                signature.ident
            );
            errors.at(word, message);
        }
        let going_on = |lapse: &'_ Option<Lapse>| lapse.clone().filter(|lapse| lapse.goes_on);
        if hooks.contains(&Hook::AuthCheck) {
            for lapse in [&self.on_panic, &self.on_timeout].into_iter().filter_map(going_on) {
                errors.at(lapse.written, "an `auth_check` that fails has let nobody in: the request cannot go on");
            }
        }
        if let (Some(_), Some(lapse)) = (&self.blocking, going_on(&self.on_timeout)) {
            let message = "a `blocking` function that is late still holds the request, which cannot go on without it";
            errors.at(lapse.written, message);
        }
    }

    /// It, as the registration says it.
    pub(crate) fn tokens(&self, sdk: &TokenStream) -> TokenStream {
        let timeout = match self.timeout {
            Some(nanos) => {
                let nanos = Literal::u64_unsuffixed(nanos);
                quote!(::core::option::Option::Some(::core::time::Duration::from_nanos(#nanos)))
            }
            None => quote!(::core::option::Option::None),
        };
        let blocking = self.blocking.is_some();
        let lapse = |lapse: &Option<Lapse>| match lapse {
            Some(Lapse { goes_on: true, .. }) => quote!(#sdk::Lapse::Continue),
            _ => quote!(#sdk::Lapse::Fail),
        };
        let (on_panic, on_timeout) = (lapse(&self.on_panic), lapse(&self.on_timeout));
        quote! {
            #sdk::Guard { timeout: #timeout, blocking: #blocking, on_panic: #on_panic, on_timeout: #on_timeout }
        }
    }
}

/// Fills a place, or says that it is filled.
fn once<T>(
    place: &mut Option<T>,
    key: &Ident,
    value: &Expr,
    read: fn(&Expr, &mut Errors) -> Option<T>,
    errors: &mut Errors,
) {
    if place.is_some() {
        errors.at(key, format!("`{key}` is given twice"));
    } else {
        *place = read(value, errors);
    }
}

fn time(value: &Expr, errors: &mut Errors) -> Option<u64> {
    let nanos = text(value).and_then(|literal| nanos(&literal.value()));
    if nanos.is_none() {
        errors.at(value, TIMES);
    }
    nanos
}

fn nanos(written: &str) -> Option<u64> {
    let end = written.find(|c: char| !c.is_ascii_digit())?;
    let unit: u64 = match &written[end..] {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        _ => return None,
    };
    let nanos = written[..end].parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=LONGEST_NS).contains(&nanos).then_some(nanos)
}

fn lapse(value: &Expr, errors: &mut Errors) -> Option<Lapse> {
    let literal = text(value);
    let lapse = literal.and_then(|literal| {
        let goes_on = match literal.value().as_str() {
            "fail" => false,
            "continue" => true,
            _ => return None,
        };
        Some(Lapse { written: literal.clone(), goes_on })
    });
    if lapse.is_none() {
        errors.at(value, LAPSES);
    }
    lapse
}
