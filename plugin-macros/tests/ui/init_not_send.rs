//! What one thread alone may hold is held while waiting.

use gateway_sdk::prelude::*;

use std::rc::Rc;

#[derive(Default)]
struct HitCounter;

#[gw_plugin(name = "HitCounter")]
impl HitCounter {
    async fn init(env: &InitEnv) -> Self {
        let names = Rc::new("hits");
        let _ = env.store().get(&names).await;
        Self
    }

    #[hook("pre")]
    fn count(&self, _req: &Request) {}
}

fn main() {}
