//! A built-in step that is told of: to StatsD, and as a span.

use std::time::Instant;

use gateway_sdk::exchange::Exchange;

use crate::error::RequestError;
use crate::journal;
use crate::middleware::{Ran, Step, Then};
use crate::statsd::Told;

/// The step, and who is told.
pub(crate) struct Instrumented {
    pub(crate) step: Box<dyn Step>,
    pub(crate) to: To,
}

/// Who is told of a step.
#[derive(Clone)]
pub(crate) struct To {
    /// StatsD.
    pub(crate) told: Option<Told>,
    /// The name of its spans, if it has any.
    pub(crate) span: Option<&'static str>,
}

impl Step for Instrumented {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let began = Instant::now();
        let ran = self.step.run(exchange);
        self.to.tell(began, ran, exchange)
    }
}

impl To {
    /// Tells of a step that has run, now or when it has waited for all that it waits for.
    fn tell(
        &self,
        began: Instant,
        ran: Result<Ran, RequestError>,
        exchange: &mut Exchange,
    ) -> Result<Ran, RequestError> {
        if let Ok(Ran::Wait(answer)) = ran {
            let to = self.clone();
            return Ok(Ran::Wait(Box::pin(async move {
                let then = answer.await;
                Box::new(move |exchange: &mut Exchange| {
                    let ran = then(exchange);
                    to.tell(began, ran, exchange)
                }) as Then
            })));
        }
        if let Some(told) = &self.told {
            told.call(began.elapsed());
        }
        if let Some(name) = self.span {
            journal::stepped(exchange, name, ran.as_ref().err().map(ToString::to_string), began);
        }
        ran
    }
}
