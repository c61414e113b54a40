//! `/tyk/certs`: certificates and public keys in the store. What names one by its id takes it up at the next reload.
//! Source: gateway.md §2.9; Tyk, `gateway/cert.go`.

use gateway_sdk::{Response, StatusCode};
use serde::Serialize;

use super::call::Call;
use super::refusal::Refusal;
use super::reply::{self, json};
use crate::certificates::{AddError, Basics, Certificates, LookUpError, Meta};

#[derive(Serialize)]
struct Added<'a> {
    id: &'a str,
    status: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
struct Listed<T> {
    certs: Vec<T>,
}

/// The parameter of the query that names the organisation.
const ORG: &str = "org_id";
/// Asks a list for more than ids.
const DETAILED: &str = "detailed";

/// `POST /tyk/certs`.
pub(super) async fn add(mut call: Call<'_>) -> Result<Response, Refusal> {
    let org_id = call.query(ORG).unwrap_or_default();
    let text = call.text().await.map_err(|refusal| match refusal {
        // What is no text is no PEM.
        Refusal::Malformed => Refusal::Certificate(NO_PEM.to_owned()),
        other => other,
    })?;
    let certificates = stored(&call);
    let own = certificates.clone();
    let prepared = tokio::task::spawn_blocking(move || own.prepare(&text, &org_id)).await;
    let prepared = prepared.map_err(|error| {
        tracing::error!(%error, "a certificate cannot be taken in");
        Refusal::Internal
    })?;
    let (id, text) = prepared.map_err(|unfit| Refusal::Certificate(unfit.to_string()))?;
    // Of two who add the same, one is told that it is there.
    let _changing = call.gateway.changing.lock().await;
    certificates.add(&id, text).await.map_err(|error| match error {
        AddError::Store(error) => error.into(),
        AddError::Known(_) => Refusal::Certificate(error.to_string()),
    })?;
    Ok(json(StatusCode::OK, &Added { id: &id, status: "ok", message: "Certificate added" }))
}

/// `GET /tyk/certs`. What cannot be used is in the list of ids, and not among the details.
pub(super) async fn list(call: Call<'_>) -> Result<Response, Refusal> {
    let certificates = stored(&call);
    let ids = certificates.ids(&call.query(ORG).unwrap_or_default()).await?;
    if call.query("mode").as_deref() != Some(DETAILED) {
        return Ok(json(StatusCode::OK, &Listed { certs: ids }));
    }
    let mut certs = Vec::new();
    for id in ids {
        certs.extend(usable(certificates.stored(&id).await)?.map(|stored| Basics::of(id, &stored)));
    }
    Ok(json(StatusCode::OK, &Listed { certs }))
}

/// `GET /tyk/certs/{cert_ids}`: one, or several joined by commas.
pub(super) async fn get(call: Call<'_>) -> Result<Response, Refusal> {
    let certificates = stored(&call);
    let mut found = Vec::new();
    for id in call.argument().split(',') {
        found.push(usable(certificates.stored(id).await)?.map(|stored| Meta::of(id.to_owned(), &stored)));
    }
    match found.as_slice() {
        [one] => one.as_ref().map(|meta| json(StatusCode::OK, meta)).ok_or(Refusal::UnknownCertificate),
        several => Ok(json(StatusCode::OK, &several)),
    }
}

/// `DELETE /tyk/certs/{cert_ids}`, whether it is there or not.
pub(super) async fn delete(call: Call<'_>) -> Result<Response, Refusal> {
    stored(&call).remove(call.argument()).await?;
    Ok(reply::ok("removed"))
}

const NO_PEM: &str = "Failed to decode certificate. It should be PEM encoded.";

fn stored(call: &Call<'_>) -> Certificates {
    call.gateway.config.edge.certificates.clone()
}

/// What is there and cannot be used is as good as missing; the log says why.
fn usable<T>(found: Result<Option<T>, LookUpError>) -> Result<Option<T>, Refusal> {
    found.or_else(|error| match error {
        LookUpError::Store(error) => Err(error.into()),
        error => {
            tracing::error!(%error, "certificate");
            Ok(None)
        }
    })
}
