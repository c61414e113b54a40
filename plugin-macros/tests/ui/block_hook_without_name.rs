//! A method does not say which hook it is.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[hook]
    fn count(&self, _req: &Request) {}
}

fn main() {}
