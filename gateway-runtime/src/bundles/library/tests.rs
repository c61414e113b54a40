//! Who fetches, who waits, and who is told. The servers are those of the system: sockets and threads.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc as channel;
use std::time::Duration;

use super::*;
use crate::bundles::testing::{bundle, manifest, section, settings};
use crate::config::Outbound;
use crate::upstream::Rules;
use crate::upstream::transport::Transport;

/// A server that answers the n-th request by a function of n; a `None` is answered when the gate opens.
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
    gate: channel::Sender<()>,
}

impl Server {
    fn start(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + 'static, then: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(AtomicUsize::new(0));
        let (gate, opened) = channel::channel();
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.push(byte[0]);
                }
                let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
                let bytes = answer(n).unwrap_or_else(|| {
                    let _ = opened.recv();
                    then.clone()
                });
                let _ = stream.write_all(&bytes);
            }
        });
        Self { address, asked, gate }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

fn good() -> Vec<u8> {
    ok(&bundle(&manifest(section("post", "A"))))
}

type Reloads = mpsc::UnboundedReceiver<oneshot::Sender<()>>;

fn library(settings: Settings) -> (Arc<Library>, Reloads) {
    let transport = Transport::plain(&Outbound::default()).expect("a transport");
    let (reload, reloads) = mpsc::unbounded_channel();
    (
        Arc::new(Library::new(
            Arc::new(settings),
            Outgoing::new(Rules::once(Duration::from_secs(5)), transport),
            reload,
        )),
        reloads,
    )
}

fn one(name: &str) -> Bundles {
    Bundles::One(name.to_owned())
}

async fn taken(library: &Arc<Library>, wanted: &Bundles) -> Result<Arc<Bundle>, String> {
    match library.take(Some(wanted)).await {
        Looked::Found(bundle) => Ok(bundle),
        Looked::Failed(error) => Err(error.to_string()),
        other => Err(format!("{other:?}")),
    }
}

fn on_runtime(test: impl Future<Output = ()>) {
    crate::server::runtime().expect("a runtime").block_on(test);
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:443 (fails twice: 3 attempts; always: 5, then an error), :75.
#[test]
fn a_server_that_fails_is_asked_up_to_five_times() {
    on_runtime(async {
        for (failures, asked) in [(0, 1), (2, 3), (4, 5), (99, 5)] {
            let folder = tempfile::tempdir().expect("a folder");
            let fails = move |n| Some(if n <= failures { status("500 Internal Server Error") } else { good() });
            let server = Server::start(fails, Vec::new());
            let (library, _reloads) = library(Settings { base_url: server.address.clone(), ..settings(folder.path()) });
            let outcome = taken(&library, &one("b.zip")).await;
            assert_eq!(server.asked(), asked);
            match outcome {
                Ok(bundle) => assert_eq!(bundle.section.post[0].name, "A"),
                Err(told) => {
                    assert_eq!(failures, 99, "{told}");
                    assert!(
                        told.starts_with("Couldn't fetch bundle: HTTP Error, got status code 500; it is from "),
                        "{told}"
                    );
                    let remedy =
                        "mend what is there, or correct `bundle_base_url` or the name of the bundle, and reload";
                    assert!(told.ends_with(&format!("/b.zip; it was tried 5 times; {remedy}")), "{told}");
                }
            }
        }
    });
}

#[test]
fn a_bundle_that_many_ask_for_is_fetched_once() {
    on_runtime(async {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(|_| None, good());
        let (library, _reloads) = library(Settings { base_url: server.address.clone(), ..settings(folder.path()) });
        let wanted = one("b.zip");
        let (first, second, ()) = tokio::join!(taken(&library, &wanted), taken(&library, &wanted), async {
            while server.asked() == 0 {
                tokio::task::yield_now().await;
            }
            server.gate.send(()).expect("it waits");
        });
        assert_eq!(first.expect("taken").mark, second.expect("taken").mark);
        assert_eq!(server.asked(), 1);
        assert!(taken(&library, &wanted).await.is_ok());
        assert_eq!(server.asked(), 1, "it is on disk");
    });
}

#[test]
fn who_does_not_wait_is_told_by_a_reload() {
    on_runtime(async {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(|n| (n == 1).then(|| status("503 Service Unavailable")), good());
        let timeout = Duration::from_millis(300);
        let (library, mut reloads) =
            library(Settings { base_url: server.address.clone(), timeout, ..settings(folder.path()) });
        let told = taken(&library, &one("b.zip")).await.expect_err("it stalls");
        assert!(told.starts_with("bundle `b.zip` is on its way"), "{told}");
        server.gate.send(()).expect("it waits");
        let asked = tokio::time::timeout(Duration::from_secs(30), reloads.recv()).await;
        assert!(asked.is_ok_and(|asked| asked.is_some()), "it has come");
        assert!(taken(&library, &one("b.zip")).await.is_ok());
    });
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:111, :123, :135; bundle_loading_test.go:16 (an empty base).
#[test]
fn what_is_not_asked_for_is_not_fetched() {
    on_runtime(async {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(|_| Some(good()), Vec::new());
        let set = Settings { base_url: server.address.clone(), ..settings(folder.path()) };
        let wanted = one("b.zip");
        let (on_no_node, _reloads) = library(Settings { is_off: true, ..set.clone() });
        assert!(matches!(on_no_node.take(Some(&wanted)).await, Looked::Off));
        assert!(matches!(library(set.clone()).0.take(None).await, Looked::Nothing));
        let told =
            taken(&library(Settings { base_url: String::new(), ..set.clone() }).0, &wanted).await.expect_err("no base");
        assert!(told.starts_with("No bundle base URL set, skipping bundle"), "{told}");
        let told = taken(&library(Settings { downloads: false, ..set.clone() }).0, &wanted).await.expect_err("off");
        assert!(told.starts_with("Couldn't fetch bundle: Bundle downloader is disabled"), "{told}");
        assert_eq!(server.asked(), 0);
        assert!(matches!(on_disk(Some(&wanted), &set), Looked::Unknown(_)));
        assert!(taken(&library(set.clone()).0, &wanted).await.is_ok());
        assert!(
            matches!(on_disk(Some(&wanted), &Settings { downloads: false, ..set }), Looked::Found(_)),
            "it is there now"
        );
    });
}

/// Source: plugin-system.md §7.4 (`file://`), §7.6.
#[test]
fn bundles_come_from_files_too_and_several_at_once() {
    on_runtime(async {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["A", "B"] {
            std::fs::write(folder.path().join(format!("{name}.zip")), bundle(&manifest(section("pre", name))))
                .expect("written");
        }
        let set = Settings { base_url: format!("file://{}", folder.path().display()), ..settings(folder.path()) };
        let (library, _reloads) = library(set);
        let several =
            |names: [&str; 2]| Bundles::Several { text: names.join(","), names: names.map(str::to_owned).into() };
        let found = taken(&library, &several(["A.zip", "B.zip"])).await.expect("both");
        assert_eq!(found.section.pre.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        let told = taken(&library, &several(["A.zip", "C.zip"])).await.expect_err("one is missing");
        assert!(told.starts_with("Couldn't fetch bundle \"C.zip\": ") && told.contains("No such file"), "{told}");
        let told = taken(&library, &several(["A.zip", "A.tar"])).await.expect_err("one folder for two");
        assert!(told.contains("`A.zip` and `A.tar` would have the same folder"), "{told}");
    });
}
