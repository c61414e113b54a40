//! A thread for each core.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, oneshot, watch};

use super::{StartError, runtime};
use crate::clock::Beat;
use crate::gateway::Gateway;
use crate::listener::{self, Share};

/// Starts a thread for each core, and waits until all of them serve.
pub(super) async fn start(
    gateway: &Arc<Gateway>,
    shares: Vec<Vec<std::net::TcpListener>>,
    inherited: bool,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let beat = Beat::start(shares.len())?;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for (core, listeners) in shares.into_iter().enumerate() {
        let (gateway, stop, begun) = (Arc::clone(gateway), stop.clone(), begun.clone());
        let beat = Arc::clone(&beat);
        workers.push(std::thread::spawn(move || {
            let (runtime, listeners) = match begin(listeners) {
                Ok(ready) => ready,
                Err(error) => {
                    let _ = begun.send(Err(error));
                    return;
                }
            };
            // The start is not waiting any more if it has failed on another core.
            let _ = begun.send(Ok(()));
            drop(begun);
            let share = Share { core, beat, listeners, inherited, stop };
            if let Err(error) = runtime.block_on(listener::serve(gateway, share)) {
                tracing::error!(%error, "a listener failed");
            }
        }));
    }
    drop(begun);
    for _ in &workers {
        begins.recv().await.ok_or(StartError::Worker)??;
    }
    Ok(workers)
}

/// One core's runtime, with its listeners.
fn begin(listeners: Vec<std::net::TcpListener>) -> std::io::Result<(LocalRuntime, Vec<TcpListener>)> {
    let runtime = runtime()?;
    let here = |listeners: Vec<_>| listeners.into_iter().map(TcpListener::from_std).collect();
    let listeners: std::io::Result<_> = runtime.block_on(async { here(listeners) });
    Ok((runtime, listeners?))
}

pub(super) async fn join(workers: Vec<JoinHandle<()>>) {
    let (done, over) = oneshot::channel();
    std::thread::spawn(move || {
        for worker in workers {
            // A worker reports its own failure.
            let _ = worker.join();
        }
        let _ = done.send(());
    });
    let _ = over.await;
}
