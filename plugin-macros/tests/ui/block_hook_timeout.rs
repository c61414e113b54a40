//! A method with a time that is none.

use gateway_sdk::prelude::*;

struct Greeter;

#[gw_plugin(name = "Greeter", timeout = "1s")]
impl Greeter {
    fn init() -> Self {
        Self
    }

    #[hook("post", timeout = "soon", blocking)]
    fn greet(&self, _req: &mut Request) {}
}

fn main() {}
