//! StatsD's lines, and packets of them. Source: plugin-system.md §8.1.

use std::fmt::Write;
use std::time::Duration;

/// A packet has no more bytes, nor has a line.
const MOST_BYTES: usize = 1440;
/// The job that all of it is part of.
const JOB: &str = "MiddlewareCall";

/// What a step's calls are called: the names of its events, and of their times.
#[derive(Debug)]
pub(super) struct Names {
    events: Vec<String>,
    times: Vec<String>,
}

impl Names {
    pub(super) fn of(prefix: &str, step: &str) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        // Each is told twice: alone, and as a part of its job.
        let twice = |name: &str| [format!("{prefix}{name}"), format!("{prefix}{JOB}.{name}")].map(|name| plain(&name));
        let both = |short: &str, long: &str| [twice(short), twice(long)].concat();
        Self {
            events: both("executed", &format!("{step}.executed")),
            times: both("exec_time", &format!("{step}.executed.exec_time")),
        }
    }
}

/// StatsD reads colons and bars in its own way, and other signs are trouble for whoever keeps the names.
fn plain(name: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().map(|c| if known(c) { c } else { '$' }).collect()
}

/// Lines that wait for their packet.
#[derive(Debug, Default)]
pub(super) struct Packets {
    waiting: String,
}

impl Packets {
    /// Adds the lines of a call; gives the packets that are full.
    pub(super) fn add(&mut self, names: &Names, took: Duration) -> Vec<Vec<u8>> {
        let ms = milliseconds(took);
        let events = names.events.iter().map(|name| format!("{name}:1|c"));
        let times = names.times.iter().map(|name| format!("{name}:{ms}|ms"));
        events.chain(times).filter_map(|line| self.line(&line)).collect()
    }

    fn line(&mut self, line: &str) -> Option<Vec<u8>> {
        if line.len() > MOST_BYTES {
            return None;
        }
        // Lines are parted by a line feed.
        let full = !self.waiting.is_empty() && self.waiting.len() + 1 + line.len() > MOST_BYTES;
        let packet = full.then(|| self.rest()).flatten();
        if !self.waiting.is_empty() {
            self.waiting.push('\n');
        }
        self.waiting.push_str(line);
        packet
    }

    /// What waits.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let waiting = std::mem::take(&mut self.waiting);
        (!waiting.is_empty()).then(|| waiting.into_bytes())
    }
}

/// Two decimals below 10 ms, and none above.
fn milliseconds(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    let mut text = String::new();
    let decimals = if ms < 10.0 { 2 } else { 0 };
    let _ = write!(text, "{ms:.decimals$}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: plugin-system.md §8.1.
    #[test]
    fn names_are_those_of_tyk() {
        let names = Names::of("gw", "GoPluginMiddleware: ./p_v5.5.0_linux_amd64.so:Pre");
        let long = "GoPluginMiddleware$$.$p_v5.5.0_linux_amd64.so$Pre.executed";
        let events = ["gw.executed", "gw.MiddlewareCall.executed"].map(str::to_owned).to_vec();
        let own = [format!("gw.{long}"), format!("gw.MiddlewareCall.{long}")].to_vec();
        assert_eq!(names.events, [events, own].concat());
        assert_eq!(names.times[0], "gw.exec_time");
        assert_eq!(names.times[3], format!("gw.MiddlewareCall.{long}.exec_time"));
        assert_eq!(Names::of("", "A").events[0], "executed");
    }

    #[test]
    fn times_have_decimals_while_they_are_short() {
        let shown = [1_234, 9_990, 10_400, 2_000_000].map(|us| milliseconds(Duration::from_micros(us)));
        assert_eq!(shown, ["1.23", "9.99", "10", "2000"]);
    }

    #[test]
    fn packets_are_filled_and_never_overfull() {
        let mut packets = Packets::default();
        let names = Names::of("gw", &"n".repeat(100));
        let mut sent: Vec<Vec<u8>> = (0..20).flat_map(|_| packets.add(&names, Duration::ZERO)).collect();
        sent.extend(packets.rest());
        assert!(sent.iter().all(|packet| packet.len() <= MOST_BYTES));
        let lines: usize = sent.iter().map(|packet| packet.split(|byte| *byte == b'\n').count()).sum();
        assert_eq!(lines, 20 * 8);
        // What fits into no packet is left out, and the rest of the call is told.
        let names = Names::of("gw", &"n".repeat(2000));
        assert!(packets.add(&names, Duration::ZERO).is_empty());
        assert_eq!(packets.rest().map(|rest| rest.split(|byte| *byte == b'\n').count()), Some(4));
    }
}
