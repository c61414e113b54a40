//! Whether cargo can ask for crates: by cargo itself, so that proxies, mirrors and vendored sources count.

use std::fs::{self, File};
use std::io;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::link::workshop;
use super::{Examination, Finding, last_lines};

/// A crate that every registry with our dependencies has.
const PROBE: &str = "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
    [dependencies]\ncfg-if = \"1\"\n";

const REMEDY: &str = "behind a proxy: export https_proxy=http://HOST:PORT; without a network: cargo xtask doctor --offline, \
    and builds with --offline, once everything is downloaded";

/// Asks for one crate, without a lock file and so not from memory.
pub(super) fn reach(of: &Examination<'_>) -> Vec<Finding> {
    if of.args.offline {
        return vec![Finding::ok("registry", "registry not asked (--offline)")];
    }
    vec![
        ask(of)
            .unwrap_or_else(|error| Finding::problem("registry", format!("cannot ask the registry: {error}"), REMEDY)),
    ]
}

fn ask(of: &Examination<'_>) -> io::Result<Finding> {
    let dir = workshop(of)?;
    fs::create_dir_all(dir.path().join("src"))?;
    fs::write(dir.path().join("src/lib.rs"), "")?;
    fs::write(dir.path().join("Cargo.toml"), PROBE)?;
    let Some(mut cargo) = of.machine.cargo(dir.path()) else {
        return Ok(Finding::problem("registry", "cannot ask the registry: cargo does not run", "see above"));
    };
    let stderr = dir.path().join("stderr");
    cargo.args(["generate-lockfile", "--quiet"]).env("CARGO_NET_RETRY", "1");
    cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&stderr)?);
    let began = Instant::now();
    let mut child = cargo.spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > of.machine.patience {
            child.kill()?;
            child.wait()?;
            let text = format!("the registry did not answer within {} s", of.machine.patience.as_secs_f32());
            return Ok(Finding::problem("registry", text, REMEDY));
        }
        sleep(Duration::from_millis(20));
    };
    Ok(if status.success() {
        Finding::ok("registry", format!("the registry answers ({:.1} s)", began.elapsed().as_secs_f32()))
    } else {
        let said = last_lines(&fs::read_to_string(&stderr)?);
        Finding::problem("registry", format!("the registry cannot be asked; cargo says:\n{said}"), REMEDY)
    })
}
