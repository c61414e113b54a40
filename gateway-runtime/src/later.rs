//! [`Later`]: the store, for what is built before it is open. Definitions are read while another gateway may still have
//! it; nobody is served before it is here.

use std::sync::{Arc, OnceLock};

use crate::storage::Store;

/// The place of the store.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<OnceLock<Store>>);

impl Later {
    /// From here on there is a store; the first that comes stays.
    pub(crate) fn open(&self, store: Store) {
        // There is one process, and it opens one.
        let _ = self.0.set(store);
    }

    /// The store, if it is open.
    pub(crate) fn opened(&self) -> Option<&Store> {
        self.0.get()
    }

    /// The store.
    ///
    /// # Panics
    /// When it is not open yet: no request comes before it is.
    pub(crate) fn get(&self) -> &Store {
        self.0.get().expect("the store is open before anybody is served")
    }
}

impl From<Store> for Later {
    fn from(store: Store) -> Self {
        Self(Arc::new(store.into()))
    }
}
