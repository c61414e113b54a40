//! The same question to a listener with TLS.
//!
//! Its certificate is not judged: the question goes to the gateway's own machine, by an address that no certificate is
//! for, and says nothing that is secret.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use gateway_sdk::http::header::HOST;
use gateway_sdk::http::uri::Authority;
use gateway_sdk::{Body, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{AlertDescription, ClientConfig, Error as RustlsError};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LIMIT_BYTES;
use crate::tls::signatures_by;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFailure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no TLS: {0}")]
    Handshake(io::Error),
    #[error("the connection broke off: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("`{0}` is no name to ask for")]
    Name(String),
    /// It is well enough to ask for that.
    #[error("the listener asks for a client certificate")]
    CertificateRequired,
}

/// Asks by TLS, for `name` or else for nobody's.
pub(super) async fn ask(
    address: SocketAddr,
    url: &Uri,
    name: Option<&str>,
) -> Result<(StatusCode, Vec<u8>), TlsFailure> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFailure::Handshake(io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unjudged(ring::default_provider())))
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = match name {
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| TlsFailure::Name(name.to_owned()))?,
        None => ServerName::from(address.ip()),
    };
    let stream = TcpStream::connect(address).await.map_err(TlsFailure::Connect)?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| judged(error, TlsFailure::Handshake))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::task::spawn_local(connection);
    let authority = url.authority().map(Authority::as_str).unwrap_or_default();
    let request = hyper::Request::get(url.path()).header(HOST, authority).body(Body::empty());
    let request = request.map_err(|error| TlsFailure::Handshake(io::Error::other(error)))?;
    match sender.send_request(request).await {
        Ok(response) => {
            let status = response.status();
            Ok((status, whole(response.into_body()).await?))
        }
        // With TLS 1.3 a listener refuses when the client has done its part already.
        Err(error) => {
            let ended = driver.await.ok().and_then(Result::err).unwrap_or(error);
            Err(if asks_for_certificate(&ended) { TlsFailure::CertificateRequired } else { ended.into() })
        }
    }
}

/// As much of an answer as there may be.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, TlsFailure> {
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > LIMIT_BYTES {
            break;
        }
    }
    Ok(text)
}

fn judged(error: io::Error, or: impl Fn(io::Error) -> TlsFailure) -> TlsFailure {
    if asks_for_certificate(&error) { TlsFailure::CertificateRequired } else { or(error) }
}

fn asks_for_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        let alert = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(RustlsError::AlertReceived(AlertDescription::CertificateRequired)) = alert {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Any certificate will do.
#[derive(Debug)]
struct Unjudged(CryptoProvider);

impl ServerCertVerifier for Unjudged {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(0.signature_verification_algorithms);
}
