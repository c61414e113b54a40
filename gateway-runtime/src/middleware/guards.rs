//! Refuses every request to an API whose definition relies on a guard that this gateway does not have: serving it
//! without would let everybody in.

use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "guards", build };

struct Guards(Vec<String>);

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    let guards = &api.unhonoured_guards;
    (!guards.is_empty()).then(|| Box::new(Guards(guards.clone())) as Box<dyn Step>)
}

impl Step for Guards {
    fn run(&self, _exchange: &mut Exchange) -> Result<Ran, RequestError> {
        Err(RequestError::UnhonouredGuards(self.0.clone()))
    }
}
