//! The life of a plugin with state, and a configuration that may be wrong.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::prelude::*;
use gateway_sdk::schemars::{self, JsonSchema};
use serde::{Deserialize, Deserializer};

/// How to live.
#[derive(Default, Deserialize)]
#[serde(default)]
struct How {
    /// `init` fails with this.
    fail: Option<String>,
    /// `init` panics with this.
    panic: Option<String>,
    /// `shutdown` sends a line there.
    tell: Option<SocketAddr>,
}

/// Counts its calls from `init` to `shutdown`.
struct Life {
    calls: AtomicU64,
    tell: Option<SocketAddr>,
}

/// Tells the client the number of the call since `init`.
#[gw_plugin(name = "Life")]
impl Life {
    #[expect(clippy::panic, reason = "one of the ways to fail")]
    async fn init(how: &Config<How>, env: &InitEnv) -> Result<Self, InitError> {
        env.info("life begins");
        if let Some(reason) = &how.panic {
            panic!("{reason}");
        }
        match &how.fail {
            Some(reason) => Err(InitError::new(reason)),
            None => Ok(Self { calls: AtomicU64::new(0), tell: how.tell }),
        }
    }

    #[hook("pre", "post", "endpoint")]
    fn count(&self, ctx: &Ctx) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        ctx.append_response_header(HeaderName::from_static("x-calls"), HeaderValue::from(calls));
    }

    async fn shutdown(self) {
        let Some(address) = self.tell else { return };
        let told =
            TcpStream::connect(address).and_then(|mut stream| writeln!(stream, "ended after {:?} calls", self.calls));
        told.expect("the test listens");
    }
}

/// A configuration whose shape matters.
#[derive(Deserialize, JsonSchema)]
struct Limits {
    /// Requests that are let through.
    per_minute: u32,
    #[expect(dead_code, reason = "its shape is what matters")]
    burst: Option<Burst>,
}

/// What may come at once.
#[derive(Deserialize, JsonSchema)]
struct Burst {
    #[expect(dead_code, reason = "its shape is what matters")]
    size: u8,
}

/// Tells the client its configuration.
#[gw_plugin(hook = ["pre", "post"], name = "Strict")]
fn strict(limits: &Config<Limits>, ctx: &Ctx) {
    let value = HeaderValue::from(limits.per_minute);
    ctx.append_response_header(HeaderName::from_static("x-per-minute"), value);
}

/// A configuration that knows how often one was read.
struct Reading(u64);

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        static READINGS: AtomicU64 = AtomicU64::new(0);
        serde::de::IgnoredAny::deserialize(from)?;
        Ok(Self(READINGS.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

/// Tells the client which reading of the configuration it has.
#[derive(Default)]
struct CountReadings;

#[gw_plugin(name = "CountReadings")]
impl CountReadings {
    #[hook("pre", "post")]
    fn on_request(&self, reading: &Config<Reading>, ctx: &Ctx) {
        ctx.append_response_header(HeaderName::from_static("x-reading"), HeaderValue::from(reading.0));
    }

    #[hook("response")]
    fn on_response(&self, reading: &Config<Reading>, res: &mut Response) {
        res.headers_mut().append(HeaderName::from_static("x-reading"), HeaderValue::from(reading.0));
    }
}
