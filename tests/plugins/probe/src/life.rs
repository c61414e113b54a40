//! The life of a plugin with state, and a configuration that may be wrong.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_sdk::prelude::*;
use serde::Deserialize;

/// How to live.
#[derive(Default, Deserialize)]
#[serde(default)]
struct How {
    /// `init` fails with this.
    fail: Option<String>,
    /// `init` panics with this.
    panic: Option<String>,
    /// `shutdown` adds a line to this file.
    file: Option<PathBuf>,
}

/// Counts its calls from `init` to `shutdown`.
struct Life {
    calls: AtomicU64,
    file: Option<PathBuf>,
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
            None => Ok(Self { calls: AtomicU64::new(0), file: how.file.clone() }),
        }
    }

    #[hook("pre", "post", "endpoint")]
    fn count(&self, ctx: &Ctx) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        ctx.append_response_header(HeaderName::from_static("x-calls"), HeaderValue::from(calls));
    }

    async fn shutdown(self) {
        let Some(path) = &self.file else { return };
        let open = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let written = open.and_then(|mut file| writeln!(file, "life ends after {:?} calls", self.calls));
        written.expect("the file that the test names can be written");
    }
}

/// A configuration whose shape matters.
#[derive(Deserialize)]
struct Limits {
    per_minute: u32,
}

/// Tells the client its configuration.
#[gw_plugin(hook = ["pre", "post"], name = "Strict")]
fn strict(limits: &Config<Limits>, ctx: &Ctx) {
    let value = HeaderValue::from(limits.per_minute);
    ctx.append_response_header(HeaderName::from_static("x-per-minute"), value);
}
