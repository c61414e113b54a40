//! What the gateway needs: memory, time to start, time to reload.

use std::thread;
use std::time::{Duration, Instant};

use super::Effort;
use super::budgets::Row;
use super::error::BenchError;
use super::gateway::{Conf, Gateway, MANY, SECRET};
use super::load::{Job, Load, Mark, Pace};
use super::outcome::Outcome;
use super::process::resident;
use super::subject::Running;
use super::value::Value;
use crate::report::Report;

/// APIs that are reloaded.
const RELOADED: usize = 1_000;
/// How long connections are idle before memory is looked at: the gateway takes their buffers back after 2 s.
const IDLE: Duration = Duration::from_secs(4);
/// How long memory may take to come to rest after that.
const REST: Duration = Duration::from_secs(5);

/// Measures all of it.
///
/// # Errors
/// When the gateway or the load generator stops.
pub(super) fn measure(
    load: &Load,
    gateway: &Gateway,
    effort: Effort,
    open_files: u64,
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    report.note("memory …");
    memory(load, gateway, open_files, outcome)?;
    report.note("start and reload …");
    let mut took = Vec::new();
    for _ in 0..effort.rounds() * 2 {
        took.push(gateway.plain().start(&load.place)?.took.as_secs_f64() * 1e3);
    }
    outcome.put(Row::Start, Value::of(took));
    reload(load, gateway, effort, outcome)
}

fn memory(load: &Load, gateway: &Gateway, open_files: u64, outcome: &mut Outcome) -> Result<(), BenchError> {
    let idle = rested(&gateway.plain().start(&load.place)?);
    outcome.put_one(Row::MemoryIdle, idle / 1024.0);
    for (row, connections) in [(Row::MemoryConnection, 1_000_u32), (Row::MemoryConnectionMany, 10_000)] {
        if u64::from(connections) + 200 > open_files {
            outcome.notes.push(format!(
                "{connections} connections need more than the {open_files} descriptors that we may have: ulimit -Hn 20000"
            ));
            continue;
        }
        let running = gateway.plain().start(&load.place)?;
        let before = rested(&running);
        let job = Job { path: "/hello", post: 0, connections: connections as usize, pace: Pace::Hold };
        let mut after = before;
        load.run(&running, &job, |_, _| {
            after = rested(&running);
            Ok(())
        })?;
        outcome.put_one(row, (after - before) / f64::from(connections));
    }
    let many = gateway.with("gateway with 5,000 APIs", Conf { apis: MANY, ..Conf::PLAIN }).start(&load.place)?;
    #[expect(clippy::cast_precision_loss, reason = "5,000")]
    outcome.put_one(Row::MemoryApi, (rested(&many) - idle) / MANY as f64);
    Ok(())
}

/// Resident memory in KiB, after [`IDLE`], when it is the same twice.
pub(super) fn rested(running: &Running) -> f64 {
    let idle = Instant::now() + IDLE;
    let mut last = resident(&running.tree);
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = resident(&running.tree);
        let is_same = (now - last).abs() < 8.0;
        if Instant::now() > idle && (is_same || Instant::now() > idle + REST) {
            return now;
        }
        last = now;
    }
}

/// Reloads while requests come: each time, every definition is another one.
fn reload(load: &Load, gateway: &Gateway, effort: Effort, outcome: &mut Outcome) -> Result<(), BenchError> {
    let conf = Conf { apis: RELOADED, ..Conf::PLAIN };
    let name = "gateway with 1,000 APIs";
    let running = gateway.with(name, conf.clone()).start(&load.place)?;
    let apps = load.place.dir.join(name).join("apps");
    let mut took = Vec::new();
    let seconds = effort.seconds().max(2.0);
    let job = Job { path: "/hello", post: 0, connections: 8, pace: Pace::Open { rate: 500, seconds } };
    let tally = load.run(&running, &job, |mark, _| {
        if mark == Mark::End {
            return Ok(());
        }
        let began = Instant::now();
        let mut generation = 1;
        // While there is load, and once at least.
        while generation == 1 || began.elapsed().as_secs_f64() < seconds * 0.7 {
            conf.write_definitions(&apps, load.place.upstream, generation)?;
            let url = format!("http://{}/tyk/reload?block=true", running.address);
            let asked = Instant::now();
            let answer = minreq::get(&url).with_header("x-tyk-authorization", SECRET).with_timeout(30).send();
            let said = match answer {
                Ok(answer) if answer.status_code == 200 => {
                    took.push(asked.elapsed().as_secs_f64() * 1e3);
                    generation += 1;
                    continue;
                }
                Ok(answer) => answer.as_str().unwrap_or_default().trim().to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(BenchError::Reload { said, log: running.process.log.clone() });
        }
        Ok(())
    })?;
    outcome.put(Row::Reload, Value::of(took));
    #[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
    outcome.put_one(Row::ReloadFailed, tally.lost() as f64);
    Ok(())
}
