//! What the gateway may cost: the one place where the budgets are.

use serde::Serialize;

use super::value::Unit;

/// What is measured of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// User-space instructions of a request to an API without keys and plugins.
    Instructions,
    /// System calls of the same.
    SystemCalls,
    /// Instructions that a plugin adds which sets a header.
    HeaderPlugin,
    /// Instructions that a plugin adds which does nothing.
    EmptyPlugin,
    /// Instructions that a key adds: it is read, looked up where sessions are kept, and counted for a rate and a quota.
    Keys,
    /// Instructions with 5,000 APIs ÷ instructions with one.
    ManyApis,
    /// Instructions that an API with nothing has more where each step that is built in is used by another API.
    Unused,
    /// CPU per request when saturated ÷ nginx's.
    CpuNginx,
    /// The same with a header plugin ÷ nginx with Lua that sets the same header.
    CpuNginxLua,
    /// ÷ the smallest pingora proxy's.
    CpuPingora,
    /// ÷ nginx's, with responses of 10 KiB.
    CpuTen,
    /// ÷ nginx's, with responses of 1 MiB.
    CpuMega,
    /// ÷ nginx's, with posts of 10 KiB.
    CpuPost,
    /// 99th percentile of latency at 2,000 requests per second ÷ nginx's.
    Latency,
    /// Resident memory after one request.
    MemoryIdle,
    /// What each of 1,000 idle connections adds.
    MemoryConnection,
    /// What each of 10,000 idle connections adds.
    MemoryConnectionMany,
    /// What each loaded API adds.
    MemoryApi,
    /// From exec to the first 200.
    Start,
    /// A reload of 1,000 APIs, under light load.
    Reload,
    /// Requests that failed while reloading.
    ReloadFailed,
    /// The static, stripped binary.
    Binary,
    /// A `fast` build after one plugin was edited.
    Rebuild,
    /// Packages of gateway-sdk, with itself.
    SdkPackages,
    /// Packages of gateway-runtime, with itself.
    RuntimePackages,
    /// What memory grows by in a soak: last fifth − second fifth.
    SoakGrowth,
    /// Descriptors some seconds after a soak − before it, without those of the connections to upstreams that are kept.
    SoakDescriptors,
    /// Requests of a soak that must succeed, and did not.
    SoakFailed,
    /// Memory some seconds after a soak − before it.
    SoakFloor,
}

/// Whether a value is the same whenever and wherever it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is, up to `margin` in the row's unit: `--check` fails when budget and margin are exceeded.
    Count {
        /// What repeated runs differ by, with room to spare.
        margin: f64,
    },
    /// It is not, so it decides nothing.
    Sample,
}

/// A limit.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Budget {
    /// Of what.
    pub row: Row,
    /// The same for people.
    pub what: &'static str,
    /// Of the limit.
    pub unit: Unit,
    /// At most this.
    pub limit: f64,
    /// Whether it decides.
    pub kind: Kind,
    /// Where the limit comes from.
    pub source: &'static str,
}

const fn count(row: Row, what: &'static str, unit: Unit, limit: f64, margin: f64, source: &'static str) -> Budget {
    Budget { row, what, unit, limit, kind: Kind::Count { margin }, source }
}

const fn sample(row: Row, what: &'static str, unit: Unit, limit: f64, source: &'static str) -> Budget {
    Budget { row, what, unit, limit, kind: Kind::Sample, source }
}

/// In the order in which they are printed.
#[rustfmt::skip]
pub const BUDGETS: &[Budget] = &[
    count(Row::Instructions, "keyless request: instructions", Unit::Instructions, 28_000.0, 200.0,
        "bare hyper proxy, thread per core: 24,500; the rest is for routing, chain and accounting"),
    count(Row::SystemCalls, "keyless request: system calls", Unit::Calls, 6.0, 0.1,
        "wait, read and write, on both sides: no proxy on epoll has fewer; nginx 7, HAProxy 10"),
    count(Row::HeaderPlugin, "one header plugin adds: instructions", Unit::Instructions, 600.0, 20.0,
        "a call through `dyn` that sets a header in a bare hyper proxy: 400; Lua in nginx: 3,300"),
    count(Row::EmptyPlugin, "one empty plugin adds: instructions", Unit::Instructions, 150.0, 20.0,
        "the call and its panic boundary"),
    count(Row::Keys, "token, rate and quota add (no record): instructions", Unit::Instructions, 9_000.0, 200.0,
        "a look-up, two counters under two locks, three headers; the record of the request is to come out of it too"),
    count(Row::ManyApis, "instructions with 5,000 APIs ÷ with 1", Unit::Ratio, 1.05, 0.01,
        "a request pays for its own API, not for its neighbours"),
    count(Row::Unused, "steps that others use add: instructions", Unit::Instructions, 50.0, 50.0,
        "a chain has what its definition asks for, and no trace of anything else"),
    sample(Row::CpuNginx, "CPU per request ÷ nginx", Unit::Ratio, 1.05,
        "bare hyper proxy, thread per core: 0.94"),
    sample(Row::CpuNginxLua, "CPU with a header plugin ÷ nginx + Lua", Unit::Ratio, 0.95,
        "as plain, and nginx pays for Lua: 1.07 of its plain cost"),
    sample(Row::CpuPingora, "CPU per request ÷ minimal pingora", Unit::Ratio, 0.65,
        "minimal pingora: 2.0 of nginx"),
    sample(Row::CpuTen, "CPU, responses of 10 KiB ÷ nginx", Unit::Ratio, 0.9,
        "bodies pass without a copy of ours"),
    sample(Row::CpuMega, "CPU, responses of 1 MiB ÷ nginx", Unit::Ratio, 0.7,
        "bodies pass without a copy of ours, in larger pieces than nginx's buffers"),
    sample(Row::CpuPost, "CPU, posts of 10 KiB ÷ nginx", Unit::Ratio, 1.0,
        "bodies pass without a copy of ours"),
    sample(Row::Latency, "p99 at 2,000 requests/s ÷ nginx", Unit::Ratio, 1.1,
        "a thread per core, no lock, no queue between threads"),
    sample(Row::MemoryIdle, "resident memory, idle", Unit::Mebibytes, 12.0,
        "bare hyper proxy and the tables of a gateway"),
    sample(Row::MemoryConnection, "per idle connection, of 1,000", Unit::Kibibytes, 12.0,
        "hyper's connection: 18 to 20; its read buffer is the most of it"),
    sample(Row::MemoryConnectionMany, "per idle connection, of 10,000", Unit::Kibibytes, 12.0,
        "hyper's connection: 18 to 20; its read buffer is the most of it"),
    sample(Row::MemoryApi, "per loaded API, of 5,000", Unit::Kibibytes, 15.0,
        "a definition, parsed, and what is compiled from it"),
    sample(Row::Start, "start to first 200", Unit::Milliseconds, 20.0,
        "bare Rust proxies: 4 to 7; nginx: 10"),
    sample(Row::Reload, "reload of 1,000 APIs", Unit::Milliseconds, 200.0,
        "0.2 ms for each definition: read, parsed, compiled"),
    count(Row::ReloadFailed, "requests that failed while reloading", Unit::Requests, 0.0, 0.0,
        "the table is swapped whole"),
    count(Row::Binary, "static binary, stripped", Unit::Mebibytes, 11.8, 0.0,
        "without optional features; 9.0 before there were keys and their file, 11.0 before analytics, see README.md"),
    sample(Row::Rebuild, "fast build after editing one plugin", Unit::Seconds, 3.0,
        "one small crate compiled, and one link"),
    count(Row::SdkPackages, "packages of gateway-sdk", Unit::Packages, 30.0, 0.0,
        "http, serde and the macro's"),
    count(Row::RuntimePackages, "packages of gateway-runtime", Unit::Packages, 180.0, 0.0,
        "without optional features"),
    count(Row::SoakGrowth, "soak: resident memory, last fifth − second", Unit::Mebibytes, 1.0, 0.0,
        "what is held grows with what is open, not with what has been"),
    count(Row::SoakDescriptors, "soak: descriptors at rest, after − before", Unit::Descriptors, 0.0, 0.0,
        "as many are closed as are opened; connections that are kept to the upstream do not count"),
    count(Row::SoakFailed, "soak: requests that failed and must not", Unit::Requests, 0.0, 0.0,
        "a reload, a broken upstream and clients that leave are nobody else's matter"),
    sample(Row::SoakFloor, "soak: resident memory at rest, after − before", Unit::Mebibytes, 4.0,
        "memory returns to its floor; what a pool and an allocator keep is a few MiB"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_row_has_one_budget() {
        let rows: BTreeSet<Row> = BUDGETS.iter().map(|budget| budget.row).collect();
        assert_eq!(rows.len(), BUDGETS.len());
    }

    /// A time on a busy machine is nobody's fault.
    #[test]
    fn times_memory_and_ratios_of_times_decide_nothing() {
        for budget in BUDGETS {
            let is_of_time = matches!(budget.unit, Unit::Milliseconds | Unit::Seconds | Unit::Kibibytes)
                || budget.unit == Unit::Ratio && budget.row != Row::ManyApis;
            assert!(!is_of_time || budget.kind == Kind::Sample, "{}", budget.what);
        }
    }
}
