//! Where a document is: beside the classic form that was made from it, or alone.

use std::io;
use std::path::{Path, PathBuf};

use gateway_model::oas::{self, EXTENSION};
use serde_json::{Map, Value};

use crate::apis::compile::Api;
use crate::apis::source::beside;
use crate::control::apis::check_id;
use crate::control::files::{self, Change};
use crate::control::refusal::Refusal;
use crate::gateway::Gateway;

/// Whether the text of a definition is a document, or was made from one.
pub(in crate::control) fn is_oas(text: &str) -> bool {
    let members = serde_json::from_str::<Map<String, Value>>(text);
    members.is_ok_and(|members| members.get("is_oas") == Some(&Value::Bool(true)) || members.contains_key(EXTENSION))
}

/// The document of a loaded API, if it has one.
pub(super) fn document_in(api: &Api) -> Option<Map<String, Value>> {
    let members: Map<String, Value> = serde_json::from_str(&api.text).ok()?;
    if members.contains_key(EXTENSION) {
        return Some(members);
    }
    let document = api.document.as_ref().filter(|_| members.get("is_oas") == Some(&Value::Bool(true)))?;
    serde_json::from_str(document.as_ref().ok()?).ok()
}

/// The files of an API.
pub(in crate::control) struct Home {
    /// What a load reads: the classic form, or a document that stands alone.
    pub(in crate::control) file: PathBuf,
    /// The document beside the classic form.
    pub(in crate::control) document: Option<PathBuf>,
}

impl Home {
    /// Of an API that is there, in a file.
    pub(super) fn existing(gateway: &Gateway, id: &str) -> Result<Self, Refusal> {
        check_id(id)?;
        let table = gateway.table.load();
        let file = table
            .by_id(id)
            .map_or_else(|| files::place(&gateway.config.app_path, "api_id", id), |api| PathBuf::from(&*api.file));
        let text = read(&file, id)?.ok_or(Refusal::UnknownApi)?;
        if is_oas(&text) { Self::of(file, &text) } else { Err(Refusal::ClassicApi) }
    }

    /// Of a file that holds this text.
    pub(in crate::control) fn of(file: PathBuf, text: &str) -> Result<Self, Refusal> {
        let is_alone = text.contains(EXTENSION)
            && serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|members| members.contains_key(EXTENSION));
        let document = if is_alone { None } else { Some(beside(&file).ok_or(Refusal::Write)?) };
        Ok(Self { file, document })
    }

    /// Of an API that may be there, or comes to be.
    pub(super) fn of_id(gateway: &Gateway, id: &str) -> Result<Self, Refusal> {
        match Self::existing(gateway, id) {
            Err(Refusal::UnknownApi) => {}
            other => return other,
        }
        let file = files::place(&gateway.config.app_path, "api_id", id);
        let document = beside(&file).ok_or(Refusal::Write)?;
        if document.exists() {
            tracing::error!(file = %document.display(), "a document of another API has the name of this one's");
            return Err(Refusal::Write);
        }
        Ok(Self { file, document: Some(document) })
    }

    /// The document in these files.
    pub(in crate::control) fn read(&self, id: &str) -> Result<Value, Refusal> {
        let text = read(self.document.as_ref().unwrap_or(&self.file), id)?.ok_or(Refusal::NoDocument)?;
        serde_json::from_str(&text).map_err(|_| Refusal::Unpatchable)
    }

    /// What writes a document to these files; `text` is how.
    pub(in crate::control) fn written(&self, document: &Value, text: String) -> Vec<Change> {
        let change = |file: &PathBuf, text: String| Change { file: file.clone(), content: Some(text.into_bytes()) };
        match &self.document {
            Some(beside) => {
                let classic = format!("{:#}\n", oas::classic(document));
                vec![change(&self.file, classic), change(beside, text)]
            }
            None => vec![change(&self.file, text)],
        }
    }

    /// What takes these files away.
    pub(super) fn removed(&self) -> Vec<Change> {
        let beside = self.document.iter().filter(|document| document.is_file());
        [&self.file].into_iter().chain(beside).map(|file| Change { file: file.clone(), content: None }).collect()
    }
}

fn read(file: &Path, id: &str) -> Result<Option<String>, Refusal> {
    let text =
        files::read(file).and_then(|content| content.map(String::from_utf8).transpose().map_err(io::Error::other));
    text.map_err(|error| {
        tracing::error!(api_id = id, file = %file.display(), %error, "the file of a definition cannot be read");
        Refusal::Unpatchable
    })
}
