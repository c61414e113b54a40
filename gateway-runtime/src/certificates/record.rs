//! How certificates are added, removed and listed. Source: Tyk, `certs/manager.go`.

use super::stored::New;
use super::{Certificates, LookUpError, STORED, Stored, Unfit, Unreadable};
use crate::storage::{Store, StoreError};

/// Why a certificate is not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    #[error("Certificate with {0} id already exists")]
    Known(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Certificates {
    /// Takes in what is in a text, and gives its id. It takes a while: a thread of its own should do it.
    ///
    /// # Errors
    /// When it is not taken, or is there already, or the store does not answer.
    pub(crate) fn prepare(&self, text: &str, org_id: &str) -> Result<(String, String), Unfit> {
        let New { digits, text } = New::of(text, &self.0.secret.0)?;
        Ok((format!("{org_id}{digits}"), text))
    }

    /// Stores what was prepared.
    ///
    /// # Errors
    /// When it is there already, or the store does not answer.
    pub(crate) async fn add(&self, id: &str, text: String) -> Result<(), AddError> {
        let (keys, name) = (self.0.store.get().keys(), name(id));
        if keys.exists(&name).wait().await? {
            return Err(AddError::Known(id.to_owned()));
        }
        Ok(keys.set(&name, text.into(), None).wait().await?)
    }

    /// Removes what is under an id, if there is anything.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), StoreError> {
        let removed = self.0.store.get().keys().delete(&name(id)).wait().await;
        self.recent().remove(id);
        removed.map(drop)
    }

    /// The ids of an organisation, or all, in their order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn ids(&self, org_id: &str) -> Result<Vec<String>, StoreError> {
        let names = self.0.store.get().keys().list(&name(org_id)).wait().await?;
        let mut ids: Vec<String> =
            names.iter().filter_map(|name| name.strip_prefix(STORED).map(str::to_owned)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// What the store has under an id at this moment.
    ///
    /// # Errors
    /// When it does not answer, or what it has cannot be used.
    pub(crate) async fn stored(&self, id: &str) -> Result<Option<Stored>, LookUpError> {
        self.read(self.0.store.get(), id).await
    }

    pub(super) async fn read(&self, store: &Store, id: &str) -> Result<Option<Stored>, LookUpError> {
        let Some(value) = store.keys().get(&name(id)).wait().await? else { return Ok(None) };
        let text = std::str::from_utf8(&value).map_err(|_| Unreadable::NoText);
        let stored = text.and_then(|text| Stored::read(text, &self.0.secret.0));
        stored.map(Some).map_err(|reason| match reason {
            Unreadable::Secret => LookUpError::Secret { id: id.to_owned() },
            reason => LookUpError::Corrupt { id: id.to_owned(), reason },
        })
    }

    /// For tests: as if a load had found this.
    #[cfg(test)]
    pub(crate) fn with_loaded(id: &str, looked: super::Looked) -> Self {
        let certificates = Self::default();
        certificates.keep(id, &looked);
        certificates
    }
}

fn name(id: &str) -> String {
    format!("{STORED}{id}")
}
