//! Files of each kind that is refused, made by the C compiler and by hand.

use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A file that is right, but for the entry's code.
const RIGHT: &str = r#"
    __attribute__((used, section(".gw_plugin"))) static const char file[] = "{\"abi\":\"1.0\",\"language\":\"c\"}\n";
    __attribute__((used, section(".gw_plugins"))) static const char plugin[] =
        "{\"crate\":\"p\",\"version\":\"1\",\"name\":\"P\",\"hooks\":[\"pre\"]}\n";
    void *gw_plugin_entry_v1(void) { return 0; }
"#;

struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn compile(&self, code: &str, more: &[&str]) -> PathBuf {
        let (source, output) = (self.path("p.c"), self.path("p.so"));
        std::fs::write(&source, code).expect("a file in a folder of ours");
        let done = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&output).arg(&source).args(more).output();
        let done = done.expect("there is a C compiler");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        output
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path("written.so");
        std::fs::write(&path, bytes).expect("a file in a folder of ours");
        path
    }
}

fn refused(path: &Path) -> String {
    let refusal = examine(path, &Rules::default()).expect_err("it is refused");
    let text = refusal.to_string();
    assert!(text.starts_with(&format!("`{}` ", path.display())) && !text.contains('\n'), "{text}");
    text
}

#[test]
fn a_file_that_is_right_is_read_whole_and_sealed() {
    let scene = Scene::new();
    let path = scene.compile(RIGHT, &[]);
    let examined = examine(&path, &Rules::default()).expect("it is right");
    let bytes = std::fs::read(&path).expect("it is there");
    assert_eq!(examined.bytes, bytes.len() as u64);
    assert_eq!(examined.sha256, ring::digest::digest(&SHA256, &bytes).as_ref());
    let line = &examined.descriptor.plugins[0];
    assert_eq!((&*line.name, &*line.hooks), ("P", &["pre".to_owned()][..]));
    assert!(rustix::io::write(&examined.content, b"x").is_err(), "nobody writes to it");
    let link = scene.path("link.so");
    symlink(&path, &link).expect("a link in a folder of ours");
    assert!(examine(&link, &Rules::default()).is_ok(), "a link is what it leads to");
}

#[test]
fn what_is_no_file_is_refused_without_being_opened() {
    let scene = Scene::new();
    assert!(refused(scene.0.path()).contains("is a directory"));
    let fifo = scene.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("there is mkfifo").success());
    assert!(refused(&fifo).contains("is a FIFO"));
    assert!(refused(Path::new("/dev/null")).contains("is a device"));
    assert!(refused(&scene.path("none.so")).contains("cannot be read: No such file"));
}

#[test]
fn a_file_of_two_gigabytes_is_refused_without_being_read() {
    let scene = Scene::new();
    let path = scene.path("large.so");
    File::create(&path).and_then(|file| file.set_len(2 << 30)).expect("a sparse file");
    let text = refused(&path);
    assert!(text.contains("has 2147483648 bytes") && text.contains("`plugins.max_file_bytes`"), "{text}");
}

#[test]
fn what_is_not_elf_or_for_another_machine_is_refused() {
    let scene = Scene::new();
    assert!(refused(&scene.write(b"")).contains("is not an ELF file"));
    assert!(refused(&scene.write(b"#!/bin/sh\n")).contains("is not an ELF file"));
    let right = std::fs::read(scene.compile(RIGHT, &[])).expect("it is there");
    let changed = |at: usize, to: u8| {
        let mut bytes = right.clone();
        bytes[at] = to;
        refused(&scene.write(&bytes))
    };
    assert!(changed(18, 0xb7).contains("is made for aarch64, and this gateway runs on x86_64"));
    assert!(changed(4, 1).contains("32 bits") && changed(5, 2).contains("order of bytes"));
    assert!(changed(7, 9).contains("another system") && changed(16, 1).contains("not linked"));
    assert!(refused(Path::new("/proc/self/exe")).contains("is a program"));
    for length in [4, 20, 63, 64, 200, right.len() / 2, right.len() - 1] {
        let text = refused(&scene.write(&right[..length]));
        assert!(text.contains("is cut off or damaged"), "{length}: {text}");
    }
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_refused() {
    let scene = Scene::new();
    let plain = "void *gw_plugin_entry_v1(void) { return 0; }";
    assert!(refused(&scene.compile(plain, &[])).contains("it has no section `.gw_plugin`"));
    let with = |from: &str, to: &str| refused(&scene.compile(&RIGHT.replace(from, to), &[]));
    assert!(with("1.0", "one").contains("`one` is no version"));
    assert!(with("1.0", "0.9").contains("has version 0.9 of the plugin interface, and this gateway has 1.0; the file"));
    assert!(
        with("1.0", "1.1").contains("has version 1.1") && with("1.0", "2.0").contains("; the gateway is the older")
    );
    assert!(with(r#"\"language\":\"c\""#, r#"\"panic\":\"abort\""#).contains("panic = \"abort\""));
    assert!(with(r#"\"name\""#, r#"\"nmae\""#).contains("missing field `name`"));
    assert!(with("gw_plugin_entry_v1", "another").contains("does not export `gw_plugin_entry_v1`"));
}

#[test]
fn what_this_system_does_not_have_is_named() {
    let scene = Scene::new();
    let library = scene.path("libnowhere.so");
    let source = scene.path("n.c");
    std::fs::write(&source, "int nowhere(void) { return 0; }").expect("a file in a folder of ours");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wl,-soname,libnowhere.so.7", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().expect("there is a C compiler").success());
    let code = format!("int nowhere(void); int use(void) {{ return nowhere(); }}{RIGHT}");
    let path = scene.compile(&code, &[&library.display().to_string()]);
    assert!(refused(&path).contains("needs the library `libnowhere.so.7`, which is not found here"));

    // Of the version that a symbol of glibc has, the last digits are made larger.
    let code = format!("#include <stdio.h>\nint use(void) {{ return puts(\"x\"); }}{RIGHT}");
    let mut bytes = std::fs::read(scene.compile(&code, &[])).expect("it is there");
    let at = bytes.windows(11).position(|window| window == b"GLIBC_2.2.5").expect("it needs glibc");
    bytes[at..at + 11].copy_from_slice(b"GLIBC_2.995");
    let text = refused(&scene.write(&bytes));
    assert!(text.contains("needs glibc 2.995, and this system has 2."), "{text}");
}

#[test]
fn a_pinned_file_is_the_one_that_is_pinned() {
    let scene = Scene::new();
    let path = scene.compile(RIGHT, &[]);
    let sha256 = examine(&path, &Rules::default()).expect("it is right").sha256;
    let pinned = |hash| examine(&path, &Rules { pinned: Some(hash), ..Rules::default() });
    assert!(pinned(sha256).is_ok());
    let text = pinned([7; 32]).expect_err("it is another").to_string();
    assert!(text.contains(&format!("{} is pinned", "07".repeat(32))), "{text}");
}

/// Source: plugin-system.md §6.1.
#[test]
fn a_path_stands_for_the_file_of_this_version_first() {
    let of = |path: &str, version: &str| -> Vec<String> {
        let candidates = candidates(Path::new(path), version, "linux", "amd64");
        candidates.iter().map(|path| path.display().to_string()).collect()
    };
    let expected = ["/opt/x/p_v5.5.0_linux_amd64.so", "/opt/x/p_5.5.0_linux_amd64.so", "/opt/x/p.so"];
    assert_eq!(of("/opt/x/p.so", "v5.5.0-dev"), expected);
    assert_eq!(of("p", "5.3.0-rc2"), ["p_v5.3.0_linux_amd64.so", "p_5.3.0_linux_amd64.so", "p"]);
    assert_eq!(of("p.so.so", "1.0.0")[0], "p.so_v1.0.0_linux_amd64.so");
}

/// Whatever stands in a file, it is refused or described, and nothing else happens.
#[test]
fn no_bytes_panic() {
    let scene = Scene::new();
    let right = std::fs::read(scene.compile(RIGHT, &[])).expect("it is there");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 1).unwrap_or(0)
    };
    for _ in 0..20_000 {
        let mut bytes = right.clone();
        for _ in 0..=random() % 8 {
            // Most of what is read stands at the two ends.
            let at = match random() % 3 {
                0 => random() % 1024.min(bytes.len()),
                1 => bytes.len() - 1 - random() % 2560.min(bytes.len()),
                _ => random() % bytes.len(),
            };
            bytes[at] = u8::try_from(random() % 256).unwrap_or(0);
        }
        let _ = look(&bytes);
    }
}
