//! The ways a signature may be written: visibility, patterns, paths, lifetimes, attributes, macros, names.

use gateway_sdk::prelude::*;
use gateway_sdk::registry::plugins;
use gateway_sdk::{Hook, testing};

use crate::get;

fn check(name: &str) {
    let done = testing::plugin(name).start().call(Hook::Post, get());
    assert!(done.answer.is_none(), "{name}");
    assert_eq!(done.request.header("x-seen"), Some("yes"), "{name}");
}

fn see(req: &mut Request) {
    req.headers_mut().insert("x-seen", HeaderValue::from_static("yes"));
}

/// Public, and documented.
#[gw_plugin(hook = "post")]
#[allow(unreachable_pub, reason = "this is what the form is about")]
pub fn form_pub(req: &mut Request) {
    see(req);
}

#[gw_plugin(hook = "post")]
pub(crate) fn form_pub_crate(mut req: &mut Request, _: &Ctx) {
    let request = &mut req;
    see(request);
}

#[gw_plugin(hook = "post")]
#[allow(unused_qualifications, reason = "this is what the form is about")]
fn form_full_path(req: &mut gateway_sdk::Request, _ctx: &::gateway_sdk::context::Ctx) {
    see(req);
}

#[gw_plugin(hook = "post")]
#[rustfmt::skip]
#[allow(unused_parens, clippy::unused_unit, reason = "this is what the form is about")]
fn form_parentheses(req: (&mut (Request)), _session: (Option<(&Session)>)) -> (()) {
    see(req);
}

#[gw_plugin(hook = "post")]
fn form_anonymous_lifetime(req: &'_ mut Request, _session: Option<&'_ Session>) {
    see(req);
}

#[gw_plugin(hook = "post")]
#[allow(clippy::needless_lifetimes, reason = "this is what the form is about")]
async fn form_named_lifetimes<'a, 'b>(req: &'a mut Request, api: &'b ApiDefinition, _ctx: &'b Ctx) {
    assert_eq!(api.api_id, "test");
    see(req);
}

#[gw_plugin(hook = "post")]
#[allow(clippy::used_underscore_binding, reason = "names of the expansion must not clash")]
fn form_names_of_the_expansion(__request: &mut Request, __ctx: &Ctx, __data: &State<u8>) {
    assert_eq!(**__data, 0);
    see(__request);
    __ctx.info("fine");
}

#[gw_plugin(hook = "post")]
fn r#match(r#in: &mut Request) {
    see(r#in);
}

#[gw_plugin(hook = "post")]
#[expect(non_snake_case, reason = "names in definitions are often written like this")]
fn FormCamelCase(req: &mut Request) {
    see(req);
}

#[gw_plugin(hook = "post", name = "grüße.v2")]
fn form_odd_name(req: &mut Request) {
    see(req);
}

/// Under a condition that holds.
#[gw_plugin(hook = "post")]
#[cfg(test)]
fn form_cfg_holds(req: &mut Request) {
    see(req);
}

/// Under a condition that does not.
#[gw_plugin(hook = "post")]
#[cfg(not(test))]
fn form_cfg_does_not_hold(req: &mut Request) {
    see(req);
}

/// A block under a condition that does not hold.
#[gw_plugin(name = "form_cfg_block")]
#[cfg(not(test))]
impl Nobody {
    #[hook("post")]
    fn see(&self) {}
}

#[gw_plugin(hook = "post")]
#[deprecated]
fn form_deprecated(req: &mut Request) {
    see(req);
}

mod nested {
    pub(super) mod deeper {
        use gateway_sdk::prelude::*;

        #[gw_plugin(hook = "post", name = "form_nested")]
        fn same_name(req: &mut Request) {
            super::super::see(req);
        }
    }

    use gateway_sdk::prelude::*;

    #[gw_plugin(hook = "post", name = "form_nested_other")]
    fn same_name(req: &mut Request) {
        super::see(req);
    }
}

/// As a crate that renames its dependency sees it.
mod renamed {
    pub(crate) use gateway_sdk as my_sdk;
    use my_sdk::prelude::*;

    #[gw_plugin(hook = "post", crate = crate::forms::renamed::my_sdk)]
    #[allow(unused_qualifications, reason = "this is what the form is about")]
    fn form_renamed(req: &mut Request, _: &my_sdk::Config<super::Anything>) {
        super::see(req);
    }
}

#[derive(Default, serde::Deserialize)]
struct Anything {}

macro_rules! plugin {
    ($hook:literal, $name:literal, $function:ident($($argument:ident: $type:ty),*) -> $out:ty) => {
        #[gw_plugin(hook = $hook, name = $name)]
        fn $function($($argument: $type),*) -> $out {
            $(touch(&$argument);)*
        }
    };
}

fn touch<T>(_: &T) {}

plugin!("post", "form_macro_rules", by_macro(_req: &Request, _anything: &Config<Anything>) -> ());

macro_rules! block {
    ($type:ident, $name:expr) => {
        #[derive(Default)]
        struct $type;

        #[gw_plugin(name = $name)]
        impl $type {
            fn init(_cfg: &Config<Anything>) -> Self {
                Self
            }

            #[hook("post")]
            async fn see(&self, req: &mut Request, _own: &State<$type>) {
                see(req);
            }

            async fn shutdown(self) {}
        }
    };
}

block!(ByMacro, "form_macro_block");

#[test]
fn every_form_is_called() {
    for name in [
        "form_pub",
        "form_pub_crate",
        "form_full_path",
        "form_parentheses",
        "form_anonymous_lifetime",
        "form_named_lifetimes",
        "form_names_of_the_expansion",
        "FormCamelCase",
        "grüße.v2",
        "form_cfg_holds",
        "form_deprecated",
        "form_nested",
        "form_nested_other",
        "form_renamed",
        "form_macro_block",
    ] {
        check(name);
    }
    let done = testing::plugin("form_macro_rules").start().call(Hook::Post, get());
    assert!(done.answer.is_none());
}

#[test]
fn a_raw_identifier_is_named_without_its_mark() {
    check("match");
    let plugin = plugins().iter().find(|plugin| plugin.name == "match");
    assert_eq!(plugin.expect("it is linked").hooks[0].function, "match");
}

#[test]
fn a_plugin_whose_condition_does_not_hold_is_not_there() {
    let absent = |name: &str| plugins().iter().all(|plugin| plugin.name != name);
    assert!(absent("form_cfg_does_not_hold") && absent("form_cfg_block"));
}

#[test]
fn a_plugin_in_a_function_is_linked_too() {
    #[gw_plugin(hook = "post", name = "form_in_function")]
    fn inner(req: &mut Request) {
        see(req);
    }
    check("form_in_function");
}
