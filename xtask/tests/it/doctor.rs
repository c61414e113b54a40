//! `cargo xtask doctor`: this machine has what it takes, and what is taken away from it is missed, by name.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use xtask::cli::DoctorArgs;
use xtask::doctor::{Finding, Level, Machine, examine};

use crate::standin::StandIn;

const MANIFEST: &str = "[workspace]\n[workspace.package]\nrust-version = \"1.95\"\n";

/// A machine whose programs are those of a folder.
struct Clinic {
    here: StandIn,
    machine: Machine,
    args: DoctorArgs,
}

impl Clinic {
    /// With all that a build needs, and nothing else.
    fn new() -> Self {
        let here = StandIn::new();
        here.write("Cargo.toml", MANIFEST);
        let mut machine = Machine::this();
        for name in ["CARGO", "RUSTC", "CC", "HOST_CC", "RUSTUP_TOOLCHAIN"] {
            machine.variables.remove(&OsString::from(name));
        }
        machine.variables.insert("PATH".into(), here.path("bin").into());
        machine.free = |_| Ok(100 << 30);
        machine.open_files = None;
        let clinic = Self { here, machine, args: DoctorArgs { offline: true, ..DoctorArgs::default() } };
        for program in ["rustc", "cargo", "cc", "git"] {
            clinic.program(program, &format!("exec {} \"$@\"", real(program)));
        }
        clinic.has_musl(Path::new("/nowhere"));
        clinic
    }

    /// A program of its own, in place of the real one. rustc and cargo look for others where it is; the rest get a PATH
    /// that works, as a C compiler is many programs.
    fn program(&self, name: &str, script: &str) {
        let path = match name {
            "rustc" | "cargo" => String::new(),
            _ => format!("PATH='{}'\nexport PATH\n", env::var("PATH").expect("text")),
        };
        self.here.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{path}{script}\n"));
        fs::set_permissions(self.here.path("bin").join(name), Permissions::from_mode(0o755)).expect("executable");
    }

    /// rustc says that the standard library for musl is in a folder.
    fn has_musl(&self, folder: &Path) {
        let answer = format!("case \"$*\" in *target-libdir*-linux-musl) echo {}; exit;; esac", folder.display());
        self.program("rustc", &format!("{answer}; exec {} \"$@\"", real("rustc")));
    }

    /// Nothing is compiled there: for checks of something else.
    fn without_rust() -> Self {
        let clinic = Self::new();
        clinic.without("rustc");
        clinic
    }

    fn without(&self, name: &str) {
        fs::remove_file(self.here.path("bin").join(name)).expect("there");
    }

    fn findings(&self) -> Vec<Finding> {
        let mut heard = Vec::new();
        let findings =
            examine(&self.machine, &self.here.repository(), &self.args, |finding| heard.push(finding.clone()));
        assert_eq!(findings, heard);
        findings
    }

    /// What one check says, as it is printed, without the folder of the test.
    fn told(&self, check: &str) -> Vec<String> {
        let root = self.here.path("").display().to_string();
        let of = self.findings().into_iter().filter(|finding| finding.check == check);
        of.map(|finding| finding.to_string().replace(root.trim_end_matches('/'), "")).collect()
    }

    fn levels(&self) -> Vec<(&'static str, Level)> {
        let findings = self.findings().into_iter().filter(|finding| finding.level != Level::Ok);
        findings.map(|finding| (finding.check, finding.level)).collect()
    }
}

/// The program behind a name, not a proxy that wants to know its own name.
fn real(program: &str) -> String {
    if program == "rustc" || program == "cargo" {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs");
        let sysroot = String::from_utf8(output.stdout).expect("text");
        let file = PathBuf::from(sysroot.trim()).join("bin").join(program);
        return file.display().to_string();
    }
    let path = env::var_os("PATH").expect("set");
    let file = env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    file.expect("installed").display().to_string()
}

fn xtask(args: &[&str], change: impl FnOnce(&mut Command)) -> (Output, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("doctor").args(args);
    change(&mut command);
    let output = command.output().expect("xtask runs");
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (output, lines)
}

#[test]
fn the_machine_of_the_tests_has_no_problem() {
    let (output, lines) = xtask(&["--offline"], |_| {});
    assert_eq!(output.status.code(), Some(0), "{lines:#?}");
    let result = |line: &String| ["ok  ", "warning  ", "  = "].iter().any(|begin| line.starts_with(begin));
    assert!(lines.iter().all(result), "{lines:#?}");
    for said in ["ok  rustc 1.", "ok  cargo 1.", "ok  C compiler `", "ok  a static program links for "] {
        assert!(lines.iter().any(|line| line.starts_with(said)), "{said} in {lines:#?}");
    }
    assert!(lines.contains(&"ok  registry not asked (--offline)".to_owned()), "{lines:#?}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("no problems, "), "{stderr}");
}

#[test]
fn a_machine_without_programs_is_told_how_each_is_installed() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let (output, lines) = xtask(&[], |xtask| {
        xtask.env("PATH", empty.path()).env_remove("CARGO").env_remove("RUSTC").env_remove("CC");
    });
    assert_eq!(output.status.code(), Some(1), "{lines:#?}");
    let after = |said: &str| lines.iter().skip_while(move |line| !line.contains(said)).nth(1).cloned();
    for program in ["problem  rustc does not run", "problem  cargo does not run"] {
        assert!(after(program).is_some_and(|remedy| remedy.contains("https://sh.rustup.rs")), "{lines:#?}");
    }
    let by_hand = |what| Some(format!("  = install {what} with the package manager of this system"));
    assert_eq!(after("problem  there is no C compiler `cc`"), by_hand("a C compiler"), "{lines:#?}");
    assert_eq!(after("warning  there is no git"), by_hand("git"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("problem  cannot ask the registry")), "{lines:#?}");
}

#[test]
fn a_machine_with_all_that_is_needed_has_no_findings() {
    let clinic = Clinic::new();
    assert_eq!(clinic.levels(), []);
    assert_eq!(clinic.here.entries("target/gw"), [""; 0], "nothing is left behind");
}

#[test]
fn a_compiler_that_is_too_old_is_told_how_it_is_renewed() {
    let clinic = Clinic::new();
    let script = "if [ \"$1\" = -vV ]; then echo 'rustc 1.80.0'; echo 'host: x86_64-unknown-linux-gnu'; echo 'release: \
                  1.80.0'; else exec REAL \"$@\"; fi";
    clinic.program("rustc", &script.replace("REAL", &real("rustc")));
    clinic.program("rustup", "exit 1");
    let expected = "problem  rustc 1.80.0 (needs 1.95)\n  = rustup update stable && rustup default stable";
    assert_eq!(clinic.told("rustc"), [expected]);
    assert!(clinic.told("cargo")[0].starts_with("ok  cargo 1."), "{:?}", clinic.told("cargo"));
    clinic.program("rustc", "echo hello");
    let told = clinic.told("rustc");
    assert!(told[0].starts_with("problem  cannot tell which rustc this is: `hello`\n"), "{told:?}");
}

#[test]
fn a_target_is_unknown_or_not_installed() {
    let mut clinic = Clinic::new();
    clinic.program("rustup", "exit 1");
    clinic.args.target = Some("sparc64-unknown-linux-gnu".to_owned());
    let missing = "problem  the standard library for sparc64-unknown-linux-gnu (--target) is not installed\n  = rustup \
                   target add sparc64-unknown-linux-gnu";
    assert_eq!(clinic.told("target").pop().as_deref(), Some(missing));
    clinic.args.target = Some("x86_64-moon-gnu".to_owned());
    let unknown = "problem  rustc does not know the target `x86_64-moon-gnu` (--target)\n  = rustc --print target-list";
    assert_eq!(clinic.told("target").pop().as_deref(), Some(unknown));
}

/// Builds prefer it, so it has to be whole.
#[test]
fn musl_is_looked_at_when_it_is_installed() {
    let clinic = Clinic::new();
    clinic.program("apt-get", "exit 1");
    let host =
        clinic.told("target").first().and_then(|told| Some(told.split(' ').nth(3)?.to_owned())).expect("a target");
    let musl = host.replace("-gnu", "-musl");
    assert!(clinic.told("target")[1].starts_with(&format!("ok  target {musl} is not installed: ")));
    clinic.here.write("musl/libstd-0.rlib", "");
    clinic.has_musl(&clinic.here.path("musl"));
    assert_eq!(clinic.told("target")[1], format!("ok  target {musl}, for static binaries"));
    let compiler = clinic.told("cc").pop().unwrap_or_default();
    assert!(compiler.starts_with(&format!("problem  there is no C compiler `musl-gcc` for {musl}: ")), "{compiler}");
    assert!(compiler.ends_with("\n  = apt-get install musl-tools"), "{compiler}");
    let linker = clinic.told("linker").pop().unwrap_or_default();
    assert!(linker.starts_with(&format!("problem  a static program does not link for {musl}; ")), "{linker}");
}

#[test]
fn a_missing_c_compiler_is_missed_as_compiler_and_as_linker() {
    let clinic = Clinic::new();
    clinic.without("cc");
    clinic.program("apt-get", "exit 1");
    let [compiler, linker] = [clinic.told("cc"), clinic.told("linker")].map(|told| told.join("\n"));
    assert!(compiler.starts_with("problem  there is no C compiler `cc` for "), "{compiler}");
    assert!(linker.starts_with("problem  there is no linker `cc` for "), "{linker}");
    for told in [compiler, linker] {
        assert!(told.ends_with("\n  = apt-get install gcc libc6-dev"), "{told}");
    }
}

#[test]
fn a_c_compiler_without_headers_is_found_out() {
    let clinic = Clinic::new();
    let script = "case \"$*\" in *probe.c*) echo 'probe.c:1:10: fatal error: stdlib.h: No such file or directory' >&2; exit 1;; \
                  esac; exec REAL \"$@\"";
    clinic.program("cc", &script.replace("REAL", &real("cc")));
    let told = clinic.told("cc").join("\n");
    assert!(told.starts_with("problem  the C compiler `cc` cannot compile two lines for "), "{told}");
    assert!(told.contains("it says:\n    probe.c:1:10: fatal error: stdlib.h"), "{told}");
}

#[test]
fn a_missing_libc_archive_is_found_out_by_linking() {
    let clinic = Clinic::new();
    clinic.program("dnf", "exit 1");
    let script =
        "case \"$*\" in *-static*) echo '/usr/bin/ld: cannot find -lc: No such file or directory' >&2; exit 1;; esac";
    clinic.program("cc", &format!("{script}; exec {} \"$@\"", real("cc")));
    assert!(clinic.told("cc")[0].starts_with("ok  "), "{:?}", clinic.told("cc"));
    let told = clinic.told("linker").join("\n");
    assert!(told.starts_with("problem  a static program does not link for "), "{told}");
    assert!(told.contains("cannot find -lc") && told.ends_with("\n  = dnf install glibc-static"), "{told}");
}

#[test]
fn a_linker_that_links_dynamically_all_the_same_is_found_out() {
    let clinic = Clinic::new();
    let script = "for arg do shift; [ \"$arg\" = -static-pie ] || set -- \"$@\" \"$arg\"; done; exec REAL \"$@\"";
    clinic.program("cc", &script.replace("REAL", &real("cc")));
    let told = clinic.told("linker").join("\n");
    assert!(told.contains(" is not static, although that was asked for\n"), "{told}");
}

#[test]
fn a_missing_git_is_no_reason_not_to_build() {
    let clinic = Clinic::new();
    clinic.without("git");
    clinic.program("apk", "exit 1");
    assert_eq!(clinic.levels(), [("git", Level::Warning)]);
    assert!(clinic.told("git")[0].ends_with("\n  = apk add git"), "{:?}", clinic.told("git"));
}

#[test]
fn little_space_is_warned_about_with_what_is_needed() {
    let mut clinic = Clinic::without_rust();
    clinic.machine.free = |_| Ok(3 << 30);
    assert_eq!(clinic.told("disk"), ["ok  3.0 GiB free for /target"]);
    clinic.machine.free = |_| Ok((3 << 30) - 1);
    let told = clinic.told("disk").join("\n");
    assert!(told.starts_with("warning  only 2.9 GiB free for /target: a gateway takes about 0.5 GiB"), "{told}");
    assert!(told.contains("\n  = cargo clean"), "{told}");
    clinic.machine.free = |_| Err(io::ErrorKind::Unsupported.into());
    assert!(clinic.told("disk")[0].starts_with("warning  cannot ask how much space is free"));
    clinic.machine.free = Machine::this().free;
    assert!(clinic.told("disk")[0].contains(" GiB free for /target"), "{:?}", clinic.told("disk"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_problem() {
    let clinic = Clinic::new();
    clinic.here.write("dist", "a file");
    // Nobody can make files there, not even root.
    symlink("/proc/self", clinic.here.path("target")).expect("linked");
    let told = clinic.told("folder");
    assert!(told[0].starts_with("problem  cannot write to /target: "), "{told:?}");
    assert!(told[1].starts_with("problem  cannot write to /dist: not a directory"), "{told:?}");
    assert!(told[1].ends_with("\n  = name another place: cargo xtask build --output FILE"), "{told:?}");
    // Programs are tried elsewhere then.
    assert!(clinic.told("linker")[0].starts_with("ok  "), "{:?}", clinic.told("linker"));
}

#[test]
fn a_registry_that_fails_or_keeps_silent_is_a_problem_unless_it_is_not_asked() {
    let mut clinic = Clinic::without_rust();
    let script = "if [ \"$1\" = generate-lockfile ]; then THEN; fi; exec REAL \"$@\"".replace("REAL", &real("cargo"));
    let asked = clinic.here.path("asked");
    let fails = format!("echo yes > {}; echo 'error: no route to host' >&2; exit 101", asked.display());
    clinic.program("cargo", &script.replace("THEN", &fails));
    assert_eq!(clinic.told("registry"), ["ok  registry not asked (--offline)"]);
    assert!(!asked.exists());
    clinic.args.offline = false;
    let told = clinic.told("registry").join("\n");
    let words = "problem  the registry cannot be asked; cargo says:\n    error: no route to host\n  = behind a proxy: ";
    assert!(told.starts_with(words) && asked.exists(), "{told}");

    clinic.program("cargo", &script.replace("THEN", "PATH=/usr/bin:/bin exec sleep 600"));
    clinic.machine.patience = Duration::from_millis(300);
    let told = clinic.told("registry").join("\n");
    assert!(told.starts_with("problem  the registry did not answer within 0.3 s\n"), "{told}");

    clinic.program("cargo", &script.replace("THEN", "exit 0"));
    assert!(clinic.told("registry")[0].starts_with("ok  the registry answers ("));
}

#[test]
fn small_limits_are_warned_about_with_the_command_that_raises_them() {
    let mut clinic = Clinic::without_rust();
    clinic.machine.proc = clinic.here.path("proc");
    clinic.here.write("proc/sys/fs/inotify/max_user_instances", "128\n");
    clinic.here.write("proc/sys/fs/inotify/max_user_watches", "8191\n");
    let few = "warning  `cargo xtask dev` may miss changes: fs.inotify.max_user_watches is 8191\n  = sudo sysctl \
               fs.inotify.max_user_watches=65536";
    assert_eq!(clinic.told("watches"), [few]);
    clinic.here.write("proc/sys/fs/inotify/max_user_watches", "8192\n");
    assert!(clinic.told("watches")[0].starts_with("ok  "), "{:?}", clinic.told("watches"));
    clinic.machine.open_files = Some(1023);
    let few = "warning  only 1023 files may be open: a linker or a busy gateway needs more\n  = ulimit -n 4096";
    assert_eq!(clinic.told("files"), [few]);
    clinic.machine.open_files = Some(1024);
    assert_eq!(clinic.told("files"), ["ok  1024 open files"]);
}

#[test]
fn tools_that_are_nice_to_have_are_no_warning() {
    let clinic = Clinic::without_rust();
    clinic.program("umoci", "exit 1");
    clinic.here.write("bin/skopeo", "a file that is no program");
    clinic.program("apt-get", "exit 1");
    let told = clinic.told("tools");
    assert!(told[0].starts_with("ok  skopeo is not installed, and not needed"), "{told:?}");
    assert!(told[0].ends_with("\n  = apt-get install skopeo"), "{told:?}");
    assert!(told[1].starts_with("ok  umoci unpacks images"), "{told:?}");
}
