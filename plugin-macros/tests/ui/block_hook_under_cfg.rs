//! A hook that is served in some builds only.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    #[cfg(unix)]
    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
