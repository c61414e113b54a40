//! How a bundle comes here: by HTTP, or from a file, in several attempts. Source: plugin-system.md §7.4.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use gateway_sdk::http::Request as Head;
use gateway_sdk::http::header::LOCATION;
use gateway_sdk::{Body, HeaderMap, HeaderValue, Request, StatusCode, Uri};
use ring::rand::{SecureRandom, SystemRandom};

use super::Settings;
use super::place::make;
use super::url::{self, Source, UrlError};
use crate::host::Outgoing;
use crate::telemetry::in_full;

/// How often it is tried.
const ATTEMPTS: u32 = 5;
/// The longest pause between two attempts, before it is varied.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a server may say that the bundle is elsewhere.
const REDIRECTS: usize = 10;

/// A bundle does not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(
        "Bundle downloader is disabled; set `enable_bundle_downloader` to true, or unpack the bundle to {}",
        folder.display()
    )]
    Disabled { folder: PathBuf },
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("HTTP Error, got status code {}; it is from {url}", status.as_u16())]
    Status { url: String, status: StatusCode },
    #[error("{url}: {reason}")]
    Failed { url: String, reason: String },
    #[error("{url}: it takes longer than {} ms; raise `bundle_timeout_ms` if the way to it is slow", timeout.as_millis())]
    Slow { url: String, timeout: Duration },
    #[error("{url}: more than {limit} bytes; raise `bundle_max_bytes` if that is right")]
    TooLarge { url: String, limit: u64 },
    #[error("{url}: it is elsewhere more than {REDIRECTS} times; let `bundle_base_url` name the place itself")]
    Redirects { url: String },
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("a file for it cannot be made in {}: {error}; let the gateway write there", folder.display())]
    Room { folder: PathBuf, error: io::Error },
    #[error(
        "{last}; it was tried {ATTEMPTS} times; mend what is there, or correct `bundle_base_url` or the name of the bundle, \
         and reload"
    )]
    Attempts { last: Box<FetchError> },
}

impl FetchError {
    /// Whether another attempt could end in another way.
    fn may_heal(&self) -> bool {
        !matches!(self, Self::Disabled { .. } | Self::Url(_) | Self::TooLarge { .. } | Self::Room { .. })
    }
}

/// Fetches a bundle, in several attempts with pauses between them, each twice as long as the last, more or less.
///
/// # Errors
/// When the last attempt has failed, or one in a way that does not heal.
pub(super) async fn fetch(
    name: &str,
    folder: &Path,
    settings: &Settings,
    outgoing: &Outgoing,
) -> Result<File, FetchError> {
    if !settings.downloads {
        return Err(FetchError::Disabled { folder: folder.to_owned() });
    }
    let source = url::source(&settings.base_url, name)?;
    let mut pause = settings.pause;
    let mut attempt = 1;
    loop {
        tracing::info!(url = %source, attempt, "Attempting to download plugin bundle");
        let error = match once(&source, settings, outgoing).await {
            Ok(file) => return Ok(file),
            Err(error) if !error.may_heal() => return Err(error),
            Err(error) if attempt == ATTEMPTS => return Err(FetchError::Attempts { last: Box::new(error) }),
            Err(error) => error,
        };
        let varied = varied(pause, random());
        tracing::warn!(name, attempt, pause_ms = varied.as_millis(), %error, "a bundle does not come: it is tried again");
        tokio::time::sleep(varied).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        attempt += 1;
    }
}

/// From half of a pause to one and a half.
fn varied(pause: Duration, random: u16) -> Duration {
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u16::MAX))
}

/// The pause is not varied where there is no randomness.
fn random() -> u16 {
    let mut bytes = [0; 2];
    SystemRandom::new().fill(&mut bytes).map_or(u16::MAX / 2, |()| u16::from_ne_bytes(bytes))
}

/// One attempt, with all that belongs to it.
async fn once(source: &Source, settings: &Settings, outgoing: &Outgoing) -> Result<File, FetchError> {
    match source {
        Source::File(file) => open(file, settings.limits.bytes),
        Source::Http(url) => {
            let slow = |_| FetchError::Slow { url: source.to_string(), timeout: settings.timeout };
            tokio::time::timeout(settings.timeout, download(url, settings, outgoing)).await.map_err(slow)?
        }
    }
}

/// A pipe would be read for ever.
fn open(file: &Path, limit: u64) -> Result<File, FetchError> {
    let failed = |error| FetchError::File { file: file.to_owned(), error };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    if metadata.len() > limit {
        return Err(FetchError::TooLarge { url: file.display().to_string(), limit });
    }
    File::open(file).map_err(failed)
}

/// `GET`, wherever the server says that it is.
async fn download(url: &Uri, settings: &Settings, outgoing: &Outgoing) -> Result<File, FetchError> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let shown = url::shown(&url);
        let failed = |reason: String| FetchError::Failed { url: shown.clone(), reason };
        let (mut head, ()) = Head::new(()).into_parts();
        head.uri = url.clone();
        let request = Request::from_parts(head, Body::empty());
        let answer = outgoing.fetch(request, settings.timeout).await.map_err(|error| failed(in_full(&error)))?;
        let status = answer.status();
        let moved = elsewhere(status, answer.headers());
        if let Some(to) = moved {
            url = url::follow(&url, to).map_err(|error| failed(error.to_string()))?;
            continue;
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status { url: shown, status });
        }
        let (_, body) = answer.into_parts();
        return keep(body, &shown, settings).await;
    }
    Err(FetchError::Redirects { url: url::shown(&url) })
}

/// Where a server sends whoever asks.
fn elsewhere(status: StatusCode, headers: &HeaderMap) -> Option<&[u8]> {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308).then(|| headers.get(LOCATION))?.map(HeaderValue::as_bytes)
}

/// Writes a body to a file that has no name, and is gone when it is closed.
async fn keep(body: Body, url: &str, settings: &Settings) -> Result<File, FetchError> {
    let limit = settings.limits.bytes;
    let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
    if body.len().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let room = |error| FetchError::Room { folder: settings.store.clone(), error };
    let mut file = make(&settings.store).and_then(|()| tempfile::tempfile_in(&settings.store)).map_err(room)?;
    let (mut body, mut left) = (body, limit);
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
        let frame = frame.map_err(|error| FetchError::Failed { url: url.to_owned(), reason: in_full(&error) })?;
        if let Ok(data) = frame.into_data() {
            left = left.checked_sub(data.len() as u64).ok_or_else(too_large)?;
            file.write_all(&data).map_err(room)?;
        }
    }
    file.rewind().map_err(room)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: plugin-system.md §7.4 (±50 % of jitter).
    #[test]
    fn a_pause_is_varied_by_half() {
        let pause = Duration::from_millis(500);
        assert_eq!(varied(pause, 0), Duration::from_millis(250));
        assert_eq!(varied(pause, u16::MAX), Duration::from_millis(750));
    }

    #[test]
    fn only_what_a_server_does_may_heal() {
        let url = String::new;
        assert!(FetchError::Status { url: url(), status: StatusCode::NOT_FOUND }.may_heal());
        assert!(FetchError::Slow { url: url(), timeout: Duration::ZERO }.may_heal());
        assert!(!FetchError::TooLarge { url: url(), limit: 1 }.may_heal());
        assert!(!FetchError::Disabled { folder: PathBuf::new() }.may_heal());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("b.zip");
        assert!(matches!(open(&file, 10), Err(FetchError::File { .. })));
        std::fs::write(&file, [0; 11]).expect("written");
        assert!(matches!(open(&file, 10), Err(FetchError::TooLarge { limit: 10, .. })));
        assert!(open(&file, 11).is_ok());
        let told = open(folder.path(), 10).expect_err("a folder").to_string();
        assert!(told.ends_with(": not a regular file"), "{told}");
    }
}
