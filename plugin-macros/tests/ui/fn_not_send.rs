//! What one thread alone may hold is held while waiting.

use gateway_sdk::prelude::*;

use std::rc::Rc;

#[gw_plugin(hook = "post")]
async fn greet(req: &mut Request) -> Result<(), Reject> {
    let names = Rc::new(vec!["Ada"]);
    let body = req.body_bytes(1024).await?;
    println!("{} {}", body.len(), names.len());
    Ok(())
}

fn main() {}
