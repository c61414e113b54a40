//! Which bundles are here, which are on their way, and who waits for them.
//!
//! Loading waits for a bundle as long as one attempt may take, and no longer: other APIs are not to wait for a server
//! that stalls. The attempts go on; when the bundle has come after all, the gateway reloads by itself.
//!
//! # Invariants
//! - One bundle is fetched once, however many APIs name it.
//! - Nothing here runs on a core that serves: files are read and written on threads of their own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_model::bundle::Bundles;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::fetch::{FetchError, fetch};
use super::place::{Place, places};
use super::reason::{Act, Reason};
use super::{Bundle, BundleError, Looked, Settings, shelf};
use crate::host::Outgoing;

/// The bundles of a gateway.
pub(crate) struct Library {
    settings: Arc<Settings>,
    outgoing: Outgoing,
    /// Asks for a reload.
    reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    coming: Mutex<HashMap<PathBuf, Coming>>,
}

/// A bundle on its way.
#[derive(Clone)]
struct Coming {
    outcome: watch::Receiver<Option<Result<(), BundleError>>>,
    /// Somebody has given up waiting.
    is_missed: Arc<AtomicBool>,
}

impl Library {
    pub(crate) fn new(
        settings: Arc<Settings>,
        outgoing: Outgoing,
        reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    ) -> Self {
        Self { settings, outgoing, reload, coming: Mutex::default() }
    }

    /// What a definition names: what is not on disk is fetched.
    pub(crate) async fn take(self: &Arc<Self>, wanted: Option<&Bundles>) -> Looked {
        match sorted_out(wanted, &self.settings) {
            Ok((wanted, places)) => match self.find(wanted.clone(), places).await {
                Ok(bundle) => Looked::Found(Arc::new(bundle)),
                Err(error) => Looked::Failed(error),
            },
            Err(looked) => looked,
        }
    }

    async fn find(self: &Arc<Self>, wanted: Bundles, places: Vec<Place>) -> Result<Bundle, BundleError> {
        let until = Instant::now() + self.settings.timeout;
        // All of them are asked for before the first is waited for.
        let coming: Vec<_> = places.iter().map(|place| (!place.folder.exists()).then(|| self.fetch(place))).collect();
        let mut has_come = Vec::new();
        for (place, coming) in places.iter().zip(coming) {
            has_come.push(coming.is_some());
            if let Some(coming) = coming {
                coming.wait(&place.name, until).await?;
            }
        }
        let (settings, name) = (Arc::clone(&self.settings), wanted.text().to_owned());
        let taken = tokio::task::spawn_blocking(move || shelf::take(&wanted, &places, &has_come, &settings)).await;
        taken.unwrap_or(Err(BundleError::Ended { name }))
    }

    /// Begins to fetch a bundle, unless somebody has.
    fn fetch(self: &Arc<Self>, place: &Place) -> Coming {
        let mut all = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(coming) = all.get(&place.folder).filter(|coming| coming.outcome.has_changed().is_ok()) {
            return coming.clone();
        }
        let (tell, outcome) = watch::channel(None);
        let coming = Coming { outcome, is_missed: Arc::default() };
        all.insert(place.folder.clone(), coming.clone());
        let (library, place, is_missed) = (Arc::clone(self), place.clone(), Arc::clone(&coming.is_missed));
        tokio::spawn(async move {
            let outcome = library.have(&place).await;
            library.coming.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.folder);
            tell.send_replace(Some(outcome.clone()));
            // Whoever gave up before that has said so, and whoever did not sees the outcome.
            if is_missed.load(Ordering::SeqCst) {
                library.after_all(&place, outcome);
            }
        });
        coming
    }

    /// Fetches a bundle, and gives it its place.
    async fn have(&self, place: &Place) -> Result<(), BundleError> {
        let failed = |error: FetchError| BundleError::failed(Act::Fetch, place, error.into());
        let zip = fetch(&place.name, &place.folder, &self.settings, &self.outgoing).await.map_err(failed)?;
        let (settings, place) = (Arc::clone(&self.settings), place.clone());
        let name = place.name.clone();
        let put = tokio::task::spawn_blocking(move || shelf::put(zip, &place, &settings)).await;
        put.unwrap_or(Err(BundleError::Ended { name }))
    }

    /// What has become of a bundle that an API did not wait for.
    fn after_all(&self, place: &Place, outcome: Result<(), BundleError>) {
        let bundle = &place.name;
        match outcome {
            Ok(()) => {
                tracing::info!(bundle, "a bundle has come after all: APIs are loaded again");
                // A gateway that ends has nobody who reloads.
                let _ = self.reload.send(oneshot::channel().0);
            }
            Err(error) => {
                tracing::error!(bundle, %error, "a bundle does not come: APIs that need it are not served; reload to try again");
            }
        }
    }
}

impl Coming {
    /// # Errors
    /// Why it does not come; or that it has not come yet.
    async fn wait(mut self, name: &str, until: Instant) -> Result<(), BundleError> {
        let ended = || BundleError::Ended { name: name.to_owned() };
        if let Ok(outcome) = tokio::time::timeout_at(until, self.outcome.wait_for(Option::is_some)).await {
            return outcome.ok().and_then(|outcome| outcome.clone()).unwrap_or(Err(ended()));
        }
        self.is_missed.store(true, Ordering::SeqCst);
        let outcome = self.outcome.borrow().clone();
        outcome.unwrap_or(Err(BundleError::Coming { name: name.to_owned() }))
    }
}

/// What of the bundles that a definition names is on disk. Nothing is fetched.
pub(crate) fn on_disk(wanted: Option<&Bundles>, settings: &Settings) -> Looked {
    let (wanted, places) = match sorted_out(wanted, settings) {
        Ok(found) => found,
        Err(looked) => return looked,
    };
    if let Some(place) = places.iter().find(|place| !place.folder.exists()) {
        if settings.downloads {
            return Looked::Unknown(format!(
                "bundle `{}` is not on disk: it is fetched from `bundle_base_url` when the API loads, and until then nobody \
                 knows what plugins it names, or whether it is right",
                place.name
            ));
        }
        let error = FetchError::Disabled { folder: place.folder.clone() };
        return Looked::Failed(BundleError::failed(Act::Fetch, place, error.into()));
    }
    match shelf::take(wanted, &places, &[], settings) {
        Ok(bundle) => Looked::Found(Arc::new(bundle)),
        Err(error) => Looked::Failed(error),
    }
}

/// The bundles to look for, and where; `Err`: there is nothing to look for. Source: plugin-system.md §7.3.
fn sorted_out<'w>(wanted: Option<&'w Bundles>, settings: &Settings) -> Result<(&'w Bundles, Vec<Place>), Looked> {
    let wanted = wanted.ok_or(Looked::Nothing)?;
    if settings.is_off {
        return Err(Looked::Off);
    }
    if settings.base_url.is_empty() {
        return Err(Looked::Failed(BundleError::NoBase));
    }
    let places = places(&settings.store, wanted).map_err(|(one, other)| {
        let reason = Arc::new(Reason::SameFolder(one, other));
        Looked::Failed(BundleError::Failed { act: Act::Load, name: None, reason })
    })?;
    Ok((wanted, places))
}

#[cfg(test)]
mod tests;
