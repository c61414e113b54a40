//! Gateways that do not serve, played by a shell; those that do are in `tests/it/dev.rs`.

use std::os::unix::fs::PermissionsExt;

use super::gateway::StartError;
use super::*;

struct Stage {
    dir: TempDir,
    fleet: Fleet,
    sockets: Sockets,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Stage {
    fn new() -> Self {
        let (sender, events) = channel();
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self { dir, fleet: Fleet::default(), sockets: Sockets::bind(0).expect("bound"), sender, events }
    }

    fn start(&self, script: &str, stopping: bool) -> Result<(), StartError> {
        let file = self.dir.path().join("gateway-1");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("set");
        let notify = Notify::new(self.dir.path(), 1)?;
        let gateway = Gateway { number: 1, file: &file, conf: Path::new("the.conf"), notify: &notify };
        self.fleet.start(gateway, &self.sockets, &self.sender, || stopping)
    }

    /// Waits until it is told that the gateway has ended.
    fn end(&self) -> ExitStatus {
        match self.events.recv_timeout(Duration::from_secs(20)) {
            Ok(Event::Ended(1, status)) => status,
            _ => panic!("its end was not told"),
        }
    }
}

#[test]
fn a_gateway_that_ends_is_told_with_its_status_and_its_file_is_removed() {
    let stage = Stage::new();
    let error = stage.start("exit 3", false).expect_err("it ended");
    assert_eq!(error.to_string(), "it ended before it served (exit status: 3); its reason is printed above");
    assert_eq!(stage.end().code(), Some(3));
    assert!(!stage.dir.path().join("gateway-1").exists());
    stage.fleet.await_all();
}

#[test]
fn a_gateway_is_told_which_sockets_are_its_own() {
    let stage = Stage::new();
    let said = stage.dir.path().join("said");
    let script = format!(
        r#"echo "$LISTEN_FDS $(($LISTEN_PID - $$)) $*" > {}; test -S /dev/fd/3 -a -S "$NOTIFY_SOCKET""#,
        said.display()
    );
    let error = stage.start(&script, false).expect_err("it ended");
    assert!(matches!(error, StartError::Ended(status) if status.success()), "{error}");
    let cores = std::thread::available_parallelism().expect("known");
    assert_eq!(fs::read_to_string(said).expect("said"), format!("{cores} 0 --conf the.conf\n"));
}

#[test]
fn a_gateway_that_is_not_ready_when_we_end_is_gone() {
    let stage = Stage::new();
    let error = stage.start("exec sleep 600", true).expect_err("stopped");
    assert!(matches!(error, StartError::Stopped), "{error}");
    stage.fleet.await_all();
    assert_eq!(stage.end().to_string(), "signal: 9 (SIGKILL)");
}
