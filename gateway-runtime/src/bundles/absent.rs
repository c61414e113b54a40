//! A gateway without bundles.

use std::sync::Arc;

use gateway_model::bundle::Bundles;

use super::{BundleError, Looked, Settings};

/// Has none.
#[derive(Debug, Default)]
pub(crate) struct Library;

impl Library {
    pub(crate) async fn take(self: &Arc<Self>, wanted: Option<&Bundles>) -> Looked {
        missing(wanted)
    }
}

/// None is.
pub(crate) fn on_disk(wanted: Option<&Bundles>, _: &Settings) -> Looked {
    missing(wanted)
}

fn missing(wanted: Option<&Bundles>) -> Looked {
    wanted.map_or(Looked::Nothing, |_| Looked::Failed(BundleError::NotHere))
}
