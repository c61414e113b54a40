//! Processes, which are ended by their numbers whatever happens, and what the kernel says of them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::BenchError;

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Those that run, for when we are told to end.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// From now on Ctrl-C ends all that was started, and then us.
///
/// # Errors
/// When the system refuses.
pub(super) fn end_with_us() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // It is held to the end: nothing more is started.
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.iter().for_each(|process| kill_all(&tree(*process)));
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// A child that is ended when this is dropped, and its own children with it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) name: String,
    /// What it says.
    pub(super) log: PathBuf,
}

impl Process {
    /// Starts a command. What it says on stderr goes to a file; so does stdout, unless the command says otherwise.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) fn spawn(name: &str, command: &mut Command, dir: &Path) -> Result<Self, BenchError> {
        let log = dir.join("log");
        let file = File::create(&log).map_err(BenchError::io("write", &log))?;
        let again = || file.try_clone().map_err(BenchError::io("write", &log));
        command.stdout(again()?);
        Self::spawn_with(name, command.stderr(again()?).stdin(Stdio::null()), log.clone())
    }

    /// As [`Process::spawn`], of a command whose streams are set.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) fn spawn_with(name: &str, command: &mut Command, log: PathBuf) -> Result<Self, BenchError> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn().map_err(BenchError::io("start", Path::new(command.get_program())))?;
        running.push(child.id());
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// It and its descendants.
    pub(super) fn tree(&self) -> Vec<u32> {
        tree(self.child.id())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks one of its tree to end, and waits for all of it. False: it had to be killed.
    pub(super) fn stop(mut self, asked: u32, patience: Duration) -> bool {
        signal(asked, Signal::TERM);
        self.await_end(patience)
    }

    fn await_end(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// The last lines that it said.
    pub(super) fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Those of a child that has ended may be left.
        let all = self.tree();
        if self.ended().is_none() {
            signal(self.child.id(), Signal::TERM);
            if !self.await_end(PATIENCE) {
                kill_all(&all);
                let _ = self.child.wait();
            }
        }
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|process| *process != self.child.id());
    }
}

/// Tells a process something.
pub(super) fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process(process, signal);
    }
}

fn kill_all(processes: &[u32]) {
    processes.iter().for_each(|process| signal(*process, Signal::KILL));
}

/// A process and its descendants.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = numbered("/proc").into_iter().filter_map(|id| Some((parent(id)?, id))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(parent, _)| *parent == process).map(|(_, id)| *id));
        next += 1;
    }
    found
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The entries of a folder that are numbers.
fn numbered(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The processor time of processes, in nanoseconds, kernel and user, over all threads that live.
pub(super) fn cpu(processes: &[u32]) -> u64 {
    let of_thread = |process: u32, thread: u32| {
        let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let of = |process: &u32| {
        let threads = numbered(&format!("/proc/{process}/task"));
        threads.into_iter().filter_map(|thread| of_thread(*process, thread)).sum::<u64>()
    };
    processes.iter().map(of).sum()
}

/// What processes hold, as the kernel counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Held {
    /// Resident memory, in KiB.
    pub(super) rss: f64,
    /// The same, where what is shared with others counts by their number.
    pub(super) pss: f64,
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

/// What processes hold now.
pub(super) fn held(processes: &[u32]) -> Held {
    let mut sum = Held::default();
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        sum.rss += kib(&text, "Rss:");
        sum.pss += kib(&text, "Pss:");
        sum.descriptors += numbered(&format!("/proc/{process}/fd")).len();
        sum.threads += numbered(&format!("/proc/{process}/task")).len();
    }
    sum
}

/// How many connections a port of loopback has on the side of those who have connected.
pub(super) fn connections_to(port: u16) -> usize {
    connections(&fs::read_to_string("/proc/net/tcp").unwrap_or_default(), port)
}

/// `sl local_address rem_address st …` with the inode as tenth word; that of a socket that nobody holds is 0.
fn connections(table: &str, port: u16) -> usize {
    let suffix = format!(":{port:04X}");
    let is_held = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(2).is_some_and(|remote| remote.ends_with(&suffix)) && words.get(9).is_some_and(|inode| *inode != "0")
    };
    table.lines().skip(1).filter(is_held).count()
}

/// A line of smaps_rollup; 0 if the process has gone.
fn kib(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Resident memory of processes, in KiB.
pub(super) fn resident(processes: &[u32]) -> f64 {
    held(processes).rss
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(process: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // Whoever was killed and belongs to nobody we know may wait to be reaped.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[test]
    fn a_process_that_is_dropped_is_ended_with_its_children() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        // The first does not end when asked to; its child is not asked.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' TERM; sleep 600 & while :; do wait; done"]);
        let process = Process::spawn("sh", &mut shell, dir.path()).expect("sh runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        while process.tree().len() < 2 {
            assert!(Instant::now() < deadline, "it has a child");
            thread::yield_now();
        }
        let all = process.tree();
        let (over, ended) = std::sync::mpsc::channel();
        thread::spawn(move || {
            drop(process);
            over.send(())
        });
        if ended.recv_timeout(Duration::from_secs(20)).is_err() {
            kill_all(&all);
            panic!("it is waited for, and was not killed");
        }
        while all.iter().any(|process| lives(*process)) {
            assert!(Instant::now() < deadline, "{all:?} are left");
            thread::yield_now();
        }
    }

    #[test]
    fn the_kernel_says_how_much_time_and_memory_a_process_has_used() {
        let me = [std::process::id()];
        let before = cpu(&me);
        let mut sum = 0_u64;
        while cpu(&me) == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(resident(&me) > 100.0);
    }

    #[test]
    fn connections_are_found_by_the_port_that_they_go_to() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 52511 1
   1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 52510 1
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 52512 1
   3: 0100007F:D433 0100007F:1F90 06 00000000:00000000 03:00000B5E 00000000     0        0 0 3
";
        assert_eq!((connections(table, 8080), connections(table, 80)), (1, 0));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("known").port();
        let _one = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
        assert_eq!(connections_to(port), 1);
    }

    #[test]
    fn what_a_process_holds_is_read() {
        let text = "Rss:                6996 kB\nPss:                6990 kB\nPss_Dirty:          1236 kB\n";
        assert_eq!((kib(text, "Rss:"), kib(text, "Pss:"), kib("", "Rss:")), (6996.0, 6990.0, 0.0));
        let me = [std::process::id()];
        let before = held(&me);
        let files: Vec<File> = (0..40).map_while(|_| File::open("/dev/null").ok()).collect();
        let with_files = held(&me);
        // Other tests may open and close some meanwhile.
        assert!(files.len() == 40 && with_files.descriptors > before.descriptors + 20, "{before:?} {with_files:?}");
        assert!(
            with_files.threads >= 1 && with_files.pss > 100.0 && with_files.pss <= with_files.rss,
            "{with_files:?}"
        );
    }
}
