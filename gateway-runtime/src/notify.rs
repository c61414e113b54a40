//! Tells who started the process what it is doing, by systemd's protocol (`NOTIFY_SOCKET`). It is a courtesy: nothing
//! fails, or waits for long, because nobody listens.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::oneshot;

/// A socket whose reader is asleep may be full.
const PATIENCE: Duration = Duration::from_millis(500);

/// All listeners are served.
pub(crate) async fn ready() {
    tell(|| sd_notify::notify(&[NotifyState::Ready])).await;
}

/// Another process serves from here on: what it tells counts.
pub(crate) async fn succeeded_by(process: u32) {
    tell(move || sd_notify::notify(&[NotifyState::MainPid(process)])).await;
}

/// A reload begins; [`ready`] tells its end.
pub(crate) async fn reloading() {
    tell(|| sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])).await;
}

/// The drain begins.
pub(crate) async fn stopping() {
    tell(|| sd_notify::notify(&[NotifyState::Stopping])).await;
}

async fn tell(notify: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (done, told) = oneshot::channel();
    // It may block, and a runtime would wait for it at its end: this thread nobody waits for.
    std::thread::spawn(move || done.send(notify()));
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::debug!(%error, "`NOTIFY_SOCKET` cannot be told"),
        Ok(Err(_)) | Err(_) => tracing::debug!("`NOTIFY_SOCKET` is not read"),
    }
}
