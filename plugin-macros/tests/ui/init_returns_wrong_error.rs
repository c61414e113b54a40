//! `init` fails with what is not an error.

use gateway_sdk::prelude::*;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    fn init() -> Result<Self, u8> {
        Ok(Self)
    }

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
