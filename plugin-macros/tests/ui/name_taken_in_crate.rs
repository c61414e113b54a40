//! Two plugins of one name in different modules.

mod morning {
    use gateway_sdk::prelude::*;

    #[gw_plugin(hook = "pre")]
    fn greet(_req: &mut Request) {}
}

mod evening {
    use gateway_sdk::prelude::*;

    #[gw_plugin(hook = "pre")]
    fn greet(_req: &mut Request) {}
}

fn main() {}
