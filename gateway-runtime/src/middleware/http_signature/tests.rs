//! What is signed, when, and by whom.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::AuthConfig;
use gateway_sdk::Body;
use gateway_sdk::http;
use ring::rand::SystemRandom;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs1KeyDer};
use x509_cert::Certificate;
use x509_cert::der::Encode;

use super::*;
use crate::keyring::Settings;
use crate::storage::{Memory, Secret, Store};

const DATE_NOW: &str = "Thu, 01 Jan 1970 02:00:00 GMT";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(7200)
}

fn way(allowed: Option<Vec<Algorithm>>, skew: Option<Duration>) -> Way {
    Way {
        places: Places::of(&AuthConfig::default()),
        org_id: String::new(),
        allowed,
        skew,
        admission: Admission::of(&ApiDefinition::default(), "hmac_key"),
        keyring: Arc::new(Keyring::new(Store::new(Memory::default()).into(), Settings::default())),
        certificates: Certificates::default(),
    }
}

fn verify(session: &Session, signed: &Signed) -> Result<(), SignatureError> {
    by_secret(session, signed.parameters.algorithm.hmac().expect("it has a secret"), signed)
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
    let built = headers.iter().fold(http::Request::post(uri), |built, (name, value)| built.header(*name, *value));
    let (head, ()) = built.body(()).expect("a request").into_parts();
    Request::from_parts(head, Body::empty())
}

fn session(secret: &str) -> Session {
    Session { hmac_enabled: true, hmac_string: secret.into(), ..Session::default() }
}

fn signed_text(uri: &str, headers: &[(&str, &str)], names: &str) -> Result<String, SignatureError> {
    let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    message(&request(uri, headers), &names).map(|message| String::from_utf8(message).expect("text"))
}

#[test]
fn what_is_signed_is_a_line_for_each_header() {
    let headers = [("date", DATE_NOW), ("x-a", " 1 "), ("x-b", "1"), ("x-b", "2")];
    let text = signed_text("/listen/a%20b%2F?q=1", &headers, "(request-target) x-b date x-gone x-a");
    let expected = format!("(request-target): post /listen/a b/\nx-b: 1, 2\ndate: {DATE_NOW}\nx-gone: \nx-a: 1");
    assert_eq!(text.as_deref(), Ok(expected.as_str()));
    let other = [("date", DATE_NOW), ("x-aux-date", "later")];
    assert_eq!(signed_text("/", &other, "date").as_deref(), Ok("x-aux-date: later"));
}

#[test]
fn a_path_has_no_lines_of_its_own() {
    let text = signed_text("/a%0Ahost: b".replace(' ', "%20").as_str(), &[("date", DATE_NOW)], "(request-target)");
    assert!(matches!(text, Err(SignatureError::Malformed(_))));
}

#[test]
fn a_signature_is_that_of_the_message_by_the_secret_of_the_session() {
    for algorithm in ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let hmac = Algorithm::named(algorithm).and_then(Algorithm::hmac).expect("a known name");
        let tag = hmac::sign(&hmac::Key::new(hmac, b"secret"), format!("date: {DATE_NOW}").as_bytes());
        let signature = BASE64_STANDARD.encode(tag);
        let text = format!("Signature keyId=\"k\",algorithm=\"{algorithm}\",signature=\"{signature}\"");
        let read = |date: &str| {
            let request = request("/", &[("authorization", &text), ("date", date)]);
            way(None, None).read(&request, now()).expect("it is signed")
        };
        assert_eq!(verify(&session("secret"), &read(DATE_NOW)), Ok(()), "{algorithm}");
        assert_eq!(verify(&session("Secret"), &read(DATE_NOW)), Err(SignatureError::Mismatch));
        let later = "Thu, 01 Jan 1970 02:00:01 GMT";
        assert_eq!(verify(&session("secret"), &read(later)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&session(""), &read(DATE_NOW)), Err(SignatureError::NoSecret));
        let disabled = Session { hmac_enabled: false, ..session("secret") };
        assert_eq!(verify(&disabled, &read(DATE_NOW)), Err(SignatureError::NoSecret));
        let otherwise = Session { enable_http_signature_validation: true, ..disabled };
        assert_eq!(verify(&otherwise, &read(DATE_NOW)), Err(SignatureError::NoSecret), "that is for certificates");
    }
}

#[test]
fn a_date_must_be_there_and_near_enough() {
    let second = Some(Duration::from_secs(1));
    let signed = ["date".to_owned()];
    let check =
        |headers: &[(&str, &str)], skew| way(None, skew).check_date(request("/", headers).headers(), &signed, now());
    assert_eq!(check(&[], None), Err(SignatureError::Date));
    assert_eq!(check(&[("date", "yesterday")], None), Err(SignatureError::Date));
    assert_eq!(check(&[("date", "Thu, 01 Jan 1970 00:00:00 GMT")], None), Ok(()));
    for (date, away) in [("01:59:59", 1), ("02:00:01", 1), ("01:59:58", 2), ("02:00:02", 2)] {
        let date = format!("Thu, 01 Jan 1970 {date} GMT");
        let expected = if away > 1 { Err(SignatureError::Skew(Duration::from_secs(away))) } else { Ok(()) };
        assert_eq!(check(&[("date", &date)], second), expected, "{date}");
        assert_eq!(check(&[("x-aux-date", &date), ("date", DATE_NOW)], second), expected, "the other one counts");
    }
}

#[test]
fn a_date_that_has_to_be_near_enough_is_signed() {
    let check = |headers: &[(&str, &str)], signed: &[&str], skew| {
        let signed: Vec<String> = signed.iter().map(|name| (*name).to_owned()).collect();
        way(None, skew).check_date(request("/", headers).headers(), &signed, now())
    };
    let (second, date, other) = (Some(Duration::from_secs(1)), ("date", DATE_NOW), ("x-aux-date", DATE_NOW));
    assert_eq!(check(&[date], &["host"], None), Ok(()), "any will do");
    for headers in [[date].as_slice(), &[other], &[date, other]] {
        let (name, _) = *headers.last().expect("one");
        assert_eq!(check(headers, &["host"], second), Err(SignatureError::UnsignedDate(name)));
        assert_eq!(check(headers, &["host", "date"], second), Ok(()), "whichever counts");
        assert_eq!(check(headers, &[name], second), Ok(()));
    }
    let refused = check(&[date], &["x-aux-date"], second);
    assert_eq!(refused, Err(SignatureError::UnsignedDate("date")), "nothing was signed in its place");
}

#[test]
fn only_algorithms_that_are_allowed_are_taken() {
    let text = "keyId=\"k\",algorithm=\"hmac-sha1\",signature=\"fn5+\"";
    let request = request("/", &[("authorization", text), ("date", DATE_NOW)]);
    let read = |allowed| way(allowed, None).read(&request, now()).map(|_| ());
    assert_eq!(read(None), Ok(()));
    assert_eq!(read(Some(vec![Algorithm::HmacSha256, Algorithm::HmacSha1])), Ok(()));
    assert_eq!(read(Some(vec![Algorithm::HmacSha256])), Err(SignatureError::Forbidden("hmac-sha1")));
    let api = |names: &[&str]| ApiDefinition {
        hmac_allowed_algorithms: names.iter().map(|name| (*name).to_owned()).collect(),
        ..ApiDefinition::default()
    };
    assert_eq!(allowed(&api(&[])), None);
    assert_eq!(allowed(&api(&["hmac-sha512", "md5"])), Some(vec![Algorithm::HmacSha512]));
    assert_eq!(allowed(&api(&["md5"])), Some(Vec::new()), "nothing");
}

#[test]
fn a_skew_is_in_milliseconds_and_zero_is_any_date() {
    let skew = |ms| skew(&ApiDefinition { hmac_allowed_clock_skew: ms, ..ApiDefinition::default() });
    assert_eq!(skew(1500.0), Some(Duration::from_millis(1500)));
    assert_eq!((skew(0.0), skew(-1.0)), (None, None));
}

fn public_key(pem: &[u8]) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
    let certificate = Certificate::from_der(&certificate).expect("a certificate");
    certificate.tbs_certificate().subject_public_key_info().to_der().expect("it was read")
}

#[test]
fn a_signature_of_rsa_is_by_the_owner_of_a_public_key() {
    let [key, certificate] =
        [include_bytes!("../../tls/testdata/pkcs1.key").as_slice(), include_bytes!("../../tls/testdata/pkcs1.crt")];
    let key = PrivatePkcs1KeyDer::from_pem_slice(key).expect("a key");
    let key = signature::RsaKeyPair::from_der(key.secret_pkcs1_der()).expect("a key of RSA");
    let message = format!("date: {DATE_NOW}").into_bytes();
    let mut tag = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut tag).expect("it is signed");
    let text = format!("keyId=\"k\",algorithm=\"rsa-sha256\",signature=\"{}\"", BASE64_STANDARD.encode(&tag));
    let parameters = || Parameters::parse(&text).expect("parameters");
    let by = |public_key: &[u8], message: &[u8]| {
        by_public_key(public_key, &Signed { parameters: parameters(), message: message.to_vec() })
    };
    let own = public_key(certificate);
    assert_eq!(by(&own, &message), Ok(()));
    assert_eq!(by(&own, b"date: yesterday"), Err(SignatureError::Mismatch));
    let other = public_key(include_bytes!("../../tls/testdata/sec1.crt"));
    assert_eq!(by(&other, &message), Err(SignatureError::OtherKey), "a key of another kind");
    assert_eq!(by(b"no key", &message), Err(SignatureError::OtherKey));
}

#[tokio::test]
async fn the_public_key_is_that_of_the_certificate_in_the_store() {
    let certificates = Certificates::new(Secret(String::new()), []);
    certificates.open(Store::new(Memory::default()));
    let text = include_str!("../../tls/testdata/pkcs1.crt");
    let (id, stored) = certificates.prepare(text, "o").expect("a certificate");
    assert_eq!(certificate(&certificates, &id).await.err(), Some(SignatureError::UnknownCertificate));
    certificates.add(&id, stored).await.expect("there is room");
    let own = certificate(&certificates, &id).await.expect("it is there").public_key.clone();
    assert_eq!(own, public_key(text.as_bytes()));
}

#[test]
fn a_certificate_whose_time_is_over_verifies_nothing() {
    let parameters =
        || Parameters::parse("keyId=\"k\",algorithm=\"rsa-sha256\",signature=\"fn5+\"").expect("parameters");
    let by = |pem: &[u8], now| {
        let stored = Stored::of_certificate(CertificateDer::from_pem_slice(pem).expect("a certificate"));
        by_stored(&stored, &Signed { parameters: parameters(), message: Vec::new() }, now)
    };
    let pem = include_bytes!("../../tls/testdata/pkcs1.crt");
    let centuries = Duration::from_secs(1000 * 365 * 24 * 60 * 60);
    assert_eq!(by(pem, SystemTime::now()), Err(SignatureError::Mismatch));
    assert_eq!(by(pem, SystemTime::now() + centuries), Err(SignatureError::ExpiredCertificate));
}
