//! Asks for signed requests, and says whose key they are signed with.
//!
//! Source: Tyk, `gateway/mw_http_signature_validation.go`; gateway.md §5.15; draft-cavage-http-signatures.

mod date;
mod parameters;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderMap, HeaderValue, Request};
use percent_encoding::percent_decode_str;
use ring::{hmac, signature};
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use self::parameters::{Algorithm, Parameters};
use super::admission::Admission;
use super::credential::Places;
use super::{Building, Middleware, Ran, Step};
use crate::certificates::{Certificates, Stored};
use crate::error::RequestError;
use crate::keyring::{Keyring, Known};

pub(super) const STEP: Middleware = Middleware { name: "http_signature", build };

/// Where `auth_configs` says where the credential is.
const WAY: &str = "hmac";
/// The method and the path, among names of headers.
const TARGET: &str = "(request-target)";
const DATE: &str = "date";
/// In place of `Date`, for those who cannot set that.
const OTHER_DATE: &str = "x-aux-date";

/// Of the keys of RSA. Source: RFC 8017, appendix A.1.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why a request is not taken for signed. The client is told that, and not why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SignatureError {
    #[error("the request is not signed")]
    Missing,
    #[error("the signature is malformed: {0}")]
    Malformed(&'static str),
    #[error("the signature has a parameter `{0}`, which is not known")]
    Parameter(String),
    #[error("the signature's algorithm `{0}` is not known")]
    UnknownAlgorithm(String),
    #[error("the signature's algorithm `{0}` is not one of `hmac_allowed_algorithms`")]
    Forbidden(&'static str),
    #[error("the signed request has no date that can be read")]
    Date,
    #[error("the date of the signed request is {0:?} away, more than `hmac_allowed_clock_skew`")]
    Skew(Duration),
    #[error("the date of the signed request is not among the `headers` that are signed: sign `{0}` too")]
    UnsignedDate(&'static str),
    #[error("the signature's key is not known")]
    UnknownKey,
    #[error("the signature's key has no `hmac_string`, or not `hmac_enabled`")]
    NoSecret,
    #[error("the signature's key has no `rsa_certificate_id`, or no `enable_http_signature_validation`")]
    NoCertificate,
    #[error("the signature's key has a `rsa_certificate_id` that is not in the store of certificates")]
    UnknownCertificate,
    #[error("the certificate of the signature's key has expired")]
    ExpiredCertificate,
    #[error("the certificate of the signature's key has no key of RSA")]
    OtherKey,
    #[error("the certificate of the signature's key cannot be looked up: {0}")]
    Certificate(String),
    #[error("the signature is not that of this request and key")]
    Mismatch,
}

struct HttpSignature(Arc<Way>);

struct Way {
    places: Places,
    org_id: String,
    /// `None`: all of them.
    allowed: Option<Vec<Algorithm>>,
    /// How far a date may be from now; `None`: any.
    skew: Option<Duration>,
    admission: Admission,
    keyring: Arc<Keyring>,
    certificates: Certificates,
}

/// What a signature is of.
struct Signed {
    parameters: Parameters,
    message: Vec<u8>,
}

fn build(Building { api, keyring, certificates, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (api.enable_signature_checking && !api.use_keyless).then(|| {
        let way = Way {
            places: Places::of(api.source_of(WAY)),
            org_id: api.org_id.clone(),
            allowed: allowed(api),
            skew: skew(api),
            admission: Admission::of(api, "hmac_key"),
            keyring: Arc::clone(keyring),
            certificates: (*certificates).clone(),
        };
        Box::new(HttpSignature(Arc::new(way))) as Box<dyn Step>
    })
}

/// One that is not known allows nothing; who wrote it was told.
fn allowed(api: &ApiDefinition) -> Option<Vec<Algorithm>> {
    let names = &api.hmac_allowed_algorithms;
    (!names.is_empty()).then(|| names.iter().filter_map(|name| Algorithm::named(name)).collect())
}

fn skew(api: &ApiDefinition) -> Option<Duration> {
    let skew_ms = api.hmac_allowed_clock_skew;
    if skew_ms > 0.0 { Duration::try_from_secs_f64(skew_ms / 1000.0).ok() } else { None }
}

impl Step for HttpSignature {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Self(way) = self;
        let signed = way.read(&exchange.request, SystemTime::now()).map_err(RequestError::Signature)?;
        if let Some(known) = way.keyring.cached(&way.org_id, &signed.parameters.key_id) {
            return way.conclude(known, signed, exchange);
        }
        let (asking, way) = (Arc::clone(way), Arc::clone(way));
        let key_id = signed.parameters.key_id.clone();
        let look_up = async move { asking.keyring.look_up(&asking.org_id, &key_id).await };
        Ok(Ran::wait(look_up, move |found, exchange| match found {
            Ok(Some(known)) => way.conclude(known, signed, exchange),
            Ok(None) => Err(RequestError::Signature(SignatureError::UnknownKey)),
            Err(error) => Err(RequestError::KeyFailed(error)),
        }))
    }
}

impl Way {
    /// Everything that can be told without the key.
    fn read(&self, request: &Request, now: SystemTime) -> Result<Signed, SignatureError> {
        let text = self.places.find(request).ok_or(SignatureError::Missing)?;
        let parameters = Parameters::parse(&text)?;
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&parameters.algorithm)) {
            return Err(SignatureError::Forbidden(parameters.algorithm.as_str()));
        }
        self.check_date(request.headers(), &parameters.headers, now)?;
        let message = message(request, &parameters.headers)?;
        Ok(Signed { parameters, message })
    }

    /// A date is asked for even where any will do, as by Tyk. One that has to be near enough is among the `signed`:
    /// whoever sees a request could send it again with another.
    fn check_date(&self, headers: &HeaderMap, signed: &[String], now: SystemTime) -> Result<(), SignatureError> {
        let (name, text) = date_of(headers).ok_or(SignatureError::Date)?;
        let date = text.to_str().ok().and_then(date::parse).ok_or(SignatureError::Date)?;
        let away = now.duration_since(date).unwrap_or_else(|ahead| ahead.duration());
        let Some(skew) = self.skew else { return Ok(()) };
        // `date` is whichever of the two counts.
        if !signed.iter().any(|signed| signed == DATE || signed == name) {
            return Err(SignatureError::UnsignedDate(name));
        }
        if away > skew { Err(SignatureError::Skew(away)) } else { Ok(()) }
    }

    fn conclude(self: &Arc<Self>, known: Known, signed: Signed, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        match signed.parameters.algorithm.hmac() {
            Some(algorithm) => {
                by_secret(&known.session, algorithm, &signed).map_err(RequestError::Signature)?;
                self.admission.admit(known, exchange)
            }
            None => self.by_certificate(known, signed, exchange),
        }
    }

    /// Looks the certificate of a key up, and the signature at it.
    fn by_certificate(
        self: &Arc<Self>,
        known: Known,
        signed: Signed,
        exchange: &mut Exchange,
    ) -> Result<Ran, RequestError> {
        let session = &known.session;
        let id = session.rsa_certificate_id.clone();
        if id.is_empty() || !session.enable_http_signature_validation {
            return Err(RequestError::Signature(SignatureError::NoCertificate));
        }
        if let Some(stored) = self.certificates.cached(&id) {
            by_stored(&stored, &signed, SystemTime::now()).map_err(RequestError::Signature)?;
            return self.admission.admit(known, exchange);
        }
        let (way, certificates) = (Arc::clone(self), self.certificates.clone());
        let look_up = async move { certificate(&certificates, &id).await };
        Ok(Ran::wait(look_up, move |found, exchange| {
            let verified = found.and_then(|stored| by_stored(&stored, &signed, SystemTime::now()));
            verified.map_err(RequestError::Signature)?;
            way.admission.admit(known, exchange)
        }))
    }
}

/// The certificate, or the public key alone, that is stored under an id.
async fn certificate(certificates: &Certificates, id: &str) -> Result<Arc<Stored>, SignatureError> {
    let found = certificates.look_up(id).await.map_err(|error| SignatureError::Certificate(error.to_string()))?;
    found.ok_or(SignatureError::UnknownCertificate)
}

/// Whether the signature is by the secret of this session.
fn by_secret(session: &Session, algorithm: hmac::Algorithm, signed: &Signed) -> Result<(), SignatureError> {
    if session.hmac_string.is_empty() || !session.hmac_enabled {
        return Err(SignatureError::NoSecret);
    }
    let key = hmac::Key::new(algorithm, session.hmac_string.as_bytes());
    hmac::verify(&key, &signed.message, &signed.parameters.signature).map_err(|_| SignatureError::Mismatch)
}

/// Whether the signature is by the owner of a certificate whose time is not over, or of a public key.
fn by_stored(stored: &Stored, signed: &Signed, now: SystemTime) -> Result<(), SignatureError> {
    if stored.is_over(now) {
        return Err(SignatureError::ExpiredCertificate);
    }
    by_public_key(&stored.public_key, signed)
}

/// Whether the signature is by the owner of a public key, which is a `SubjectPublicKeyInfo`, DER.
fn by_public_key(public_key: &[u8], signed: &Signed) -> Result<(), SignatureError> {
    let info = SubjectPublicKeyInfoRef::from_der(public_key).map_err(|_| SignatureError::OtherKey)?;
    let key = info.subject_public_key.as_bytes().filter(|_| info.algorithm.oid == RSA);
    let key =
        signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key.ok_or(SignatureError::OtherKey)?);
    key.verify(&signed.message, &signed.parameters.signature).map_err(|_| SignatureError::Mismatch)
}

/// What is signed: a line for each header. One that is not there is empty, and one that is there several times is all
/// of its values.
fn message(request: &Request, names: &[String]) -> Result<Vec<u8>, SignatureError> {
    let mut message = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            message.push(b'\n');
        }
        match name.as_str() {
            TARGET => write_target(&mut message, request)?,
            DATE => {
                let (name, value) = date_of(request.headers()).ok_or(SignatureError::Date)?;
                write_line(&mut message, name, [value]);
            }
            name => write_line(&mut message, name, request.headers().get_all(name)),
        }
    }
    Ok(message)
}

/// The path without escapes, as Go has it; the query is not signed.
fn write_target(message: &mut Vec<u8>, request: &Request) -> Result<(), SignatureError> {
    let path: Vec<u8> = percent_decode_str(request.path()).collect();
    if path.contains(&b'\n') {
        return Err(SignatureError::Malformed("a path cannot have lines of its own"));
    }
    let method = request.method().as_str().to_ascii_lowercase();
    message.extend_from_slice(format!("{TARGET}: {method} ").as_bytes());
    message.extend_from_slice(&path);
    Ok(())
}

fn write_line<'h>(message: &mut Vec<u8>, name: &str, values: impl IntoIterator<Item = &'h HeaderValue>) {
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(b": ");
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            message.extend_from_slice(b", ");
        }
        message.extend_from_slice(value.as_bytes().trim_ascii());
    }
}

/// The name and value of the header that has the date.
fn date_of(headers: &HeaderMap) -> Option<(&'static str, &HeaderValue)> {
    let is_there = |name: &'static str| headers.get(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    is_there(OTHER_DATE).or_else(|| is_there(DATE))
}

#[cfg(test)]
mod tests;
